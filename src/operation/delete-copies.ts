import * as E from 'fp-ts/lib/Either.js'

import { placeOf } from '../model/header.js'
import { locationString } from '../model/location.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { isIn } from '../model/storage-copy.js'
import type { StorageCopy } from '../model/storage-copy.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachineAssumption, MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { copyUseGuard } from './copy-use.js'
import { deleteCopySteps } from './dialect/level-step.js'
import { withReaders } from './level-outcome.js'
import type { DeleteCopiesRequest } from './level-request.js'
import { featureGuard, recordsAssumption, viaGuard } from './machine-guard.js'
import { assemble } from './machine-lane.js'
import type { Draft } from './machine-lane.js'
import { forgotten, redefined } from './record-steps.js'

/** The snapshots of which nothing is left: no image holds a disk of theirs, no file their memory, and every copy goes. */
const ended = ({ snapshots }: Machine, copies: ReadonlyArray<StorageCopy>): ReadonlyArray<string> => {
  const going = new Set(copies.map(({ snapshot, disk }) => `${snapshot}\0${disk}`))
  return Array.from(snapshots.values())
    .filter(({ name, memory, disks }) => {
      const held = Array.from(disks).filter(([, { mode }]) => mode !== 'no')
      const gone = held.every(([disk, { mode }]) => mode === 'manual' && going.has(`${name}\0${disk}`))
      return held.length > 0 && gone && memory._tag === 'None'
    })
    .map(({ name }) => name)
}

/** What ends without a record of libvirt's ends with the last copy of it. */
const endedWith = (drafts: ReadonlyArray<Draft>, ends: ReadonlyArray<string>): ReadonlyArray<Draft> =>
  drafts.map((draft, index) => (index === drafts.length - 1 && ends.length > 0 ? { ...draft, ends } : draft))

/** A snapshot of a subvolume goes with all that is in it: the copies of other disks, too. */
const togetherGuard = (machine: Machine, copies: ReadonlyArray<StorageCopy>): MachineRefusal | undefined => {
  for (const { level, snapshot } of copies) {
    if (level._tag !== 'Btrfs') continue
    const { subvolume } = level
    const left = Array.from(machine.disks.values()).find(
      ({ disk, images }) =>
        (machine.snapshots.get(snapshot)?.disks.get(disk)?.mode ?? 'manual') === 'manual' &&
        Array.from(images.values()).some((image) => isIn(subvolume, placeOf(image))) &&
        !copies.some((one) => one.disk === disk && one.snapshot === snapshot),
    )
    if (left !== undefined)
      return refuseMachine({ _tag: 'CopyUnfit', snapshot, disk: left.disk, why: 'same subvolume' })
  }
  return undefined
}

const guards = (machine: Machine, { copies }: DeleteCopiesRequest, host: MachineHost): MachineRefusal | undefined => {
  if (copies.length === 0) return refuseMachine({ _tag: 'NothingSelected' })
  const disk = copies.find((copy) => !machine.disks.has(copy.disk))?.disk
  if (disk !== undefined) return refuseMachine({ _tag: 'DiskNotFound', disk })
  return viaGuard(machine, host) ?? togetherGuard(machine, copies) ?? copyUseGuard(machine, copies)
}

/** Nobody can see who reads a copy. */
const unreadCopy = ({ disk, path, image }: StorageCopy): MachineAssumption => ({
  _tag: 'OfDisk',
  disk,
  assumption: { _tag: 'NoOtherReaders', images: [path ?? locationString(image.location)] },
})

interface Deletion {
  readonly drafts: ReadonlyArray<Draft>
  readonly after: Machine
}

const deletion = (
  machine: Machine,
  copies: ReadonlyArray<StorageCopy>,
  { ends, host }: { readonly ends: ReadonlyArray<string>; readonly host: MachineHost },
): Deletion => {
  const unread = withMachine(machine, { disks: withReaders(machine, copies, 'drop') })
  const gone = forgotten(unread, ends, host.via)
  const mended =
    ends.length === 0 ? { machine: gone.machine, drafts: [] } : redefined(gone.machine, new Map(), host.via)
  const unrecorded = ends.filter(
    (name) => host.via !== 'libvirt' || machine.snapshots.get(name)?.recorded === undefined,
  )
  return {
    after: mended.machine,
    drafts: [...endedWith(deleteCopySteps(copies), unrecorded), ...gone.drafts, ...mended.drafts],
  }
}

/**
 * Plans to delete what levels below QEMU have of a machine. The guest may run. A snapshot goes with the last of its copies, where nothing
 * else holds it; images that only a copy has read can be written again.
 *
 * Nobody can see who reads a copy: that nobody does is assumed.
 *
 * Refuses, in this order: `NothingSelected`, `DiskNotFound`, `GuestStateWrong`, `NotThisWay`, `CopyUnfit` (another disk has its copy in the
 * same snapshot of a subvolume; the copy is in use), `CapabilityMissing`.
 *
 * Source: `lvremove` (2.03.16, its arguments only), `btrfs subvolume delete` (6.2), `unlink(2)`; `virDomainSnapshotDelete` with
 * METADATA_ONLY.
 *
 * @example
 * import { capabilitiesOfVersions, chain, deleteCopies, machine, shellLine, snapshotAtLevel } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const location = { _tag: 'BlockDevice', path: '/dev/vg/vm' } as const
 * const levels = new Map([['vda', [{ _tag: 'Lvm', group: 'vg', volume: 'vm', kind: 'thin' } as const]]])
 * const plan = pipe(
 *   chain('vda', [{ name: 'a', format: 'raw', sizeBytes: 1_048_576, location }], 'a'),
 *   E.flatMap((disk) => machine({ name: 'vm', state: 'shut-off', disks: [disk] })),
 *   E.flatMap((vm) => snapshotAtLevel(vm, { name: 'monday', levels, prefer: ['Lvm'] }, host)),
 *   E.flatMap((level) => deleteCopies(level.plan.after, level, host)),
 * )
 * E.isRight(plan) ? plan.right.steps.map(({ call }) => shellLine(call)) : plan.left // => ['lvremove --yes vg/vm.monday']
 *
 * @since 0.2.0
 */
export const deleteCopies = (
  machine: Machine,
  request: DeleteCopiesRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const { copies } = request
  const refused = guards(machine, request, host)
  if (refused !== undefined) return E.left(refused)
  const ends = ended(machine, copies)
  const recorded = host.via === 'libvirt' && ends.some((name) => machine.snapshots.get(name)?.recorded !== undefined)
  const lacking = recorded ? featureGuard(host, ['libvirt-redefine']) : undefined
  if (lacking !== undefined) return E.left(lacking)
  const { drafts, after } = deletion(machine, copies, { ends, host })
  return E.right({
    operation: 'delete',
    via: host.via,
    how: 'by hand',
    before: machine,
    after,
    parts: [],
    steps: assemble(machine, drafts),
    finally: [],
    consistency: undefined,
    unlinked: copies.flatMap(({ level, path }) => (level._tag === 'Reflink' && path !== undefined ? [path] : [])),
    requires: recorded ? ['libvirt-redefine'] : [],
    assumes: [...copies.map(unreadCopy), ...recordsAssumption(machine, host)],
  })
}
