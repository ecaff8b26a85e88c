import * as fc from 'fast-check'

import type { Layer } from '../content/layer.js'
import { defaultClusterBytes, layerOfPattern } from '../content/pattern.js'

/**
 * How random layers look: at most `maxClusters` (6) clusters of `clusterBytes` (65,536), with data from `sources` (`abc`,
 * one character each).
 *
 * @since 0.1.0
 */
export interface LayerOptions {
  readonly maxClusters?: number
  readonly clusterBytes?: number
  readonly sources?: string
}

/** Random contents as the notation writes them, of any length up to the largest. */
export const arbitraryPattern = (options: LayerOptions = {}): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.constantFrom('-', '0', ...Array.from(options.sources ?? 'abc')),
    maxLength: options.maxClusters ?? 6,
  })

/**
 * Random layers: holes, zeroes and data in any order, of any size up to the largest.
 *
 * @since 0.1.0
 */
export const arbitraryLayer = (options: LayerOptions = {}): fc.Arbitrary<Layer> =>
  arbitraryPattern(options).map((pattern) => layerOfPattern(pattern, options.clusterBytes ?? defaultClusterBytes))
