import * as E from 'fp-ts/lib/Either.js'

import type { BackupBeginCall, LibvirtCall } from '../call/libvirt.js'
import type { XmlElement } from '../model/xml.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Fault } from './fault.js'
import { beginBackup, endingBackup, targetRefusal, withoutTarget } from './libvirt-backup.js'
import type { BackupTarget } from './libvirt-backup.js'
import { finishLibvirt } from './libvirt-event.js'
import { childOf, childrenOf, formatIn } from './libvirt-xml.js'
import { countedTogether, inWorld } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { guestOf, withWorld } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import type { World } from './world.js'

type Targets = ReadonlyMap<string, BackupTarget>

const targetOf = (disk: XmlElement, reuse: boolean): BackupTarget | undefined => {
  const { file, dev } = childOf(disk, 'target')?.attributes ?? {}
  const path = file ?? dev
  const format = formatIn(disk, 'driver')
  if (path?.startsWith('/') !== true || format === undefined) return undefined
  return { to: { path, format }, on: dev === undefined ? 'file' : 'device', reuse }
}

/** The targets that the XML names: disks that it does not name are left alone. */
const targetsOf = (
  machine: MachineWorld,
  { arguments: { xml }, flags }: BackupBeginCall,
): E.Either<Fault<never>, Targets> => {
  const disks = childrenOf(childOf(xml, 'disks'), 'disk').filter(({ attributes }) => attributes['backup'] !== 'no')
  if (xml.attributes['mode'] !== 'push' || disks.length === 0)
    return unmodelled('a backup that names no disk, or is pulled')
  const targets = new Map<string, BackupTarget>()
  for (const disk of disks) {
    const name = disk.attributes['name'] ?? ''
    if (!machine.worlds.has(name)) return libvirtRefuses(`unsupported configuration: no disk named '${name}'`)
    const target = targetOf(disk, flags.includes('VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL'))
    if (target === undefined) return unmodelled(`a backup of ${name} to what has no absolute path or no format`)
    targets.set(name, target)
  }
  return E.right(targets)
}

/** A file that another disk gets is there already when the next one is looked at. */
const refusalOf = (machine: MachineWorld, targets: Targets): E.Either<Fault, never> | undefined => {
  const paths = new Set<string>()
  for (const [disk, target] of targets) {
    const world = machine.worlds.get(disk)
    const refused = world === undefined ? undefined : targetRefusal(world, target)
    if (refused !== undefined) return refused
    if (paths.has(target.to.path))
      return libvirtRefuses(`invalid argument: store '${target.to.path}' for backup of '${disk}' exists`)
    paths.add(target.to.path)
  }
  return undefined
}

/** `virDomainBackupBegin` in push mode, without a checkpoint: all disks that it names at one moment, or none. */
export const backupBegin = (machine: MachineWorld, call: BackupBeginCall): MachineOutcome => {
  const { domain } = call.arguments
  if (guestOf(machine) === 'shut-off')
    return libvirtRefuses('Operation not supported: cannot perform disk backup for inactive domain')
  const targets = targetsOf(machine, call)
  if (E.isLeft(targets)) return targets
  const refused = refusalOf(machine, targets.right)
  if (refused !== undefined && E.isLeft(refused)) return E.left(ofMachine(refused.left))
  let begun: MachineOutcome = E.right(machine)
  for (const [disk, target] of targets.right)
    if (E.isRight(begun))
      begun = inWorld(countedTogether(begun.right), disk, (world) => beginBackup(world, domain, target))
  return E.isLeft(begun) ? begun : E.right({ ...begun.right, backup: targets.right })
}

const ofMachine = (fault: Fault): Fault<never> =>
  fault._tag === 'Refused' || fault._tag === 'Unmodelled'
    ? fault
    : { _tag: 'Unmodelled', desc: 'a backup that is refused otherwise' }

const isOver = ({ domain }: World): boolean => domain?.job?.kind !== 'backup'

const failed = ({ domain }: World): boolean => domain?.event !== 'completed'

/** The machine with every world that has a disk of a backup changed. */
const inTargets = (
  machine: MachineWorld,
  backup: Targets,
  change: (world: World, target: BackupTarget) => World,
): MachineWorld =>
  Array.from(backup).reduce((at, [disk, target]) => {
    const world = at.worlds.get(disk)
    return world === undefined ? at : withWorld(at, disk, change(world, target))
  }, machine)

/**
 * Lets libvirt see how its backup stands: where a job has ended otherwise than it should, the others are told to end too, and once all
 * have, what was made for it is removed, whole or not.
 */
export const backupNoticed = (machine: MachineWorld): MachineWorld => {
  const { backup } = machine
  if (backup === undefined) return machine
  const worlds = Array.from(backup.keys()).flatMap((disk) => machine.worlds.get(disk) ?? [])
  const spoilt = worlds.some((world) => isOver(world) && failed(world))
  if (!worlds.every(isOver)) return spoilt ? inTargets(machine, backup, endingBackup) : machine
  return { ...(spoilt ? inTargets(machine, backup, withoutTarget) : machine), backup: undefined }
}

/**
 * `virDomainAbortJob`: the backup comes to nothing, but not yet. libvirt 11.3 has QEMU told to cancel the jobs, and returns; some
 * tenths of a second later they have ended.
 */
export const abortJob = (machine: MachineWorld): MachineOutcome => {
  if (guestOf(machine) === 'shut-off') return libvirtRefuses('Requested operation is not valid: domain is not running')
  return machine.backup === undefined
    ? libvirtRefuses('Requested operation is not valid: no job is active on the domain')
    : E.right(inTargets(machine, machine.backup, endingBackup))
}

/** What waits for the end of a backup, and gives up after 30 seconds. */
const waiting: ReadonlySet<LibvirtCall['call']> = new Set([
  'virDomainManagedSave',
  'virDomainSaveFlags',
  'virDomainSnapshotCreateXML',
  'virDomainSnapshotDelete',
  'virDomainBackupBegin',
])

const isEnding = ({ worlds, backup }: MachineWorld): boolean =>
  Array.from(backup?.keys() ?? []).every((disk) => {
    const job = worlds.get(disk)?.domain?.job
    return job?.kind !== 'backup' || job.ending === 'canceled'
  })

/** A backup that has been told to end has ended when a call is carried out that waits for it. */
export const backupAwaited = (machine: MachineWorld, { call }: LibvirtCall): MachineOutcome => {
  if (machine.backup === undefined || !waiting.has(call) || !isEnding(machine)) return E.right(machine)
  let at: MachineOutcome = E.right(machine)
  for (const disk of machine.backup.keys()) if (E.isRight(at)) at = inWorld(at.right, disk, finishLibvirt)
  return E.map(backupNoticed)(at)
}

/** What libvirt says to a call while a backup is under way, whichever disks it is of; nothing where that is no matter. */
export const backupLock = ({ backup }: MachineWorld, { call }: LibvirtCall): MachineOutcome | undefined => {
  if (backup === undefined) return undefined
  if (call === 'virDomainRevertToSnapshot')
    return libvirtRefuses('Requested operation is not valid: domain has active block job')
  return waiting.has(call)
    ? libvirtRefuses(
        'Timed out during operation: cannot acquire state change lock (held by monitor=remoteDispatchDomainBackupBegin)',
      )
    : undefined
}
