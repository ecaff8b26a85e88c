import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { activeImage, activePath, overlaysOf } from '../model/chain-query.js'
import { headerReaches, placeOf } from '../model/header.js'
import { knownReaders } from '../model/image.js'
import type { Image } from '../model/image.js'
import { copiedImages } from '../model/storage-copy.js'
import type { StorageCopy } from '../model/storage-copy.js'
import type { DiskPart } from '../plan/machine-plan.js'
import type { CopyProblem } from '../plan/machine-refusal.js'
import { fatesOf } from './fates.js'
import type { Mark } from './fates.js'
import { readerName } from './level-outcome.js'

/** True where something is there now that was not there then, or where what was there then could not be read any more. */
const isOther = (chain: Chain, { images, inside, level, snapshot }: StorageCopy): boolean =>
  copiedImages(chain, level, snapshot).some(({ name }) => !inside.includes(name)) ||
  images.some((then) => {
    const now = chain.images.get(then.name)
    const below = then.backing?.image
    const lacks = below !== undefined && !inside.includes(below) && !chain.images.has(below)
    return lacks || (now !== undefined && placeOf(now) !== placeOf(then))
  })

/**
 * True where somebody elsewhere reads an image below the active one that may be another one in the copy. One that had a reader then which
 * it still has, or that the copy itself reads, has been written by nobody since.
 */
const isReadSince = (chain: Chain, copy: StorageCopy): boolean =>
  copy.images.some((then) => {
    const now = then.name === copy.image.name ? undefined : chain.images.get(then.name)
    const readers = now === undefined ? [] : knownReaders(now)
    const pins = [...knownReaders(then), readerName(copy)]
    return readers.length > 0 && !readers.some((reader) => pins.includes(reader))
  })

/** True where the header of then leads to no image of now: what it reads has been moved since, and was none of the copy's. */
const leadsAstray = (chain: Chain, { images, inside }: StorageCopy): boolean =>
  images.some(({ name, location, backing }) => {
    const below = backing === undefined || inside.includes(backing.image) ? undefined : chain.images.get(backing.image)
    const same = chain.images.get(name)?.backing?.header === backing?.header
    return (
      backing !== undefined && below !== undefined && !same && !headerReaches(location, backing.header, below.location)
    )
  })

/** Why a chain is not the one that was copied: what goes back is its active image, and what lies beside that in the same subvolume. */
export const chainProblem = (chain: Chain, copy: StorageCopy): CopyProblem | undefined => {
  const active = activeImage(chain)
  const names = activePath(chain).map(({ name }): string => name)
  if (names.join('\0') !== copy.chain.join('\0') || placeOf(active) !== placeOf(copy.image)) return 'another chain'
  if (leadsAstray(chain, copy)) return 'another chain'
  // What the copy reads where it is has not been written since.
  const free = copy.inside.filter((name) => !copy.reads.includes(name))
  const isRead = Array.from(chain.images.values()).some(
    ({ name, backing }) => backing !== undefined && free.includes(backing.image) && !copy.inside.includes(name),
  )
  if (overlaysOf(chain, active.name).length > 0) return 'overlays'
  if (isOther(chain, copy)) return 'images since'
  return isRead || isReadSince(chain, copy) ? 'overlays' : undefined
}

/** An image as it was then, but for bitmaps that QEMU had not stored; who else reads it is as now. */
const imageBack = (then: Image, now: Image | undefined, { image, losesBitmaps }: StorageCopy): Image => ({
  ...then,
  bitmaps: then.bitmaps.map((one) =>
    then.name === image.name && losesBitmaps.includes(one.name) ? { ...one, state: 'inconsistent' } : one,
  ),
  otherReaders: now?.otherReaders ?? then.otherReaders,
  node: undefined,
})

/** A chain that has gone back: every image that the copy has is as it was then, also what has been removed since. */
const chainBack = (chain: Chain, copy: StorageCopy): Chain => {
  const images = new Map(chain.images)
  for (const then of copy.images) images.set(then.name, imageBack(then, chain.images.get(then.name), copy))
  return withImages(chain, images)
}

const isChanged = (now: Image, then: Image): boolean =>
  now.sizeBytes !== then.sizeBytes || now.backing?.image !== then.backing?.image

/** What becomes of a disk: the active image is no product of any span of the chain. It is written, and nothing is said of with what. */
export const partBack = (before: Chain, copy: StorageCopy): DiskPart => {
  const after = chainBack(before, copy)
  const marks = copy.images.flatMap((then): ReadonlyArray<Mark> => {
    const now = before.images.get(then.name)
    if (now === undefined) return [[then.name, 'created']]
    return then.name === copy.image.name || isChanged(now, then) ? [[then.name, 'written']] : []
  })
  return { before, after, contents: [], fates: fatesOf(before, after, marks) }
}
