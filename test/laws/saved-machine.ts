// Guests whose memory is saved, in the simulator.

import * as E from 'fp-ts/lib/Either.js'
import { expect } from 'vitest'

import { checkMachinePlan, equalViews, patternOfLayer } from '../../src/index.js'
import type { Machine, MachinePlan, MachineRefusal, SavedPlace } from '../../src/index.js'
import { withMachine } from '../../src/model/machine.js'
import { sourcesOfDomain } from '../../src/model/record.js'
import { restoreState } from '../../src/operation/restore-state.js'
import { saveState } from '../../src/operation/save-state.js'
import { endOfMachine, guestViews, machineWorldOf, performMachine, runMachine } from '../../src/simulate/index.js'
import type { MachineTrace, MachineWorld } from '../../src/simulate/index.js'
import type { FilledMachine } from '../../src/testing/index.js'
import { ways } from './machine-ways.js'

const { host } = ways.libvirt

type Views = ReturnType<typeof guestViews>
export type Planned = E.Either<MachineRefusal, MachinePlan>

/** A guest whose memory has been saved: the machine then, what is on disk, and what the guest had read. */
export interface Saved {
  readonly place: SavedPlace
  readonly machine: Machine
  readonly world: MachineWorld
  readonly views: Views
}

export const right = <A>(of: E.Either<unknown, A>): A => {
  if (E.isLeft(of)) throw new Error(JSON.stringify(of.left))
  return of.right
}

export const ran = (world: MachineWorld, { steps, finally: cleanups }: MachinePlan): MachineTrace =>
  runMachine(world, steps, { finally: cleanups })

export const ended = (trace: MachineTrace): MachineWorld => {
  if (trace.fault !== undefined) throw new Error(JSON.stringify(trace.fault))
  return endOfMachine(trace)
}

/** The state as the caller reads it from libvirt. */
export const printed = (machine: Machine): Machine =>
  withMachine(machine, { saved: machine.saved.map((one) => ({ ...one, known: 'as printed' })) })

export const savedOf = ({ machine, contents }: FilledMachine, place: SavedPlace): Saved => {
  const world = right(machineWorldOf(machine, contents.disks, { inside: contents.inside, clockSeconds: 1_700_000_000 }))
  const plan = right(saveState(machine, { to: place }, host))
  const off = ended(ran(world, plan))
  return { place, machine: printed(plan.after), world: off, views: guestViews(world) }
}

export const resume = (machine: MachineWorld, place: SavedPlace) =>
  performMachine(machine, {
    _tag: 'Libvirt',
    function:
      place.kind === 'managed'
        ? { call: 'virDomainCreateWithFlags', arguments: { domain: 'vm' }, flags: [] }
        : { call: 'virDomainRestoreFlags', arguments: { domain: 'vm', path: place.path }, flags: [] },
  })

const shown = (views: Views): ReadonlyArray<string> =>
  Array.from(views, ([disk, view]) => `${disk}: ${patternOfLayer(view)}`)

/** What is wrong where the guest is started from its memory now; nothing, where it reads what it read. */
export const wrongAtStart = (
  machine: MachineWorld,
  { place, views }: Pick<Saved, 'place' | 'views'>,
): string | undefined => {
  const started = resume(machine, place)
  if (E.isLeft(started)) return JSON.stringify(started.left)
  const now = guestViews(started.right)
  const same = Array.from(views).every(([disk, was]) => {
    const is = now.get(disk)
    return is !== undefined && equalViews(is, was)
  })
  return same ? undefined : `reads ${shown(now).join(', ')} and not ${shown(views).join(', ')}`
}

/** The image of each disk that a state is restored on, as the plan says and as the simulator has it. */
const sourcesOf = ({ saved }: Machine): ReadonlyArray<string> =>
  saved.flatMap(({ definition }) =>
    Array.from(sourcesOfDomain(definition), ([disk, { path }]) => `${disk} ${path ?? ''}`),
  )

const sourcesIn = ({ saved }: MachineWorld): ReadonlyArray<string> =>
  Array.from(saved.values()).flatMap(({ disks }) => Array.from(disks, ([disk, { path }]) => `${disk} ${path}`))

/** At every moment of a plan, and when it is done, the state can be restored, and the guest reads what it read. */
export const assertRestores = (plan: MachinePlan, saved: Saved): void => {
  expect(checkMachinePlan(plan)).toEqual([])
  const trace = ran(saved.world, plan)
  const off = ended(trace)
  for (const { machine, step, what } of trace.moments) {
    const wrong = wrongAtStart(machine, saved)
    if (wrong !== undefined) throw new Error(`${plan.operation} ${plan.how}, ${what} of step ${String(step)}: ${wrong}`)
  }
  expect(sourcesIn(off)).toEqual(sourcesOf(plan.after))
  const restored = right(restoreState(plan.after, { from: saved.place }, host))
  const again = ended(ran(off, restored))
  expect(shown(guestViews(again))).toEqual(shown(saved.views))
}
