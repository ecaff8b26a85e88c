import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { layerOfRuns } from '../../src/content/layer.js'
import { defaultClusterBytes, layerOfPattern, patternOfLayer } from '../../src/content/pattern.js'
import { arbitraryPattern } from '../../src/testing/layer.js'

describe('patterns', () => {
  it('come back as they were, whatever the cluster size', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 2 ** 20 }), (pattern, clusterBytes) => {
        expect(patternOfLayer(layerOfPattern(pattern, clusterBytes), clusterBytes)).toBe(pattern)
      }),
    )
    fc.assert(
      fc.property(arbitraryPattern({ maxClusters: 40 }), (pattern) => {
        expect(patternOfLayer(layerOfPattern(pattern))).toBe(pattern)
      }),
    )
  })

  it('read holes, zeroes and data', () => {
    expect(layerOfPattern('a-0bb').runs).toEqual([
      { kind: 'data', startBytes: 0, endBytes: defaultClusterBytes, source: 'a' },
      { kind: 'zero', startBytes: 2 * defaultClusterBytes, endBytes: 3 * defaultClusterBytes },
      { kind: 'data', startBytes: 3 * defaultClusterBytes, endBytes: 5 * defaultClusterBytes, source: 'b' },
    ])
  })

  it('mark a cluster that is not uniform, and only that one', () => {
    const data = { kind: 'data', source: 'a' } as const
    expect(patternOfLayer(layerOfRuns(40, [{ ...data, startBytes: 0, endBytes: 25 }]), 10)).toBe('aa?-')
    expect(patternOfLayer(layerOfRuns(40, [{ ...data, startBytes: 5, endBytes: 30 }]), 10)).toBe('?aa-')
    expect(patternOfLayer(layerOfRuns(15, [{ ...data, startBytes: 0, endBytes: 15 }]), 10)).toBe('aa')
  })

  it('mark data whose source would be read as something else', () => {
    const run = { kind: 'data', startBytes: 0, endBytes: 10 } as const
    for (const source of ['', 'ab', '-', '0'])
      expect(patternOfLayer(layerOfRuns(10, [{ ...run, source }]), 10), source).toBe('?')
  })
})
