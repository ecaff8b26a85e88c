import * as E from 'fp-ts/lib/Either.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { normalPath, placeOf } from '../model/header.js'
import type { Machine } from '../model/machine.js'
import { recordedSources } from '../model/record.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { Loss, MachineRefusal } from '../plan/machine-refusal.js'
import type { Plan, Point } from '../plan/plan.js'
import type { AcceptableTag, Refusal } from '../plan/refusal.js'
import { commit } from './commit.js'
import { assumedOf, withMovedPoints } from './delete-by-hand.js'
import { acceptedOn, insidePoints, keptPoints } from './delete-request.js'
import { outsideGuard } from './outside-guard.js'
import { withPart } from './machine-definition.js'
import { lostGuard, machineJobGuard, recordsAssumption, savedGuard, viaGuard } from './machine-guard.js'
import { hypervisorOf } from './machine-hypervisor.js'
import { assemble, diskPart, draftsOfPlan, splitRemovals } from './machine-lane.js'
import type { ChainRequest } from './machine-request.js'
import { followed, followGuard } from './saved-repoint.js'
import { pull } from './pull.js'
import { redefined, successorsOf } from './record-steps.js'
import { daemonCleanups } from './storage-daemon.js'

const planOnDisk = (
  machine: Machine,
  request: ChainRequest,
  host: MachineHost,
): E.Either<Refusal, Plan> | undefined => {
  const chain = machine.disks.get(request.disk)
  if (chain === undefined) return undefined
  const hypervisor = hypervisorOf(machine, host, request.disk)
  const kept = Array.from(machine.snapshots.values())
  const own = keptPoints({ kept }, request.disk)
  const accepted = (given: ReadonlyArray<AcceptableTag> | undefined): ReadonlyArray<AcceptableTag> =>
    acceptedOn({ kept }, request.disk, given ?? [])
  const points = (given: ReadonlyArray<Point> | undefined): ReadonlyArray<Point> => [...own, ...(given ?? [])]
  return 'commit' in request
    ? commit(
        chain,
        { ...request.commit, points: points(request.commit.points), accept: accepted(request.commit.accept) },
        hypervisor,
      )
    : pull(
        chain,
        { ...request.pull, points: points(request.pull.points), accept: accepted(request.pull.accept) },
        hypervisor,
      )
}

/** The snapshots that would be wrong afterwards if nobody told: what holds them has moved, or libvirt's record names what has gone. */
const invalidated = (machine: Machine, plan: Plan): ReadonlyArray<string> => {
  const moved = new Set(plan.points.filter(({ before, after }) => before !== after).map(({ point }) => point))
  const gone = new Set(
    Array.from(plan.before.images.values()).flatMap((image) =>
      plan.after.images.has(image.name) ? [] : [placeOf(image)],
    ),
  )
  return Array.from(machine.snapshots.values()).flatMap(({ name, recorded }) => {
    const paths = (['domain', 'inactiveDomain'] as const).flatMap((of) => {
      const source = recordedSources(recorded, of).get(plan.before.disk)
      return source?.path === undefined ? [] : [source.path, ...source.below.map(({ path }) => path)]
    })
    return moved.has(name) || paths.some((path) => gone.has(normalPath(path))) ? [name] : []
  })
}

/** True for what writes over an image, or takes one away. */
const isUnderSnapshots = (request: ChainRequest): boolean => 'commit' in request || request.pull.leftovers === 'remove'

/** Snapshots inside an image that the chain does not have any more. */
const lostInside = (machine: Machine, { before, after }: Plan): ReadonlyArray<Loss> =>
  insidePoints(Array.from(machine.snapshots.values()), before.disk).flatMap(({ point, image }) =>
    after.images.has(image) ? [] : [{ snapshot: point, disk: before.disk, image }],
  )

interface Asked {
  readonly request: ChainRequest
  readonly host: MachineHost
}

const carried = (machine: Machine, { request, host }: Asked, plan: Plan): MachinePlan => {
  const hypervisor = hypervisorOf(machine, host, plan.before.disk)
  const points = plan.points.map(({ point, after: image }) => ({ point, image }))
  const moved = withMovedPoints(withPart(machine, plan, hypervisor), new Map([[plan.before.disk, points]]))
  const mended = redefined(moved, successorsOf([plan], moved), host.via)
  const { work, removals } = splitRemovals([draftsOfPlan(plan)])
  const changes = { before: machine, after: mended.machine, parts: [diskPart(plan)] }
  const states = followed(changes, request)
  const steps = assemble(machine, [...work, ...mended.drafts, ...states.drafts, ...removals])
  return {
    operation: plan.operation === 'pull' ? 'pull' : 'commit',
    via: host.via,
    how: 'by hand',
    ...changes,
    after: states.machine,
    steps,
    finally: daemonCleanups(steps),
    consistency: undefined,
    unlinked: [],
    requires: [...plan.requires, ...(mended.drafts.length > 0 ? (['libvirt-redefine'] as const) : [])],
    assumes: [...assumedOf([plan], steps), ...recordsAssumption(machine, host)],
  }
}

const guards = (machine: Machine, request: ChainRequest, host: MachineHost): MachineRefusal | undefined =>
  viaGuard(machine, host) ??
  machineJobGuard(host, [request.disk]) ??
  savedGuard(machine, host) ??
  followGuard(machine, request, host)

/**
 * Plans a commit or a pull on one disk of a machine that has snapshots. Every point in time stays where somebody can read it, or
 * the plan is refused; with `metadata: 'carry'` the records follow what moves, with `refuse`, the default, a plan after which a
 * snapshot names a file that has gone, or that holds another point in time, is refused with the names of those snapshots.
 *
 * libvirt's own block jobs never touch its snapshots' records.
 *
 * Refuses, in this order: `GuestStateWrong`, `NotThisWay`, `JobActive`, `ManagedSavePresent`, `NotThisWay` and
 * `CapabilityMissing` (a saved state that shall follow), `DiskNotFound`, `PointGone` (a
 * snapshot is lost on the disk, and what is written or removed may hold it), `DiskRefused` (with `PointInTimeLost` inside where a
 * commit would write over one), `PointsLost` (the image that holds one inside leaves the chain, or a snapshot has the image for a
 * disk that the machine no longer has), `DiskRefused` (the persistent definition names a file that goes), `StateSaved` and `NotThisWay` (a saved
 * state, pinned or only foreseen), `SnapshotsInvalidated`.
 *
 * @example
 * import { capabilitiesOfVersions, changeChain, machine, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const snapshots = [{ name: 'monday', disks: [['vda', { mode: 'external', frozen: 'v.1' }]] as const }]
 * const plan = pipe(
 *   parseChain('v <- v.1 <- v.2^'),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'shut-off', disks: [chain], snapshots })),
 *   E.flatMap((vm) => changeChain(vm, { disk: 'vda', commit: { top: 'v.1', base: 'v' } }, host)),
 * )
 * // monday is in v afterwards, and whoever has written down v.1 has to be told.
 * E.isLeft(plan) && '_tag' in plan.left ? plan.left._tag : 'planned' // => 'SnapshotsInvalidated'
 *
 * @since 0.2.0
 */
export const changeChain = (
  machine: Machine,
  request: ChainRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const refused = guards(machine, request, host)
  if (refused !== undefined) return E.left(refused)
  const plan = planOnDisk(machine, request, host)
  if (plan === undefined) return E.left(refuseMachine({ _tag: 'DiskNotFound', disk: request.disk }))
  const unheld = isUnderSnapshots(request) ? lostGuard(machine.snapshots.values(), [request.disk]) : undefined
  if (unheld !== undefined) return E.left(unheld)
  if (E.isLeft(plan)) return E.left(refuseMachine({ _tag: 'DiskRefused', disk: request.disk, refusal: plan.left }))
  const lost = lostInside(machine, plan.right)
  if (isNonEmpty(lost)) {
    const why = 'the image that it is inside of leaves the chain'
    return E.left(refuseMachine({ _tag: 'PointsLost', lost, why }))
  }
  const planned = carried(machine, { request, host }, plan.right)
  const elsewhere = outsideGuard(planned, host)
  if (elsewhere !== undefined) return E.left(elsewhere)
  const wrong = request.metadata === 'carry' ? [] : invalidated(machine, plan.right)
  return isNonEmpty(wrong)
    ? E.left(
        refuseMachine({ _tag: 'SnapshotsInvalidated', snapshots: wrong, disk: request.disk }, [
          { _tag: 'CarryMetadata' },
          { _tag: 'Forget', snapshots: wrong },
        ]),
      )
    : E.right(planned)
}
