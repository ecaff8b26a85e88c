import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { withImages } from '../../src/model/chain.js'
import type { Chain } from '../../src/model/chain.js'
import {
  activeImage,
  activePath,
  backingOf,
  imageOf,
  knownImage,
  overlayIndex,
  overlaysOf,
  path,
  readersOf,
  roots,
  span,
} from '../../src/model/chain-query.js'
import type { Image } from '../../src/model/image.js'
import { parseChain } from '../../src/model/notation.js'

const parsed = (text: string): Chain => {
  const made = parseChain(text)
  return E.isRight(made) ? made.right.chain : expect.fail(JSON.stringify(made.left))
}

const names = (images: ReadonlyArray<Image> | undefined): ReadonlyArray<string> | undefined =>
  images?.map(({ name }) => name)

const tree = parsed('base <- (a <- (b <- top^, b2), s1); other <- o1')

describe('queries on a tree', () => {
  it('path: base first, from the active image or any other', () => {
    expect(names(path(tree))).toEqual(['base', 'a', 'b', 'top'])
    expect(names(path(tree, 'b2'))).toEqual(['base', 'a', 'b2'])
    expect(names(path(tree, 'o1'))).toEqual(['other', 'o1'])
    expect(names(path(tree, 'base'))).toEqual(['base'])
    expect(path(tree, 'gone')).toBeUndefined()
    expect(names(activePath(tree))).toEqual(['base', 'a', 'b', 'top'])
  })

  it('span: both ends inclusive, nothing where the one is not below the other', () => {
    expect(names(span(tree, 'a', 'top'))).toEqual(['a', 'b', 'top'])
    expect(names(span(tree, 'a', 'a'))).toEqual(['a'])
    expect(span(tree, 'b2', 'top')).toBeUndefined()
    expect(span(tree, 'top', 'a')).toBeUndefined()
    expect(span(tree, 'other', 'top')).toBeUndefined()
    expect(span(tree, 'base', 'gone')).toBeUndefined()
  })

  it('overlaysOf and overlayIndex agree', () => {
    expect(names(overlaysOf(tree, 'base'))).toEqual(['a', 's1'])
    expect(names(overlaysOf(tree, 'a'))).toEqual(['b', 'b2'])
    expect(overlaysOf(tree, 'top')).toEqual([])
    const index = overlayIndex(tree)
    for (const name of tree.images.keys()) expect(index.get(name) ?? []).toEqual(overlaysOf(tree, name))
  })

  it('readersOf: overlays, then whom the caller named', () => {
    const a = knownImage(tree, 'a')
    const read = withImages(tree, new Map(tree.images).set('a', { ...a, otherReaders: ['vm2', 'backup'] }))
    expect(readersOf(read, 'a')).toEqual([
      { _tag: 'Overlay', image: 'b' },
      { _tag: 'Overlay', image: 'b2' },
      { _tag: 'Other', reader: 'vm2' },
      { _tag: 'Other', reader: 'backup' },
    ])
    const unknown = withImages(tree, new Map(tree.images).set('a', { ...a, otherReaders: 'unknown' }))
    expect(readersOf(unknown, 'a')).toEqual(readersOf(tree, 'a'))
    expect(readersOf(tree, 'gone')).toEqual([])
  })

  it('roots, imageOf, activeImage, backingOf', () => {
    expect(names(roots(tree))).toEqual(['base', 'other'])
    expect(imageOf(tree, 'gone')).toBeUndefined()
    expect(activeImage(tree).name).toBe('top')
    expect(backingOf(tree, activeImage(tree))?.name).toBe('b')
    expect(backingOf(tree, knownImage(tree, 'base'))).toBeUndefined()
  })

  it('an active image in the middle of a chain', () => {
    expect(names(path(parsed('a <- b^ <- c')))).toEqual(['a', 'b'])
  })
})

describe('a chain of 100,000 images', () => {
  const count = 100_000
  const deep = parsed(`${Array.from({ length: count }, (_, index) => `i${index}`).join(' <- ')}^`)

  it('has no query that needs a stack or a square of time', () => {
    expect(path(deep)?.length).toBe(count)
    expect(span(deep, 'i1', `i${count - 2}`)?.length).toBe(count - 2)
    expect(overlayIndex(deep).size).toBe(count - 1)
    expect(names(roots(deep))).toEqual(['i0'])
    expect(names(overlaysOf(deep, 'i7'))).toEqual(['i8'])
  })
})
