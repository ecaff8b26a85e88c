import type { Chain } from '../model/chain.js'
import { activeImage, activePath } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import type { Machine } from '../model/machine.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { MachineHost } from '../plan/machine-host.js'
import { hypervisorOf } from './machine-hypervisor.js'
import type { ExportRequest } from './machine-request.js'
import type { Place, Placed } from './new-image.js'
import type { NewImage } from './request.js'

/** What of an export matters to the jobs. */
export type BackupRequest = Pick<ExportRequest, 'to' | 'accept' | 'data' | 'bytesPerSecond'>

/** One disk that is copied, and where to. */
export interface BackupDisk {
  readonly disk: string
  readonly chain: Chain
  readonly hypervisor: Hypervisor
  readonly active: Image
  /** The images whose contents go into the copy, base first. */
  readonly span: ReadonlyArray<Image>
  readonly place: Place
}

/** A backup whose disks have been found; one that the machine does not have is in the request alone. */
export interface BackupJob {
  readonly machine: Machine
  readonly request: BackupRequest
  readonly host: MachineHost
  readonly disks: ReadonlyArray<BackupDisk>
}

/** A disk with its new image as it stands in the chain afterwards. */
export interface PlacedDisk extends BackupDisk {
  readonly placed: Placed
}

const diskOf = (job: Omit<BackupJob, 'disks'>, disk: string, wanted: NewImage): ReadonlyArray<BackupDisk> => {
  const chain = job.machine.disks.get(disk)
  if (chain === undefined) return []
  const hypervisor = hypervisorOf(job.machine, job.host, disk)
  const active = activeImage(chain)
  const place = { chain, hypervisor, wanted, sizeBytes: active.sizeBytes, below: undefined }
  return [{ disk, chain, hypervisor, active, span: activePath(chain), place }]
}

/** Finds what a backup names. */
export const backupJob = (machine: Machine, request: BackupRequest, host: MachineHost): BackupJob => {
  const job = { machine, request, host }
  return { ...job, disks: Array.from(request.to).flatMap(([disk, wanted]) => diskOf(job, disk, wanted)) }
}
