import * as E from 'fp-ts/lib/Either.js'

import { appendRun, sameBytes, zeroRun } from './run.js'
import type { Run } from './run.js'

/**
 * What one image itself stores: a partial map from guest offsets to `data | zero`, with a size.
 *
 * Opaque; made only by {@link layer} and the functions of this folder. `runs` are sorted, disjoint, inside the size and
 * joined where equal, so equal layers are structurally equal.
 *
 * @since 0.1.0
 */
export interface Layer {
  readonly Layer: unique symbol
  readonly sizeBytes: number
  readonly runs: ReadonlyArray<Run>
}

/**
 * Why a list of runs is not a layer. `index` counts runs from 0.
 *
 * @since 0.1.0
 */
export type LayerError =
  | { readonly _tag: 'LayerSizeUnsafe'; readonly sizeBytes: number; readonly largestBytes: number }
  | { readonly _tag: 'RunOutsideLayer'; readonly index: number; readonly run: Run; readonly sizeBytes: number }
  | { readonly _tag: 'RunsNotSorted'; readonly index: number; readonly run: Run; readonly previousEndBytes: number }

/** Trusts its caller: runs are sorted, disjoint, joined and inside the size. Not exported from the package. */
export const layerOfRuns = (sizeBytes: number, runs: ReadonlyArray<Run>): Layer =>
  // eslint-disable-next-line @typescript-eslint/consistent-type-assertions -- the smart constructor of Layer
  ({ sizeBytes, runs }) as Layer

const isOffset = (n: number): boolean => Number.isSafeInteger(n) && n >= 0

/**
 * Makes a layer of a size and its runs, given in order of offset.
 *
 * Neighbouring runs that show the same bytes are joined. Refuses, in this order: `LayerSizeUnsafe` (not an integer
 * between 0 and 2^53 - 1), then for each run `RunOutsideLayer` (unsafe, empty, or beyond the size) and `RunsNotSorted`
 * (starts before the end of the one before).
 *
 * @example
 * import { layer } from 'backing-chain'
 *
 * layer(65536, [{ kind: 'zero', startBytes: 0, endBytes: 131072 }])._tag // => 'Left'
 *
 * @since 0.1.0
 */
export const layer = (sizeBytes: number, runs: ReadonlyArray<Run>): E.Either<LayerError, Layer> => {
  if (!isOffset(sizeBytes)) return E.left({ _tag: 'LayerSizeUnsafe', sizeBytes, largestBytes: Number.MAX_SAFE_INTEGER })
  const joined: Array<Run> = []
  let previousEndBytes = 0
  for (const [index, run] of runs.entries()) {
    const inside = isOffset(run.startBytes) && isOffset(run.endBytes) && run.endBytes <= sizeBytes
    if (!inside || run.startBytes >= run.endBytes) return E.left({ _tag: 'RunOutsideLayer', index, run, sizeBytes })
    if (run.startBytes < previousEndBytes) return E.left({ _tag: 'RunsNotSorted', index, run, previousEndBytes })
    appendRun(joined, run)
    previousEndBytes = run.endBytes
  }
  return E.right(layerOfRuns(sizeBytes, joined))
}

/**
 * A layer that stores nothing.
 *
 * @since 0.1.0
 */
export const emptyLayer = (sizeBytes: number): Layer => layerOfRuns(sizeBytes, [])

/**
 * The layer with every hole turned into zeroes: what a raw image of that content is, and what a guest reads from a layer
 * with nothing below it.
 *
 * Law: `solid(solid(x))` equals `solid(x)`.
 *
 * @since 0.1.0
 */
export const solid = (of: Layer): Layer => {
  const runs: Array<Run> = []
  let at = 0
  for (const run of of.runs) {
    appendRun(runs, zeroRun(at, run.startBytes))
    appendRun(runs, run)
    at = run.endBytes
  }
  appendRun(runs, zeroRun(at, of.sizeBytes))
  return layerOfRuns(of.sizeBytes, runs)
}

/**
 * True where both layers have the same size and the same runs, holes included.
 *
 * @since 0.1.0
 */
export const equalLayers = (a: Layer, b: Layer): boolean =>
  a.sizeBytes === b.sizeBytes &&
  a.runs.length === b.runs.length &&
  a.runs.every((run, index) => {
    const other = b.runs[index]
    return (
      other !== undefined &&
      sameBytes(run, other) &&
      run.startBytes === other.startBytes &&
      run.endBytes === other.endBytes
    )
  })
