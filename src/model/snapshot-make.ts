import * as E from 'fp-ts/lib/Either.js'

import { isImageName } from './image.js'
import type { ImageName } from './image.js'
import type { MachineError } from './machine-error.js'
import { isSnapshotName } from './snapshot.js'
import type { Snapshot, SnapshotDescription, SnapshotDisk, SnapshotDiskDescription } from './snapshot.js'

const named = (name: string | undefined): ImageName | undefined =>
  name !== undefined && isImageName(name) ? name : undefined

const diskOf = (disk: SnapshotDiskDescription): SnapshotDisk => {
  switch (disk.mode) {
    case 'external':
      return { mode: 'external', frozen: named(disk.frozen) }
    case 'internal':
      return { mode: 'internal', image: named(disk.image) }
    case 'manual':
    case 'no':
      return { mode: disk.mode }
  }
}

const badImages = ({ name, disks }: SnapshotDescription): ReadonlyArray<MachineError> =>
  Array.from(disks).flatMap(([disk, one]): ReadonlyArray<MachineError> => {
    const image = one.mode === 'external' ? one.frozen : one.mode === 'internal' ? one.image : undefined
    return image === undefined || isImageName(image) ? [] : [{ _tag: 'PointImageMissing', snapshot: name, disk, image }]
  })

/** A snapshot from its description, or what is wrong with its names. */
export const snapshotOf = (of: SnapshotDescription): E.Either<ReadonlyArray<MachineError>, Snapshot> => {
  const { name, parent } = of
  if (!isSnapshotName(name)) return E.left([{ _tag: 'SnapshotNameInvalid', snapshot: name }])
  if (parent !== undefined && !isSnapshotName(parent))
    return E.left([{ _tag: 'ParentMissing', snapshot: name, parent }])
  const bad = badImages(of)
  if (bad.length > 0) return E.left(bad)
  return E.right({
    name,
    parent,
    description: of.description,
    creationTime: of.creationTime,
    state: of.state ?? 'disk-snapshot',
    memory: of.memory ?? { _tag: 'None' },
    disks: new Map(Array.from(of.disks, ([disk, one]) => [disk, diskOf(one)])),
    recorded: of.recorded,
  })
}
