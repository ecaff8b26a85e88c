import * as E from 'fp-ts/lib/Either.js'

import type { Machine } from '../model/machine.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { deleteByHand, memoryPaths } from './delete-by-hand.js'
import { deleteByLibvirt } from './delete-by-libvirt.js'
import { deleteJob, doomedImages } from './delete-request.js'
import type { DeleteJob } from './delete-request.js'
import { insideOf, severalGuard } from './inside-name.js'
import { devicesGuard } from './machine-device.js'
import { outsideGuard } from './outside-guard.js'
import { featureGuard, knownGuard, lostGuard, machineJobGuard, savedGuard, viaGuard } from './machine-guard.js'
import type { DeleteRequest } from './machine-request.js'
import { followGuard } from './saved-repoint.js'
import { memoryPathGuard } from './memory-files.js'

const guards = (machine: Machine, request: DeleteRequest, host: MachineHost): MachineRefusal | undefined =>
  (request.snapshots.length === 0 ? refuseMachine({ _tag: 'NothingSelected' }) : undefined) ??
  knownGuard(machine, request.snapshots) ??
  devicesGuard(machine, request.devices) ??
  viaGuard(machine, host) ??
  machineJobGuard(host, machine.disks.keys()) ??
  savedGuard(machine, host)

/** The disks whose images are written, or go. */
const changedDisks = (job: DeleteJob): ReadonlyArray<string> =>
  Array.from(job.machine.disks.keys()).filter((disk) => doomedImages(job, disk).size > 0)

const memoryGuard = (job: DeleteJob): MachineRefusal | undefined =>
  memoryPathGuard(memoryPaths(job), { via: job.host.via, instead: [{ _tag: 'KeepMemory' }] })

const recordGuard = (job: DeleteJob): MachineRefusal | undefined =>
  job.host.via === 'libvirt' ? featureGuard(job.host, ['libvirt-redefine']) : undefined

const isInside = ({ doomed }: DeleteJob): boolean =>
  doomed.some(({ disks }) => Array.from(disks.values()).some(({ mode }) => mode === 'internal'))

/** By hand what libvirt would not do right; of an internal snapshot of a guest that runs only libvirt can take care. */
const either = (job: DeleteJob): E.Either<MachineRefusal, MachinePlan> => {
  if (job.host.via !== 'libvirt') return deleteByHand(job)
  const own = deleteByLibvirt(job)
  if (E.isRight(own)) return own
  const hand = deleteByHand(job)
  return E.isLeft(hand) && isInside(job) ? own : hand
}

const byWay = (job: DeleteJob): E.Either<MachineRefusal, MachinePlan> => {
  const { how = 'auto', saved } = job.request
  // What libvirt's own function does is done when it returns, and a saved state cannot follow any more.
  switch (how === 'auto' && saved === 'repoint' && job.machine.saved.length > 0 ? 'by hand' : how) {
    case 'libvirt':
      return deleteByLibvirt(job)
    case 'by hand':
      return deleteByHand(job)
    case 'auto':
      return either(job)
  }
}

/**
 * Plans the deletion of snapshots: their points in time go, and with them the images that nobody else needs; every other point in
 * time, every branch and what the guest reads stay as they are, and libvirt's records follow.
 *
 * Each image that reads a doomed one gets what it read: by a commit down into the doomed image (its file then holds what
 * that image held, and the record of the snapshot that was tied to it names another file), or by a pull up. In `auto` one goes
 * down wherever that loses nothing, and all others up; that is as few jobs as there are images that read a doomed one.
 *
 * Refuses, in this order: `NothingSelected`, `SnapshotNotFound`, `DiskNotFound` and `DiskRefused` (`devices` of what is not there), `GuestStateWrong`, `NotThisWay` (libvirt manages the machine, or
 * does not), `JobActive`, `ManagedSavePresent`, `PointGone` (a snapshot that stays is lost), `NotThisWay` (the path of a
 * file of memory is not absolute), `DiskRefused` (its image has several internal snapshots of one name), `CapabilityMissing`; by libvirt's own function `NotThisWay`,
 * `CapabilityMissing`, `LibvirtRefuses`, `LibvirtLoses`, `DiskRefused`, `LibvirtDiffers`; by hand `DiskRefused` (also an image
 * inside which a running QEMU cannot work), `NotThisWay` (internal snapshots of a libvirt domain that runs), `CapabilityMissing`; at last `PointsLost` (a snapshot that stays has an image for a disk that the machine no longer has),
 * `DiskRefused` (the persistent definition names a file that goes), `StateSaved` and `NotThisWay` (a saved state pins what
 * changes, or was only foreseen).
 *
 * Source: `virDomainSnapshotDelete` (external 9.0.0), `virDomainBlockCommit`, `virDomainBlockRebase`,
 * `virDomainSnapshotCreateXML` with REDEFINE; QMP `block-commit`, `block-stream`, `blockdev-snapshot-delete-internal-sync`; `qemu-img commit`, `rebase`, `snapshot -d`.
 *
 * @example
 * import { capabilitiesOfVersions, deleteSnapshots, machine, parseChain, pointMap, printChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const plan = pipe(
 *   parseChain('v <- v.1 <- v.2^'),
 *   E.flatMap(({ chain }) =>
 *     machine({
 *       name: 'vm',
 *       state: 'shut-off',
 *       disks: [chain],
 *       snapshots: [
 *         { name: 'first', disks: [['vda', { mode: 'external', frozen: 'v' }]] },
 *         { name: 'second', parent: 'first', disks: [['vda', { mode: 'external', frozen: 'v.1' }]] },
 *       ],
 *       current: 'second',
 *     }),
 *   ),
 *   E.flatMap((vm) => deleteSnapshots(vm, { snapshots: ['first'] }, host)),
 * )
 * // The second snapshot is now tied to the file of the first.
 * E.isRight(plan) ? pointMap(plan.right.after).get('second')?.get('vda')?.image : plan.left // => 'v'
 *
 * @since 0.2.0
 */
export const deleteSnapshots = (
  machine: Machine,
  request: DeleteRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const refused = guards(machine, request, host)
  if (refused !== undefined) return E.left(refused)
  const job = deleteJob(machine, request, host)
  const unable =
    lostGuard(job.kept, changedDisks(job)) ??
    memoryGuard(job) ??
    severalGuard(insideOf(machine, job.doomed), host.via) ??
    recordGuard(job) ??
    followGuard(machine, request, host)
  if (unable !== undefined) return E.left(unable)
  const planned = byWay(job)
  const lost = E.isRight(planned) ? outsideGuard(planned.right, host) : undefined
  return lost === undefined ? planned : E.left(lost)
}
