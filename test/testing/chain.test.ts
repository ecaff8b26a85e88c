import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { chain } from '../../src/model/chain.js'
import { activePath, overlaysOf, path, roots } from '../../src/model/chain-query.js'
import type { Image, ImageDescription } from '../../src/model/image.js'
import { viewOf } from '../../src/plan/contents.js'
import { arbitraryChain } from '../../src/testing/chain.js'
import type { ChainOptions, FilledChain } from '../../src/testing/chain.js'

/** True where one of many random chains is so. */
const happens = (options: ChainOptions, so: (of: FilledChain) => boolean): boolean =>
  fc.sample(arbitraryChain(options), { numRuns: 500, seed: 1 }).some(so)

const isShorterThanBacking = ({ chain: of }: FilledChain): boolean =>
  Array.from(of.images.values()).some(
    ({ sizeBytes, backing }) => sizeBytes < (of.images.get(backing?.image ?? '')?.sizeBytes ?? 0),
  )

const isDescription = (value: unknown): value is ImageDescription => typeof value === 'object'

/** The image without what is not known of it, as a caller would describe it. */
const described = (image: Image): unknown =>
  Object.fromEntries(Object.entries(image).filter(([, value]) => value !== undefined))

describe('arbitraryChain', () => {
  it('gives chains that the smart constructor takes, each image with contents of its size', () => {
    fc.assert(
      fc.property(arbitraryChain({ extras: 'some', nodes: 'monitor' }), ({ chain: of, contents }) => {
        const descriptions = Array.from(of.images.values(), described).filter(isDescription)
        expect(descriptions.length).toBe(of.images.size)
        expect(chain('vda', descriptions, of.active)._tag).toBe('Right')
        for (const { name, sizeBytes } of of.images.values()) {
          expect(contents.get(name)?.sizeBytes).toBe(sizeBytes)
          expect(viewOf(of, contents, name)?.sizeBytes).toBe(sizeBytes)
        }
      }),
    )
  })

  it('gives every shape that it promises', () => {
    const branches = ({ chain: of }: FilledChain): boolean =>
      Array.from(of.images.keys()).some((name) => overlaysOf(of, name).length > 1)
    const activeHasOverlay = ({ chain: of }: FilledChain): boolean => overlaysOf(of, of.active).length > 0
    const trees = ({ chain: of }: FilledChain): boolean => roots(of).length > 1
    const rawBase = ({ chain: of }: FilledChain): boolean => activePath(of)[0].format === 'raw'
    const deep = ({ chain: of }: FilledChain): boolean => (path(of)?.length ?? 0) > 4
    const relative = ({ chain: of }: FilledChain): boolean =>
      Array.from(of.images.values()).some(({ backing }) => backing?.header.startsWith('/') === false)
    for (const so of [branches, activeHasOverlay, trees, rawBase, deep, relative, isShorterThanBacking])
      expect(happens({}, so), so.name).toBe(true)
    expect(happens({ shape: 'tree' }, trees)).toBe(false)
    expect(happens({ shape: 'tree' }, branches)).toBe(true)
    expect(happens({ shape: 'path' }, (of) => branches(of) || activeHasOverlay(of))).toBe(false)
    expect(happens({ sizes: 'equal' }, isShorterThanBacking)).toBe(false)
    expect(happens({ headers: 'absolute' }, relative)).toBe(false)
  })

  it('gives extras and nodes where asked, and none where not', () => {
    const images = ({ chain: of }: FilledChain) => Array.from(of.images.values())
    const extras: ReadonlyArray<(of: FilledChain) => boolean> = [
      (of) => images(of).some(({ otherReaders }) => otherReaders === 'unknown'),
      (of) => images(of).some(({ otherReaders }) => otherReaders.length === 1),
      (of) => images(of).some(({ bitmaps }) => bitmaps.length > 0),
      (of) => images(of).some(({ internalSnapshots }) => internalSnapshots.length > 0),
      (of) => images(of).some(({ encryption }) => encryption === 'luks'),
      (of) => images(of).some(({ format }) => format === 'qed'),
    ]
    for (const so of extras) expect([happens({ extras: 'some' }, so), happens({}, so)]).toEqual([true, false])
    const open = (of: FilledChain): boolean => activePath(of.chain).every(({ node }) => node !== undefined)
    expect([happens({ nodes: 'implicit' }, open), happens({}, open)]).toEqual([true, false])
  })

  it('gives a source of its own to each image', () => {
    fc.assert(
      fc.property(arbitraryChain({ maxImages: 60 }), ({ contents }) => {
        const sources = Array.from(contents.values(), ({ runs }) =>
          Array.from(new Set(runs.flatMap((run) => (run.kind === 'data' ? [run.source] : [])))),
        ).flat()
        expect(new Set(sources).size).toBe(sources.length)
      }),
    )
  })
})
