import * as E from 'fp-ts/lib/Either.js'

import type { LibvirtCall, SavedStateCall } from '../call/libvirt.js'
import { libvirtRefuses } from './fault.js'
import { nodeOf } from './graph.js'
import { childOf } from './libvirt-xml.js'
import { isBlockJobCall, performLibvirt, resume, suspend, updateDevice } from './libvirt.js'
import type { BlockJobCall } from './libvirt.js'
import { abortJob, backupAwaited, backupBegin, backupLock, backupNoticed } from './machine-backup.js'
import { freezeOrThaw } from './machine-agent.js'
import { snapshotDelete } from './machine-delete.js'
import type { Meanwhile } from './machine-delete.js'
import { defineDomain, destroyDomain } from './machine-domain.js'
import { countedTogether, inEveryWorld, inWorld } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { revert } from './machine-revert.js'
import { snapshotCreate } from './machine-take.js'
import { redefinedSave, restoredFromFile, savedDomain, startDomain, withoutSaved } from './machine-saved.js'
import { diskWhere, guestOf, managedSave } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'

/** A block job call, in the world of its disk; a disk may be named by the path of its source. */
const onDisk = (machine: MachineWorld, call: BlockJobCall): MachineOutcome => {
  const { disk: name, domain } = call.arguments
  if (guestOf(machine) === 'shut-off') return libvirtRefuses('Requested operation is not valid: domain is not running')
  const disk = machine.worlds.has(name)
    ? name
    : diskWhere(machine, (world) => nodeOf(world, world.qemu?.root ?? '')?.openedAs === name)
  return disk === undefined
    ? libvirtRefuses(`invalid argument: disk '${name}' not found in domain '${domain}'`)
    : inWorld(countedTogether(machine), disk, (world) => performLibvirt(world, call))
}

const snapshotText = (machine: MachineWorld, name: string): MachineOutcome =>
  machine.snapshots.has(name)
    ? E.right(machine)
    : libvirtRefuses(`Domain snapshot not found: no domain snapshot with matching name '${name}'`)

type MachineCall = Exclude<LibvirtCall, BlockJobCall>
type SnapshotCall = Extract<MachineCall, { readonly call: `virDomainSnapshot${string}` | 'virDomainRevertToSnapshot' }>

const isSnapshotCall = (call: MachineCall): call is SnapshotCall =>
  call.call.startsWith('virDomainSnapshot') || call.call === 'virDomainRevertToSnapshot'

const savedCalls: ReadonlySet<string> = new Set<SavedStateCall['call']>([
  'virDomainManagedSave',
  'virDomainManagedSaveRemove',
  'virDomainManagedSaveDefineXML',
  'virDomainSaveFlags',
  'virDomainRestoreFlags',
  'virDomainSaveImageDefineXML',
])

const isSavedCall = (call: MachineCall): call is SavedStateCall => savedCalls.has(call.call)

const onSnapshot = (machine: MachineWorld, call: SnapshotCall, meanwhile: Meanwhile): MachineOutcome => {
  switch (call.call) {
    case 'virDomainSnapshotCreateXML':
      return snapshotCreate(machine, call)
    case 'virDomainSnapshotDelete':
      return snapshotDelete(machine, call, meanwhile)
    case 'virDomainRevertToSnapshot':
      return revert(machine, call)
    case 'virDomainSnapshotGetXMLDesc':
      return snapshotText(machine, call.arguments.snapshot)
  }
}

const onDomain = (machine: MachineWorld, call: Exclude<MachineCall, SnapshotCall | SavedStateCall>): MachineOutcome => {
  switch (call.call) {
    case 'virDomainSuspend':
      return inEveryWorld(machine, suspend)
    case 'virDomainResume':
      return inEveryWorld(machine, resume)
    case 'virDomainFSFreeze':
      return freezeOrThaw(machine, true)
    case 'virDomainFSThaw':
      return freezeOrThaw(machine, false)
    case 'virDomainBackupBegin':
      return backupBegin(machine, call)
    case 'virDomainAbortJob':
      return abortJob(machine)
    case 'virDomainDestroyFlags':
      return destroyDomain(machine)
    case 'virDomainCreateWithFlags':
      return startDomain(machine, call)
    case 'virDomainDefineXMLFlags':
      return defineDomain(machine, call.arguments.xml)
    case 'virDomainUpdateDeviceFlags': {
      const target = childOf(call.arguments.xml, 'target')?.attributes['dev'] ?? ''
      return machine.worlds.has(target)
        ? inWorld(machine, target, (world) => updateDevice(world, call.arguments.xml))
        : libvirtRefuses(`invalid argument: target ${target} doesn't exist.`)
    }
    case 'virDomainGetXMLDesc':
      return E.right(machine)
  }
}

const onSaved = (machine: MachineWorld, call: SavedStateCall): MachineOutcome => {
  switch (call.call) {
    case 'virDomainManagedSave':
      return savedDomain(machine, call, managedSave)
    case 'virDomainSaveFlags':
      return savedDomain(machine, call, call.arguments.path)
    case 'virDomainManagedSaveRemove':
      return E.right(withoutSaved(machine, managedSave))
    case 'virDomainManagedSaveDefineXML':
      return redefinedSave(machine, call, managedSave)
    case 'virDomainSaveImageDefineXML':
      return redefinedSave(machine, call, call.arguments.path)
    case 'virDomainRestoreFlags':
      return restoredFromFile(machine, call)
  }
}

const carriedOut = (machine: MachineWorld, call: LibvirtCall, meanwhile: Meanwhile): MachineOutcome => {
  if (isBlockJobCall(call)) return E.map(backupNoticed)(onDisk(machine, call))
  if (isSnapshotCall(call)) return onSnapshot(machine, call, meanwhile)
  return isSavedCall(call) ? onSaved(machine, call) : onDomain(machine, call)
}

/** Carries out one libvirt function on a machine; `meanwhile` is what happens while one that takes its time is under way. */
export const performMachineLibvirt = (
  machine: MachineWorld,
  call: LibvirtCall,
  meanwhile: Meanwhile,
): MachineOutcome => {
  const { domain } = call.arguments
  if (machine.domain?.name !== domain)
    return libvirtRefuses(`Domain not found: no domain with matching name '${domain}'`)
  const free = backupAwaited(machine, call)
  return E.isLeft(free) ? free : (backupLock(free.right, call) ?? carriedOut(free.right, call, meanwhile))
}
