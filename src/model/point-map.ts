import type { Format } from './format.js'
import type { Image, ImageName } from './image.js'
import type { Machine } from './machine.js'
import { imageOfDisk } from './snapshot.js'
import type { Snapshot, SnapshotDisk } from './snapshot.js'

/**
 * Where one disk is at one point in time: the image whose chain reads so, or, `inside`, an internal snapshot of it.
 *
 * `sizeBytes` is the virtual size of the image.
 *
 * @since 0.2.0
 */
export interface PointPlace {
  readonly held: 'frozen' | 'inside'
  readonly image: ImageName
  readonly format: Format
  readonly sizeBytes: number
}

/**
 * Which image holds which point in time: by snapshot, then by disk. What is left out, a manual disk say, or one that no
 * image holds any more, is not there.
 *
 * @since 0.2.0
 */
export type PointMap = ReadonlyMap<string, ReadonlyMap<string, PointPlace>>

const placeOf = (disk: SnapshotDisk, image: Image): PointPlace => ({
  held: disk.mode === 'internal' ? 'inside' : 'frozen',
  image: image.name,
  format: image.format,
  sizeBytes: image.sizeBytes,
})

const placesOfSnapshot = (machine: Pick<Machine, 'disks'>, snapshot: Snapshot): ReadonlyMap<string, PointPlace> => {
  const places = new Map<string, PointPlace>()
  for (const [target, disk] of snapshot.disks) {
    const name = imageOfDisk(disk)
    const image = name === undefined ? undefined : machine.disks.get(target)?.images.get(name)
    if (image !== undefined) places.set(target, placeOf(disk, image))
  }
  return places
}

/**
 * Which image holds which point in time of a machine.
 *
 * @since 0.2.0
 */
export const pointMap = (machine: Pick<Machine, 'disks' | 'snapshots'>): PointMap =>
  new Map(Array.from(machine.snapshots.values(), (one) => [one.name, placesOfSnapshot(machine, one)]))
