import { emptyLayer, layerOfRuns } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { product } from '../content/override.js'
import { clipRun, zeroRun } from '../content/run.js'
import { view, writeInto } from '../content/view.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import type { Chain } from '../model/chain.js'
import { path } from '../model/chain-query.js'
import type { ContentChange, Plan } from './plan.js'

/**
 * What each image of a chain itself stores, by its name. For tests and models: a plan needs no contents.
 *
 * @since 0.1.0
 */
export type Contents = ReadonlyMap<string, Layer>

/**
 * What the internal snapshots of images have of them, by the names of image and snapshot.
 *
 * @since 0.2.0
 */
export type Inside = ReadonlyMap<string, Contents>

const nothingInside: Inside = new Map()

const layersOf = (contents: Contents, names: ReadonlyArray<string>): ReadonlyArray<Layer> =>
  names.flatMap((name) => contents.get(name) ?? [])

/** What the images store once the one that a change enlarges is larger. */
const enlarged = (contents: Contents, { grown }: ContentChange): Contents => {
  const small = grown === undefined ? undefined : contents.get(grown.image)
  if (grown === undefined || small === undefined) return contents
  const runs = [...small.runs, zeroRun(small.sizeBytes, grown.toBytes)]
  return new Map(contents).set(grown.image, layerOfRuns(grown.toBytes, runs))
}

/** A layer in the size that its image has today: what it had beyond is cut off, and what is new it does not store. */
const inSize = ({ runs }: Layer, sizeBytes: number): Layer =>
  layerOfRuns(
    sizeBytes,
    runs.filter(({ startBytes }) => startBytes < sizeBytes).map((run) => clipRun(run, 0, sizeBytes)),
  )

/** What the images store, with the last one of the span as an internal snapshot has it; nothing where nobody knows that. */
const asInside = (contents: Contents, { span, inside: name }: ContentChange, inside: Inside): Contents | undefined => {
  if (name === undefined) return contents
  const [image = ''] = span.slice(-1)
  const [now, saved] = [contents.get(image), inside.get(image)?.get(name)]
  return now === undefined || saved === undefined
    ? undefined
    : new Map(contents).set(image, inSize(saved, now.sizeBytes))
}

const changed = (contents: Contents, change: ContentChange, inside: Inside): Layer | undefined => {
  const stored = asInside(enlarged(contents, change), change, inside)
  if (stored === undefined) return undefined
  const layers = layersOf(stored, change.span)
  if (!isNonEmpty(layers)) return emptyLayer(change.sizeBytes)
  const written = product(layers)
  const old = contents.get(change.image)
  return old === undefined ? written : writeInto(old, written)
}

/**
 * What each image of a plan's `after` stores, given what those of its `before` stored: the theorem, applied. What a plan takes from an
 * internal snapshot it takes from `inside`; an image of which that is not known is left out.
 *
 * @since 0.1.0
 */
export const contentsAfter = (
  plan: Pick<Plan, 'contents' | 'after'>,
  before: Contents,
  inside: Inside = nothingInside,
): Contents => {
  const after = new Map<string, Layer>()
  for (const name of plan.after.images.keys()) {
    const layer = before.get(name)
    if (layer !== undefined) after.set(name, layer)
  }
  for (const change of plan.contents) {
    const layer = changed(before, change, inside)
    if (layer === undefined) after.delete(change.image)
    else after.set(change.image, layer)
  }
  return after
}

/**
 * What a guest would read from an image of a chain; nothing for an image that is not in it or whose contents are unknown.
 *
 * @since 0.1.0
 */
export const viewOf = (chain: Chain, contents: Contents, image: string = chain.active): Layer | undefined => {
  const images = path(chain, image) ?? []
  const layers = layersOf(
    contents,
    images.map(({ name }) => name),
  )
  return isNonEmpty(layers) && layers.length === images.length ? view(layers) : undefined
}
