import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Machine } from '../model/machine.js'
import { managedIn } from '../model/saved-state.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachineAssumption, MachinePlan, MachineStep } from '../plan/machine-plan.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { libvirtFreeze, libvirtTake } from './dialect/libvirt-take.js'
import { qemuImgTake } from './dialect/qemu-img-take.js'
import { dismissAlways } from './dialect/qmp-memory.js'
import { agentFreeze, qmpTake } from './dialect/qmp-take.js'
import { guarded } from './guard.js'
import { writtenOut } from './held-back.js'
import { savedStatesGuard } from './saved-guard.js'
import { recordsAssumption } from './machine-guard.js'
import { assemble } from './machine-lane.js'
import type { Draft } from './machine-lane.js'
import type { TakeRequest } from './machine-request.js'
import { machineOpenGuard } from './open-guard.js'
import { machineTaken } from './take-after.js'
import { takeFeatures, takeGuards } from './take-guard.js'
import { consistencyOf, disksTaken, takeJob } from './take-job.js'
import type { TakeJob } from './take-job.js'
import { thawAlways } from './take-lane.js'
import type { TakeOutcome } from './take-lane.js'
import { diskAssumptions, partOf, takenDisks } from './take-part.js'

const stepsOf = (outcome: TakeOutcome): Pick<MachinePlan, 'steps' | 'finally'> => {
  const { host, machine } = outcome.job
  const freezing = host.via === 'libvirt' ? libvirtFreeze(machine.name) : agentFreeze
  const drafts = ((): ReadonlyArray<Draft> => {
    switch (host.via) {
      case 'libvirt':
        return libvirtTake(outcome, freezing)
      case 'qmp':
        return qmpTake(outcome)
      case 'qemu-img':
        return qemuImgTake(outcome)
      case 'storage-daemon':
        throw new Error('unreachable: refused')
    }
  })()
  return {
    steps: assemble(machine, drafts),
    finally: [...thawAlways(outcome.job, freezing, drafts), ...dismissAlways(drafts)],
  }
}

/** What the plan relies on besides the disks' own: no saved state, nothing where the memory goes, nobody at the images. */
const machineAssumptions = (job: TakeJob): ReadonlyArray<MachineAssumption> => {
  const { machine, host, memory } = job
  const off = machine.state === 'shut-off'
  const saved =
    off && host.via === 'libvirt' && host.managedSave === undefined && managedIn(machine.saved) === undefined
  return [
    ...(saved ? [{ _tag: 'NoManagedSave' as const, domain: machine.name }] : []),
    ...(memory._tag === 'External'
      ? [{ _tag: 'OfDisk' as const, disk: 'memory', assumption: { _tag: 'NothingAt' as const, path: memory.path } }]
      : []),
    ...(host.via === 'qmp' && memory._tag === 'Internal' ? [{ _tag: 'NoOtherDisks' as const }] : []),
    ...(memory._tag === 'None' ? writtenOut(machine, disksTaken(job, 'manual')) : []),
    ...(off ? disksTaken(job, 'internal') : []).map((disk) => {
      const images = [machine.disks.get(disk)?.active ?? '']
      return { _tag: 'OfDisk' as const, disk, assumption: { _tag: 'Closed' as const, images } }
    }),
  ]
}

const sees = (steps: ReadonlyArray<MachineStep>, disk: string): number =>
  steps.findIndex((step) => step.disk === disk && step.until?._tag === 'ChainIs')

const planOf = (outcome: TakeOutcome): MachinePlan => {
  const { job, disks } = outcome
  const { steps, finally: cleanups } = stepsOf(outcome)
  return {
    operation: 'take',
    via: job.host.via,
    how: job.host.via === 'libvirt' ? 'libvirt' : 'by hand',
    before: job.machine,
    after: machineTaken(outcome),
    parts: disks.flatMap(partOf),
    steps,
    finally: cleanups,
    consistency: consistencyOf(job),
    unlinked: [],
    requires: takeFeatures(job),
    assumes: [
      ...disks.flatMap((taken) => diskAssumptions(taken, (disk) => sees(steps, disk))),
      ...machineAssumptions(job),
      ...(job.request.metadata === 'none' ? [] : recordsAssumption(job.machine, job.host)),
    ],
  }
}

/**
 * Plans a snapshot of a machine: every disk at the same point in time, by one call of libvirt or one transaction of QEMU.
 *
 * What the guest reads stays the same. The point in time is held by the images that were active, which are frozen; the
 * snapshot's parent is the current one, and it becomes the current one itself. File systems that are frozen are thawed
 * on every way out. With a `manual` disk a guest that ran is paused afterwards, for whoever saves that disk. Memory that is kept
 * inside takes every disk with it; QEMU stops the guest meanwhile by itself.
 *
 * Refuses, in this order: `SnapshotNameWrong`, `DiskNotFound`, `NothingSelected`, `KindsMixed`, `GuestStateWrong`,
 * `NotThisWay` (or `DiskRefused`: an image inside which a running QEMU cannot work), `CapabilityMissing`, `JobActive`, `ManagedSavePresent`, `AgentAbsent`, `PathTaken`, `DiskRefused` (what
 * `addOverlay` refuses of one disk; bitmaps of a shut-off libvirt domain; `ImageOpen`), after `StateSaved`.
 *
 * Source: libvirt `virDomainSnapshotCreateXML` (11.3), `virDomainFSFreeze`, `virDomainFSThaw`; QMP `blockdev-create`,
 * `blockdev-add`, `transaction` with `blockdev-snapshot` and `blockdev-snapshot-internal-sync`, `snapshot-save` (6.0);
 * `guest-fsfreeze-freeze`, `guest-fsfreeze-thaw`; `qemu-img create`,
 * `qemu-img snapshot -c`.
 *
 * @example
 * import { capabilitiesOfVersions, machine, parseChain, printChain, take } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const plan = pipe(
 *   parseChain('v <- v.1^'),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'shut-off', disks: [chain] })),
 *   E.flatMap((vm) => take(vm, { name: 'monday' }, host)),
 * )
 * E.isRight(plan) ? Array.from(plan.right.after.disks.values(), (one) => printChain(one)) : [] // => ['v <- v.1 <- v.monday^']
 *
 * @since 0.2.0
 */
export const take = (
  machine: Machine,
  request: TakeRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> =>
  pipe(
    guarded(takeGuards)(takeJob(machine, request, host)),
    E.flatMap((job) =>
      pipe(
        takenDisks(job),
        E.map((disks) => planOf({ job, disks })),
        E.flatMap((plan) => {
          const refused = savedStatesGuard(plan) ?? machineOpenGuard(plan, host)
          return refused === undefined ? E.right(plan) : E.left(refused)
        }),
      ),
    ),
  )
