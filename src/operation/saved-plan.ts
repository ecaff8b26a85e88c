import type { Call } from '../call/call.js'
import type { Feature } from '../call/capability.js'
import type { LibvirtCall } from '../call/libvirt.js'
import type { GuestState } from '../model/guest.js'
import type { Machine } from '../model/machine.js'
import { samePlace } from '../model/saved-state.js'
import type { SavedPlace, SavedState } from '../model/saved-state.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachineAssumption, MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { libvirt } from './dialect/step.js'
import { assemble } from './machine-lane.js'
import type { Draft } from './machine-lane.js'

/** A libvirt call that the whole machine waits for. */
export const onGuest = (call: LibvirtCall, why: string): Draft => ({ step: libvirt(call, why) })

/** The same for what is no call of libvirt's. */
export const onFile = (call: Call, why: string): Draft => ({ step: { call, why } })

const states: ReadonlyArray<GuestState> = ['running', 'paused', 'shut-off']

/** Refuses everything but libvirt: QEMU's own `migrate` to a file has nobody who would keep what it needs to come back. */
export const libvirtOnly = (machine: Machine, { via }: MachineHost): MachineRefusal | undefined => {
  const instead = [{ _tag: 'Via', via: 'libvirt', guest: states }] as const
  if (via !== 'libvirt')
    return refuseMachine({ _tag: 'NotThisWay', via, why: 'only libvirt keeps the memory of a guest' }, instead)
  return machine.definitions === undefined
    ? refuseMachine({ _tag: 'NotThisWay', via, why: 'libvirt does not manage this machine' })
    : undefined
}

/** Refuses a machine in a state in which this cannot be done. */
export const guestGuard = (
  { state: guest }: Machine,
  { via }: MachineHost,
  needs: ReadonlyArray<GuestState>,
): MachineRefusal | undefined =>
  needs.includes(guest) ? undefined : refuseMachine({ _tag: 'GuestStateWrong', via, guest, needs })

/** Refuses a file whose path depends on who reads it. */
export const placeGuard = (place: SavedPlace, { via }: MachineHost): MachineRefusal | undefined =>
  place.kind === 'file' && !place.path.startsWith('/')
    ? refuseMachine({
        _tag: 'NotThisWay',
        via,
        why: `the path of the state, ${JSON.stringify(place.path)}, is not absolute`,
      })
    : undefined

/** The state that is saved there. */
export const stateAt = (machine: Machine, place: SavedPlace): SavedState | undefined =>
  machine.saved.find((one) => samePlace(one.place, place))

/** The states without the one that is saved there. */
export const withoutState = (saved: ReadonlyArray<SavedState>, place: SavedPlace): ReadonlyArray<SavedState> =>
  saved.filter((one) => !samePlace(one.place, place))

/** What one of these plans is besides what they all are. */
export interface SavedPlan {
  readonly operation: 'save' | 'restore' | 'drop'
  readonly after: Machine
  readonly drafts: ReadonlyArray<Draft>
  readonly consistency?: MachinePlan['consistency']
  readonly unlinked?: ReadonlyArray<string>
  readonly requires: ReadonlyArray<Feature>
  readonly assumes?: ReadonlyArray<MachineAssumption>
}

/** A plan that leaves every chain and every point in time where it is. */
export const savedPlan = (before: Machine, of: SavedPlan): MachinePlan => ({
  operation: of.operation,
  via: 'libvirt',
  how: 'libvirt',
  before,
  after: of.after,
  parts: [],
  steps: assemble(before, of.drafts),
  finally: [],
  consistency: of.consistency,
  unlinked: of.unlinked ?? [],
  requires: of.requires,
  assumes: of.assumes ?? [],
})
