import * as E from 'fp-ts/lib/Either.js'

import type { Feature } from '../call/capability.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { Snapshot, SnapshotDisk } from '../model/snapshot.js'
import type { MachineAssumption, MachinePlan, MachineStep } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import type { Plan, Point } from '../plan/plan.js'
import { deleteOnDisk } from './delete-disk.js'
import { withoutInside } from './delete-inside.js'
import type { Inside } from './delete-inside.js'
import { withoutMarks } from './deletion-mark.js'
import { acceptedOn, doomedImages, endedPoints, insidePoints, keptPoints } from './delete-request.js'
import type { DeleteJob } from './delete-request.js'
import { recordsAssumption } from './machine-guard.js'
import { assemble, diskPart, draftsOfPlan, splitRemovals } from './machine-lane.js'
import type { Draft } from './machine-lane.js'
import { memoryGoing } from './memory-files.js'
import { followed } from './saved-repoint.js'
import { forgotten, redefinedFrom, successorsOf } from './record-steps.js'
import type { Recorded } from './record-steps.js'
import { daemonCleanups } from './storage-daemon.js'

/** What was planned so far, disk by disk. */
interface Progress {
  readonly machine: Machine
  readonly plans: ReadonlyArray<Plan>
  readonly points: ReadonlyMap<string, ReadonlyArray<Point>>
}

const everyDisk = (job: DeleteJob): E.Either<MachineRefusal, Progress> => {
  const { direction = 'auto', leftovers = 'remove', short = 'refuse', devices = [] } = job.request
  let progress: Progress = { machine: job.machine, plans: [], points: new Map() }
  for (const disk of job.machine.disks.keys()) {
    const doomed = doomedImages(job, disk)
    const points = keptPoints(job, disk)
    const accept = acceptedOn(job, disk, job.request.accept ?? [])
    const { machine } = progress
    const how = { direction, leftovers, accept, short, devices }
    const done = deleteOnDisk({ machine, host: job.host, disk, doomed, points, ...how })
    if (E.isLeft(done))
      return E.left(
        refuseMachine(
          { _tag: 'DiskRefused', disk, refusal: done.left },
          direction === 'auto' ? [] : [{ _tag: 'Direction', direction: 'auto' }],
        ),
      )
    progress = {
      machine: done.right.machine,
      plans: [...progress.plans, ...done.right.plans.map(({ plan }) => plan)],
      points: new Map(progress.points).set(disk, done.right.points),
    }
  }
  return E.right(progress)
}

/** A snapshot with its frozen images where the plans have put them. */
const movedSnapshot = (snapshot: Snapshot, { machine, points }: Progress): Snapshot => {
  const disks = new Map<string, SnapshotDisk>(snapshot.disks)
  for (const [disk, all] of points) {
    const image = all.find(({ point }) => point === snapshot.name)?.image
    const frozen = image === undefined ? undefined : machine.disks.get(disk)?.images.get(image)?.name
    if (frozen !== undefined && disks.get(disk)?.mode === 'external') disks.set(disk, { mode: 'external', frozen })
  }
  return { ...snapshot, disks }
}

/** The machine with what stays of its snapshots where they are then; those to be deleted are still there, with what ends lost. */
export const withMovedPoints = (machine: Machine, points: Progress['points']): Machine => {
  const progress = { machine, plans: [], points }
  return withMachine(machine, {
    snapshots: new Map(Array.from(machine.snapshots, ([name, one]) => [name, movedSnapshot(one, progress)])),
  })
}

/** The files of the guest's memory that a deletion removes. */
export const memoryPaths = ({ doomed, kept, request }: DeleteJob): ReadonlyArray<string> =>
  request.memory === 'keep' ? [] : memoryGoing(doomed, kept)

const memoryDraft = (path: string): Draft => ({
  step: {
    call: { _tag: 'Files', operation: 'remove', path },
    why: 'the memory of the guest is of no use without its snapshot',
  },
})

/** Disks of snapshots to be deleted that the machine no longer has: nobody knows what became of their images. */
const gone = ({ doomed, machine }: DeleteJob): ReadonlyArray<MachineAssumption> =>
  doomed.flatMap(({ name, disks }) => {
    const missing = Array.from(disks.keys()).filter((disk) => !machine.disks.has(disk))
    return missing.length === 0 ? [] : [{ _tag: 'DiskGone', snapshot: name, disks: missing } as const]
  })

/** What the plans of disks assume; a step that is meant is counted among the steps of the whole plan. */
export const assumedOf = (
  plans: ReadonlyArray<Plan>,
  steps: ReadonlyArray<MachineStep>,
): ReadonlyArray<MachineAssumption> => {
  const places = new Map(steps.map(({ call }, index) => [call, index]))
  return plans.flatMap((plan) =>
    plan.assumes.map((assumption): MachineAssumption => {
      const { disk } = plan.before
      if (assumption._tag !== 'StartsWith') return { _tag: 'OfDisk', disk, assumption }
      const seen = plan.steps[assumption.from - 1]?.call
      const from = ((seen === undefined ? undefined : places.get(seen)) ?? -1) + 1
      return { _tag: 'OfDisk', disk, assumption: { ...assumption, from } }
    }),
  )
}

/** Every step of the plans of disks, with the points in time that end in it. */
const draftsOf = (job: DeleteJob, plans: ReadonlyArray<Plan>): ReadonlyArray<ReadonlyArray<Draft>> =>
  plans.map((plan) => {
    const { disk } = plan.before
    const frozen = endedPoints(job, disk).map((one) => ({ ...one, held: 'frozen' as const }))
    const inside = insidePoints(job.doomed, disk).map((one) => ({ ...one, held: 'inside' as const }))
    return draftsOfPlan(plan, [...frozen, ...inside])
  })

/** What the steps need of the host: what the disks' plans do, and libvirt's calls for its records. */
const featuresOf = (job: DeleteJob, plans: ReadonlyArray<Plan>): ReadonlyArray<Feature> => {
  const records: ReadonlyArray<Feature> = job.host.via === 'libvirt' ? ['libvirt-redefine'] : []
  return Array.from(new Set([...plans.flatMap(({ requires }) => requires), ...records]))
}

const untold = ({ doomed, host }: DeleteJob): ReadonlyArray<string> =>
  doomed.flatMap(({ name, recorded }) => (host.via === 'libvirt' && recorded !== undefined ? [] : [name]))

/** Without libvirt, or where libvirt has no record, nobody is told at the end: the snapshots are no more when the last step is done. */
const ending = (drafts: ReadonlyArray<Draft>, names: ReadonlyArray<string>): ReadonlyArray<Draft> =>
  drafts.map((draft, index) =>
    index === drafts.length - 1 ? { ...draft, ends: [...(draft.ends ?? []), ...names] } : draft,
  )

/** What libvirt is told when the chains are done. */
const recordsOf = (job: DeleteJob, plans: ReadonlyArray<Plan>, machine: Machine): Recorded => {
  const { via } = job.host
  const names = job.doomed.map(({ name }) => String(name))
  const { machine: had, drafts } = forgotten(machine, names, via)
  const unmarked = withoutMarks(had, job.machine, job.doomed)
  const mended = redefinedFrom({ machine: unmarked, had }, successorsOf(plans, had), via)
  return { machine: mended.machine, drafts: [...drafts, ...mended.drafts] }
}

/** What goes from inside, before the chains or after them. */
interface OrderedInside extends Inside {
  readonly when: 'first' | 'last'
}

const inOrder = <A>(when: 'first' | 'last', chains: ReadonlyArray<A>, inside: ReadonlyArray<A>): ReadonlyArray<A> =>
  when === 'first' ? [...inside, ...chains] : [...chains, ...inside]

/** The whole plan, with what disks and images need done first and libvirt told afterwards. */
const planOf = (
  job: DeleteJob,
  plans: ReadonlyArray<Plan>,
  { machine, parts, drafts, features, when }: OrderedInside,
): MachinePlan => {
  const records = recordsOf(job, plans, machine)
  const unlinked = memoryPaths(job)
  const { work, removals } = splitRemovals(draftsOf(job, plans))
  const changes = { before: job.machine, after: records.machine, parts: inOrder(when, plans.map(diskPart), parts) }
  const states = followed(changes, job.request)
  const told = [...records.drafts, ...states.drafts]
  const all = [...inOrder(when, work, drafts), ...told, ...removals, ...unlinked.map(memoryDraft)]
  const steps = assemble(job.machine, ending(all, untold(job)))
  return {
    operation: 'delete',
    via: job.host.via,
    how: 'by hand',
    ...changes,
    after: states.machine,
    steps,
    finally: daemonCleanups(steps),
    consistency: undefined,
    unlinked,
    requires: Array.from(new Set([...featuresOf(job, plans), ...features])),
    assumes: [...assumedOf(plans, steps), ...gone(job), ...recordsAssumption(job.machine, job.host)],
  }
}

/** An image that would be lost with what is inside it may go where that goes too, and has gone before. */
const insideFirst = (job: DeleteJob): E.Either<MachineRefusal, MachinePlan> => {
  const inside = withoutInside(job, job.machine)
  if (E.isLeft(inside)) return inside
  const chains = everyDisk({ ...job, machine: inside.right.machine })
  if (E.isLeft(chains)) return chains
  const { machine, plans, points } = chains.right
  return E.right(planOf(job, plans, { ...inside.right, machine: withMovedPoints(machine, points), when: 'first' }))
}

const chainsFirst = (job: DeleteJob): E.Either<MachineRefusal, MachinePlan> => {
  const chains = everyDisk(job)
  if (E.isLeft(chains)) return chains
  const { machine, plans, points } = chains.right
  const inside = withoutInside(job, withMovedPoints(machine, points))
  return E.isLeft(inside) ? inside : E.right(planOf(job, plans, { ...inside.right, when: 'last' }))
}

const hasInside = (job: DeleteJob): boolean =>
  Array.from(job.machine.disks.keys()).some((disk) => insidePoints(job.doomed, disk).length > 0)

/**
 * Plans a deletion with the calls by hand: first the chains, disk by disk, then what is inside images, then libvirt's records,
 * and at last the files that nobody knows any more. Where the chains cannot go with what is inside them, that goes first.
 */
export const deleteByHand = (job: DeleteJob): E.Either<MachineRefusal, MachinePlan> => {
  const usual = chainsFirst(job)
  if (E.isRight(usual) || !hasInside(job)) return usual
  const other = insideFirst(job)
  return E.isRight(other) ? other : usual
}
