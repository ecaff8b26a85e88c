import { traitsOf } from '../model/format.js'
import type { Image } from '../model/image.js'
import { refuse } from '../plan/refusal.js'
import type { Alternative, Refusal } from '../plan/refusal.js'
import type { CommitJob } from './commit-job.js'

/** Why an image cannot be enlarged; nothing where it can. */
export const stuck = (image: Image, below: Image | undefined): string | undefined => {
  if (traitsOf(image.format).grows === 'no') return `QEMU cannot enlarge a ${image.format} image`
  if (image.version === 2 && image.internalSnapshots.length > 0)
    return 'a version 2 qcow2 image with internal snapshots cannot be enlarged'
  if (image.version === 2 && below !== undefined && below.sizeBytes > image.sizeBytes)
    return 'a version 2 qcow2 image cannot hide what a longer backing file has beyond its end'
  if (image.format !== 'qcow2' && below !== undefined && below.sizeBytes > image.sizeBytes)
    return `a ${image.format} image cannot hide what a longer backing file has beyond its end`
  if (image.format !== 'raw' && image.format !== 'luks') return undefined
  return image.location._tag === 'File' ? undefined : `a ${image.format} image is as large as the device that it is on`
}

/** Where nothing but the size of its device keeps an image from growing. */
const extensionOf = (image: Image, below: Image | undefined, toBytes: number): ReadonlyArray<Alternative> =>
  image.location._tag === 'BlockDevice' &&
  stuck({ ...image, location: { _tag: 'File', path: '/' } }, below) === undefined
    ? [{ _tag: 'ExtendDevice', image: image.name, toBytes }]
    : []

/** Refuses to write a larger image into one that cannot grow to its size. */
export const growthGuard = (
  base: Image,
  topBytes: number,
  { below, around }: { readonly below: Image | undefined; readonly around: ReadonlyArray<Alternative> },
): Refusal | undefined => {
  const why = base.sizeBytes < topBytes ? stuck(base, below) : undefined
  return why === undefined
    ? undefined
    : refuse({ _tag: 'BaseNotGrowable', base: base.name, baseBytes: base.sizeBytes, topBytes, why }, [
        ...extensionOf(base, below, topBytes),
        ...around,
      ])
}

/** Refuses a commit that would run out of room on the device of its base, half done: nobody else notices before. */
export const deviceGuard = ({ base, request: { device } }: CommitJob): Refusal | undefined =>
  device === undefined || device.presentBytes >= device.neededBytes
    ? undefined
    : refuse({ _tag: 'BaseDeviceTooSmall', base: base.name, ...device }, [
        { _tag: 'ExtendDevice', image: base.name, toBytes: device.neededBytes },
      ])
