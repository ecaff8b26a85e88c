import { path } from '../model/chain-query.js'
import type { Chain } from '../model/chain.js'
import { placeOf } from '../model/header.js'
import type { Image } from '../model/image.js'
import type { Machine } from '../model/machine.js'
import { imageOfDisk } from '../model/snapshot.js'
import { ancestorsOf } from '../model/snapshot-tree.js'
import type { CopiedPoint, StorageCopy } from '../model/storage-copy.js'
import type { Loss } from '../plan/machine-refusal.js'

/** The points in time that are in some images of a disk. */
export const pointsIn = (
  { snapshots }: Machine,
  disk: string,
  images: ReadonlyArray<string>,
): ReadonlyArray<CopiedPoint> =>
  Array.from(snapshots.values()).flatMap(({ name, creationTime, disks }): ReadonlyArray<CopiedPoint> => {
    const one = disks.get(disk)
    const image = imageOfDisk(one)
    if (image === undefined || !images.includes(image)) return []
    return [{ snapshot: name, image, held: one?.mode === 'internal' ? 'inside' : 'frozen', creationTime }]
  })

const isSame = (one: Image, other: Image | undefined): boolean =>
  other !== undefined &&
  placeOf(one) === placeOf(other) &&
  one.format === other.format &&
  one.sizeBytes === other.sizeBytes &&
  one.backing?.image === other.backing?.image &&
  one.backing?.header === other.backing?.header

/** True where an image is read through the same images as then: by those that go back with it, and those that had to stay as they were. */
const isReadAsThen = (chain: Chain, { images, reads }: StorageCopy, image: string): boolean =>
  path(chain, image)?.every((one) => {
    const then = images.find(({ name }) => name === one.name)
    return then === undefined ? reads.includes(one.name) : isSame(one, then)
  }) ?? false

/**
 * True for a point that was there then, in the same image. Names are used again, and QEMU's ids of snapshots inside, too: it is the same
 * one where the snapshot of the copy came after it, or where both were taken in the same second.
 */
const wasThere = ({ points }: StorageCopy, now: CopiedPoint, isAncestor: boolean): boolean =>
  points.some(
    ({ snapshot, image, held, creationTime }) =>
      snapshot === now.snapshot &&
      image === now.image &&
      held === now.held &&
      (isAncestor || (creationTime !== undefined && creationTime === now.creationTime)),
  )

/** The points in time in what goes back that nobody can say the copy has. */
export const pointsSince = (machine: Machine, copies: ReadonlyArray<StorageCopy>): ReadonlyArray<Loss> =>
  copies.flatMap((copy) => {
    const { snapshot, disk, inside } = copy
    const chain = machine.disks.get(disk)
    const ancestors = new Set<string>(ancestorsOf(machine, snapshot).map(({ name }) => name))
    return pointsIn(machine, disk, inside).flatMap((point): ReadonlyArray<Loss> => {
      const kept = wasThere(copy, point, ancestors.has(point.snapshot))
      return kept && chain !== undefined && isReadAsThen(chain, copy, point.image)
        ? []
        : [{ snapshot: point.snapshot, disk, image: point.image }]
    })
  })

/** What is inside an image that goes back, and was not then. */
export const insideSince = (chain: Chain, { images, disk }: StorageCopy): ReadonlyArray<Loss> =>
  images.flatMap(({ name: image, internalSnapshots }) => {
    const then = new Set(internalSnapshots.map(({ id, name }) => `${id}\0${name}`))
    const now = chain.images.get(image)?.internalSnapshots ?? []
    return now
      .filter(({ id, name }) => !then.has(`${id}\0${name}`))
      .map(({ name }) => ({ snapshot: name, disk, image }))
  })
