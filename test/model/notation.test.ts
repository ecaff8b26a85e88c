import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { emptyLayer, layerOfRuns } from '../../src/content/layer.js'
import { layerOfPattern } from '../../src/content/pattern.js'
import { activePath, imageOf } from '../../src/model/chain-query.js'
import type { Chain } from '../../src/model/chain.js'
import type { Image } from '../../src/model/image.js'
import { headerReaches } from '../../src/model/header.js'
import { parseChain, printChain } from '../../src/model/notation.js'
import type { ParsedChain, ParseOptions } from '../../src/model/notation.js'
import { arbitraryChain } from '../../src/testing/chain.js'

const parsed = (text: string, options: ParseOptions = {}): ParsedChain => {
  const made = parseChain(text, options)
  return E.isRight(made) ? made.right : expect.fail(JSON.stringify(made.left))
}

const refused = (text: string): unknown => {
  const made = parseChain(text)
  return E.isLeft(made) ? made.left : undefined
}

const image = (chain: Chain, name: string): Image => imageOf(chain, name) ?? expect.fail(`no image ${name}`)

describe('parseChain reads', () => {
  it.each([
    ['base <- snap1 <- snap2^', 'snap2'],
    ['base <- snap1 <- snap2*', 'snap2'],
    ['v <- v.1*', 'v.1'],
    ['a*', 'a'],
    ['base* <- snap2+^', 'snap2'],
    ['base <- snap2*+^', 'snap2'],
    ['base <- (a^, b)', 'a'],
    ['base <- (a*, b)', 'a'],
    ['a^ <- b', 'a'],
    ['a; b^', 'b'],
  ])('%s with %s active', (text, active) => expect(parsed(text).chain.active).toBe(active))

  it.each([
    'base <- a',
    'a^ <- b^',
    'base* <- a',
    'base* <- a*',
    'base <- (a*, b*)',
    'base <- a*+',
    'base+ <- a',
    'base^ <- a <- b^',
  ])('no active image in %s', (text) =>
    expect(refused(text)).toEqual([
      {
        _tag: 'NotationWrong',
        at: text.length,
        expected: 'exactly one image marked "^" as the active one',
        found: 'the end',
      },
    ]),
  )

  it('a lone * as the active image, not as a mark', () => {
    expect(parsed('base <- a*').marks.size).toBe(0)
    expect(parsed('base* <- a+^').marks).toEqual(
      new Map([
        ['base', ['*']],
        ['a', ['+']],
      ]),
    )
  })

  it('images with the defaults of the notation', () => {
    const { chain, contents } = parsed('base:raw[ab] <- top[-x-]^')
    expect(chain.disk).toBe('vda')
    expect(image(chain, 'base')).toMatchObject({
      format: 'raw',
      sizeBytes: 131072,
      clusterBytes: undefined,
      location: { _tag: 'File', path: '/images/base' },
      otherReaders: [],
      node: undefined,
    })
    expect(image(chain, 'top')).toMatchObject({
      format: 'qcow2',
      sizeBytes: 196608,
      clusterBytes: 65536,
      backing: { image: 'base', header: '/images/base', format: 'raw' },
    })
    expect(contents).toEqual(
      new Map([
        ['base', layerOfPattern('ab')],
        ['top', layerOfPattern('-x-')],
      ]),
    )
    expect(image(parsed('a^').chain, 'a').sizeBytes).toBe(4 * 65536)
  })

  it('images as the options say', () => {
    const options = { disk: 'sda', directory: '/d', headers: 'relative', clusterBytes: 512, sizeBytes: 1024 } as const
    const { chain, contents } = parsed('base <- a[xy--]^', options)
    expect(chain.disk).toBe('sda')
    expect(image(chain, 'base')).toMatchObject({ sizeBytes: 1024, location: { path: '/d/base' }, clusterBytes: 512 })
    expect(image(chain, 'a')).toMatchObject({ sizeBytes: 2048, backing: { header: 'base' } })
    expect(contents.get('a')).toEqual(layerOfPattern('xy--', 512))
    expect(printChain(chain, { contents, clusterBytes: 512 })).toBe('base <- a[xy--]^')
  })

  it('headers that lead to their images, whatever the names', () => {
    const name = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'ab:/.'), minLength: 1 }),
      fc.constantFrom('a:b', '/abs', 'nbd://x', './a', 'file:a', 'json:{}', 'a b'),
    )
    fc.assert(
      fc.property(name, fc.constantFrom('absolute' as const, 'relative' as const), (base, headers) => {
        fc.pre(base !== 'top' && base.length < 50)
        const { chain } = parsed(`${JSON.stringify(base)} <- top^`, { headers })
        const top = image(chain, 'top')
        expect(headerReaches(top.location, top.backing?.header ?? '', image(chain, base).location)).toBe(true)
      }),
    )
  })

  it('nodes on the active path, named as QEMU takes them', () => {
    const text = `base <- (v.1 <- "a b" <- ${'n'.repeat(24)} <- a..b <- image..2 <- 1a <- top^, side); beside`
    for (const nodes of ['monitor', 'implicit'] as const) {
      const { chain } = parsed(text, { nodes })
      const path = activePath(chain)
      const found = path.flatMap(({ node }) => (node === undefined ? [] : [node.format, node.storage]))
      expect(new Set(found).size).toBe(2 * path.length)
      for (const node of found) expect(node).toMatch(/^[A-Za-z][A-Za-z0-9._-]{0,30}$/)
      expect(path.map(({ node }) => node?.owner)).toEqual([...path.slice(1).map(() => nodes), 'monitor'])
      expect(image(chain, 'v.1').node?.format).toBe('v.1-format')
      expect([image(chain, 'side').node, image(chain, 'beside').node]).toEqual([undefined, undefined])
    }
  })

  it('what is no chain, with every problem', () => {
    expect(refused('a <- a^')).toMatchObject([{ _tag: 'NameDuplicate', name: 'a' }])
    expect(refused('"" <- b:raw^')).toMatchObject([
      { _tag: 'NameInvalid', name: '' },
      { _tag: 'NameInvalid', name: '' },
      { _tag: 'FormatCannotHaveBacking', image: 'b' },
    ])
    expect(refused('a ^')).toMatchObject([{ _tag: 'NotationWrong', at: 2, found: '^' }])
  })

  it('sizes that are none as what they are', () => {
    for (const sizeBytes of [-1, NaN, Infinity])
      expect(E.isLeft(parseChain('a^', { sizeBytes })), String(sizeBytes)).toBe(true)
    for (const clusterBytes of [0, -1, NaN, 3, Infinity])
      expect(E.isLeft(parseChain('a[xyz]^', { clusterBytes })), String(clusterBytes)).toBe(true)
  })
})

describe('printChain', () => {
  it('then parseChain gives the chain, the contents and the marks back', () => {
    fc.assert(
      fc.property(arbitraryChain({ headers: 'absolute' }), ({ chain, contents }) => {
        const again = parsed(printChain(chain, { contents }))
        expect(again.chain).toEqual(chain)
        expect(again.contents).toEqual(contents)
      }),
      { numRuns: 500 },
    )
    for (const text of ['base* <- b+ <- top^', 'base <- top*+^', 'new*^; old <- snap', 'base:raw[xy0]* <- a[-]+^'])
      expect(printChain(parsed(text).chain, parsed(text))).toBe(text)
  })

  it('marks the active image and no other, whatever the marks say', () => {
    const { chain } = parsed('base <- top^')
    const marks = new Map([
      ['base', ['^', '*'] as const],
      ['gone', ['*'] as const],
    ])
    expect(printChain(chain, { marks })).toBe('base* <- top^')
  })

  it('writes contents that the notation cannot hold as ?, and leaves out what is too long to read', () => {
    const { chain } = parsed('a <- b^')
    const odd = layerOfRuns(3 * 65536, [
      { kind: 'data', startBytes: 0, endBytes: 65536, source: ']' },
      { kind: 'data', startBytes: 65536, endBytes: 131072, source: 'two' },
    ])
    const contents = new Map([
      ['a', odd],
      ['b', emptyLayer(Number.MAX_SAFE_INTEGER)],
    ])
    expect(printChain(chain, { contents })).toBe('a[??-] <- b^')
  })

  it('and parseChain need no stack for 100,000 images', () => {
    const text = `${Array.from({ length: 100_000 }, (_, index) => `i${index}`).join(' <- ')}^`
    expect(printChain(parsed(text, { nodes: 'monitor' }).chain) === text).toBe(true)
  })
})
