import * as E from 'fp-ts/lib/Either.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { readersOf } from '../model/chain-query.js'
import { placeOf } from '../model/header.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { isSnapshotName } from '../model/snapshot.js'
import { copySubvolume, isIn } from '../model/storage-copy.js'
import type { StorageCopy } from '../model/storage-copy.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { DiskPart, MachineAssumption, MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { CopyProblem, Loss, MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'
import { heldBy, openConflicts } from '../plan/open-conflict.js'
import { chainProblem, partBack } from './chain-back.js'
import { insideSince, pointsSince } from './copy-points.js'
import { copyUseGuard } from './copy-use.js'
import { revertPlaces, revertToCopySteps } from './dialect/level-step.js'
import { filesSince, statesGuard } from './files-back.js'
import { placeOfCopy } from './level-outcome.js'
import type { RevertToCopiesRequest } from './level-request.js'
import { viaGuard } from './machine-guard.js'
import { assemble } from './machine-lane.js'
import { imageOpen } from './open-guard.js'
import { newFilesGuard } from './taken-path.js'

const unfit = ({ snapshot }: StorageCopy, disk: string, why: CopyProblem): MachineRefusal =>
  refuseMachine({ _tag: 'CopyUnfit', snapshot, disk, why })

/** The copies are of one snapshot, and of every disk that it has. */
const wholeGuard = (machine: Machine, { copies }: RevertToCopiesRequest): MachineRefusal | undefined => {
  const [first] = copies
  if (first === undefined) return refuseMachine({ _tag: 'NothingSelected' })
  const given = new Set<string>()
  for (const { disk, snapshot } of copies) {
    if (!machine.disks.has(disk)) return refuseMachine({ _tag: 'DiskNotFound', disk })
    if (snapshot !== first.snapshot || given.has(disk)) return unfit(first, disk, 'other snapshot')
    given.add(disk)
  }
  const taken = machine.snapshots.get(first.snapshot)?.disks
  const missing = Array.from(machine.disks.keys()).find(
    (disk) => !given.has(disk) && (taken === undefined || (taken.get(disk) ?? { mode: 'no' }).mode !== 'no'),
  )
  return missing === undefined ? undefined : unfit(first, missing, 'left out')
}

/** What is added to a name leads into no other folder. */
const nameGuard = ({ present }: RevertToCopiesRequest): MachineRefusal | undefined =>
  present === 'discard' || isSnapshotName(present.keep)
    ? undefined
    : refuseMachine({ _tag: 'SnapshotNameWrong', snapshot: present.keep, why: 'invalid' })

const offGuard = ({ state }: Machine, { via }: MachineHost): MachineRefusal | undefined =>
  state === 'shut-off'
    ? undefined
    : refuseMachine({ _tag: 'GuestStateWrong', via, guest: state, needs: ['shut-off'] }, [
        { _tag: 'Via', via: via === 'libvirt' ? via : 'qemu-img', guest: ['shut-off'] },
      ])

const savedGuard = ({ saved, name }: Machine, { copies }: RevertToCopiesRequest, host: MachineHost) =>
  statesGuard(saved, copies) ??
  (host.via === 'libvirt' && host.managedSave === 'present'
    ? refuseMachine({ _tag: 'ManagedSavePresent', domain: name }, [{ _tag: 'DropState', place: { kind: 'managed' } }])
    : undefined)

/** A subvolume goes back with all that is in it: every image there, of whichever disk, has to be in the same snapshot of it. */
const subvolumeGuard = (machine: Machine, { copies }: RevertToCopiesRequest): MachineRefusal | undefined => {
  for (const { level, snapshot } of copies) {
    if (level._tag !== 'Btrfs') continue
    const { subvolume } = level
    for (const chain of machine.disks.values()) {
      const own = copies.find(({ disk }) => disk === chain.disk)
      const together =
        own?.level._tag === 'Btrfs' && copySubvolume(own.level, snapshot) === copySubvolume(level, snapshot)
      const lies =
        (own?.path !== undefined && isIn(subvolume, own.path)) ||
        Array.from(chain.images.values()).some((image) => isIn(subvolume, placeOf(image)))
      if (lies && !together)
        return refuseMachine({ _tag: 'CopyUnfit', snapshot, disk: chain.disk, why: 'same subvolume' })
    }
  }
  return undefined
}

const presentOf = ({ disk, image }: StorageCopy): Loss => ({ snapshot: undefined, disk, image: image.name })

const lossGuard = (machine: Machine, { copies, present }: RevertToCopiesRequest): MachineRefusal | undefined => {
  const inside = copies.flatMap((copy) => {
    const chain = machine.disks.get(copy.disk)
    return chain === undefined ? [] : insideSince(chain, copy)
  })
  const since = pointsSince(machine, copies)
  const files = filesSince(machine, copies)
  if (isNonEmpty(since))
    return refuseMachine({ _tag: 'PointsLost', lost: since, why: 'they may be later than what goes back' })
  if (isNonEmpty(files))
    return refuseMachine({ _tag: 'PointsLost', lost: files, why: 'their files are in a subvolume that goes back' })
  if (isNonEmpty(inside))
    return refuseMachine({ _tag: 'PointsLost', lost: inside, why: 'they are inside an image that goes back' })
  const lost =
    present === 'discard'
      ? []
      : copies.filter(({ level }) => level._tag === 'Lvm' || level._tag === 'Other').map(presentOf)
  return isNonEmpty(lost)
    ? refuseMachine(
        { _tag: 'PointsLost', lost, why: 'the level keeps no present: take a snapshot first, and discard it' },
        [{ _tag: 'TakeFirst' }],
      )
    : undefined
}

const asideOf = (present: RevertToCopiesRequest['present']): string | undefined =>
  present === 'discard' ? undefined : present.keep

/** What is put aside, and what is made, would go over what is there: the copy itself, say. */
const pathGuard = (machine: Machine, { copies, present }: RevertToCopiesRequest): MachineRefusal | undefined => {
  const places = copies.flatMap((copy) => placeOfCopy(copy) ?? [])
  return newFilesGuard(machine, revertPlaces(copies, asideOf(present)), places)
}

/** Whoever else reads the active image would read something else afterwards. */
const sharedGuard = (machine: Machine, { copies }: RevertToCopiesRequest): MachineRefusal | undefined => {
  for (const { disk } of copies) {
    const chain = machine.disks.get(disk)
    const readers = chain === undefined ? [] : readersOf(chain, chain.active)
    if (chain !== undefined && isNonEmpty(readers)) {
      const refusal = refuse({ _tag: 'ImageShared', image: chain.active, readers })
      return refuseMachine({ _tag: 'DiskRefused', disk, refusal })
    }
  }
  return undefined
}

/** Whoever has an image open has another one, or a spoilt one, afterwards. */
const openGuard = ({ copies }: RevertToCopiesRequest, host: MachineHost) => {
  const by = { _tag: 'Tool', name: 'the executor' } as const
  for (const { disk, inside } of copies) {
    const wanted = inside.map((image) => ({ image, by, access: 'write' }) as const)
    const [conflict] = openConflicts(wanted, heldBy(host.opened?.get(disk) ?? []))
    if (conflict !== undefined)
      return refuseMachine({ _tag: 'DiskRefused', disk, refusal: imageOpen({ ...conflict, step: 0 }) })
  }
  return undefined
}

const guards = (machine: Machine, request: RevertToCopiesRequest, host: MachineHost): MachineRefusal | undefined => {
  const early =
    wholeGuard(machine, request) ??
    nameGuard(request) ??
    offGuard(machine, host) ??
    viaGuard(machine, host) ??
    savedGuard(machine, request, host)
  if (early !== undefined) return early
  for (const copy of request.copies) {
    const chain = machine.disks.get(copy.disk)
    const why = chain === undefined ? undefined : chainProblem(chain, copy)
    if (why !== undefined) return unfit(copy, copy.disk, why)
  }
  return (
    subvolumeGuard(machine, request) ??
    copyUseGuard(machine, request.copies) ??
    sharedGuard(machine, request) ??
    lossGuard(machine, request) ??
    pathGuard(machine, request) ??
    openGuard(request, host)
  )
}

const machineBack = (machine: Machine, parts: ReadonlyArray<DiskPart>): Machine =>
  withMachine(machine, {
    disks: new Map([...machine.disks, ...parts.map(({ after }) => [after.disk, after] as const)]),
  })

const partOf = (machine: Machine, copy: StorageCopy): ReadonlyArray<DiskPart> => {
  const before = machine.disks.get(copy.disk)
  return before === undefined ? [] : [partBack(before, copy)]
}

/** Images that go back, of which nobody knows who else reads them. */
const readUnknown = ({ disks }: Machine, { disk, images }: StorageCopy): ReadonlyArray<MachineAssumption> => {
  const chain = disks.get(disk)
  const names = images.flatMap((then) => {
    const { name, otherReaders } = chain?.images.get(then.name) ?? then
    return otherReaders === 'unknown' ? [String(name)] : []
  })
  return names.length === 0 ? [] : [{ _tag: 'OfDisk', disk, assumption: { _tag: 'NoOtherReaders', images: names } }]
}

const assumptionsOf = (
  machine: Machine,
  { copies, present }: RevertToCopiesRequest,
): ReadonlyArray<MachineAssumption> => [
  ...copies.map(({ disk, inside }): MachineAssumption => ({
    _tag: 'OfDisk',
    disk,
    assumption: { _tag: 'Closed', images: inside },
  })),
  ...copies.flatMap((copy) => readUnknown(machine, copy)),
  ...Array.from(new Set(copies.flatMap(({ level }) => (level._tag === 'Btrfs' ? [level.subvolume] : [])))).map(
    (path): MachineAssumption => ({ _tag: 'NothingElseIn', path }),
  ),
  ...revertPlaces(copies, asideOf(present)).map(([disk, path]): MachineAssumption => ({
    _tag: 'OfDisk',
    disk,
    assumption: { _tag: 'NothingAt', path },
  })),
]

/**
 * Plans for a machine that is shut off to go back to what levels below QEMU have of it: every disk of the snapshot.
 *
 * The images keep their paths, and the machine its definition. A subvolume goes back with all that is in it, so there may be nothing else
 * (`NothingElseIn`); what has been removed from it since is the machine's again. Every point in time that an image holds stays what it
 * is, and so does every file of memory in it. A snapshot of LVM's is merged, and is no more afterwards; the others stay. The current snapshot stays what it
 * is: neither QEMU nor libvirt knows of this.
 *
 * Refuses, in this order: `NothingSelected`, `DiskNotFound`, `CopyUnfit` (copies that are not of one whole snapshot),
 * `SnapshotNameWrong` (what is added to the name of the present), `GuestStateWrong`, `NotThisWay`, `StateSaved`, `ManagedSavePresent`, `CopyUnfit` (another chain, images since, overlays, same subvolume, in use),
 * `DiskRefused` (`ImageShared`), `PointsLost`, `PathTaken`, `DiskRefused` (`ImageOpen`).
 *
 * Source: `lvconvert --merge`, `lvchange` (2.03.16, their arguments only), `btrfs subvolume snapshot` (6.2), `cp --reflink`, `mv -T`
 * (coreutils 9.1), `rename(2)`.
 *
 * @example
 * import { capabilitiesOfVersions, chain, machine, revertToCopies, shellLine, snapshotAtLevel } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const location = { _tag: 'File', path: '/vms/one/a.qcow2' } as const
 * const levels = new Map([['vda', [{ _tag: 'Btrfs', subvolume: '/vms/one', snapshots: '/vms' } as const]]])
 * const plan = pipe(
 *   chain('vda', [{ name: 'a', format: 'qcow2', sizeBytes: 1_048_576, location }], 'a'),
 *   E.flatMap((disk) => machine({ name: 'vm', state: 'shut-off', disks: [disk] })),
 *   E.flatMap((vm) => snapshotAtLevel(vm, { name: 'monday', levels, prefer: ['Btrfs'] }, host)),
 *   E.flatMap(({ plan: { after }, copies }) => revertToCopies(after, { copies, present: { keep: 'tuesday' } }, host)),
 * )
 * E.isRight(plan) ? plan.right.steps.map(({ call }) => shellLine(call)) : plan.left
 * // => [
 * //   'btrfs subvolume show /vms/one.monday',
 * //   'mv -T -- /vms/one /vms/one.tuesday',
 * //   'btrfs subvolume snapshot /vms/one.monday /vms/one',
 * //   'btrfs subvolume show /vms/one',
 * // ]
 *
 * @since 0.2.0
 */
export const revertToCopies = (
  machine: Machine,
  request: RevertToCopiesRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const refused = guards(machine, request, host)
  if (refused !== undefined) return E.left(refused)
  const parts = request.copies.flatMap((copy) => partOf(machine, copy))
  return E.right({
    operation: 'revert',
    via: host.via,
    how: 'by hand',
    before: machine,
    after: machineBack(machine, parts),
    parts,
    steps: assemble(machine, revertToCopySteps(request.copies, asideOf(request.present))),
    finally: [],
    consistency: undefined,
    unlinked: [],
    requires: [],
    assumes: assumptionsOf(machine, request),
  })
}
