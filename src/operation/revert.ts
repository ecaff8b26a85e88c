import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Machine } from '../model/machine.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { libvirtRevert } from './dialect/libvirt-revert.js'
import { memoryFiles, qemuImgRevert } from './dialect/qemu-img-revert.js'
import { dismissAlways } from './dialect/qmp-memory.js'
import { qmpRevert } from './dialect/qmp-revert.js'
import { guarded } from './guard.js'
import { outsideGuard } from './outside-guard.js'
import { assemble } from './machine-lane.js'
import type { Draft } from './machine-lane.js'
import type { RevertRequest } from './machine-request.js'
import { assumptionsOfRevert } from './revert-assumption.js'
import { goingGuard } from './revert-going-guard.js'
import { commonGuards, handGuards, revertFeatures } from './revert-guard.js'
import { howToRevert, revertJob } from './revert-job.js'
import type { RevertJob } from './revert-job.js'
import { revertByLibvirt } from './revert-by-libvirt.js'
import { partOf, settleRevert } from './revert-outcome.js'
import type { RevertOutcome } from './revert-outcome.js'
import { placeActives } from './revert-place.js'

const draftsOf = (outcome: RevertOutcome): ReadonlyArray<Draft> => {
  const { via } = outcome.job.host
  if (via === 'libvirt') return libvirtRevert(outcome)
  return via === 'qmp' ? qmpRevert(outcome) : qemuImgRevert(outcome)
}

const planOf = (outcome: RevertOutcome): MachinePlan => {
  const { job, disks, after } = outcome
  const drafts = draftsOf(outcome)
  const steps = assemble(job.machine, drafts)
  return {
    operation: 'revert',
    via: job.host.via,
    how: 'by hand',
    before: job.machine,
    after,
    parts: disks.flatMap(partOf),
    steps,
    finally: dismissAlways(drafts),
    consistency: undefined,
    unlinked: memoryFiles(outcome),
    requires: revertFeatures(job),
    assumes: assumptionsOfRevert(outcome, steps),
  }
}

const byHand = (job: RevertJob): E.Either<MachineRefusal, MachinePlan> =>
  pipe(
    guarded(handGuards)(job),
    E.flatMap(placeActives),
    E.map((actives) => settleRevert(job, actives)),
    E.flatMap((outcome) => {
      const refusal = goingGuard(job, outcome.disks)
      return refusal === undefined ? E.right(planOf(outcome)) : E.left(refusal)
    }),
  )

/**
 * Plans a revert: the guest reads, on every disk that the snapshot has, what it read at that point in time; a disk that the
 * snapshot leaves out or does not know stays as it is.
 *
 * By hand, which is the default, a new empty image over each frozen one becomes active. Nothing else changes unless the caller
 * gives it up: the images that were active stay beside the chain (`present: 'discard'`), what came after stays as a branch
 * (`later: 'delete'`), the definition changes in its images only (`definition: 'as taken'`), every other point in time reads as
 * before. Nothing is removed before every new image has been seen and the definition names it. The name of a new image is the
 * path of the frozen one with its last suffix replaced by the snapshot's name, then by that name with `-1`, `-2` and so on: the first
 * that no image, header, record, definition, memory file or `reserved` path has. libvirt's record of the snapshot names the new
 * images afterwards: at its own next revert it unlinks what stands there.
 *
 * Over QMP it is for snapshots with memory inside: the running QEMU loads memory and disks at once, over what they show now
 * (`present: 'discard'`). Where that fails the guest is left stopped in the status `restore-vm`, and some disks may be back already.
 *
 * Through libvirt's own function, with `how: 'libvirt'` or where the guest's memory has to be loaded, it is what libvirt 11.3 does, where
 * that is what was asked for.
 *
 * Refuses, in this order: `SnapshotNotFound`, `GuestStateWrong`, `NotThisWay` (of the way, or its reach), `CapabilityMissing`,
 * `JobActive`, `ManagedSavePresent`, `PointGone` (lost too where libvirt has begun to delete the snapshot and not ended),
 * `NothingSelected`, `DiskNotFound`, `NotThisWay` (memory by hand), `DiskRefused` (an internal snapshot whose name is the id of
 * another one). By hand `RecordMissing`, `NotThisWay` and `DiskRefused` (the definition), through a monitor `PointGone` (a disk
 * is left out), `DiskRefused` (not the root of its disk) and `NotThisWay`, `PointsLost` and `DiskRefused` (internal
 * snapshots), and for one disk after the other `DiskRefused`, `PointsLost` (in place), `PathTaken`; then `DiskRefused` (removals, also of one of several internal snapshots of a name),
 * `PointGone` (a snapshot that stays is lost, and what goes may hold it), `NotThisWay` (memory with a relative path).
 * Through libvirt's own function `NotThisWay`, `LibvirtRefuses`, `LibvirtDiffers`, `LibvirtLoses`. At last `PointsLost` (an image
 * that a snapshot has for a disk that the machine no longer has, or that the definition of then would have the guest write), `StateSaved`.
 *
 * Source: `qemu-img create`, `snapshot -a`; QMP `snapshot-load` (6.0); libvirt `virDomainDestroyFlags`, `virDomainDefineXMLFlags`,
 * `virDomainSnapshotCreateXML` with REDEFINE and CURRENT, `virDomainRevertToSnapshot` (external since 9.9.0).
 *
 * @example
 * import { capabilitiesOfVersions, machine, parseChain, printChain, revert } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const snapshots = [
 *   { name: 'monday', disks: [['vda', { mode: 'external', frozen: 'v' }]] },
 *   { name: 'tuesday', parent: 'monday', disks: [['vda', { mode: 'external', frozen: 'v.1' }]] },
 * ] as const
 * const plan = pipe(
 *   parseChain('v <- v.1 <- v.2^'),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'shut-off', disks: [chain], snapshots, current: 'tuesday' })),
 *   E.flatMap((vm) => revert(vm, { to: 'monday' }, host)),
 * )
 * E.isRight(plan) ? Array.from(plan.right.after.disks.values(), (chain) => printChain(chain)) : plan.left
 * // => ['v <- (v.1 <- v.2, v.monday^)']
 *
 * @since 0.2.0
 */
export const revert = (
  machine: Machine,
  request: RevertRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const job = revertJob({ machine, request, host })
  if (job === undefined) return E.left(refuseMachine({ _tag: 'SnapshotNotFound', snapshot: request.to }))
  return pipe(
    guarded(commonGuards)(job),
    E.flatMap(() => (howToRevert(job) === 'libvirt' ? revertByLibvirt(job) : byHand(job))),
    E.flatMap((plan) => {
      const lost = outsideGuard(plan, host)
      return lost === undefined ? E.right(plan) : E.left(lost)
    }),
  )
}
