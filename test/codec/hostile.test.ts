import { describe, expect, test } from 'vitest'

import {
  attachNodes,
  chainOfNodes,
  decodeBackingChain,
  decodeBranches,
  decodeChain,
  decodeDomainDisks,
  decodeImageInfo,
  decodeNamedBlockNodes,
  decodePlan,
  decodeQmpSchema,
  decodeQueryBlock,
  deepestElement,
  encodeChain,
  validateQmpCommand,
} from '../../src/codec/index.js'
import { imageOf } from '../../src/model/chain-query.js'
import { left, right } from './captured.js'

const options = { disk: 'vda' }
const deep = 100_000

const jsonDecoders: ReadonlyArray<readonly [string, (input: unknown) => { readonly _tag: string }]> = [
  ['decodeImageInfo', decodeImageInfo],
  ['decodeBackingChain', (input) => decodeBackingChain(input, options)],
  ['decodeBranches', (input) => decodeBranches([input], options)],
  ['decodeNamedBlockNodes', decodeNamedBlockNodes],
  ['decodeQueryBlock', decodeQueryBlock],
  ['decodeQmpSchema', decodeQmpSchema],
  ['decodeChain', decodeChain],
  ['decodePlan', decodePlan],
]

const info = (more: string): string => `{"filename":"/a","format":"qcow2","virtual-size":65536${more}}`

describe.each(jsonDecoders)('%s', (_name, decode) => {
  test.each([
    ['arrays', '['.repeat(deep) + ']'.repeat(deep)],
    ['objects', '{"a":'.repeat(deep) + '1' + '}'.repeat(deep)],
    ['a member that counts', '{"return":'.repeat(deep) + '[]' + '}'.repeat(deep)],
    ['unclosed', '['.repeat(deep)],
  ])(`${deep} levels deep: %s`, (_kind, text) => {
    expect(decode(text)._tag).toBe('Left')
  })
})

describe('JSON', () => {
  const nested = `${`{"format":"qcow2","filename":"/a","virtual-size":65536,"backing-image":`.repeat(deep)}{}${'}'.repeat(deep)}`

  test('100,000 images nested in each other in a QMP reply are looked at one by one', () => {
    const reply = `[{"node-name":"f","drv":"qcow2","ro":false,"file":"/a","image":${nested}}]`
    const error = left(decodeNamedBlockNodes(reply))
    expect(error._tag === 'ShapeWrong' ? error.problems.length : 0).toBe(1)
  })

  test('a descriptor 100,000 levels deep in a file name', () => {
    const file = `json:${'{"driver":"raw","file":'.repeat(deep)}{"driver":"file","filename":"/a"}${'}'.repeat(deep)}`
    const nodes = right(
      decodeNamedBlockNodes([
        {
          'node-name': 'f',
          drv: 'qcow2',
          ro: false,
          file,
          image: { format: 'qcow2', filename: file, 'virtual-size': 1 },
        },
      ]),
    )
    const chain = right(chainOfNodes(nodes, { disk: 'vda', root: 'f' }))
    expect(imageOf(chain, '/a')?.node?.format).toBe('f')
  })

  test.each([
    ['2^63', '9223372036854775808', '9223372036854776000'],
    ['2^53', '9007199254740992', '9007199254740992'],
    ['2^53 + 1, which JSON.parse rounds', '9007199254740993', '9007199254740992'],
    ['1e400', '1e400', 'Infinity'],
    ['-0', '-0', '-0'],
    ['below zero', '-1', '-1'],
    ['a fraction', '65536.5', '65536.5'],
    ['a string', '"65536"', '"65536"'],
    ['null', 'null', 'null'],
  ])('a size of %s is refused', (_name, size, actual) => {
    for (const key of ['actual-size', 'cluster-size', 'virtual-size'])
      expect(left(decodeImageInfo(info(`,"${key}":${size}`)))).toEqual({
        _tag: 'ShapeWrong',
        problems: [{ path: `$.${key}`, expected: 'an integer from 0 to 9007199254740991', actual }],
      })
  })

  test('the largest exact size is taken', () => {
    expect(right(decodeImageInfo(info(',"actual-size":9007199254740991'))).allocatedBytes).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('__proto__ is a member like any other, and gives nothing to anybody', () => {
    const poison = '"__proto__":{"backing-filename":"/evil","encrypted":true,"format-specific":{"type":"qcow2"}}'
    expect(decodeImageInfo(info(`,${poison}`))).toEqual(decodeImageInfo(info('')))
    const inherited: unknown = Object.create({ filename: '/a', format: 'raw', 'virtual-size': 1 })
    expect(left(decodeImageInfo(inherited))).toMatchObject({ problems: [{}, {}, {}] })
    const poisoned: object = {}
    expect('backing-filename' in poisoned).toBe(false)
  })

  test('of a key that stands twice the last counts, in every decoder alike', () => {
    expect(right(decodeImageInfo(info(',"virtual-size":1'))).sizeBytes).toBe(1)
  })

  test.each([
    'new\nline',
    'quo"te\'s',
    '-rf',
    '--help',
    '$(reboot)',
    'a b',
    '日本',
    '\u{1F4BE}',
    '\uD800',
    'a<-b',
    '%s',
  ])('the name %j stays what it is', (name) => {
    const chain = right(decodeBackingChain([{ filename: name, format: 'raw', 'virtual-size': 1 }], options))
    expect(chain.active).toBe(name)
    expect(imageOf(chain, name)?.location).toEqual({ _tag: 'File', path: name })
    expect(right(decodeChain(JSON.stringify(encodeChain(chain)))).active).toBe(name)
  })

  test.each(['a\0b', '\0', ''])('the name %j is refused', (name) => {
    const error = left(decodeBackingChain([{ filename: name, format: 'raw', 'virtual-size': 1 }], options))
    expect(error).toMatchObject({
      _tag: 'ModelWrong',
      problems: [{ _tag: 'NameInvalid' }, { _tag: 'LocationInvalid' }],
    })
  })

  test('what is shown of something large is short', () => {
    const error = left(decodeImageInfo(info(`,"backing-filename":7,"full-backing-filename":["${'x'.repeat(1e6)}"]`)))
    const long = left(decodeImageInfo(`{"filename":"a","virtual-size":1,"format":"${'y'.repeat(1e6)}"}`))
    for (const { problems } of [error, long].filter((one) => one._tag === 'ShapeWrong'))
      for (const { actual } of problems) expect(actual.length).toBeLessThan(100)
  })
})

const listed = (count: number): ReadonlyArray<object> =>
  Array.from({ length: count }, (_, index) => ({
    ...{ filename: `/vm/${index}`, format: 'qcow2', 'virtual-size': 65536 },
    ...(index + 1 < count
      ? {
          'backing-filename': `${index + 1}`,
          'full-backing-filename': `/vm/${index + 1}`,
          'backing-filename-format': 'qcow2',
        }
      : {}),
  }))

describe('size', () => {
  test('a chain of 100,000 images', () => {
    const chain = right(decodeBackingChain(JSON.stringify(listed(deep)), options))
    expect(chain.images.size).toBe(deep)
    expect(chain.active).toBe('/vm/0')
    const again = right(decodeChain(JSON.stringify(encodeChain(chain))))
    expect(again.images.size).toBe(deep)
  })

  test('100,000 branches of one image', () => {
    const base = { filename: '/base', format: 'qcow2', 'virtual-size': 1 }
    const backing = { 'backing-filename': '/base', 'backing-filename-format': 'qcow2' }
    const outputs = Array.from({ length: deep }, (_, index) => [{ ...base, ...backing, filename: `/o${index}` }, base])
    expect(right(decodeBranches(outputs, options)).images.size).toBe(deep + 1)
  })

  test('100,000 nodes', () => {
    const chain = right(decodeBackingChain(listed(1000), options))
    const nodes = Array.from({ length: deep }, (_, index) => ({
      ...{ 'node-name': `f${index}`, drv: 'qcow2', ro: true, file: `/vm/${index}` },
      image: { filename: `/vm/${index}`, format: 'qcow2', 'virtual-size': 65536 },
    }))
    expect(right(attachNodes(chain, right(decodeNamedBlockNodes(nodes)))).images.get('/vm/999')?.node?.format).toBe(
      'f999',
    )
  })

  test('100,000 problems', () => {
    const wrong = listed(deep).map((one) => ({ ...one, filename: 7 }))
    const error = left(decodeBackingChain(wrong, options))
    expect(error._tag === 'ShapeWrong' ? error.problems.length : 0).toBe(deep)
    const elsewhere = listed(deep).map((one) => ({ ...one, 'full-backing-filename': '/elsewhere' }))
    expect(left(decodeBackingChain(elsewhere, options))._tag).toBe('LinkWrong')
    const misread = listed(deep).map((one) => ({ ...one, 'backing-filename-format': 'raw' }))
    expect(left(decodeBackingChain(misread, options))._tag).toBe('ModelWrong')
  })
})

const disk = (inside: string): string => `<domain><devices><disk><target dev="vda"/>${inside}</disk></devices></domain>`

describe('XML', () => {
  const why = (xml: string): string => {
    const error = left(decodeDomainDisks(xml))
    return error._tag === 'TextWrong' ? error.why : JSON.stringify(error)
  }

  test.each([
    ['nested', '<a>'.repeat(deep) + '</a>'.repeat(deep)],
    ['never closed', '<a>'.repeat(deep)],
    ['seemingly closed by attributes', '<a x="/>" y=\'</a>">\'>'.repeat(deep)],
    ['seemingly closed by comments', '<a><!-- </a> --><!--></a>-->'.repeat(deep)],
    ['seemingly closed by CDATA', '<a><![CDATA[</a>]]>'.repeat(deep)],
    ['seemingly closed by instructions', '<a><?p </a>?>'.repeat(deep)],
    ['a backing chain', disk('<backingStore><source file="/a"/>'.repeat(deep) + '</backingStore>'.repeat(deep))],
  ])('elements 100,000 levels deep: %s', (_name, xml) => {
    expect(why(xml)).toBe(`elements nested deeper than ${deepestElement}`)
  })

  test('as deep as is allowed', () => {
    const stores = deepestElement - 4
    const chain = '<backingStore><source file="/a"/>'.repeat(stores) + '</backingStore>'.repeat(stores)
    const [found] = right(decodeDomainDisks(disk(`<source file="/b"/>${chain}`)))
    expect(found?.images).toHaveLength(stores + 1)
  })

  test.each([
    ['a bomb', '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><domain>&b;</domain>'],
    ['an external entity', '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><domain>&x;</domain>'],
    ['an external subset', '<!DOCTYPE domain SYSTEM "http://example.com/d.dtd"><domain/>'],
    ['a bare declaration', '<!doctype domain><domain/>'],
  ])('document type: %s', (_name, xml) => {
    expect(why(xml)).toBe('a document type declaration: entities are not read')
  })

  test.each([
    ['', 'Root element is missing'],
    ['<domain>', 'Missing end tag'],
    ['<domain', 'Unclosed start tag'],
    ['<domain></damion>', 'Missing end tag'],
    ['<domain a="1" a="2"/>', 'Duplicate attribute'],
    ['<domain a=1/>', 'Attribute value expected'],
    ['<domain>\0</domain>', 'Invalid character'],
    ['<domain a="\u0001"/>', 'Invalid'],
    ['<domain>&#0;</domain>', 'invalid character'],
    ['<domain>\uD800</domain>', 'Invalid character'],
    ['<domain>&undefined;</domain>', 'Named entity'],
    ['<domain/><domain/>', 'Extra content'],
    ['<!-- -- --><domain/>', 'comment'],
    ['{"domain": 1}', 'Root element'],
  ])('%j', (xml, expected) => {
    expect(why(xml)).toContain(expected)
  })

  test.each([
    ['carriage returns', `<domain>${'\r'.repeat(500_000)}</domain>`],
    ['spaces', `<domain ${' '.repeat(500_000)}/>`],
    ['comments never closed', `<domain>${'<!--'.repeat(200_000)}`],
    ['quotes never closed', `<domain ${'a="'.repeat(200_000)}`],
    ['references', `<domain>${'&amp;'.repeat(200_000)}</domain>`],
    ['attributes', `<domain ${Array.from({ length: deep }, (_, index) => `a${index}=""`).join(' ')}/>`],
    ['elements', `<domain>${'<a/>\r\n'.repeat(deep)}</domain>`],
    ['angle brackets', '<'.repeat(500_000)],
  ])('many %s take no time to speak of', { timeout: 10_000 }, (_name, xml) => {
    expect(['Left', 'Right']).toContain(decodeDomainDisks(xml)._tag)
  })

  test('names of elements and attributes are data', () => {
    const xml = disk('<__proto__ constructor="x" __proto__="y"/><source file="/a"/>')
    const [found] = right(decodeDomainDisks(xml))
    expect(found?.images[0]?.location).toEqual({ _tag: 'File', path: '/a' })
    expect(
      right(
        decodeDomainDisks(
          '<domain><devices><disk type="constructor"><source/><target dev="a"/></disk></devices></domain>',
        ),
      ),
    ).toHaveLength(1)
  })
})

test('an XML element in a plan may not be deeper than one that was read', () => {
  let xml: unknown = 'text'
  for (let depth = 0; depth < deep; depth++) xml = { name: 'a', attributes: {}, children: [xml] }
  const call = {
    _tag: 'Libvirt',
    function: { call: 'virDomainUpdateDeviceFlags', arguments: { domain: 'g', xml }, flags: [] },
  }
  const error = left(decodePlan({ format: 'backing-chain/plan', version: 1, steps: [{ call, why: '' }] }))
  const problems = error._tag === 'ShapeWrong' ? error.problems : []
  expect(problems.some(({ expected }) => expected === `elements nested at most ${deepestElement} deep`)).toBe(true)
})

test('a schema whose types hold each other, and an alternate that chooses itself, come to an end', () => {
  const schema = [
    { 'meta-type': 'command', name: 'c', 'arg-type': '1', 'ret-type': '0' },
    {
      ...{ 'meta-type': 'object', name: '1', tag: 't', variants: [{ case: 'x', type: '1' }] },
      members: [
        { name: 't', type: '2' },
        { name: 'self', type: '1', default: null },
      ],
    },
    { 'meta-type': 'alternate', name: '2', members: [{ type: '2' }] },
  ]
  expect(right(decodeQmpSchema(schema)).commands.get('c')).toEqual(new Set(['t', 'self']))
  expect(validateQmpCommand(schema, { execute: 'c', arguments: { t: 'x', self: { t: 'x' } } })).toHaveLength(2)
})
