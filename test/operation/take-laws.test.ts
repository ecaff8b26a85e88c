// Every plan, carried out on a machine that knows nothing of plans.

import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { equalViews, viewOf } from '../../src/index.js'
import type { Contents } from '../../src/index.js'
import type { Chain } from '../../src/model/chain.js'
import { knownImage } from '../../src/model/chain-query.js'
import { locationString } from '../../src/model/location.js'
import type { Machine } from '../../src/model/machine.js'
import type { TakeDisk, TakeRequest } from '../../src/operation/machine-request.js'
import { take } from '../../src/operation/take.js'
import { contentsAfter } from '../../src/plan/contents.js'
import type { MachineHost } from '../../src/plan/machine-host.js'
import type { MachinePlan } from '../../src/plan/machine-plan.js'
import { guestViews, machineFileView, metadataOf } from '../../src/simulate/machine-observe.js'
import { endOfMachine, machineWrite, runMachine } from '../../src/simulate/machine-trace.js'
import type { MachineTrace } from '../../src/simulate/machine-trace.js'
import { machineWorldOf } from '../../src/simulate/machine-world-of.js'
import { guestOf } from '../../src/simulate/machine-world.js'
import type { MachineWorld } from '../../src/simulate/machine-world.js'

import { builtFor, expectLaws, isFreeze, taken, throughLibvirt, throughQemuImg, throughQmp } from './expect-take.js'
import type { Built, Vm } from './machine.js'

type AllContents = ReadonlyMap<string, Contents>

const worldFor = (of: Machine, contents: AllContents, agent: MachineWorld['agent'] = 'answers'): MachineWorld => {
  const world = machineWorldOf(of, contents, { agent })
  if (E.isLeft(world)) throw new Error(JSON.stringify(world.left))
  return world.right
}

const after = (plan: MachinePlan, contents: AllContents): AllContents => {
  const all = new Map(contents)
  for (const part of plan.parts) all.set(part.after.disk, contentsAfter(part, all.get(part.before.disk) ?? new Map()))
  return all
}

const run = (plan: MachinePlan, world: MachineWorld): MachineTrace =>
  runMachine(world, plan.steps, { finally: plan.finally })

const imageView = (chain: Chain, contents: AllContents, image: string) =>
  viewOf(chain, contents.get(chain.disk) ?? new Map(), image)

/** Where the map says that points in time are, they are, as they read before. */
const expectPoints = (plan: MachinePlan, contents: AllContents, end: MachineWorld): void => {
  for (const snapshot of plan.after.snapshots.values())
    for (const [disk, kept] of snapshot.disks) {
      const chain = plan.before.disks.get(disk)
      if (kept.mode !== 'external' || kept.frozen === undefined || chain === undefined) continue
      const expected = imageView(chain, contents, kept.frozen)
      const found = machineFileView(end, locationString(knownImage(chain, kept.frozen).location))
      expect(E.isRight(found) && expected !== undefined && equalViews(found.right, expected)).toBe(true)
    }
}

const bootOf = (world: MachineWorld): unknown =>
  Array.from(world.worlds, ([disk, { boot }]) => [disk, boot.path, boot.format, boot.backingStore])

const expectSimulates = (plan: MachinePlan, { contents }: Pick<Built, 'contents'>): void => {
  const trace = run(plan, worldFor(plan.before, contents))
  expect(trace.fault).toBeUndefined()
  const end = endOfMachine(trace)
  expect([end.frozen, guestOf(end)]).toStrictEqual([false, plan.after.state])
  for (const [disk, view] of guestViews(end)) {
    const chain = plan.before.disks.get(disk)
    const expected = chain && imageView(chain, contents, chain.active)
    expect(plan.via === 'qemu-img' || (expected !== undefined && equalViews(view, expected))).toBe(true)
  }
  expectPoints(plan, contents, end)
  const predicted = worldFor(plan.after, after(plan, contents))
  if (plan.via === 'libvirt') {
    expect(metadataOf(end)).toStrictEqual(metadataOf(predicted))
    if (plan.after.definitions?.persistent !== undefined) expect(bootOf(end)).toStrictEqual(bootOf(predicted))
  }
  const written = plan.after.state === 'running' ? wroteEverywhere(end) : end
  expectPoints(plan, contents, written)
}

/** The guest goes on: no write may reach a point in time. */
const wroteEverywhere = (world: MachineWorld): MachineWorld => {
  let next = world
  for (const disk of world.worlds.keys()) {
    const written = machineWrite(next, { disk, run: { kind: 'data', startBytes: 0, endBytes: 65536, source: 'z' } })
    if (E.isRight(written)) next = written.right
  }
  return next
}

const shapes = (name: string): ReadonlyArray<string> => [
  `${name}[abcd]^`,
  `${name}[ab--] <- ${name}.1[-c--]^`,
  `${name}[ab--] <- ${name}.1[-c--] <- (${name}.x[--e-], ${name}.2[d---]^)`,
]

const machines: fc.Arbitrary<Vm> = fc
  .tuple(...['a', 'b', 'c'].map((name) => fc.constantFrom(...shapes(name))), fc.integer({ min: 1, max: 3 }))
  .chain((all) => {
    const count = Number(all[3])
    const disks = Object.fromEntries(['vda', 'vdb', 'vdc'].slice(0, count).map((disk, at) => [disk, String(all[at])]))
    return fc.record({
      disks: fc.constant(disks),
      state: fc.constantFrom('running' as const, 'paused' as const, 'shut-off' as const),
      persistence: fc.constantFrom('persistent' as const, 'transient' as const),
    })
  })
  .map(({ disks, state, persistence }): Vm => {
    const frozen = Object.entries(disks).filter(([, text]) => text.includes('<-'))
    const one = Object.fromEntries(frozen.map(([disk, text]) => [disk, text.slice(0, 1)]))
    const snapshots = frozen.length === 0 ? {} : { snapshots: [{ name: 'old', ...one }], current: 'old' }
    return { disks, state, ...(state === 'shut-off' ? {} : { persistence }), ...snapshots }
  })

const modes = fc.constantFrom<TakeDisk['mode']>('external', 'external', 'external', 'no', 'manual', 'internal')

const relative = (disk: string): TakeDisk => ({
  mode: 'external',
  overlay: { name: `${disk}-new`, location: { _tag: 'File', path: `/images/${disk}-new` }, format: 'qcow2' },
})

const requests: fc.Arbitrary<TakeRequest> = fc
  .record({
    modes: fc.tuple(modes, modes, modes),
    given: fc.boolean(),
    memory: fc.constantFrom<TakeRequest['memory']>(
      undefined,
      undefined,
      { _tag: 'Internal' },
      { _tag: 'External', path: '/images/m.mem' },
    ),
    metadata: fc.constantFrom('keep' as const, 'keep' as const, 'none' as const),
    quiesce: fc.constantFrom('no' as const, 'prefer' as const, 'require' as const),
  })
  .map(({ modes: wanted, given, memory, metadata, quiesce }) => {
    const disks = new Map<string, TakeDisk>(
      wanted.map((mode, at) => {
        const disk = ['vda', 'vdb', 'vdc'][at] ?? ''
        return [disk, mode === 'external' ? (given ? relative(disk) : { mode }) : { mode }]
      }),
    )
    return { name: 'm', disks, metadata, quiesce, ...(memory === undefined ? {} : { memory }) }
  })

/** Of the request what is about disks that there are. */
const about = (of: Machine, request: TakeRequest): TakeRequest => ({
  ...request,
  disks: new Map(Array.from(request.disks ?? []).filter(([disk]) => of.disks.has(disk))),
})

/** Each dialect with the state that it is for. */
const stateFor = (host: MachineHost, of: Vm): Vm =>
  host.via === 'qmp' && of.state === 'shut-off' ? { ...of, state: 'paused' } : of

describe.each([throughLibvirt, throughQmp, throughQemuImg])(
  'a plan of take simulates to what it says: $via',
  (host) => {
    it('for any machine and request that is not refused', () => {
      let planned = 0
      const law = fc.property(machines, requests, (of, request) => {
        const built = builtFor(host, stateFor(host, of))
        const plan = take(built.machine, about(built.machine, request), host)
        if (E.isLeft(plan)) return
        planned++
        expectLaws(plan.right, built)
        expectSimulates(plan.right, built)
      })
      fc.assert(law, { numRuns: 200 })
      expect(planned).toBeGreaterThan(20)
    })
  },
)

const two: Vm = { disks: { vda: 'a[ab--] <- a.1[--c-]^', vdb: 'b[--de] <- b.1[f---]^' } }

describe('a freeze is always followed by a thaw', () => {
  it.each([throughLibvirt, throughQmp])('when the snapshot fails: $via', (host) => {
    const built = builtFor(host, two)
    const missing: TakeDisk = {
      mode: 'external',
      overlay: {
        name: 'x',
        location: { _tag: 'File', path: '/images/x' },
        format: 'qcow2',
        header: 'a.1',
        made: 'before',
        sizeBytes: 262144,
      },
    }
    const quiesce = host.via === 'libvirt' ? 'prefer' : 'require'
    const plan = taken(built.machine, { name: 'm', quiesce, disks: new Map([['vda', missing]]) }, host)
    const frozen = plan.steps.findIndex(({ call }) => isFreeze(call))
    const steps = plan.steps.filter((_, at) => host.via === 'libvirt' || at >= frozen)
    const cleanups = plan.finally.map((one) => ({ ...one, from: steps.findIndex(({ call }) => isFreeze(call)) }))
    const trace = runMachine(worldFor(plan.before, built.contents), steps, { finally: cleanups })
    expect(trace.fault).toBeDefined()
    expect(trace.moments.some(({ machine }) => machine.frozen)).toBe(true)
    expect(endOfMachine(trace).frozen).toBe(false)
  })

  it.each([throughLibvirt, throughQmp])(
    'an agent that does not answer ends nothing that goes without it: $via',
    (host) => {
      const built = builtFor(host, two)
      const plan = taken(built.machine, { name: 'm', quiesce: 'prefer' }, host)
      const trace = run(plan, worldFor(plan.before, built.contents, 'absent'))
      expect(trace.fault).toBeUndefined()
      expect(trace.moments.filter(({ what }) => what === 'refused')).toHaveLength(3)
    },
  )

  it.each([throughLibvirt, throughQmp])('and ends what does not, with every disk as it was: $via', (host) => {
    const built = builtFor(host, two)
    const plan = taken(built.machine, { name: 'm', quiesce: 'require' }, host)
    const trace = run(plan, worldFor(plan.before, built.contents, 'absent'))
    expect(trace.fault).toBeDefined()
    const running = Array.from(endOfMachine(trace).worlds.values(), ({ qemu }) => qemu?.declared.path)
    expect(host.via === 'qmp' || running.join() === '/images/a.1,/images/b.1').toBe(true)
  })
})
