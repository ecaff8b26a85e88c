import { emptyLayer, layerOfRuns } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { product } from '../content/override.js'
import { zeroRun } from '../content/run.js'
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

const layersOf = (contents: Contents, names: ReadonlyArray<string>): ReadonlyArray<Layer> =>
  names.flatMap((name) => contents.get(name) ?? [])

/** What the images store once the one that a change enlarges is larger. */
const enlarged = (contents: Contents, { grown }: ContentChange): Contents => {
  const small = grown === undefined ? undefined : contents.get(grown.image)
  if (grown === undefined || small === undefined) return contents
  const runs = [...small.runs, zeroRun(small.sizeBytes, grown.toBytes)]
  return new Map(contents).set(grown.image, layerOfRuns(grown.toBytes, runs))
}

const changed = (contents: Contents, change: ContentChange): Layer => {
  const layers = layersOf(enlarged(contents, change), change.span)
  if (!isNonEmpty(layers)) return emptyLayer(change.sizeBytes)
  const written = product(layers)
  const old = contents.get(change.image)
  return old === undefined ? written : writeInto(old, written)
}

/**
 * What each image of a plan's `after` stores, given what those of its `before` stored: the theorem, applied.
 *
 * @since 0.1.0
 */
export const contentsAfter = (plan: Pick<Plan, 'contents' | 'after'>, before: Contents): Contents => {
  const after = new Map<string, Layer>()
  for (const name of plan.after.images.keys()) {
    const layer = before.get(name)
    if (layer !== undefined) after.set(name, layer)
  }
  for (const change of plan.contents) after.set(change.image, changed(before, change))
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
