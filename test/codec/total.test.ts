import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import * as codec from '../../src/codec/index.js'
import { captured, capturedIn, right, versions } from './captured.js'

const options = { disk: 'vda' }

const decoders: ReadonlyArray<readonly [string, (input: unknown) => { readonly _tag: 'Left' | 'Right' }]> = [
  ['decodeImageInfo', codec.decodeImageInfo],
  ['decodeBackingChain', (input) => codec.decodeBackingChain(input, options)],
  ['decodeBranches', (input) => codec.decodeBranches([input, input], options)],
  ['decodeNamedBlockNodes', codec.decodeNamedBlockNodes],
  ['decodeQueryBlock', codec.decodeQueryBlock],
  ['decodeQmpSchema', codec.decodeQmpSchema],
  ['decodeChain', codec.decodeChain],
  ['decodePlan', codec.decodePlan],
  ['decodeMachine', codec.decodeMachine],
  ['decodeMachinePlan', codec.decodeMachinePlan],
  ['decodeSnapshotRows', codec.decodeSnapshotRows],
]

const samples = versions.flatMap((version) => [
  ...capturedIn(`${version}/info`, '.chain.json').map((name) => captured(`${version}/info/${name}`)),
  ...capturedIn(`${version}/qmp`, '.nodes-flat.json').map((name) => captured(`${version}/qmp/${name}`)),
  ...capturedIn(`${version}/qmp`, '.block.json').map((name) => captured(`${version}/qmp/${name}`)),
])

/** Every place in a value, as the keys that lead to it. */
const placesIn = (value: unknown, at: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value !== 'object' || value === null
    ? [at]
    : [at, ...Object.entries(value).flatMap(([key, member]) => placesIn(member, [...at, key]))]

const replaced = (value: unknown, [key, ...more]: ReadonlyArray<string>, by: unknown): unknown => {
  if (key === undefined) return by
  if (Array.isArray(value)) {
    const elements: ReadonlyArray<unknown> = value
    return elements.map((one, index) => (String(index) === key ? replaced(one, more, by) : one))
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, name === key ? replaced(member, more, by) : member]),
  )
}

/** A real output with one place in it replaced by anything. */
const damaged: fc.Arbitrary<unknown> = fc
  .constantFrom(...samples)
  .map((text): unknown => JSON.parse(text))
  .chain((json) => fc.record({ json: fc.constant(json), at: fc.constantFrom(...placesIn(json)), by: fc.anything() }))
  .map(({ json, at, by }) => replaced(json, at, by))

describe.each(decoders)('%s is total', (_name, decode) => {
  test('on anything', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withMap: true, withSet: true, withDate: true, withSparseArray: true }),
        (input) => {
          expect(['Left', 'Right']).toContain(decode(input)._tag)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('on any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (input) => {
        expect(['Left', 'Right']).toContain(decode(input)._tag)
      }),
      { numRuns: 500 },
    )
  })

  test('on what real programs print, damaged in one place', () => {
    fc.assert(
      fc.property(damaged, (input) => {
        expect(['Left', 'Right']).toContain(decode(input)._tag)
      }),
      { numRuns: 200 },
    )
  })
})

test('problems are the same for text and for what JSON.parse makes of it', () => {
  fc.assert(
    fc.property(damaged, (input) => {
      const text: string | undefined = JSON.stringify(input, (_key, value: unknown) =>
        typeof value === 'bigint' ? 0 : value,
      )
      if (text === undefined || text.startsWith('"')) return // a string, taken for text
      expect(codec.decodeBackingChain(text, options)).toEqual(codec.decodeBackingChain(JSON.parse(text), options))
    }),
    { numRuns: 300 },
  )
})

const xml = captured('10.0/libvirt/during-copy.xml')

describe('decodeDomainDisks is total', () => {
  test('on any text', () => {
    const piece = fc.oneof(
      fc.constantFrom('<', '>', '/', '"', "'", '<!--', '-->', '<![CDATA[', ']]>', '<?', '?>', '&', ';', '<a', '</a>'),
      fc.string(),
    )
    fc.assert(
      fc.property(
        fc.array(piece).map((pieces) => pieces.join('')),
        (text) => {
          expect(['Left', 'Right']).toContain(codec.decodeDomainDisks(text)._tag)
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('on a real definition with some of it cut out or repeated', () => {
    const cut = fc.record({ from: fc.nat(xml.length), to: fc.nat(xml.length), by: fc.string({ maxLength: 3 }) })
    fc.assert(
      fc.property(cut, ({ from, to, by }) => {
        const decoded = codec.decodeDomainDisks(xml.slice(0, from) + by + xml.slice(to))
        expect(['Left', 'Right']).toContain(decoded._tag)
      }),
      { numRuns: 500 },
    )
  })
})

describe('validateQmpCommand and the functions on decoded values are total', () => {
  test('on anything', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (schema, command) => {
        expect(Array.isArray(codec.validateQmpCommand(schema, command))).toBe(true)
      }),
    )
  })

  test('chainOfNodes and attachNodes, on any part of any reply', () => {
    const replies = samples.map((sample) => codec.decodeNamedBlockNodes(sample)).filter((one) => one._tag === 'Right')
    const nodes = fc
      .constantFrom(...replies.map(({ right: found }) => found))
      .chain((all) => fc.shuffledSubarray([...all]))
    const chain = right(codec.decodeBackingChain(captured('10.0/info/absolute.chain.json'), options))
    fc.assert(
      fc.property(nodes, (some) => {
        for (const { name } of some)
          expect(codec.chainOfNodes(some, { disk: 'vda', root: name })).toHaveProperty('_tag')
        expect(codec.attachNodes(chain, some)._tag).toBe('Left')
      }),
    )
  })
})
