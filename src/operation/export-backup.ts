import * as E from 'fp-ts/lib/Either.js'

import type { Feature } from '../call/capability.js'
import { withImages } from '../model/chain.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { DiskPart, MachineAssumption } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { backupFeatures, backupGuard } from './backup-guard.js'
import { backupJob } from './backup-job.js'
import type { BackupDisk, BackupJob, BackupRequest, PlacedDisk } from './backup-job.js'
import { libvirtBackup } from './dialect/libvirt-backup.js'
import { qmpBackup } from './dialect/qmp-backup.js'
import { fatesOf } from './fates.js'
import type { Draft } from './machine-lane.js'
import { newImageAssumptions, placeImage } from './new-image.js'

/** What a backup is as parts of a plan for a machine. Its steps end only when every new image is whole, and on disk. */
export interface BackupParts {
  readonly after: Machine
  readonly parts: ReadonlyArray<DiskPart>
  readonly drafts: ReadonlyArray<Draft>
  readonly requires: ReadonlyArray<Feature>
  readonly assumes: ReadonlyArray<MachineAssumption>
}

const partOf = ({ chain, span, placed: { image } }: PlacedDisk): DiskPart => {
  const after = withImages(chain, new Map(chain.images).set(image.name, image))
  return {
    before: chain,
    after,
    contents: [{ image: image.name, span: span.map(({ name }) => name), sizeBytes: image.sizeBytes }],
    fates: fatesOf(chain, after, [[image.name, 'created']]),
  }
}

/** A device has its own assumption; on a file system that is full, it is the guest whose writes fail. */
const assumesOf = ({ disk, place }: BackupDisk): ReadonlyArray<MachineAssumption> => {
  const { wanted, sizeBytes } = place
  const room = wanted.location._tag === 'File' ? [{ _tag: 'RoomFor' as const, image: wanted.name, sizeBytes }] : []
  return [...newImageAssumptions(place), ...room].map((assumption) => ({ _tag: 'OfDisk', disk, assumption }))
}

const partsOf = (job: BackupJob, disks: ReadonlyArray<PlacedDisk>): BackupParts => {
  const parts = disks.map(partOf)
  const chains = new Map(job.machine.disks)
  for (const { before, after } of parts) chains.set(before.disk, after)
  return {
    after: withMachine(job.machine, { disks: chains }),
    parts,
    drafts: job.host.via === 'qmp' ? qmpBackup(disks, job.request) : libvirtBackup(job, disks),
    requires: backupFeatures(job),
    assumes: disks.flatMap(assumesOf),
  }
}

/**
 * Copies what a running guest's disks show at one moment to images that stand alone, by block jobs that copy what the guest is about to
 * overwrite before it does: as parts of a plan for a machine.
 *
 * The guest goes on reading and writing where it was, and no snapshot moves. Each new image is in its disk's chain afterwards, with no
 * backing file. `cancelAlways` makes what has to be done on every way out of the steps, and `machineOpenGuard` looks at who has the images
 * open; both need the whole plan.
 *
 * Refuses, in this order, besides what any export refuses: `CapabilityMissing`, `JobActive` (libvirt backs up another disk), `DiskRefused` (what
 * is wrong with a new image: `NameTaken`, `LocationNotAddressable`, `DestinationWrong`, `NodeNameInvalid`; then `NodeUnknown`,
 * `PlaintextLeak`).
 *
 * Source: QMP `transaction` with `blockdev-backup` (2.3), `job-cancel`; libvirt `virDomainBackupBegin` (7.2), as 11.3 answers.
 */
export const exportByBackup = (
  machine: Machine,
  request: BackupRequest,
  host: MachineHost,
): E.Either<MachineRefusal, BackupParts> => {
  const job = backupJob(machine, request, host)
  const refused = backupGuard(job)
  if (refused !== undefined) return E.left(refused)
  const disks: Array<PlacedDisk> = []
  for (const of of job.disks) {
    const placed = placeImage(of.place)
    if (E.isLeft(placed)) return E.left(refuseMachine({ _tag: 'DiskRefused', disk: of.disk, refusal: placed.left }))
    disks.push({ ...of, placed: placed.right })
  }
  return E.right(partsOf(job, disks))
}
