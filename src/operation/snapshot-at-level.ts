import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Feature } from '../call/capability.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { managedIn } from '../model/saved-state.js'
import type { StorageCopy } from '../model/storage-copy.js'
import type { StorageLevel } from '../model/storage-level.js'
import type { LevelPlan } from '../plan/level-plan.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { Consistency, MachineAssumption, MachinePlan, MachineStep } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import type { Cleanup } from '../plan/plan.js'
import { diskConsistency } from './consistency.js'
import { copyGroups, takeCopies } from './dialect/level-step.js'
import { unlessGone } from './flush-pause.js'
import { writtenOut } from './held-back.js'
import { chooseLevels } from './level-choose.js'
import type { LevelChoice } from './level-choose.js'
import { copiesOf, copyAssumptions, placeOfCopy, recordCopied, withCopied, withReaders } from './level-outcome.js'
import { freezes, pausedAround, resumedAfter } from './level-pause.js'
import type { Around } from './level-pause.js'
import type { LevelRequest } from './level-request.js'
import { levelJob, takeRequestOf } from './level-unfit.js'
import type { LevelJob } from './level-unfit.js'
import { levelGuard } from './level-guard.js'
import { featureGuard } from './machine-guard.js'
import { assemble } from './machine-lane.js'
import type { Draft } from './machine-lane.js'
import type { TakeDisk } from './machine-request.js'
import { savedStatesGuard } from './saved-guard.js'
import { laterAssumption, laterCleanup } from './sequence.js'
import { take } from './take.js'

const modeOf = (level: StorageLevel): TakeDisk['mode'] => {
  if (level._tag === 'QemuInternal') return 'internal'
  return level._tag === 'QemuExternal' ? 'external' : 'manual'
}

/** A snapshot with every level chosen. */
interface Chosen extends LevelChoice {
  readonly job: LevelJob
  readonly copies: ReadonlyArray<StorageCopy>
}

const keepsMemory = ({ request }: LevelJob): boolean => request.memory !== undefined && request.memory._tag !== 'None'

/**
 * What QEMU and libvirt do: nothing, where levels below have every disk and no memory is kept. Without memory the guest stands still
 * already, and stays so; with it libvirt stops it by itself.
 */
const takenByQemu = ({ job, chosen, copies }: Chosen): E.Either<MachineRefusal, MachinePlan | undefined> => {
  const modes = new Map(Array.from(chosen, ([disk, level]) => [disk, modeOf(level)]))
  if (copies.length === chosen.size && !keepsMemory(job)) return E.right(undefined)
  const request = takeRequestOf(job, modes)
  if (copies.length === 0 || keepsMemory(job)) return take(job.machine, request, job.host)
  const stopped = job.machine.state === 'running' ? withMachine(job.machine, { state: 'paused' }) : job.machine
  return take(stopped, { ...request, quiesce: 'no' }, job.host)
}

const aroundOf = ({ job, copies }: Chosen, taken: MachinePlan | undefined): Around => {
  if (copies.length === 0) return { before: [], after: [], cleanups: [] }
  if (!keepsMemory(job)) return pausedAround(job)
  const from = taken?.steps.findIndex(
    ({ call }) => call._tag === 'Libvirt' && call.function.call === 'virDomainSnapshotCreateXML',
  )
  return resumedAfter(job, from ?? 0)
}

const begun = ({ request }: LevelJob, drafts: ReadonlyArray<Draft>): ReadonlyArray<Draft> =>
  drafts.map((draft, index) =>
    index === 0 && request.metadata !== 'none' ? { ...draft, begins: [request.name] } : draft,
  )

interface Assembled {
  readonly steps: ReadonlyArray<MachineStep>
  readonly finally: ReadonlyArray<Cleanup>
}

const stepsOf = ({ job, copies }: Chosen, taken: MachinePlan | undefined, around: Around): Assembled => {
  const first = assemble(job.machine, around.before)
  const commands = takeCopies(copies)
  const recorded = taken === undefined ? recordCopied(job, withCopied(job, copies)) : []
  const own = recorded.length === 0 ? begun(job, commands) : commands
  const rest = assemble(taken?.after ?? job.machine, [...own, ...around.after, ...recorded])
  const steps = [...first, ...(taken?.steps ?? []), ...rest]
  const cleanups = [...(taken?.finally ?? []).map((one) => laterCleanup(one, first.length)), ...around.cleanups]
  return { steps, finally: cleanups.map(unlessGone(steps)) }
}

/** What is relied on besides the copies themselves. */
const assumptionsOf = ({ job, copies }: Chosen, taken: MachinePlan | undefined): ReadonlyArray<MachineAssumption> => {
  const { machine, host } = job
  const off = machine.state === 'shut-off'
  const unsaved =
    off && host.via === 'libvirt' && host.managedSave === undefined && managedIn(machine.saved) === undefined
  const own: ReadonlyArray<MachineAssumption> =
    unsaved && taken === undefined ? [{ _tag: 'NoManagedSave', domain: machine.name }] : []
  const closed = (off ? copies : []).map(({ disk, inside }): MachineAssumption => ({
    _tag: 'OfDisk',
    disk,
    assumption: { _tag: 'Closed', images: inside },
  }))
  const written =
    taken === undefined
      ? writtenOut(
          machine,
          copies.map(({ disk }) => disk),
        )
      : []
  return [...own, ...copies.flatMap(copyAssumptions), ...closed, ...written]
}

const consistencyOf = (job: LevelJob): Consistency =>
  keepsMemory(job) ? 'memory' : diskConsistency(job.machine, freezes(job))

const featuresOf = ({ job, chosen, copies }: Chosen): ReadonlyArray<Feature> => {
  if (copies.length === 0 || job.host.via !== 'libvirt') return []
  const recorded = copies.length === chosen.size && !keepsMemory(job) && job.request.metadata !== 'none'
  return [
    ...(!keepsMemory(job) && freezes(job) !== 'no' ? (['libvirt-freeze'] as const) : []),
    ...(recorded ? (['libvirt-redefine', 'libvirt-manual-snapshot'] as const) : []),
  ]
}

/** libvirt writes down what it has not taken only with the time of it. */
const recordGuard = (of: Chosen): MachineRefusal | undefined =>
  featuresOf(of).includes('libvirt-redefine') && of.job.request.creationTime === undefined
    ? refuseMachine({
        _tag: 'RecordMissing',
        snapshot: of.job.request.name,
        why: 'libvirt writes down a snapshot that it has not taken only with its `creationTime`',
      })
    : undefined

const machineAfter = ({ job, copies }: Chosen, taken: MachinePlan | undefined): Machine => {
  const { after } = taken ?? { after: withCopied(job, copies) }
  return withMachine(after, { state: job.machine.state, disks: withReaders(after, copies) })
}

const composed = (chosen: Chosen, taken: MachinePlan | undefined): LevelPlan => {
  const { job, copies } = chosen
  const around = aroundOf(chosen, taken)
  const by = around.before.length
  const plan: MachinePlan = {
    operation: 'take',
    via: job.host.via,
    how: copies.length === 0 && taken !== undefined ? taken.how : 'by hand',
    before: job.machine,
    after: machineAfter(chosen, taken),
    parts: taken?.parts ?? [],
    ...stepsOf(chosen, taken, around),
    consistency: copies.length === 0 ? taken?.consistency : consistencyOf(job),
    unlinked: [],
    requires: [...(taken?.requires ?? []), ...featuresOf(chosen)],
    assumes: [...(taken?.assumes ?? []).map((one) => laterAssumption(one, by)), ...assumptionsOf(chosen, taken)],
  }
  return { plan, chosen: chosen.chosen, passedOver: chosen.passedOver, copies }
}

/** Two disks can want their copies in one place. */
const placesGuard = ({ copies }: Chosen): MachineRefusal | undefined => {
  const taken = new Map<string, string>()
  for (const { copy, disks } of copyGroups(copies)) {
    const path = placeOfCopy(copy)
    const by = path === undefined ? undefined : taken.get(path)
    if (path !== undefined && by !== undefined)
      return refuseMachine({ _tag: 'PathTaken', disk: copy.disk, path, by: `the copy of ${by}` })
    if (path !== undefined) taken.set(path, disks.join(', '))
  }
  return undefined
}

const planned = (chosen: Chosen): E.Either<MachineRefusal, LevelPlan> => {
  const refused = placesGuard(chosen) ?? recordGuard(chosen) ?? featureGuard(chosen.job.host, featuresOf(chosen))
  return refused !== undefined
    ? E.left(refused)
    : pipe(
        takenByQemu(chosen),
        E.map((taken) => composed(chosen, taken)),
        E.flatMap((level) => {
          const late = savedStatesGuard(level.plan)
          return late === undefined ? E.right(level) : E.left(late)
        }),
      )
}

/**
 * Plans a snapshot of a machine at the levels of the stack that the caller prefers: of each disk the first level that it has and that can
 * hold the request, with the reason for every one that was passed over.
 *
 * All disks are of one moment. Levels below QEMU copy what is on disk and know no locks: a guest that runs stands still meanwhile,
 * which has QEMU write out what it has held back, and goes on, whatever happens. The copies are by nobody's record but the
 * caller's: `copies` is to be kept. `take` does what QEMU does itself. libvirt has a record of it, with `manual` disks.
 *
 * Refuses, in this order: `SnapshotNameWrong`, `DiskNotFound`, `NothingSelected`, `GuestStateWrong`, `NotThisWay`,
 * `ManagedSavePresent`, `AgentAbsent`, `NoLevelFits` (with every level and why), `PathTaken`, `RecordMissing`, `CapabilityMissing`, what `take` refuses
 * of the disks together, `StateSaved`.
 *
 * Source: QMP `stop`, `cont`; `virDomainSuspend`, `virDomainResume`; `lvcreate --snapshot` (2.03.16, its arguments only), `btrfs subvolume
 * snapshot` (6.2), `cp --reflink` (coreutils 9.1), seen with QEMU 10.0 and 7.2.
 *
 * @example
 * import { capabilitiesOfVersions, chain, machine, shellLine, snapshotAtLevel } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const location = { _tag: 'File', path: '/vms/one/a.qcow2' } as const
 * const levels = new Map([['vda', [{ _tag: 'Btrfs', subvolume: '/vms/one', snapshots: '/vms/.snapshots' } as const]]])
 * const plan = pipe(
 *   chain('vda', [{ name: 'a', format: 'qcow2', sizeBytes: 1_048_576, location }], 'a'),
 *   E.flatMap((disk) => machine({ name: 'vm', state: 'shut-off', disks: [disk] })),
 *   E.flatMap((vm) => snapshotAtLevel(vm, { name: 'monday', levels, prefer: ['Lvm', 'Btrfs', 'QemuExternal'] }, host)),
 * )
 * E.isRight(plan) ? plan.right.plan.steps.map(({ call }) => shellLine(call))[0] : plan.left
 * // => 'btrfs subvolume snapshot -r /vms/one /vms/.snapshots/one.monday'
 * E.isRight(plan) ? plan.right.passedOver : [] // => [{ disk: 'vda', level: 'Lvm', why: { _tag: 'NotOffered' } }]
 * E.isRight(plan) ? plan.right.copies.map((copy) => copy.path) : [] // => ['/vms/.snapshots/one.monday/a.qcow2']
 *
 * @since 0.2.0
 */
export const snapshotAtLevel = (
  machine: Machine,
  request: LevelRequest,
  host: MachineHost,
): E.Either<MachineRefusal, LevelPlan> => {
  const job = levelJob(machine, request, host)
  const refused = levelGuard(job)
  return refused !== undefined
    ? E.left(refused)
    : pipe(
        chooseLevels(job),
        E.flatMap((choice) => planned({ ...choice, job, copies: copiesOf(job, choice.chosen) })),
      )
}
