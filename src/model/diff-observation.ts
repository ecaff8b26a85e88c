import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import { loops } from './loop.js'
import type { Format } from './format.js'
import { normalPath } from './header.js'
import { locationString } from './location.js'
import type { Location } from './location.js'

/**
 * One image as somebody found it. `backing.image` is the name, or the whole path, of its backing file.
 *
 * @since 0.2.0
 */
export interface ObservedImage {
  readonly name: string
  readonly format: Format
  readonly sizeBytes: number
  readonly location?: Location
  readonly backing?: { readonly image: string } | undefined
  readonly otherReaders?: ReadonlyArray<string> | 'unknown'
}

/**
 * What somebody found of one disk: a `Chain` is one, and so are images that are no chain, because something is broken.
 *
 * @since 0.2.0
 */
export interface Observation {
  readonly images: ReadonlyMap<string, ObservedImage> | ReadonlyArray<ObservedImage>
  readonly active: string
}

/**
 * An observed image among the others. What it lies on is nothing for a base, and where that cannot be said: where the name
 * leads to no single image, and on a loop.
 */
export interface SightedImage {
  readonly image: ObservedImage
  readonly backing: SightedImage | undefined
}

/** Everybody who answers to a name, and their own names in the same order. */
export interface Answer {
  readonly images: ReadonlyArray<SightedImage>
  readonly names: ReadonlyArray<string>
}

/** An observation with every name looked up. */
export interface Sight {
  readonly images: ReadonlyArray<SightedImage>
  readonly loops: ReadonlyArray<ReadonlyNonEmptyArray<SightedImage>>
  readonly active: SightedImage | undefined
  /** Who answers to a name: those that bear it; else those that are in that place; else those whose path ends in it. */
  readonly answering: (name: string) => Answer
  /** The active image, and everything that is read through it. */
  readonly written: ReadonlySet<SightedImage>
}

const nobody: Answer = { images: [], names: [] }

const indexed = (
  images: ReadonlyArray<SightedImage>,
  key: (image: ObservedImage) => string | undefined,
): ReadonlyMap<string, Answer> => {
  const index = new Map<string, { images: Array<SightedImage>; names: Array<string> }>()
  for (const one of images) {
    const text = key(one.image)
    if (text === undefined) continue
    const known = index.get(text)
    known?.images.push(one)
    known?.names.push(one.image.name)
    if (known === undefined) index.set(text, { images: [one], names: [one.image.name] })
  }
  return index
}

const placeOf = ({ location }: ObservedImage): string | undefined =>
  location === undefined ? undefined : normalPath(locationString(location))

const lastPart = (image: ObservedImage): string | undefined => placeOf(image)?.split('/').at(-1)

const answers = (images: ReadonlyArray<SightedImage>): Sight['answering'] => {
  const byName = indexed(images, ({ name }) => name)
  const byPlace = indexed(images, placeOf)
  const byLastPart = indexed(images, lastPart)
  return (name) => byName.get(name) ?? byPlace.get(normalPath(name)) ?? byLastPart.get(name) ?? nobody
}

/** The image that a name leads to, where it leads to one. */
export const single = ({ images }: Answer): SightedImage | undefined => (images.length === 1 ? images[0] : undefined)

const readThrough = (images: ReadonlyArray<SightedImage>, from: SightedImage | undefined): Sight['written'] => {
  const overlays = new Map<SightedImage, Array<SightedImage>>()
  for (const one of images) if (one.backing !== undefined) overlays.set(one.backing, [])
  for (const one of images) if (one.backing !== undefined) overlays.get(one.backing)?.push(one)
  const found = new Set(from === undefined ? [] : [from])
  for (const one of found) for (const overlay of overlays.get(one) ?? []) found.add(overlay)
  return found
}

/** Looks up every name of an observation. Linear. */
export const sight = ({ images: observed, active: activeName }: Observation): Sight => {
  const images = Array.from(observed.values(), (image) => {
    const one: { image: ObservedImage; backing: SightedImage | undefined } = { image, backing: undefined }
    return one
  })
  const answering = answers(images)
  for (const one of images)
    if (one.image.backing !== undefined) one.backing = single(answering(one.image.backing.image))
  const found = loops<SightedImage>(images, ({ backing }) => backing)
  const looped = new Set(found.flat())
  for (const one of images) if (looped.has(one)) one.backing = undefined
  const active = single(answering(activeName))
  return { images, loops: found, active, answering, written: readThrough(images, active) }
}
