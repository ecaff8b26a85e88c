import * as fc from 'fast-check'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { describe, expect, it } from 'vitest'

import { emptyLayer, layerOfRuns } from '../../src/content/layer.js'
import type { Layer } from '../../src/content/layer.js'
import { ground, override, overrideSemigroup, product } from '../../src/content/override.js'
import { layerOfPattern, patternOfLayer } from '../../src/content/pattern.js'
import { clipRun } from '../../src/content/run.js'
import { arbitraryLayer } from '../../src/testing/layer.js'

const bytes = arbitraryLayer({ clusterBytes: 1, maxClusters: 20 })

const isNonEmpty = <A>(of: ReadonlyArray<A>): of is ReadonlyNonEmptyArray<A> => of.length > 0

const productOf = (layers: ReadonlyArray<Layer>): Layer =>
  isNonEmpty(layers) ? product(layers) : expect.fail('no layers')

const over = (lower: string, upper: string): string =>
  patternOfLayer(override(layerOfPattern(lower), layerOfPattern(upper)))

/** One character a cluster and no runs: what override means, said as simply as can be. */
const naive = (lower: string, upper: string): string =>
  Array.from(upper, (cell, index) => (cell === '-' ? (lower[index] ?? '0') : cell)).join('')

describe('override', () => {
  it.each([
    ['ab--', '----', 'ab--', 'a hole shows what is below, a hole below stays a hole'],
    ['ab--', '0-0-', '0b0-', 'a zero hides what is below'],
    ['ab', '----', 'ab00', 'beyond the end of a shorter layer its overlay reads zeroes'],
    ['abcd', '-x', 'ax', 'the upper size counts'],
    ['', '-x-', '0x0', 'a layer of no size has an end too'],
    ['aa', '', '', 'nothing over something is nothing'],
    ['aabb', 'a--b', 'aabb', 'neighbours of the same source are joined'],
  ])('%s under %s is %s: %s', (lower, upper, expected) => expect(over(lower, upper)).toBe(expected))

  it('agrees with the naive model, cluster by cluster', () => {
    fc.assert(
      fc.property(bytes, bytes, (lower, upper) => {
        const expected = naive(patternOfLayer(lower, 1), patternOfLayer(upper, 1))
        expect(override(lower, upper)).toEqual(layerOfPattern(expected, 1))
      }),
      { numRuns: 1000 },
    )
  })

  it('is associative on sized layers', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, (a, b, c) => {
        expect(override(override(a, b), c)).toEqual(override(a, override(b, c)))
      }),
      { numRuns: 1000 },
    )
  })

  it('has ground as its left identity', () => {
    fc.assert(
      fc.property(bytes, (of) => {
        expect(override(ground, of)).toEqual(of)
      }),
    )
  })

  it('has no right identity: whatever the size, a layer of another size is changed', () => {
    fc.assert(
      fc.property(bytes, (candidate) => {
        const longer = emptyLayer(candidate.sizeBytes + 1)
        expect(override(longer, candidate)).not.toEqual(longer)
      }),
    )
  })

  it('"truncate then override", where a short layer ends in a hole, is not associative', () => {
    const truncated = (of: Layer, sizeBytes: number): Layer =>
      layerOfRuns(
        sizeBytes,
        of.runs.filter((run) => run.startBytes < sizeBytes).map((run) => clipRun(run, 0, sizeBytes)),
      )
    const wrong = (lower: Layer, upper: Layer): Layer => override(truncated(lower, upper.sizeBytes), upper)
    const [base, short, top] = [layerOfPattern('aaaa'), layerOfPattern('-'), layerOfPattern('----')]
    expect(patternOfLayer(wrong(wrong(base, short), top))).toBe('a---')
    expect(patternOfLayer(wrong(base, wrong(short, top)))).toBe('aaaa')
    expect(patternOfLayer(override(override(base, short), top))).toBe('a000')
    expect(patternOfLayer(override(base, override(short, top)))).toBe('a000')
  })

  it('goes through adjacent runs, and runs over several, in one pass', () => {
    expect(over('abcdef', '--xx--')).toBe('abxxef')
    expect(over('aaaaaa', '-x-x-x')).toBe('axaxax')
    expect(over('abcdef', 'xxxxxx')).toBe('xxxxxx')
    expect(over('ab-0ef', '-x----')).toBe('ax-0ef')
    expect(over('aaab', '-0--------')).toBe('a0ab000000')
  })

  it('is the concat of its semigroup', () => expect(overrideSemigroup.concat).toBe(override))
})

describe('product', () => {
  it('is the fold, split anywhere', () => {
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 2, maxLength: 9 }), fc.nat(), (layers, at) => {
        const cut = 1 + (at % (layers.length - 1))
        const parts = [productOf(layers.slice(0, cut)), productOf(layers.slice(cut))]
        expect(productOf(layers)).toEqual(layers.slice(1).reduce(override, layers[0] ?? ground))
        expect(productOf(parts)).toEqual(productOf(layers))
      }),
    )
  })

  it('of a span may stand for the span: whatever lies under and over it reads the same', () => {
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1, maxLength: 8 }), fc.nat(), fc.nat(), (layers, x, y) => {
        const [start, end] = [x % layers.length, y % layers.length].sort((a, b) => a - b)
        const span = productOf(layers.slice(start, (end ?? 0) + 1))
        const collapsed = [...layers.slice(0, start), span, ...layers.slice((end ?? 0) + 1)]
        expect(productOf(collapsed)).toEqual(productOf(layers))
      }),
    )
  })

  it('does not need a stack for 10,000 layers', () => {
    const layers = Array.from({ length: 10_000 }, (_, index) =>
      layerOfRuns(10_000, [{ kind: 'data', startBytes: index, endBytes: index + 1, source: String(index) }]),
    )
    expect(productOf(layers).runs.length).toBe(10_000)
  })

  it('does not need a square of time for 100,000 runs over 100,000 runs', () => {
    const comb = (offset: number): Layer =>
      layerOfRuns(
        400_000,
        Array.from({ length: 100_000 }, (_, index) => {
          const startBytes = 4 * index + offset
          return { kind: 'data', startBytes, endBytes: startBytes + 1, source: `${offset}` }
        }),
      )
    expect(override(comb(0), comb(2)).runs.length).toBe(200_000)
  })
})
