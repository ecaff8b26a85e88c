import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { solid } from '../../src/content/layer.js'
import { override } from '../../src/content/override.js'
import { layerOfPattern, patternOfLayer } from '../../src/content/pattern.js'
import { equalViews, view, writeInto } from '../../src/content/view.js'
import { arbitraryLayer } from '../../src/testing/layer.js'

const bytes = arbitraryLayer({ clusterBytes: 1, maxClusters: 20 })

describe('view', () => {
  it('has no holes, and is what is over the lowest layer made solid', () => {
    fc.assert(
      fc.property(bytes, bytes, (lower, upper) => {
        const seen = view([lower, upper])
        expect(patternOfLayer(seen, 1)).not.toContain('-')
        expect(seen).toEqual(override(solid(lower), upper))
      }),
    )
  })

  it('shows zeroes where a short layer ends, not what is below it', () => {
    expect(patternOfLayer(view([layerOfPattern('aaaa'), layerOfPattern('-'), layerOfPattern('---x')]))).toBe('a00x')
  })
})

describe('equalViews', () => {
  it('cannot tell a hole in a base from a zero, and nothing else is equal', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [p, q] = [a, b].map((one) => patternOfLayer(one, 1).replace(/-/g, '0'))
        expect(equalViews(a, b)).toBe(p === q)
      }),
    )
    expect(equalViews(layerOfPattern('a-0'), layerOfPattern('a0-'))).toBe(true)
    expect(equalViews(layerOfPattern('a-'), layerOfPattern('a'))).toBe(false)
  })
})

describe('writeInto', () => {
  const written = (base: string, product: string): string =>
    patternOfLayer(writeInto(layerOfPattern(base), layerOfPattern(product)))

  it('is what is written where the base is not larger', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [base, product] = a.sizeBytes <= b.sizeBytes ? [a, b] : [b, a]
        expect(writeInto(base, product)).toEqual(product)
      }),
    )
  })

  it('leaves what a larger base holds beyond, as QEMU does', () => {
    expect(written('abcd', 'xy')).toBe('xycd')
    expect(written('aaaa', '--')).toBe('--aa')
    expect(written('a-0d', 'aaa')).toBe('aaad')
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [base, product] = a.sizeBytes >= b.sizeBytes ? [a, b] : [b, a]
        const [p, q] = [patternOfLayer(base, 1), patternOfLayer(product, 1)]
        expect(writeInto(base, product)).toEqual(layerOfPattern(q + p.slice(q.length), 1))
      }),
    )
  })

  it('keeps what the overlay above a commit reads, exactly where the base is not larger than the top', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, (base, top, overlay) => {
        fc.pre(base.sizeBytes <= top.sizeBytes)
        const committed = writeInto(base, override(base, top))
        expect(view([committed, overlay])).toEqual(view([base, top, overlay]))
      }),
    )
    const [base, top, overlay] = [layerOfPattern('aaaa'), layerOfPattern('-'), layerOfPattern('----')]
    expect(patternOfLayer(view([base, top, overlay]))).toBe('a000')
    expect(patternOfLayer(view([writeInto(base, override(base, top)), overlay]))).toBe('aaaa')
  })
})
