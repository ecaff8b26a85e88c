import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import type { Backing, Image, ImageName } from '../model/image.js'

/**
 * One contiguous span of a tree, to be replaced by one image: the theorem's whole content, for commit and pull alike.
 *
 * - `span`: the images, base first. `survivor`: the one whose file then holds the product; the lowest for a commit, the
 *   highest for a pull.
 * - `backings`: every image whose backing file changes, with what it becomes.
 * - `needed`: images that stay though no overlay reads them.
 */
export interface Collapse {
  readonly chain: Chain
  readonly span: ReadonlyNonEmptyArray<Image>
  readonly survivor: Image
  readonly survivorBytes: number
  readonly backings: ReadonlyMap<string, Backing | undefined>
  readonly active: ImageName
  readonly needed: ReadonlySet<string>
}

/** What is left of the tree, and the images that nobody reads any more, uppermost first. */
export interface Collapsed {
  readonly after: Chain
  readonly dropped: ReadonlyArray<Image>
}

/** How many overlays each image has. */
const overlayCounts = (images: Iterable<Image>): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const { backing } of images)
    if (backing !== undefined) counts.set(backing.image, (counts.get(backing.image) ?? 0) + 1)
  return counts
}

/**
 * Takes the images of `candidates` that nobody reads out of the tree, going down from the uppermost one.
 *
 * `candidates` are given uppermost first. An image goes only after all its overlays have gone.
 */
export const dropUnread = (
  images: Map<string, Image>,
  candidates: ReadonlyArray<Image>,
  stays: (image: Image) => boolean,
): ReadonlyArray<Image> => {
  const counts = overlayCounts(images.values())
  const dropped: Array<Image> = []
  for (const { name } of candidates) {
    const image = images.get(name)
    if (image === undefined || (counts.get(name) ?? 0) > 0 || stays(image)) continue
    images.delete(name)
    dropped.push(image)
    const below = image.backing?.image
    if (below !== undefined) counts.set(below, (counts.get(below) ?? 1) - 1)
  }
  return dropped
}

/**
 * Replaces a span by its survivor.
 *
 * Override is associative, so the survivor, holding the product of the span, shows what the top of the span showed; hence
 * every image above reads as before. Linear in the number of images.
 */
export const collapse = (of: Collapse): Collapsed => {
  const images = new Map(of.chain.images)
  for (const [name, backing] of of.backings) {
    const image = images.get(name)
    if (image !== undefined) images.set(name, { ...image, backing })
  }
  const survivor = images.get(of.survivor.name) ?? of.survivor
  images.set(survivor.name, { ...survivor, sizeBytes: of.survivorBytes, allocatedBytes: undefined })
  const candidates = [...of.span].reverse().filter((image) => image.name !== of.survivor.name)
  const dropped = dropUnread(images, candidates, ({ name }) => name === of.active || of.needed.has(name))
  return { after: withImages(of.chain, images, of.active), dropped }
}
