import * as E from 'fp-ts/lib/Either.js'

import { activePath } from '../model/chain-query.js'
import { placeOf } from '../model/header.js'
import type { Image } from '../model/image.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { pointMap } from '../model/point-map.js'
import { withSourcePath } from '../model/record.js'
import { imageOfDisk } from '../model/snapshot.js'
import type { Snapshot, SnapshotDisk } from '../model/snapshot.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import type { Plan } from '../plan/plan.js'
import { assumedOf } from './delete-by-hand.js'
import { withPart } from './machine-definition.js'
import { machineJobGuard, recordsAssumption, savedGuard, viaGuard } from './machine-guard.js'
import { hypervisorAtRest, hypervisorOf } from './machine-hypervisor.js'
import { assemble, diskPart, draftsOfPlan, splitRemovals } from './machine-lane.js'
import type { Draft, Move } from './machine-lane.js'
import type { RenameImageRequest } from './machine-request.js'
import { outsideGuard } from './outside-guard.js'
import { redefinedFrom } from './record-steps.js'
import { rename } from './rename.js'
import { followed, followGuard } from './saved-repoint.js'
import { takenGuard, takenPaths } from './taken-path.js'

/** A rename on one disk of a machine, planned. */
interface Renamed {
  readonly machine: Machine
  readonly request: RenameImageRequest
  readonly host: MachineHost
  readonly plan: Plan
  readonly hypervisor: Hypervisor
  readonly old: Image
  readonly now: Image
}

/** Images that the guest does not read are qemu-img's, whether it runs or not, and its definition has nothing to do with them. */
const executorOf = (machine: Machine, host: MachineHost, { disk, image }: RenameImageRequest): Hypervisor => {
  const chain = machine.disks.get(disk)
  const isRead = chain === undefined || activePath(chain).some(({ name }) => name === image)
  return isRead ? hypervisorOf(machine, host, disk) : hypervisorAtRest(machine, host)
}

/** A snapshot's place on a disk, under the name that the image has then. */
const movedDisk = (held: SnapshotDisk, { old, now }: Renamed): SnapshotDisk => {
  if (imageOfDisk(held) !== old.name) return held
  if (held.mode === 'external') return { mode: 'external', frozen: now.name }
  return held.mode === 'internal' ? { mode: 'internal', image: now.name } : held
}

const movedSnapshot = (snapshot: Snapshot, of: Renamed): Snapshot => {
  const disk = of.plan.before.disk
  const held = snapshot.disks.get(disk)
  const disks = held === undefined ? snapshot.disks : new Map(snapshot.disks).set(disk, movedDisk(held, of))
  return { ...snapshot, disks }
}

const withSnapshots = (machine: Machine, change: (snapshot: Snapshot) => Snapshot): Machine =>
  withMachine(machine, { snapshots: new Map(Array.from(machine.snapshots, ([name, one]) => [name, change(one)])) })

/** The record of a snapshot with the new path wherever it names the old one: as a source, as what lies below, as an overlay. */
const withNewPath = (snapshot: Snapshot, { old, now }: Renamed): Snapshot =>
  snapshot.recorded === undefined || now.location._tag !== 'File'
    ? snapshot
    : { ...snapshot, recorded: withSourcePath(snapshot.recorded, placeOf(old), now.location.path) }

/** Every point in time that the image holds, frozen or inside, under the name that it has then. */
const movesOf = ({ machine, plan, old, now }: Renamed): ReadonlyArray<Move> => {
  const { disk } = plan.before
  return Array.from(pointMap(machine)).flatMap(([snapshot, places]) => {
    const place = places.get(disk)
    return place?.image === old.name ? [{ snapshot, disk, place: { ...place, image: now.name } }] : []
  })
}

/** The steps on the disk; from the one that sees the new path on, points in time are there. */
const draftsOf = (of: Renamed): ReadonlyArray<Draft> => {
  const seen = of.plan.steps.findIndex(({ until }) => until?._tag === 'ChainIs')
  return draftsOfPlan({ ...of.plan, points: [] }).map((draft, index) =>
    index === seen ? { ...draft, moves: movesOf(of) } : draft,
  )
}

const planOf = (of: Renamed): MachinePlan => {
  const { machine, request, host, plan, hypervisor, old, now } = of
  const had = withSnapshots(withPart(machine, plan, hypervisor), (one) => movedSnapshot(one, of))
  const named = withSnapshots(had, (one) => withNewPath(one, of))
  const mended = redefinedFrom({ machine: named, had }, new Map([[placeOf(old), now]]), host.via)
  const { work, removals } = splitRemovals([draftsOf(of)])
  const changes = { before: machine, after: mended.machine, parts: [diskPart(plan)] }
  const states = followed(changes, request)
  const steps = assemble(machine, [...work, ...mended.drafts, ...states.drafts, ...removals])
  return {
    operation: 'rename',
    via: host.via,
    how: 'by hand',
    ...changes,
    after: states.machine,
    steps,
    finally: [],
    consistency: undefined,
    unlinked: [],
    requires: [...plan.requires, ...(mended.drafts.length > 0 ? (['libvirt-redefine'] as const) : [])],
    assumes: [...assumedOf([plan], steps), ...recordsAssumption(machine, host)],
  }
}

const renamedOn = (
  machine: Machine,
  request: RenameImageRequest,
  host: MachineHost,
): E.Either<MachineRefusal, Renamed> => {
  const { disk, reserved: _reserved, saved: _saved, ...of } = request
  const chain = machine.disks.get(disk)
  if (chain === undefined) return E.left(refuseMachine({ _tag: 'DiskNotFound', disk }))
  const hypervisor = executorOf(machine, host, request)
  const planned = rename(chain, of, hypervisor)
  if (E.isLeft(planned)) return E.left(refuseMachine({ _tag: 'DiskRefused', disk, refusal: planned.left }))
  const plan = planned.right
  const old = chain.images.get(request.image)
  const now = plan.after.images.get(request.name ?? request.image)
  if (old === undefined || now === undefined) throw new Error('unreachable: the image was found')
  return E.right({ machine, request, host, plan, hypervisor, old, now })
}

/**
 * Plans to give the file of an image of a machine another path, with everything that names it: overlays, libvirt's definition, and
 * the records of snapshots, which are redefined before the old name goes.
 *
 * Every point in time stays in its image, whatever that is called then. The guest is shut off, or does not read the image.
 *
 * Refuses, in this order: `GuestStateWrong`, `NotThisWay`, `JobActive`, `ManagedSavePresent`, `NotThisWay` and
 * `CapabilityMissing` (a saved state that shall follow), `DiskNotFound`, `DiskRefused` (with what {@link rename} refuses inside), `PathTaken` (by an image of any disk, a header, a record, a definition, or reserved),
 * `PointsLost` (a snapshot has the image for a disk that the machine no longer has), `DiskRefused` (the persistent definition
 * names the old path all the same), `StateSaved` (a saved state names it) and `NotThisWay` (a saved state that is only foreseen).
 *
 * @example
 * import { capabilitiesOfVersions, machine, parseChain, renameImage } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const snapshots = [{ name: 'monday', disks: [['vda', { mode: 'external', frozen: 'v.1' }]] as const }]
 * const plan = pipe(
 *   parseChain('v.1 <- v.2^'),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'shut-off', disks: [chain], snapshots })),
 *   E.flatMap((vm) => renameImage(vm, { disk: 'vda', image: 'v.1', to: '/images/v', name: 'v' }, host)),
 * )
 * E.isRight(plan) ? plan.right.after.snapshots.get('monday')?.disks.get('vda') : plan.left
 * // => { mode: 'external', frozen: 'v' }
 *
 * @since 0.2.0
 */
export const renameImage = (
  machine: Machine,
  request: RenameImageRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const refused =
    viaGuard(machine, host) ??
    machineJobGuard(host, [request.disk]) ??
    savedGuard(machine, host) ??
    followGuard(machine, request, host)
  if (refused !== undefined) return E.left(refused)
  const renamed = renamedOn(machine, request, host)
  if (E.isLeft(renamed)) return renamed
  const plan = planOf(renamed.right)
  const wrong =
    takenGuard(takenPaths(machine, request.reserved ?? []), { disk: request.disk, path: request.to }) ??
    outsideGuard(plan, host)
  return wrong === undefined ? E.right(plan) : E.left(wrong)
}
