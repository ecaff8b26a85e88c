// Exports by backup of random machines whose guests write meanwhile.

import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { activeImage, defaultClusterBytes, equalViews, patternOfLayer, viewOf } from '../../src/index.js'
import type { Layer, Machine, MachinePlan, NewImage } from '../../src/index.js'
import {
  endOfMachine,
  guestViews,
  killMachine,
  machineFileView,
  machineWorldOf,
  runMachine,
} from '../../src/simulate/index.js'
import type { GuestWrite, MachineTrace, MachineWorld } from '../../src/simulate/index.js'
import {
  assertMachinePlanKeepsContent,
  assertMachinePlanSimulates,
  assertMachineSurvivesKill,
  machineContentsAfter,
} from '../../src/testing/index.js'
import type { FilledMachine } from '../../src/testing/index.js'
import { backupPlan } from '../operation/backup.js'
import { forMachinePlans, ways } from './machine-ways.js'
import type { Asking } from './machine-ways.js'

const progressBytes = defaultClusterBytes

const arbitraryImage = (disk: string): fc.Arbitrary<NewImage> =>
  fc
    .record({
      format: fc.constantFrom('qcow2' as const, 'qcow2' as const, 'raw' as const),
      clusterBytes: fc.constantFrom(undefined, undefined, 131072, 512),
    })
    .map(({ format, clusterBytes }) => ({
      name: `export.${disk}`,
      location: { _tag: 'File', path: `/export/${disk}` },
      format,
      ...(format === 'raw' || clusterBytes === undefined ? {} : { clusterBytes }),
    }))

const exporting: Asking = (machine, host) => {
  const targets = Array.from(machine.disks.keys())
  return fc
    .record({
      disks: fc.subarray(targets, { minLength: 1 }),
      images: fc.tuple(...targets.map(arbitraryImage)),
      data: fc.constantFrom({}, {}, {}, { data: 'compressed' as const }, { bytesPerSecond: 1048576 }),
    })
    .map(({ disks, images, data }) => {
      const to = new Map(targets.flatMap((disk, at) => (disks.includes(disk) ? [[disk, images[at]] as const] : [])))
      const known = new Map(Array.from(to).flatMap(([disk, image]) => (image === undefined ? [] : [[disk, image]])))
      return () => backupPlan(machine, { to: known, ...data }, host)
    })
}

/** The new image of each disk that a plan copies. */
const created = ({ parts }: MachinePlan): ReadonlyArray<readonly [disk: string, image: string, path: string]> =>
  parts.flatMap(({ before, after, contents }) =>
    contents.map(({ image }) => [before.disk, image, `/export/${after.disk}`] as const),
  )

/** Cluster after cluster of every disk, from one that is chosen on: what has been copied, and what has not. */
const busy = ({ disks }: Machine, choices: ReadonlyArray<number>) => {
  let turn = 0
  return (): ReadonlyArray<GuestWrite> =>
    Array.from(disks.values()).flatMap((chain) => {
      const clusters = Math.floor(activeImage(chain).sizeBytes / defaultClusterBytes)
      if (clusters === 0) return []
      const at = turn++
      const startBytes = (((choices[at % choices.length] ?? 0) + at) % clusters) * defaultClusterBytes
      const source = 'UVWXYZ'.charAt(at % 6)
      const run = { kind: 'data', startBytes, endBytes: startBytes + defaultClusterBytes, source } as const
      return [{ disk: chain.disk, run }]
    })
}

const run = (plan: MachinePlan, { contents }: FilledMachine, choices: ReadonlyArray<number>): MachineTrace => {
  const world = machineWorldOf(plan.before, contents.disks, { inside: contents.inside })
  if (E.isLeft(world)) throw new Error(JSON.stringify(world.left))
  const trace = runMachine(world.right, plan.steps, {
    limitBytes: progressBytes,
    writes: busy(plan.before, choices),
    finally: plan.finally,
  })
  expect(trace.fault).toBe(undefined)
  return trace
}

const isMoment = ({ call }: MachinePlan['steps'][number]): boolean =>
  (call._tag === 'Qmp' && call.command.execute === 'transaction') ||
  (call._tag === 'Libvirt' && call.function.call === 'virDomainBackupBegin')

/** What the guest reads from every disk when the jobs have just begun. */
const atBegin = (plan: MachinePlan, { moments }: MachineTrace): ReadonlyMap<string, Layer> => {
  const step = plan.steps.findIndex(isMoment)
  const found = moments.find((moment) => moment.step === step && moment.what === 'call')
  if (found === undefined) throw new Error('the jobs never begin')
  return guestViews(found.machine)
}

const shown = (layer: Layer | undefined): string => (layer === undefined ? 'nothing' : patternOfLayer(layer))

const fileOf = (machine: MachineWorld, path: string): Layer | undefined => {
  const seen = machineFileView(machine, path)
  return E.isRight(seen) ? seen.right : undefined
}

const expectSame = (what: string, is: Layer | undefined, shall: Layer | undefined): void => {
  if (is === undefined || shall === undefined || !equalViews(is, shall))
    throw new Error(`${what} reads ${shown(is)} and not ${shown(shall)}`)
}

const states = [
  ['libvirt', 'running'],
  ['libvirt', 'paused'],
  ['qmp', 'running'],
  ['qmp', 'paused'],
] as const

for (const [name, state] of states) {
  const way = { ...ways[name], options: { ...ways[name].options, state } }
  const on = (law: Parameters<typeof forMachinePlans>[1], runs = 60): void => {
    expect(forMachinePlans({ asking: exporting, way, runs }, law)).toBeGreaterThan(10)
  }

  it(`keeps content, and simulates to what it predicts, through ${name}, ${state}`, () => {
    on((plan, of, choices) => {
      assertMachinePlanKeepsContent(plan, of.contents, choices)
      assertMachinePlanSimulates(plan, of.contents, { order: choices, progressBytes })
      assertMachinePlanSimulates(plan, of.contents, { writes: choices, progressBytes })
      const after = machineContentsAfter(plan, of.contents)
      for (const [disk, image] of created(plan)) {
        const [before, chain] = [plan.before.disks.get(disk), plan.after.disks.get(disk)]
        if (before === undefined || chain === undefined) throw new Error('no chain')
        const was = viewOf(before, of.contents.disks.get(disk) ?? new Map())
        expectSame(image, viewOf(chain, after.disks.get(disk) ?? new Map(), image), was)
      }
    })
  })

  it(`has every disk at one moment, whatever the guest writes then, through ${name}, ${state}`, () => {
    let wrote = 0
    on((plan, of, choices) => {
      const trace = run(plan, of, choices)
      wrote += trace.moments.filter(({ what }) => what === 'write').length
      const then = atBegin(plan, trace)
      const end = endOfMachine(trace)
      for (const [disk, , path] of created(plan)) {
        expectSame(`${path} at the end`, fileOf(end, path), then.get(disk))
        expectSame(`${path} after a kill at the end`, fileOf(killMachine(end), path), then.get(disk))
      }
    })
    if (state === 'running') expect(wrote).toBeGreaterThan(100)
  })

  it(`leaves the guest's own images unharmed, killed at any moment, through ${name}, ${state}`, () => {
    on((plan, of, choices) => {
      assertMachineSurvivesKill(plan, of.contents, { writes: choices, progressBytes })
    }, 30)
  })
}

it('leaves nothing behind in QEMU where it is cut short anywhere', () => {
  const way = { ...ways.qmp, options: { ...ways.qmp.options, state: 'running' } } as const
  forMachinePlans({ asking: exporting, way, runs: 30 }, (plan, { contents }) => {
    const world = machineWorldOf(plan.before, contents.disks, { inside: contents.inside })
    if (E.isLeft(world)) throw new Error(JSON.stringify(world.left))
    const nodesOf = ({ worlds }: MachineWorld) =>
      Array.from(worlds.values(), ({ qemu }) => [qemu?.open, qemu?.jobs.map(({ id }) => id)])
    const before = JSON.stringify(nodesOf(world.right))
    for (let steps = 1; steps <= plan.steps.length; steps += 1) {
      const trace = runMachine(world.right, plan.steps.slice(0, steps), {
        limitBytes: progressBytes,
        finally: plan.finally.filter(({ from }) => from < steps),
      })
      const left = nodesOf(endOfMachine(trace))
      expect(JSON.stringify(left)).toBe(before)
    }
  })
})
