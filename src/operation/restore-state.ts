import * as E from 'fp-ts/lib/Either.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { activeImage } from '../model/chain-query.js'
import { placeOf } from '../model/header.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { sourcesOfDomain } from '../model/record.js'
import { managedIn, samePlace, writtenSince } from '../model/saved-state.js'
import type { SavedState } from '../model/saved-state.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { startConflicts, unfitPins } from '../plan/pin-conflict.js'
import type { PinConflict } from '../plan/pin-conflict.js'
import { withLiveChain } from './machine-definition.js'
import { featureGuard } from './machine-guard.js'
import type { Draft } from './machine-lane.js'
import type { RestoreRequest } from './machine-request.js'
import { machineOpenGuard } from './open-guard.js'
import { guestGuard, libvirtOnly, onGuest, placeGuard, savedPlan, stateAt, withoutState } from './saved-plan.js'

const features = ['libvirt-save'] as const

const fitGuard = (machine: Machine, saved: SavedState): MachineRefusal | undefined => {
  const { place } = saved
  const instead = [{ _tag: 'DropState', place }] as const
  if (saved.disks === 'written since')
    return refuseMachine({ _tag: 'StateUnfit', place, conflicts: [], why: 'written since' }, instead)
  const known = sourcesOfDomain(saved.definition)
  const later = Array.from(machine.disks.values()).filter(({ disk }) => !known.has(disk))
  const conflicts = [
    ...unfitPins(saved, machine),
    ...later.map((chain): PinConflict => ({
      disk: chain.disk,
      path: placeOf(activeImage(chain)),
      change: 'not active',
    })),
  ]
  return conflicts.length > 0
    ? refuseMachine({ _tag: 'StateUnfit', place, conflicts, why: 'images' }, instead)
    : undefined
}

/** What the guest writes to from then on is what another state pins. */
const othersGuard = (machine: Machine, saved: SavedState, host: MachineHost): MachineRefusal | undefined => {
  const { place } = saved
  const managed = managedIn(machine.saved) !== undefined || host.managedSave === 'present'
  if (place.kind === 'file' && managed)
    return refuseMachine({ _tag: 'ManagedSavePresent', domain: machine.name }, [
      { _tag: 'DropState', place: { kind: 'managed' } },
    ])
  const other = machine.saved.find((one) => one.disks === 'as saved' && !samePlace(one.place, place))
  const conflicts = startConflicts(machine)
  return other !== undefined && isNonEmpty(conflicts)
    ? refuseMachine({ _tag: 'StateSaved', place: other.place, conflicts }, [{ _tag: 'DropState', place: other.place }])
    : undefined
}

/** A state that is saved by libvirt is resumed by any start; that of a guest that was paused stays so until it is resumed. */
const draftsOf = ({ name: domain }: Machine, saved: SavedState, guest: 'running' | 'paused'): ReadonlyArray<Draft> => {
  const { place } = saved
  if (place.kind === 'file') {
    const flag = guest === 'paused' ? 'VIR_DOMAIN_SAVE_PAUSED' : 'VIR_DOMAIN_SAVE_RUNNING'
    const flags = guest === saved.guest ? [] : ([flag] as const)
    const why = 'the guest goes on from the memory in the file, which stays'
    return [onGuest({ call: 'virDomainRestoreFlags', arguments: { domain, path: place.path }, flags }, why)]
  }
  const flags = guest === 'paused' && saved.guest === 'running' ? (['VIR_DOMAIN_START_PAUSED'] as const) : []
  const why = 'the guest goes on from the memory that libvirt has kept, which is used up'
  const start = onGuest({ call: 'virDomainCreateWithFlags', arguments: { domain }, flags }, why)
  const resume = onGuest(
    { call: 'virDomainResume', arguments: { domain }, flags: [] },
    'it was paused when it was saved',
  )
  return guest === 'running' && saved.guest === 'paused' ? [start, resume] : [start]
}

const machineRestored = (machine: Machine, saved: SavedState, guest: 'running' | 'paused'): Machine => {
  const { persistent } = machine.definitions ?? {}
  const live = Array.from(machine.disks.values()).reduce(withLiveChain, saved.definition)
  const kept = saved.place.kind === 'managed' ? withoutState(machine.saved, saved.place) : machine.saved
  return withMachine(machine, { state: guest, definitions: { persistent, live }, saved: writtenSince(kept) })
}

const planOf = (machine: Machine, saved: SavedState, guest: 'running' | 'paused'): MachinePlan =>
  savedPlan(machine, {
    operation: 'restore',
    after: machineRestored(machine, saved, guest),
    drafts: draftsOf(machine, saved, guest),
    requires: features,
    assumes: [
      { _tag: 'DisksAsSaved', domain: machine.name },
      { _tag: 'Starts', domain: machine.name },
    ],
  })

/**
 * Plans to have a guest go on from its saved memory: it runs, or is paused, exactly where it was saved, on the disks that it was saved on.
 *
 * A managed state is used up. A file stays, and fits the disks no more (`written since`): libvirt would restore it again and have
 * the guest write what it remembers over what it has written since.
 *
 * What libvirt does not ask is asked here: whether each pinned image is still there, in its size, in its place in the chain, and
 * whether the uppermost is the active one. What it holds cannot be seen, and is assumed (`DisksAsSaved`).
 *
 * Refuses, in this order: `NotThisWay` (without libvirt), `GuestStateWrong`, `NotThisWay` (a relative path),
 * `CapabilityMissing`, `StateNotFound`, `StateUnfit`, `ManagedSavePresent` (a file, while the next start would resume
 * another state), `StateSaved` (another state pins what the guest would write to), `DiskRefused` (`ImageOpen`).
 *
 * Source: libvirt `virDomainCreateWithFlags` (0.8.2), `virDomainRestoreFlags` (0.9.4), as 11.3 answers.
 *
 * @example
 * import { capabilitiesOfVersions, explainMachineRefusal, machine, restoreState } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const host = { via: 'libvirt', capabilities: capabilitiesOfVersions({ libvirt: '11.3.0' }) } as const
 * const domain = { name: 'domain', attributes: {}, children: [] }
 * const from = { kind: 'file', path: '/memory' } as const
 * const saved = { place: from, guest: 'running', definition: domain, known: 'as printed', disks: 'written since' } as const
 * const definitions = { persistent: domain, live: undefined }
 * const vm = machine({ name: 'vm', state: 'shut-off', disks: [], definitions, saved: [saved] })
 * const plan = E.isRight(vm) ? restoreState(vm.right, { from }, host) : undefined
 * const text = plan !== undefined && E.isLeft(plan) ? explainMachineRefusal(plan.left).split('\n')[0] : ''
 * text // => 'The state saved in "/memory" no longer fits the disks: they have been written since.'
 *
 * @since 0.2.0
 */
export const restoreState = (
  machine: Machine,
  request: RestoreRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const { from, guest = 'as saved' } = request
  const refused =
    libvirtOnly(machine, host) ??
    guestGuard(machine, host, ['shut-off']) ??
    placeGuard(from, host) ??
    featureGuard(host, features)
  if (refused !== undefined) return E.left(refused)
  const saved = stateAt(machine, from)
  if (saved === undefined) return E.left(refuseMachine({ _tag: 'StateNotFound', place: from }))
  const unfit = fitGuard(machine, saved) ?? othersGuard(machine, saved, host)
  if (unfit !== undefined) return E.left(unfit)
  const plan = planOf(machine, saved, guest === 'as saved' ? saved.guest : guest)
  const open = machineOpenGuard(plan, host)
  return open === undefined ? E.right(plan) : E.left(open)
}
