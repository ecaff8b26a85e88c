import type { Feature } from '../call/capability.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import type { BackupDisk, BackupJob } from './backup-job.js'
import { addressGuard } from './guard-host.js'
import { plaintextGuard } from './guard-loss.js'
import { takenNodes } from './identifier.js'
import { featureGuard, machineJobGuard, viaGuard } from './machine-guard.js'
import { newImageGuard } from './new-image.js'
import { newFilesGuard, pathsOfImages } from './taken-path.js'

/** A reason against a backup, or nothing. */
type BackupGuard = (job: BackupJob) => MachineRefusal | undefined

const diskGuard: BackupGuard = ({ machine, request: { to } }) => {
  if (to.size === 0) return refuseMachine({ _tag: 'NothingSelected' })
  const disk = Array.from(to.keys()).find((target) => !machine.disks.has(target))
  return disk === undefined ? undefined : refuseMachine({ _tag: 'DiskNotFound', disk })
}

/** A block job needs a QEMU that has the disks open. */
const stateGuard: BackupGuard = ({ machine, host: { via } }) =>
  machine.state === 'shut-off'
    ? refuseMachine({ _tag: 'GuestStateWrong', via, guest: machine.state, needs: ['running', 'paused'] })
    : undefined

/** What the host has to have for a backup. */
export const backupFeatures = ({ host, disks }: BackupJob): ReadonlyArray<Feature> => {
  if (host.via !== 'qmp') return ['libvirt-backup']
  const makes = disks.some(({ place }) => place.wanted.made !== 'before')
  return ['qemu-blockdev-backup', 'qemu-blockdev', ...(makes ? (['qemu-blockdev-create'] as const) : [])]
}

/** libvirt has one backup of a domain at a time, whichever disks it is of; another would wait for it for 30 seconds, and fail. */
const busyGuard: BackupGuard = ({ host, request: { to } }) => {
  const selected = machineJobGuard(host, to.keys())
  if (selected !== undefined || host.via !== 'libvirt') return selected
  for (const [disk, jobs] of host.jobs ?? []) {
    const backup = jobs.find(({ kind }) => kind === 'backup')
    if (backup !== undefined) return refuseMachine({ _tag: 'JobActive', disk, job: backup.id, kind: backup.kind })
  }
  return undefined
}

const pathGuard: BackupGuard = ({ machine, request: { to, reserved } }) =>
  newFilesGuard(machine, pathsOfImages(to), reserved)

/** Refuses a node name that another disk of the machine has, or gets: a QEMU has them all. */
const nodeGuard = ({ machine, disks }: BackupJob, { disk, place }: BackupDisk): Refusal | undefined => {
  const nodes = place.wanted.nodes
  if (nodes === undefined) return undefined
  const earlier = disks.slice(
    0,
    disks.findIndex((one) => one.disk === disk),
  )
  const taken = new Set([
    ...Array.from(machine.disks).flatMap(([other, chain]) => (other === disk ? [] : Array.from(takenNodes(chain)))),
    ...earlier.flatMap(({ place: { wanted } }) => (wanted.nodes === undefined ? [] : Object.values(wanted.nodes))),
  ])
  const found = [nodes.format, nodes.storage].find((node) => taken.has(node))
  return found === undefined ? undefined : refuse({ _tag: 'NameTaken', name: found, by: 'node' })
}

const refusalOf = (job: BackupJob, of: BackupDisk): Refusal | undefined =>
  newImageGuard(of.place) ??
  (job.host.via === 'qmp' ? (nodeGuard(job, of) ?? addressGuard('qmp', [of.active])) : undefined) ??
  plaintextGuard(job.request, of.span, of.place.wanted)

const disksGuard: BackupGuard = (job) => {
  for (const of of job.disks) {
    const refusal = refusalOf(job, of)
    if (refusal !== undefined) return refuseMachine({ _tag: 'DiskRefused', disk: of.disk, refusal })
  }
  return undefined
}

const guards: ReadonlyArray<BackupGuard> = [
  diskGuard,
  stateGuard,
  ({ machine, host }) => viaGuard(machine, host),
  (job) => featureGuard(job.host, backupFeatures(job)),
  busyGuard,
  pathGuard,
  disksGuard,
]

/** The first reason against a backup, in the order of the guards. */
export const backupGuard: BackupGuard = (job) => {
  for (const guard of guards) {
    const refusal = guard(job)
    if (refusal !== undefined) return refusal
  }
  return undefined
}
