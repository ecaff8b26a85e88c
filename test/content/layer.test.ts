import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { emptyLayer, equalLayers, layer, solid } from '../../src/content/layer.js'
import type { Run } from '../../src/content/run.js'
import { layerOfPattern, patternOfLayer } from '../../src/content/pattern.js'
import { arbitraryLayer } from '../../src/testing/layer.js'

const zero = (startBytes: number, endBytes: number): Run => ({ kind: 'zero', startBytes, endBytes })
const data = (startBytes: number, endBytes: number, source: string): Run => ({
  kind: 'data',
  startBytes,
  endBytes,
  source,
})
const tagOf = (made: ReturnType<typeof layer>): string => (E.isLeft(made) ? made.left._tag : 'layer')

describe('layer', () => {
  it.each([-1, 0.5, NaN, Infinity, 2 ** 53])('refuses the size %d', (sizeBytes) => {
    expect(layer(sizeBytes, [])).toEqual(
      E.left({ _tag: 'LayerSizeUnsafe', sizeBytes, largestBytes: Number.MAX_SAFE_INTEGER }),
    )
  })

  it('takes the largest safe size', () => {
    expect(tagOf(layer(Number.MAX_SAFE_INTEGER, [zero(0, Number.MAX_SAFE_INTEGER)]))).toBe('layer')
  })

  it.each([
    ['beyond the end', zero(0, 11)],
    ['empty', zero(3, 3)],
    ['backwards', zero(4, 3)],
    ['before 0', zero(-1, 3)],
    ['between bytes', zero(0.5, 3)],
    ['nowhere', zero(NaN, 3)],
  ])('refuses a run %s, with its index', (_, run) => {
    expect(layer(10, [zero(0, 0.5 + 0.5), run])).toEqual(
      E.left({ _tag: 'RunOutsideLayer', index: 1, run, sizeBytes: 10 }),
    )
  })

  it('refuses runs that overlap or stand in the wrong order', () => {
    expect(layer(10, [zero(0, 4), data(3, 5, 'a')])).toEqual(
      E.left({ _tag: 'RunsNotSorted', index: 1, run: data(3, 5, 'a'), previousEndBytes: 4 }),
    )
    expect(tagOf(layer(10, [zero(5, 6), zero(0, 4)]))).toBe('RunsNotSorted')
  })

  it('joins neighbours that show the same bytes, and only those', () => {
    const made = layer(10, [data(0, 2, 'a'), data(2, 4, 'a'), data(4, 5, 'b'), zero(5, 6), zero(6, 7), zero(8, 9)])
    expect(E.isRight(made) && made.right.runs).toEqual([data(0, 4, 'a'), data(4, 5, 'b'), zero(5, 7), zero(8, 9)])
  })

  it('makes what its runs say, in pieces of any length', () => {
    fc.assert(
      fc.property(arbitraryLayer({ clusterBytes: 1, maxClusters: 20 }), fc.array(fc.nat(20)), (of, cuts) => {
        const places = [...new Set([0, ...cuts, 20])].sort((a, b) => a - b)
        const pieces = of.runs.flatMap((run) =>
          places.flatMap((start, index) => {
            const startBytes = Math.max(start, run.startBytes)
            const endBytes = Math.min(places[index + 1] ?? start, run.endBytes)
            return startBytes < endBytes ? [{ ...run, startBytes, endBytes }] : []
          }),
        )
        expect(layer(of.sizeBytes, pieces)).toEqual(E.right(of))
      }),
    )
  })
})

describe('solid', () => {
  it('is idempotent, and turns each hole into zeroes', () => {
    fc.assert(
      fc.property(arbitraryLayer({ clusterBytes: 1, maxClusters: 20 }), (of) => {
        expect(solid(solid(of))).toEqual(solid(of))
        expect(patternOfLayer(solid(of), 1)).toBe(patternOfLayer(of, 1).replace(/-/g, '0'))
      }),
    )
  })

  it('of nothing is nothing', () => expect(solid(emptyLayer(0))).toEqual(emptyLayer(0)))
})

describe('equalLayers', () => {
  it('tells holes from zeroes, sizes, sources and offsets apart', () => {
    const patterns = ['', '-', '0', 'a', 'b', '-a', 'a-', 'aa', '--', '0-']
    for (const p of patterns)
      for (const q of patterns) expect(equalLayers(layerOfPattern(p), layerOfPattern(q)), `${p} ${q}`).toBe(p === q)
  })
})

describe('100,000 runs', () => {
  it('are one linear pass', () => {
    const count = 100_000
    const runs = Array.from({ length: count }, (_, index) => data(2 * index, 2 * index + 1, String(index)))
    const made = layer(2 * count, runs)
    expect(E.isRight(made) && solid(made.right).runs.length).toBe(2 * count)
  })
})
