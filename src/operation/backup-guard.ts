import type { Feature } from '../call/capability.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import type { Refusal } from '../plan/refusal.js'
import type { BackupDisk, BackupJob } from './backup-job.js'
import { addressGuard } from './guard-host.js'
import { plaintextGuard } from './guard-loss.js'
import { firstRefusal } from './guard.js'
import { backedUpDisks, featureGuard, machineJobGuard } from './machine-guard.js'
import { newImageGuard, nodesElsewhereGuard } from './new-image.js'

/** A reason against a backup, or nothing. */
type BackupGuard = (job: BackupJob) => MachineRefusal | undefined

/** What the host has to have for a backup. */
export const backupFeatures = ({ host, disks }: BackupJob): ReadonlyArray<Feature> => {
  if (host.via !== 'qmp') return ['libvirt-backup']
  const makes = disks.some(({ place }) => place.wanted.made !== 'before')
  return ['qemu-blockdev-backup', 'qemu-blockdev', ...(makes ? (['qemu-blockdev-create'] as const) : [])]
}

/** libvirt has one backup of a domain at a time, whichever disks it is of; another would wait for it for 30 seconds, and fail. */
const busyGuard: BackupGuard = ({ host }) => machineJobGuard(host, backedUpDisks(host))

const refusalOf = (job: BackupJob, of: BackupDisk): Refusal | undefined =>
  newImageGuard(of.place) ??
  (job.host.via === 'qmp'
    ? (nodesElsewhereGuard(job.machine, job.request.to, of.disk) ?? addressGuard('qmp', [of.active]))
    : undefined) ??
  plaintextGuard(job.request, of.span, of.place.wanted)

const disksGuard: BackupGuard = (job) => {
  for (const of of job.disks) {
    const refusal = refusalOf(job, of)
    if (refusal !== undefined) return refuseMachine({ _tag: 'DiskRefused', disk: of.disk, refusal })
  }
  return undefined
}

const guards: ReadonlyArray<BackupGuard> = [(job) => featureGuard(job.host, backupFeatures(job)), busyGuard, disksGuard]

/** The first reason against a backup, besides those that speak against any export. */
export const backupGuard: BackupGuard = (job) => firstRefusal(guards, job)
