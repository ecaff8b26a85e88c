// The devices under the bases of commits: what is planned fits, and without the guard what does not fit fails.

import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { commitsOf, equalViews, layerOfPattern, locationString, patternOfLayer, product } from '../../src/index.js'
import type {
  Chain,
  ImageDevice,
  Layer,
  Machine,
  MachineHost,
  MachinePlan,
  MachineRefusal,
  PlannedCommit,
} from '../../src/index.js'
import { changeChain } from '../../src/operation/change-chain.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { forget } from '../../src/operation/forget.js'
import { endOfMachine, guestViews } from '../../src/simulate/index.js'
import {
  arbitraryChainRequest,
  arbitraryDeleteRequest,
  arbitraryMachine,
  assertMachinePlanSimulates,
} from '../../src/testing/index.js'
import type { FilledMachine, MachineMeanwhile } from '../../src/testing/index.js'
import { guestReads } from '../../src/testing/machine-contents.js'
import { trialOf } from '../../src/testing/machine-simulated.js'
import { everyWay, numRuns, ways } from './machine-ways.js'
import type { Way } from './machine-ways.js'

type Ask = (devices: ReadonlyArray<ImageDevice>) => E.Either<MachineRefusal, MachinePlan>
type Asking = (machine: Machine, host: MachineHost) => fc.Arbitrary<Ask>

const deleting: Asking = (machine, host) =>
  arbitraryDeleteRequest(machine).map((request) => (devices) => deleteSnapshots(machine, { ...request, devices }, host))

const changing: Asking = (machine, host) =>
  arbitraryChainRequest(machine).map(
    (request) =>
      ([device]) =>
        changeChain(
          machine,
          'commit' in request && device !== undefined ? { ...request, commit: { ...request.commit, device } } : request,
          host,
        ),
  )

const operations: Readonly<Record<'delete' | 'change a chain', Asking>> = {
  delete: deleting,
  'change a chain': changing,
}

const clusterBytes = 65536

const isData = (cell: string | undefined): boolean => cell !== undefined && cell !== '-' && cell !== '0'

/** Clusters of data, each as often as it is there in another version. */
const dataBytes = (layers: ReadonlyArray<Layer>): number => {
  const stored = layers.flatMap((layer) =>
    Array.from(patternOfLayer(layer)).flatMap((cell, at) =>
      cell === '-' || cell === '0' ? [] : [`${String(at)}${cell}`],
    ),
  )
  return new Set(stored).size * clusterBytes
}

interface Case {
  readonly machine: Machine
  readonly contents: FilledMachine['contents']
}

const letters = 'abcdefghijklmnopqrstuvwxyz'

/** The same machine, with other contents: in half of the clusters a hole, so that there is often something that the base lacks. */
const refilled = ({ machine, contents }: Case, choices: ReadonlyArray<number>): Case => {
  let at = 0
  const cell = (letter: string): string => {
    const choice = (choices[at++ % choices.length] ?? 0) % 9
    return choice < 5 ? '-' : choice === 5 ? '0' : letter
  }
  const disks = Array.from(contents.disks, ([disk, layers]) => {
    const images = machine.disks.get(disk)?.images
    const other = Array.from(layers, ([name, layer], index): readonly [string, Layer] => {
      const cells = Array.from(patternOfLayer(layer), () => cell(letters.charAt(index % 26)))
      return images?.get(name)?.format === 'qcow2' ? [name, layerOfPattern(cells.join(''))] : [name, layer]
    })
    return [disk, new Map(other)] as const
  })
  return { machine, contents: { ...contents, disks: new Map(disks) } }
}

/** The machine without snapshots, where nothing but sizes and readers is in the way of a commit. */
const forgotten = (of: Case, host: MachineHost): Case => {
  const plan = forget(of.machine, { snapshots: Array.from(of.machine.snapshots.keys()) }, host)
  return E.isLeft(plan) ? of : { ...of, machine: plan.right.after }
}

const layerOf = ({ contents }: Case, disk: string, image: string): Layer => {
  const found = contents.disks.get(disk)?.get(image)
  if (found === undefined) throw new Error(`no contents of ${image}`)
  return found
}

/** What is inside the base of a commit, in that chain: something may have gone from inside it before. */
const insideOf = (of: Case, { disk, base }: PlannedCommit, chain: Chain | undefined): ReadonlyArray<Layer> =>
  (chain?.images.get(base)?.internalSnapshots ?? []).map(
    ({ name }) => of.contents.inside.get(disk)?.get(base)?.get(name) ?? layerOf(of, disk, base),
  )

/** True where a cluster of data becomes zero. */
const frees = (before: Layer, after: Layer): boolean => {
  const cells = Array.from(patternOfLayer(after))
  return Array.from(patternOfLayer(before)).some((cell, at) => isData(cell) && !isData(cells[at]))
}

/** What the base of a commit takes of its device: now, and at the end of the commit. */
const takenBy = (of: Case, commit: PlannedCommit): { readonly now: number; readonly then: number } => {
  const { disk, base, top, chain } = commit
  const [low, high] = [chain.images.get(base), chain.images.get(top)]
  if (low === undefined || high === undefined) throw new Error('the span is in the chain')
  if (low.format === 'raw') return { now: low.sizeBytes, then: Math.max(low.sizeBytes, high.sizeBytes) }
  const own = layerOf(of, disk, base)
  const above: Array<Layer> = []
  for (let at = high; at.name !== base;) {
    above.unshift(layerOf(of, disk, at.name))
    const below = chain.images.get(at.backing?.image ?? '')
    if (below === undefined) throw new Error('the span is in the chain')
    at = below
  }
  const inside = insideOf(of, commit, chain)
  const after = product([own, ...above])
  const now = dataBytes([own, ...insideOf(of, commit, of.machine.disks.get(disk))])
  const then = dataBytes([after, ...inside])
  // What is freed on the way may be free in time for what comes, or not.
  return frees(own, after) ? { now: now + then, then: now + then } : { now, then: Math.max(now, then) }
}

/** Each base on a device of its own: large enough, or, where one may be, a cluster too small. */
const devicesFor = (of: Case, plan: MachinePlan, choices: ReadonlyArray<number>): ReadonlyArray<ImageDevice> =>
  commitsOf(plan).flatMap((commit, at) => {
    const { now, then } = takenBy(of, commit)
    const missing = (choices[at % choices.length] ?? 0) % 2 === 0 && now < then ? clusterBytes : 0
    return [{ disk: commit.disk, image: commit.base, presentBytes: then - missing, neededBytes: then }]
  })

const placed = ({ machine }: Case, devices: ReadonlyArray<ImageDevice>): MachineMeanwhile => {
  const disks = new Map<string, ReadonlyMap<string, number>>()
  for (const { disk, image, presentBytes } of devices) {
    const found = machine.disks.get(disk)?.images.get(image)
    if (found === undefined) throw new Error(`no image ${image}`)
    disks.set(disk, new Map(disks.get(disk) ?? []).set(locationString(found.location), presentBytes))
  }
  return { devices: disks }
}

const isShort = ({ presentBytes, neededBytes }: ImageDevice): boolean => presentBytes < neededBytes

/** Without the guard the run fails, for want of room, and the guest reads what it read. */
const assertFails = (plan: MachinePlan, of: Case, devices: ReadonlyArray<ImageDevice>): void => {
  const { trace } = trialOf(plan, of.contents, { ...placed(of, devices), progressBytes: clusterBytes })
  const desc = trace.fault?.fault.desc ?? 'no fault'
  if (!/No space left on device|Invalid argument|event failed|block commit failed while deleting/.test(desc))
    throw new Error(`no need for the guard: ${desc}`)
  if (plan.before.state === 'shut-off') return
  for (const [disk, seen] of guestViews(endOfMachine(trace))) {
    const was = guestReads({ machine: of.machine, contents: of.contents }, disk)
    if (was === undefined || !equalViews(seen, was)) throw new Error(`the guest reads something else from ${disk}`)
  }
}

const assertRefused = (refusal: MachineRefusal, short: ReadonlyArray<ImageDevice>): void => {
  const inner = refusal._tag === 'DiskRefused' ? refusal.refusal : undefined
  const found = short.find(
    ({ disk, image }) =>
      inner?._tag === 'BaseDeviceTooSmall' &&
      inner.base === image &&
      refusal._tag === 'DiskRefused' &&
      refusal.disk === disk,
  )
  if (found === undefined) throw new Error(JSON.stringify(refusal))
  expect(inner?.alternatives).toStrictEqual([{ _tag: 'ExtendDevice', image: found.image, toBytes: found.neededBytes }])
}

const goesInto = (plan: MachinePlan, { disk, image }: ImageDevice): boolean =>
  commitsOf(plan).some((commit) => commit.disk === disk && commit.base === image)

interface Counts {
  fits: number
  refused: number
  up: number
}

const law = (
  of: Case,
  ask: Ask,
  { choices, counts }: { readonly choices: ReadonlyArray<number>; readonly counts: Counts },
): void => {
  const unsaid = ask([])
  if (E.isLeft(unsaid) || commitsOf(unsaid.right).length === 0) return
  const devices = devicesFor(of, unsaid.right, choices)
  const short = devices.filter(isShort)
  const said = ask(devices)
  if (short.length === 0) {
    if (E.isLeft(said)) throw new Error(JSON.stringify(said.left))
    expect(said.right.steps).toStrictEqual(unsaid.right.steps)
    counts.fits += 1
  } else assertFails(unsaid.right, of, devices)
  if (E.isLeft(said)) {
    assertRefused(said.left, short)
    counts.refused += 1
    return
  }
  if (short.length > 0) counts.up += 1
  expect(short.filter((one) => goesInto(said.right, one))).toStrictEqual([])
  assertMachinePlanSimulates(said.right, of.contents, {
    ...placed(of, devices),
    progressBytes: clusterBytes,
    order: choices,
  })
}

const forAll = (asking: Asking, way: Way, begin: (of: Case, host: MachineHost) => Case = (of) => of): Counts => {
  const counts: Counts = { fits: 0, refused: 0, up: 0 }
  const cases = fc
    .record({
      of: arbitraryMachine(way.options).filter(({ machine }) => machine.snapshots.size > 0),
      choices: fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: 11 }),
    })
    .map(({ of, choices }) => ({ of: refilled(begin(of, way.host), choices), choices }))
    .chain(({ of, choices }) =>
      fc.record({ of: fc.constant(of), choices: fc.constant(choices), ask: asking(of.machine, way.host) }),
    )
  fc.assert(
    fc.property(cases, ({ of, ask, choices }) => law(of, ask, { choices, counts })),
    { numRuns: numRuns(400) },
  )
  return counts
}

describe.each(Object.entries(everyWay))('through %s', (_, way) => {
  it('no deletion is planned that does not fit, and none refused that does', () => {
    const { fits, refused, up } = forAll(operations.delete, way)
    expect([fits, refused, up].every((count) => count > 2)).toBe(true)
  })

  it('no commit is planned that does not fit, and none refused that does', () => {
    const { fits, refused, up } = forAll(operations['change a chain'], way, forgotten)
    expect([fits, refused].every((count) => count > 2)).toBe(true)
    expect(up).toBe(0)
  })
})

it('no two commits of a deletion have an image in common', () => {
  fc.assert(
    fc.property(
      arbitraryMachine().chain((of) => fc.record({ of: fc.constant(of), request: arbitraryDeleteRequest(of.machine) })),
      ({ of: { machine }, request }) => {
        const plan = deleteSnapshots(machine, request, ways.libvirt.host)
        if (E.isLeft(plan)) return
        const spans = plan.right.parts.flatMap(({ before, contents }) =>
          contents.flatMap(({ image, span }) =>
            span[0] === image ? span.map((name) => `${before.disk} ${name}`) : [],
          ),
        )
        expect(new Set(spans).size).toBe(spans.length)
      },
    ),
    { numRuns: numRuns(300) },
  )
})
