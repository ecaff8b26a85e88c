import * as E from 'fp-ts/lib/Either.js'

import { normalPath } from '../model/header.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { featureGuard } from './machine-guard.js'
import type { Draft } from './machine-lane.js'
import type { DropRequest } from './machine-request.js'
import { libvirtOnly, onFile, onGuest, placeGuard, savedPlan, stateAt, withoutState } from './saved-plan.js'
import { takenPaths } from './taken-path.js'

const features = ['libvirt-save'] as const

const why = 'the memory that the state keeps is lost, and the next start boots the guest as after a power failure'

const draftOf = ({ name: domain }: Machine, { place }: DropRequest): Draft =>
  place.kind === 'managed'
    ? onGuest({ call: 'virDomainManagedSaveRemove', arguments: { domain }, flags: [] }, why)
    : onFile({ _tag: 'Files', operation: 'remove', path: place.path }, why)

/** Refuses to unlink what is an image's, a definition's or a snapshot's memory as well. */
const fileGuard = (machine: Machine, { place }: DropRequest): MachineRefusal | undefined => {
  if (place.kind === 'managed') return undefined
  const by = takenPaths(withMachine(machine, { saved: [] }), []).get(normalPath(place.path))
  return by === undefined ? undefined : refuseMachine({ _tag: 'PathTaken', disk: 'memory', path: place.path, by })
}

const knownGuard = (machine: Machine, { place }: DropRequest, host: MachineHost): MachineRefusal | undefined => {
  const known = stateAt(machine, place) !== undefined || (place.kind === 'managed' && host.managedSave === 'present')
  return known ? undefined : refuseMachine({ _tag: 'StateNotFound', place })
}

/**
 * Plans to give a saved state up: the guest's memory in it is lost, with everything that the guest had not yet written to its
 * disks. The disks stay as they are, as after a power failure, and are pinned no more.
 *
 * Refuses, in this order: `NotThisWay` (without libvirt, a relative path), `PathTaken`, `CapabilityMissing`, `StateNotFound` (neither given
 * nor, of a managed one, said to be there).
 *
 * Source: libvirt `virDomainManagedSaveRemove` (0.8.0).
 *
 * @example
 * import { capabilitiesOfVersions, dropState, machine } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const capabilities = capabilitiesOfVersions({ libvirt: '11.3.0' })
 * const domain = { name: 'domain', attributes: {}, children: [] }
 * const definitions = { persistent: domain, live: undefined }
 * const vm = machine({ name: 'vm', state: 'shut-off', disks: [], definitions })
 * const host = { via: 'libvirt', capabilities, managedSave: 'present' } as const
 * const plan = E.flatMap(vm, (of) => dropState(of, { place: { kind: 'managed' } }, host))
 * E.isRight(plan) ? plan.right.steps.map(({ call }) => call._tag) : plan.left // => ['Libvirt']
 *
 * @since 0.2.0
 */
export const dropState = (
  machine: Machine,
  request: DropRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const { place } = request
  const refused =
    libvirtOnly(machine, host) ??
    placeGuard(place, host) ??
    fileGuard(machine, request) ??
    featureGuard(host, features) ??
    knownGuard(machine, request, host)
  if (refused !== undefined) return E.left(refused)
  return E.right(
    savedPlan(machine, {
      operation: 'drop',
      after: withMachine(machine, { saved: withoutState(machine.saved, place) }),
      drafts: [draftOf(machine, request)],
      unlinked: place.kind === 'file' ? [place.path] : [],
      requires: features,
    }),
  )
}
