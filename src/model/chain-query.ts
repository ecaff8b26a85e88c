import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Chain } from './chain.js'
import { normalPath, placeOf } from './header.js'
import { knownReaders } from './image.js'
import type { Image, ImageName } from './image.js'

/**
 * The image of that name, or nothing.
 *
 * @since 0.1.0
 */
export const imageOf = (chain: Chain, name: string): Image | undefined => chain.images.get(name)

/** The image that is where somebody says, however the path is spelled. */
export const imageAt = (chain: Chain, path: string): Image | undefined =>
  Array.from(chain.images.values()).find((image) => placeOf(image) === normalPath(path))

/** An image that the chain is known to have. */
export const knownImage = (chain: Chain, name: string): Image => {
  const image = chain.images.get(name)
  if (image === undefined) throw new Error(`unreachable: image ${JSON.stringify(name)} is not in the chain`)
  return image
}

/**
 * The active image: the one that the guest writes.
 *
 * @since 0.1.0
 */
export const activeImage = (chain: Chain): Image => knownImage(chain, chain.active)

/**
 * The backing file of an image, or nothing for the base.
 *
 * @since 0.1.0
 */
export const backingOf = (chain: Chain, image: Image): Image | undefined =>
  image.backing === undefined ? undefined : chain.images.get(image.backing.image)

/**
 * The images that are read through `upTo`, base first and `upTo` last; the whole chain of the disk where none is named.
 *
 * Gives nothing for a name that is not in the chain. Linear.
 *
 * @example
 * import { parseChain, path } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- snap1 <- snap2^')
 * const names = E.isRight(parsed) ? path(parsed.right.chain)?.map(image => image.name) : []
 * names // => ['base', 'snap1', 'snap2']
 *
 * @since 0.1.0
 */
export const path = (chain: Chain, upTo: string = chain.active): ReadonlyNonEmptyArray<Image> | undefined => {
  const downwards: Array<Image> = []
  for (let at = chain.images.get(upTo); at !== undefined; at = backingOf(chain, at)) downwards.push(at)
  const upwards: ReadonlyArray<Image> = downwards.reverse()
  return isNonEmpty(upwards) ? upwards : undefined
}

/**
 * The path of the active image, base first.
 *
 * @since 0.1.0
 */
export const activePath = (chain: Chain): ReadonlyNonEmptyArray<Image> => {
  const found = path(chain)
  if (found === undefined) throw new Error('unreachable: a chain has its active image')
  return found
}

/**
 * The overlays of every image that has one, by the name of the backing file, in the order of the chain's images.
 *
 * One pass over all images; use it instead of asking {@link overlaysOf} again and again.
 *
 * @since 0.1.0
 */
export const overlayIndex = (chain: Chain): ReadonlyMap<string, ReadonlyArray<Image>> => {
  const index = new Map<string, Array<Image>>()
  for (const image of chain.images.values()) {
    if (image.backing === undefined) continue
    const known = index.get(image.backing.image)
    if (known === undefined) index.set(image.backing.image, [image])
    else known.push(image)
  }
  return index
}

/**
 * The images whose backing file is this one.
 *
 * @since 0.1.0
 */
export const overlaysOf = (chain: Chain, image: string): ReadonlyArray<Image> =>
  Array.from(chain.images.values()).filter((other) => other.backing?.image === image)

/**
 * Whoever reads an image: an overlay in the chain, or someone whom the caller named.
 *
 * @since 0.1.0
 */
export type Reader =
  { readonly _tag: 'Overlay'; readonly image: ImageName } | { readonly _tag: 'Other'; readonly reader: string }

/**
 * Everyone who is known to read an image directly, overlays first.
 *
 * @since 0.1.0
 */
export const readersOf = (chain: Chain, image: string): ReadonlyArray<Reader> => {
  const read = imageOf(chain, image)
  return [
    ...overlaysOf(chain, image).map((overlay): Reader => ({ _tag: 'Overlay', image: overlay.name })),
    ...(read === undefined ? [] : knownReaders(read)).map((reader): Reader => ({ _tag: 'Other', reader })),
  ]
}

/**
 * The first images of the chain's trees: those with no backing file, in the order of the chain's images.
 *
 * @since 0.1.0
 */
export const roots = (chain: Chain): ReadonlyArray<Image> =>
  Array.from(chain.images.values()).filter((image) => image.backing === undefined)

/**
 * The images from `base` up to `top`, both inclusive, base first; nothing where `base` is not below `top`.
 *
 * @since 0.1.0
 */
export const span = (chain: Chain, base: string, top: string): ReadonlyNonEmptyArray<Image> | undefined => {
  const downwards: Array<Image> = []
  for (let at = chain.images.get(top); at !== undefined; at = backingOf(chain, at)) {
    downwards.push(at)
    if (at.name === base) break
  }
  const upwards: ReadonlyArray<Image> = downwards.reverse()
  return isNonEmpty(upwards) && upwards[0].name === base ? upwards : undefined
}
