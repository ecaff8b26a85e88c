import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import type { Semigroup } from 'fp-ts/lib/Semigroup.js'

import { emptyLayer, layerOfRuns } from './layer.js'
import type { Layer } from './layer.js'
import { appendRun, clipRun, zeroRun } from './run.js'
import type { Run } from './run.js'

/** A place in the runs of a layer that only moves forward, so that a pass over two layers stays linear. */
interface Cursor {
  readonly layer: Layer
  index: number
}

/** Appends what the layer below shows in `[start, end)`: its runs, its holes as holes, and zeroes beyond its end. */
const appendBelow = (into: Array<Run>, below: Cursor, gap: { readonly start: number; readonly end: number }): void => {
  const { sizeBytes, runs } = below.layer
  const visibleEnd = Math.min(gap.end, sizeBytes)
  for (let run = runs[below.index]; run !== undefined && run.startBytes < visibleEnd;) {
    if (run.endBytes > gap.start) appendRun(into, clipRun(run, gap.start, visibleEnd))
    if (run.endBytes > visibleEnd) break
    run = runs[++below.index]
  }
  appendRun(into, zeroRun(Math.max(gap.start, sizeBytes), gap.end))
}

/**
 * Lays one layer over another: what a guest sees of the two when `upper` is the overlay of `lower`.
 *
 * The result has the size of `upper`. Where `upper` is allocated it wins; where it has a hole `lower` shows; beyond the
 * end of a shorter `lower` the result is zero, not a hole, so that nothing below shines through.
 *
 * Laws: associative; {@link ground} is a left identity; there is no right identity. Linear in the number of runs.
 *
 * @example
 * import { layerOfPattern, override, patternOfLayer } from 'backing-chain'
 *
 * patternOfLayer(override(layerOfPattern('ab-'), layerOfPattern('-c--'))) // => 'ac-0'
 *
 * @since 0.1.0
 */
export const override = (lower: Layer, upper: Layer): Layer => {
  const runs: Array<Run> = []
  const below: Cursor = { layer: lower, index: 0 }
  let at = 0
  for (const run of upper.runs) {
    appendBelow(runs, below, { start: at, end: run.startBytes })
    appendRun(runs, run)
    at = run.endBytes
  }
  appendBelow(runs, below, { start: at, end: upper.sizeBytes })
  return layerOfRuns(upper.sizeBytes, runs)
}

/**
 * The left identity of {@link override}: a layer with no data and no end in sight.
 *
 * Law: `override(ground, x)` equals `x`.
 *
 * @since 0.1.0
 */
export const ground: Layer = emptyLayer(Number.MAX_SAFE_INTEGER)

/**
 * Override as an fp-ts `Semigroup`; `concat(lower, upper)`, base first.
 *
 * @since 0.1.0
 */
export const overrideSemigroup: Semigroup<Layer> = { concat: override }

/**
 * The product of a contiguous span of layers, base first.
 *
 * Since override is associative the fold may be split anywhere; it is split in the middle, which makes it
 * O(R log N) for R runs in N layers and keeps the stack at log N, where a fold from one end would be O(R N).
 *
 * @since 0.1.0
 */
export const product = (layers: ReadonlyNonEmptyArray<Layer>): Layer => {
  const fold = (start: number, end: number): Layer => {
    const first = layers[start]
    if (first === undefined || end - start <= 1) return first ?? layers[0]
    const middle = start + Math.floor((end - start) / 2)
    return override(fold(start, middle), fold(middle, end))
  }
  return fold(0, layers.length)
}
