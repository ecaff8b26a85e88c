import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { arbitraryChain } from '../../src/testing/chain.js'
import {
  arbitraryAddOverlayRequest,
  arbitraryCommitRequest,
  arbitraryCopyRequest,
  arbitraryPoints,
  arbitraryPullRequest,
} from '../../src/testing/request.js'

const [{ chain } = expect.fail('no chain')] = fc
  .sample(arbitraryChain({ maxImages: 8 }), { numRuns: 100, seed: 3 })
  .filter((of) => of.chain.images.size > 5)

const sample = <A>(of: fc.Arbitrary<A>): ReadonlyArray<A> => fc.sample(of, { numRuns: 1000, seed: 1 })

describe('requests', () => {
  it('name images of the chain; points none that the guest writes, and none twice', () => {
    for (const points of sample(arbitraryPoints(chain))) {
      const images = points.map(({ image }) => image)
      expect(new Set(images).size).toBe(images.length)
      for (const image of images) expect(chain.images.has(image) && image !== chain.active).toBe(true)
    }
    for (const { top, base } of sample(arbitraryCommitRequest(chain)))
      expect(chain.images.has(top) && (base === undefined || chain.images.has(base))).toBe(true)
  })

  it('are plain records of every kind', () => {
    const commits = sample(arbitraryCommitRequest(chain))
    const pulls = sample(arbitraryPullRequest(chain))
    const copies = sample(arbitraryCopyRequest(chain))
    const overlays = sample(arbitraryAddOverlayRequest(chain))
    const kinds = [
      commits.some(({ base }) => base === undefined),
      commits.some(({ top, end }) => top === chain.active && end === 'pivot'),
      commits.some(({ top, end }) => top === chain.active && end === 'keep'),
      commits.some(({ top, end }) => top !== chain.active && end === undefined),
      commits.some(({ top, end }) => (top === chain.active) === (end === undefined)),
      pulls.some(({ base }) => base === undefined),
      pulls.some(({ points }) => points !== undefined && points.length > 0),
      copies.some(({ depth }) => depth === 'full'),
      copies.some(({ depth, onto }) => depth === 'shallow' && onto !== undefined),
      copies.some(({ depth, onto }) => depth === 'shallow' && onto === undefined),
      overlays.some(({ overlay }) => overlay.format === 'raw'),
      overlays.some(({ overlay }) => chain.images.has(overlay.name)),
      overlays.some(({ overlay }) => overlay.made === 'before'),
    ]
    expect(kinds.map((found, index) => (found ? undefined : index)).filter((one) => one !== undefined)).toEqual([])
    for (const request of [...commits, ...pulls, ...copies, ...overlays])
      expect(JSON.parse(JSON.stringify(request))).toEqual(request)
  })
})
