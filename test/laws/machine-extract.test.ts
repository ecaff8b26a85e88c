// Every snapshot of every machine, to images of its own: each copy reads what the snapshot reads, whatever the guest does.

import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import {
  capabilitiesOfVersions,
  defaultClusterBytes,
  equalViews,
  extractSnapshot,
  locationString,
} from '../../src/index.js'
import type { ExtractRequest, MachineHost, MachinePlan, NewImage } from '../../src/index.js'
import { imageOfDisk } from '../../src/model/snapshot.js'
import { checkMachinePlan } from '../../src/plan/check-machine.js'
import { endOfMachine, machineFileView } from '../../src/simulate/index.js'
import {
  arbitraryMachine,
  assertMachinePlanKeepsContent,
  assertMachinePlanSimulates,
  assertMachineSurvivesKill,
} from '../../src/testing/index.js'
import type { FilledMachine, MachineOptions } from '../../src/testing/index.js'
import { snapshotReads } from '../../src/testing/machine-contents.js'
import { trialOf } from '../../src/testing/machine-simulated.js'
import { numRuns } from './machine-ways.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const progressBytes = defaultClusterBytes

/** A copy of every disk that some image holds for the snapshot. */
const everything = ({ machine }: FilledMachine, snapshot: string, format: NewImage['format']): ExtractRequest => ({
  snapshot,
  to: new Map(
    Array.from(machine.snapshots.get(snapshot)?.disks ?? []).flatMap(([disk, held]) => {
      if (imageOfDisk(held) === undefined || !machine.disks.has(disk)) return []
      const location = { _tag: 'File' as const, path: `/copies/${disk}` }
      return [[disk, { name: `${disk}.copy`, location, format }] as const]
    }),
  ),
})

/** What the copies read in the end, held against what the snapshot read: the model's account, not the plan's. */
const assertCopies = (
  plan: MachinePlan,
  { machine, contents }: FilledMachine,
  { request, writes }: { readonly request: ExtractRequest; readonly writes: ReadonlyArray<number> },
): void => {
  const { trace } = trialOf(plan, contents, { writes, progressBytes })
  for (const [disk, { location }] of request.to) {
    const was = snapshotReads({ machine, contents }, request.snapshot, disk)
    const is = machineFileView(endOfMachine(trace), locationString(location))
    expect([disk, was !== undefined && E.isRight(is) && equalViews(is.right, was)]).toEqual([disk, true])
  }
}

interface Counts {
  inside: number
  frozen: number
  beside: number
  refused: number
}

const law = (host: MachineHost, options: MachineOptions): Counts => {
  const counts: Counts = { inside: 0, frozen: 0, beside: 0, refused: 0 }
  const cases = fc.record({
    of: arbitraryMachine(options).filter(({ machine }) => machine.snapshots.size > 0),
    format: fc.constantFrom('qcow2' as const, 'raw' as const),
    writes: fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: 6 }),
  })
  fc.assert(
    fc.property(cases, ({ of, format, writes }) => {
      for (const snapshot of of.machine.snapshots.keys()) {
        const request = everything(of, snapshot, format)
        if (request.to.size === 0) continue
        const planned = extractSnapshot(of.machine, request, host)
        if (E.isLeft(planned)) {
          // What is inside an image over the one that is written cannot be read beside the guest.
          const { left } = planned
          expect([left._tag, left._tag === 'DiskRefused' && left.refusal._tag]).toEqual(['DiskRefused', 'ImageOpen'])
          counts.refused += 1
          continue
        }
        const plan = planned.right
        const argvs = plan.steps.flatMap(({ call }) => (call._tag === 'QemuImg' ? [call.argv] : []))
        counts.inside += argvs.filter((argv) => argv.includes('-l')).length
        counts.beside += argvs.filter((argv) => argv.includes('-U')).length
        counts.frozen += argvs.filter((argv) => argv[1] === 'convert' && !argv.includes('-l')).length
        expect(checkMachinePlan(plan)).toEqual([])
        assertMachinePlanKeepsContent(plan, of.contents, writes)
        assertMachinePlanSimulates(plan, of.contents, { order: writes, progressBytes })
        assertMachinePlanSimulates(plan, of.contents, { writes, progressBytes })
        assertMachineSurvivesKill(plan, of.contents, { writes, progressBytes })
        assertCopies(plan, of, { request, writes })
      }
    }),
    { numRuns: numRuns(60) },
  )
  return counts
}

describe.each([
  ['libvirt', 'running'],
  ['libvirt', 'paused'],
  ['libvirt', 'shut-off'],
  ['qmp', 'running'],
  ['qmp', 'paused'],
  ['qemu-img', 'shut-off'],
] as const)('through %s, %s', (via, state) => {
  const managed = via === 'libvirt' ? {} : { managed: 'none' as const }
  const nodes = via === 'qmp' ? { nodes: 'monitor' as const } : {}

  it.each(['some', 'most'] as const)('with %s snapshots inside, every copy reads what its snapshot reads', (inside) => {
    const counts = law({ via, capabilities }, { ...managed, ...nodes, state, inside })
    expect(counts.inside).toBeGreaterThan(10)
    expect(counts.frozen).toBeGreaterThan(10)
    if (state === 'shut-off') expect([counts.beside, counts.refused]).toEqual([0, 0])
    else expect(counts.beside).toBeGreaterThan(5)
  })
})
