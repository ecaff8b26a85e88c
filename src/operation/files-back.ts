import { placeOf } from '../model/header.js'
import type { Machine } from '../model/machine.js'
import type { SavedState } from '../model/saved-state.js'
import type { Snapshot } from '../model/snapshot.js'
import { ancestorsOf } from '../model/snapshot-tree.js'
import { isIn } from '../model/storage-copy.js'
import type { StorageCopy } from '../model/storage-copy.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { Loss, MachineRefusal } from '../plan/machine-refusal.js'
import { placesOfTarget } from './outside-guard.js'

/** What a snapshot has besides the images of the machine's disks: its memory, and images of disks that the machine no longer has. */
const filesOf = ({ disks }: Machine, snapshot: Snapshot): ReadonlyArray<Loss> => {
  const { name, memory } = snapshot
  const gone = Array.from(snapshot.disks).flatMap(([disk, { mode }]) =>
    !disks.has(disk) && (mode === 'external' || mode === 'internal')
      ? placesOfTarget(snapshot, disk).map((image) => ({ snapshot: name, disk, image }))
      : [],
  )
  return memory._tag === 'External' ? [{ snapshot: name, disk: 'memory', image: memory.path }, ...gone] : gone
}

/** The snapshots that were there when the copies were made. */
const thenOf = (machine: Machine, copies: ReadonlyArray<StorageCopy>): ReadonlySet<string> => {
  const own = copies.flatMap(({ snapshot }) => [
    snapshot,
    ...ancestorsOf(machine, snapshot).map(({ name }): string => name),
  ])
  const dated = copies.flatMap(({ points }) =>
    points.flatMap(({ snapshot, creationTime }) =>
      creationTime !== undefined && machine.snapshots.get(snapshot)?.creationTime === creationTime ? [snapshot] : [],
    ),
  )
  return new Set([...own, ...dated])
}

const isGoingBack = (copies: ReadonlyArray<StorageCopy>, file: string): boolean =>
  copies.some(({ level }) => level._tag === 'Btrfs' && isIn(level.subvolume, file))

/** The files of snapshots in subvolumes that go back which nobody can say the copies have. */
export const filesSince = (machine: Machine, copies: ReadonlyArray<StorageCopy>): ReadonlyArray<Loss> => {
  const then = thenOf(machine, copies)
  return Array.from(machine.snapshots.values())
    .filter(({ name }) => !then.has(name))
    .flatMap((one) => filesOf(machine, one))
    .filter(({ image }) => isGoingBack(copies, image))
}

/** Refuses where a state of memory fits no other contents of the disks, or its file is in a subvolume that goes back. */
export const statesGuard = (
  saved: ReadonlyArray<SavedState>,
  copies: ReadonlyArray<StorageCopy>,
): MachineRefusal | undefined => {
  const [first] = copies
  if (first === undefined) return undefined
  const pinning = saved.find(({ disks }) => disks !== 'written since')
  if (pinning !== undefined) {
    const conflict = { disk: first.disk, path: placeOf(first.image), change: 'written' } as const
    return refuseMachine({ _tag: 'StateSaved', place: pinning.place, conflicts: [conflict] }, [
      { _tag: 'RestoreFirst', place: pinning.place },
      { _tag: 'DropState', place: pinning.place },
    ])
  }
  for (const { place } of saved) {
    if (place.kind !== 'file' || !isGoingBack(copies, place.path)) continue
    const conflict = { disk: first.disk, path: place.path, change: 'gone' } as const
    return refuseMachine({ _tag: 'StateSaved', place, conflicts: [conflict] }, [{ _tag: 'DropState', place }])
  }
  return undefined
}
