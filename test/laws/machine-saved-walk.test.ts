// Any sequence of operations, with memory that is saved, restored and given up among them, and with what the guest does by itself.

import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { checkMachinePlan, defaultClusterBytes, equalViews, explainMachineRefusal } from '../../src/index.js'
import type { Layer, Machine, MachinePlan, SavedPlace, SavedState } from '../../src/index.js'
import { withMachine } from '../../src/model/machine.js'
import { managedIn, samePlace, writtenSince } from '../../src/model/saved-state.js'
import { withoutNodes } from '../../src/operation/live.js'
import { withLiveChain } from '../../src/operation/machine-definition.js'
import { changeChain } from '../../src/operation/change-chain.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { renameImage } from '../../src/operation/rename-image.js'
import { restoreState } from '../../src/operation/restore-state.js'
import { take } from '../../src/operation/take.js'
import { machineWorldOf } from '../../src/simulate/index.js'
import type { GuestWrite } from '../../src/simulate/index.js'
import {
  arbitraryChainRequest,
  arbitraryDeleteRequest,
  arbitraryMachine,
  arbitraryRenameImageRequest,
  arbitraryTakeRequest,
  assertMachinePlanKeepsContent,
  assertMachinePlanSimulates,
  machineContentsAfter,
} from '../../src/testing/index.js'
import type { FilledMachine, MachineContents } from '../../src/testing/index.js'
import { everySnapshotReads, guestReads } from '../../src/testing/machine-contents.js'
import { writtenOver } from '../../src/testing/machine-write.js'
import { numRuns, operations, ways } from './machine-ways.js'
import type { Asking } from './machine-ways.js'
import { printed, ran, right, wrongAtStart } from './saved-machine.js'

const { host, options } = ways.libvirt

type Views = ReadonlyMap<string, Layer>

/** A machine on its walk, and what the guest read when each of its states was saved. */
interface At extends FilledMachine {
  readonly views: ReadonlyMap<string, Views>
}

const keyOf = (place: SavedPlace): string => (place.kind === 'managed' ? '' : place.path)

const fitting = ({ saved }: Machine): ReadonlyArray<SavedState> => saved.filter(({ disks }) => disks === 'as saved')

/** What can be done to a machine whose memory waits, in the ways that leave it. */
const following: Readonly<Record<string, Asking>> = {
  'take inside': (machine, by) =>
    arbitraryTakeRequest(machine).map((request) => () => {
      const disks = new Map(Array.from(machine.disks.keys(), (disk) => [disk, { mode: 'internal' }] as const))
      return take(machine, { ...request, disks, quiesce: 'no' }, by)
    }),
  'delete, followed': (machine, by) =>
    arbitraryDeleteRequest(machine).map(
      (request) => () => deleteSnapshots(machine, { ...request, how: 'auto', saved: 'repoint' }, by),
    ),
  'change a chain, followed': (machine, by) =>
    arbitraryChainRequest(machine).map((request) => () => changeChain(machine, { ...request, saved: 'repoint' }, by)),
  'rename, followed': (machine, by) =>
    arbitraryRenameImageRequest(machine).map(
      (request) => () => renameImage(machine, { ...request, saved: 'repoint' }, by),
    ),
}

const moves: Readonly<Record<string, Asking>> = { ...operations, ...following }

/** What is asked next: where memory waits, the chains change meanwhile, and once in a while it is restored or given up. */
const nextMove = (machine: Machine): fc.Arbitrary<string> =>
  fitting(machine).length === 0
    ? fc.constantFrom(...Object.keys(operations), 'save', 'save', 'save', 'take', 'take')
    : fc.constantFrom(...Object.keys(moves), ...Object.keys(following), 'restore', 'restore')

const readsOf = (at: FilledMachine): Views =>
  new Map(
    Array.from(at.machine.disks.keys()).flatMap((disk) => {
      const reads = guestReads(at, disk)
      return reads === undefined ? [] : [[disk, reads] as const]
    }),
  )

/** The guest starts without any memory, where libvirt has none for it. */
const started = (machine: Machine): Machine => {
  const { persistent } = machine.definitions ?? {}
  const live = persistent && Array.from(machine.disks.values()).reduce(withLiveChain, persistent)
  const definitions = { persistent, live }
  return withMachine(machine, { state: 'running', definitions, saved: writtenSince(machine.saved) })
}

const stopped = (machine: Machine): Machine =>
  withMachine(machine, {
    state: 'shut-off',
    disks: new Map(Array.from(machine.disks, ([disk, chain]) => [disk, withoutNodes(chain)])),
    definitions: { persistent: machine.definitions?.persistent, live: undefined },
  })

const written = ({ machine, contents }: FilledMachine, write: GuestWrite): MachineContents => {
  const disks = new Map(contents.disks)
  const own = new Map(disks.get(write.disk) ?? [])
  const active = machine.disks.get(write.disk)?.active
  const on = active === undefined ? undefined : own.get(active)
  if (active !== undefined && on !== undefined) own.set(active, writtenOver(on, write))
  return { ...contents, disks: disks.set(write.disk, own) }
}

/** The guest writes, stops or starts by itself; a start goes on from what libvirt has saved, which is a plan of its own. */
const alone = (at: At, g: fc.GeneratorValue): At => {
  const { machine } = at
  if (machine.state === 'shut-off')
    return managedIn(machine.saved) === undefined ? { ...at, machine: started(machine) } : at
  if (machine.state === 'running' && g(() => fc.boolean())) {
    const disk = g(() => fc.constantFrom(...machine.disks.keys()))
    const source = g(() => fc.constantFrom(...'UVWXYZ'))
    const run = { kind: 'data', startBytes: 0, endBytes: defaultClusterBytes, source } as const
    return { ...at, contents: written(at, { disk, run }) }
  }
  return machine.definitions?.persistent === undefined ? at : { ...at, machine: stopped(machine) }
}

/** The states that a plan leaves as they fit: at every moment the guest can go on from each, and reads what it read. */
const expectRestores = (plan: MachinePlan, { contents, views }: At): void => {
  const { disks, inside } = contents
  const world = right(machineWorldOf(plan.before, disks, { inside, clockSeconds: 1_795_700_000 }))
  const kept = fitting(plan.after).filter(({ place }) =>
    fitting(plan.before).some((one) => samePlace(one.place, place)),
  )
  if (kept.length === 0) return
  for (const { machine, step, what } of ran(world, plan).moments)
    for (const { place } of kept) {
      const wrong = wrongAtStart(machine, { place, views: views.get(keyOf(place)) ?? new Map() })
      if (wrong !== undefined)
        throw new Error(`${plan.operation} ${plan.how}, ${what} of step ${String(step)}, ${keyOf(place)}: ${wrong}`)
    }
}

/** Each state that fits can be restored, if it is the only one. */
const expectPlannable = ({ machine }: FilledMachine): void => {
  for (const state of fitting(machine)) {
    const plan = restoreState(withMachine(machine, { saved: [state] }), { from: state.place }, host)
    if (E.isLeft(plan)) throw new Error(JSON.stringify(plan.left))
  }
}

const done = (plan: MachinePlan, at: At): At => {
  expect(checkMachinePlan(plan)).toEqual([])
  assertMachinePlanKeepsContent(plan, at.contents)
  assertMachinePlanSimulates(plan, at.contents)
  expectRestores(plan, at)
  const now = { machine: printed(plan.after), contents: machineContentsAfter(plan, at.contents) }
  const before = new Set(fitting(plan.before).map(({ place }) => keyOf(place)))
  const fresh = fitting(plan.after).filter(({ place }) => !before.has(keyOf(place)))
  const reads = readsOf(at)
  const next = { ...now, views: new Map([...at.views, ...fresh.map(({ place }) => [keyOf(place), reads] as const)]) }
  expectPlannable(next)
  return next
}

const expectSameReads = (is: ReadonlyMap<string, Views>, was: ReadonlyMap<string, Views>): void => {
  for (const [name, disks] of was)
    for (const [disk, layer] of disks) {
      const other = is.get(name)?.get(disk)
      expect(other !== undefined && equalViews(layer, other), `${name} on ${disk}`).toBe(true)
    }
}

const count = (of: Map<string, number>, what: string): void => void of.set(what, (of.get(what) ?? 0) + 1)

const turn = (at: At, g: fc.GeneratorValue, tally: Map<string, number>): At => {
  if (g(() => fc.nat({ max: 4 })) === 0) return alone(at, g)
  const name = g((machine: Machine) => nextMove(machine), at.machine)
  const asking = moves[name]
  const waits = fitting(at.machine).length > 0
  const plan = asking === undefined ? undefined : g((machine: Machine) => asking(machine, host), at.machine)()
  if (plan === undefined || (E.isRight(plan) && plan.right.before !== at.machine)) return at
  if (E.isLeft(plan)) {
    expect(explainMachineRefusal(plan.left)).not.toBe('')
    if (waits) count(tally, plan.left._tag)
    return at
  }
  count(tally, waits ? `${name} meanwhile` : name)
  return done(plan.right, at)
}

it('keeps every point in time and every state that waits, whatever comes between saving and restoring', () => {
  const tally = new Map<string, number>()
  fc.assert(
    fc.property(arbitraryMachine({ ...options, maxEvents: 8 }), fc.gen(), (of, g) => {
      let at: At = { ...of, views: new Map() }
      const reads = new Map(everySnapshotReads(of))
      for (let turns = 0; turns < 14; turns += 1) {
        at = turn(at, g, tally)
        for (const name of reads.keys()) if (!at.machine.snapshots.has(name)) reads.delete(name)
        const now = everySnapshotReads(at)
        expectSameReads(now, reads)
        for (const [name, own] of now) if (!reads.has(name)) reads.set(name, own)
      }
    }),
    { numRuns: numRuns(80) },
  )
  for (const what of ['save', 'restore meanwhile', 'drop meanwhile', 'StateSaved', 'ManagedSavePresent'])
    expect([what, (tally.get(what) ?? 0) > 0]).toEqual([what, true])
  for (const what of [...Object.keys(following), 'forget', 'extract'])
    expect([what, (tally.get(`${what} meanwhile`) ?? 0) > 0]).toEqual([what, true])
})
