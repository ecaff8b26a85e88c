import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { missingFeatures } from '../call/capability.js'
import type { Feature } from '../call/capability.js'
import type { GuestState } from '../model/guest.js'
import type { Machine } from '../model/machine.js'
import { managedIn } from '../model/saved-state.js'
import type { Snapshot } from '../model/snapshot.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachineAssumption } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'

/** Refuses a snapshot that the machine does not have. */
export const knownGuard = (machine: Machine, names: ReadonlyArray<string>): MachineRefusal | undefined => {
  const unknown = names.find((name) => !machine.snapshots.has(name))
  return unknown === undefined ? undefined : refuseMachine({ _tag: 'SnapshotNotFound', snapshot: unknown })
}

const usable: { readonly [V in Hypervisor['via']]: ReadonlyArray<GuestState> } = {
  qmp: ['running', 'paused'],
  libvirt: ['running', 'paused', 'shut-off'],
  'qemu-img': ['shut-off'],
  'storage-daemon': ['shut-off'],
}

/** Refuses a way that cannot be used in the state of the machine. */
export const stateGuard = ({ state }: Machine, { via }: MachineHost): MachineRefusal | undefined => {
  const needs = usable[via]
  if (needs.includes(state)) return undefined
  const other = state === 'shut-off' ? 'qemu-img' : 'qmp'
  return refuseMachine({ _tag: 'GuestStateWrong', via, guest: state, needs }, [
    { _tag: 'Via', via: other, guest: usable[other] },
  ])
}

/** Refuses a way that cannot be used in the state of the machine, and libvirt for a machine that it does not manage. */
export const viaGuard = (machine: Machine, host: MachineHost): MachineRefusal | undefined => {
  const { via } = host
  const wrong = stateGuard(machine, host)
  if (wrong !== undefined) return wrong
  const managed = machine.definitions !== undefined
  if (via === 'libvirt' && !managed)
    return refuseMachine({ _tag: 'NotThisWay', via, why: 'libvirt does not manage this machine' })
  return via !== 'libvirt' && managed
    ? refuseMachine({ _tag: 'NotThisWay', via, why: 'libvirt manages this machine, and would not know' }, [
        { _tag: 'Via', via: 'libvirt', guest: usable.libvirt },
      ])
    : undefined
}

/** Refuses what the host lacks. */
export const featureGuard = (
  { capabilities }: MachineHost,
  needed: ReadonlyArray<Feature>,
): MachineRefusal | undefined => {
  const missing = missingFeatures(capabilities, needed)
  return isNonEmpty(missing) ? refuseMachine({ _tag: 'CapabilityMissing', missing }) : undefined
}

/** Refuses to freeze file systems where it is known that nobody answers. */
export const agentGuard = ({ agent }: MachineHost): MachineRefusal | undefined =>
  agent === 'absent'
    ? refuseMachine({ _tag: 'AgentAbsent' }, [
        { _tag: 'Quiesce', quiesce: 'prefer' },
        { _tag: 'Quiesce', quiesce: 'no' },
      ])
    : undefined

/** Refuses a storage daemon for what needs no block job: qemu-img does it. */
export const daemonGuard = ({ via }: MachineHost, what: string): MachineRefusal | undefined =>
  via === 'storage-daemon'
    ? refuseMachine({ _tag: 'NotThisWay', via, why: `${what} needs no block job` }, [
        { _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] },
      ])
    : undefined

/** The disks of libvirt's backup, of which a domain has one at a time: whatever else waits for it waits in vain. */
export const backedUpDisks = ({ via, jobs = new Map() }: MachineHost): ReadonlyArray<string> =>
  via === 'libvirt'
    ? Array.from(jobs).flatMap(([disk, all]) => (all.some(({ kind }) => kind === 'backup') ? [disk] : []))
    : []

/** Refuses to begin while a block job runs on one of the disks. */
export const machineJobGuard = ({ jobs }: MachineHost, disks: Iterable<string>): MachineRefusal | undefined => {
  for (const disk of disks) {
    const [job] = jobs?.get(disk) ?? []
    if (job !== undefined) return refuseMachine({ _tag: 'JobActive', disk, job: job.id, kind: job.kind })
  }
  return undefined
}

/** Refuses a machine that libvirt would resume at its next start, from a state of which nobody says what it pins, or that fits no more. */
export const savedGuard = (machine: Machine, host: MachineHost): MachineRefusal | undefined => {
  const managed = managedIn(machine.saved)
  const present = managed === undefined ? host.managedSave === 'present' : managed.disks === 'written since'
  return host.via === 'libvirt' && machine.state === 'shut-off' && present
    ? refuseMachine({ _tag: 'ManagedSavePresent', domain: machine.name }, [
        { _tag: 'DropState', place: { kind: 'managed' } },
      ])
    : undefined
}

/**
 * Refuses to write under a snapshot that stays and that no image is known to hold any more: where somebody has shortened a
 * chain by hand, the image that is written may be the one that holds it.
 */
export const lostGuard = (kept: Iterable<Snapshot>, disks: ReadonlyArray<string>): MachineRefusal | undefined => {
  const all = Array.from(kept)
  for (const disk of disks) {
    const lost = all.flatMap(({ name, disks: own }) => {
      const held = own.get(disk)
      return held?.mode === 'external' && held.frozen === undefined ? [name] : []
    })
    const [snapshot] = lost
    if (snapshot !== undefined)
      return refuseMachine({ _tag: 'PointGone', snapshot, disks: [disk], why: 'lost' }, [
        { _tag: 'Forget', snapshots: lost },
      ])
  }
  return undefined
}

/** That libvirt's records outlive the guest: those of a transient domain, one that was undefined while it runs say, do not. */
export const recordsAssumption = (machine: Machine, { via }: MachineHost): ReadonlyArray<MachineAssumption> =>
  via === 'libvirt' && machine.state !== 'shut-off' && machine.definitions?.persistent === undefined
    ? [{ _tag: 'RecordsEnd', domain: machine.name }]
    : []
