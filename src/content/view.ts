import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import { equalLayers, layerOfRuns, solid } from './layer.js'
import type { Layer } from './layer.js'
import { product } from './override.js'
import { appendRun, clipRun } from './run.js'
import type { Run } from './run.js'

/**
 * What a guest reads through a chain of layers, base first: every offset is data or zero, none is a hole.
 *
 * @since 0.1.0
 */
export const view = (layers: ReadonlyNonEmptyArray<Layer>): Layer => solid(product(layers))

/**
 * True where a guest cannot tell the two apart: same size, same bytes, whatever is hole and what is zero.
 *
 * @since 0.1.0
 */
export const equalViews = (a: Layer, b: Layer): boolean => equalLayers(solid(a), solid(b))

/**
 * Writes the product of a span into its lowest image, as a commit does: inside the product's size the product wins, and
 * what the base holds beyond it stays. The result is as large as the larger of the two.
 *
 * Law: where `base` is not larger than `written`, this is `written`.
 *
 * @since 0.1.0
 */
export const writeInto = (base: Layer, written: Layer): Layer => {
  if (base.sizeBytes <= written.sizeBytes) return written
  const runs: Array<Run> = [...written.runs]
  for (const run of base.runs) {
    if (run.endBytes > written.sizeBytes) appendRun(runs, clipRun(run, written.sizeBytes, base.sizeBytes))
  }
  return layerOfRuns(base.sizeBytes, runs)
}
