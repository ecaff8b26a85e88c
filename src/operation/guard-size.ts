import { traitsOf } from '../model/format.js'
import type { Image } from '../model/image.js'
import { refuse } from '../plan/refusal.js'
import type { Alternative, Refusal } from '../plan/refusal.js'

/** Why an image cannot be enlarged; nothing where it can. */
const stuck = (image: Image): string | undefined => {
  if (traitsOf(image.format).grows === 'no') return `QEMU cannot enlarge a ${image.format} image`
  if (image.version === 2 && image.internalSnapshots.length > 0)
    return 'a version 2 qcow2 image with internal snapshots cannot be enlarged'
  if (image.format !== 'raw') return undefined
  return image.location._tag === 'File' ? undefined : 'a raw image is as large as the device that it is on'
}

/** Refuses to write a larger image into one that cannot grow to its size. */
export const growthGuard = (
  base: Image,
  topBytes: number,
  alternatives: ReadonlyArray<Alternative>,
): Refusal | undefined => {
  const why = base.sizeBytes < topBytes ? stuck(base) : undefined
  return why === undefined
    ? undefined
    : refuse({ _tag: 'BaseNotGrowable', base: base.name, baseBytes: base.sizeBytes, topBytes, why }, alternatives)
}
