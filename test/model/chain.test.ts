import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { chain } from '../../src/model/chain.js'
import type { ModelError } from '../../src/model/chain-error.js'
import type { ImageDescription } from '../../src/model/image.js'

const image = (name: string, more: Partial<ImageDescription> = {}): ImageDescription => ({
  name,
  format: 'qcow2',
  sizeBytes: 65536,
  location: { _tag: 'File', path: `/images/${name}` },
  ...more,
})

const over = (name: string, backing: string, more: Partial<ImageDescription> = {}): ImageDescription =>
  image(name, { backing: { image: backing, header: `/images/${backing}`, format: 'qcow2' }, ...more })

const problems = (images: ReadonlyArray<ImageDescription>, active = 'a'): ReadonlyArray<ModelError> =>
  E.match(
    (left: ReadonlyArray<ModelError>) => left,
    () => [],
  )(chain('vda', images, active))

const node = (format: string, storage: string | undefined = undefined): NonNullable<ImageDescription['node']> => ({
  format,
  storage,
  owner: 'monitor',
  filters: [],
})

// What JSON from elsewhere can hold although the types forbid it.
const claimsFormat = (value: unknown): value is Pick<ImageDescription, 'format'> => value !== undefined
const untyped = { format: 'qcow3' }

describe('chain refuses', () => {
  const largestBytes = Number.MAX_SAFE_INTEGER
  const nowhere = { _tag: 'File', path: '' } as const
  const wrong: ReadonlyArray<readonly [ReadonlyArray<ImageDescription>, ...ReadonlyArray<ModelError>]> = [
    [[image('', { location: { _tag: 'File', path: '/x' } })], { _tag: 'NameInvalid', name: '', why: 'empty' }],
    [[image('a\0', { location: { _tag: 'File', path: '/x' } })], { _tag: 'NameInvalid', name: 'a\0', why: 'has NUL' }],
    [
      [over('a', '', { backing: { image: '', header: '/x', format: 'raw' } })],
      { _tag: 'NameInvalid', name: '', why: 'empty' },
    ],
    [[image('a'), image('a')], { _tag: 'NameDuplicate', name: 'a' }],
    [[image('a', { location: nowhere })], { _tag: 'LocationInvalid', image: 'a', location: nowhere, why: 'empty' }],
    ...[-1, 1.5, NaN, Infinity, 2 ** 53].map(
      (sizeBytes) =>
        [[image('a', { sizeBytes })], { _tag: 'SizeUnsafe', image: 'a', sizeBytes, largestBytes }] as const,
    ),
    [[image('a', { allocatedBytes: -1 })], { _tag: 'SizeUnsafe', image: 'a', sizeBytes: -1, largestBytes }],
    ...[0, -512, 1000, NaN, 0.5].map(
      (clusterBytes) =>
        [[image('a', { clusterBytes })], { _tag: 'ClusterSizeInvalid', image: 'a', clusterBytes }] as const,
    ),
    [claimsFormat(untyped) ? [image('a', untyped)] : [], { _tag: 'FormatUnknown', image: 'a', format: 'qcow3' }],
    [
      [image('b'), over('a', 'b', { format: 'raw' })],
      { _tag: 'FormatCannotHaveBacking', image: 'a', format: 'raw', backing: 'b' },
    ],
    [
      [image('b'), over('a', 'b', { backing: { image: 'b', header: '/images/b' } })],
      { _tag: 'BackingFormatMissing', image: 'a', backing: 'b' },
    ],
    [
      [image('b', { format: 'raw' }), over('a', 'b')],
      { _tag: 'BackingFormatWrong', image: 'a', backing: 'b', recorded: 'qcow2', actual: 'raw' },
    ],
    [
      [image('b'), over('a', 'b', { backing: { image: 'b', header: '', format: 'qcow2' } })],
      { _tag: 'HeaderInvalid', image: 'a', header: '', why: 'empty' },
    ],
    [
      [image('b'), over('a', 'b', { backing: { image: 'b', header: 'b\0', format: 'qcow2' } })],
      { _tag: 'HeaderInvalid', image: 'a', header: 'b\0', why: 'has NUL' },
    ],
    [
      [image('b'), over('a', 'b', { backing: { image: 'b', header: 'é'.repeat(512), format: 'qcow2' } })],
      { _tag: 'HeaderTooLong', image: 'a', headerBytes: 1024, largestBytes: 1023 },
    ],
    [[over('a', 'a')], { _tag: 'SelfBacking', image: 'a' }],
    [[over('a', 'gone')], { _tag: 'DanglingBacking', image: 'a', backing: 'gone' }],
    [
      [over('a', 'b'), over('b', 'c'), over('c', 'a'), over('d', 'a')],
      { _tag: 'BackingLoop', images: ['a', 'b', 'c'] },
    ],
    [[image('b')], { _tag: 'ActiveMissing', active: 'a' }],
    [[], { _tag: 'ActiveMissing', active: 'a' }],
    [
      [image('a'), image('b', { location: { _tag: 'File', path: '/images/a' } })],
      { _tag: 'LocationShared', images: ['a', 'b'], location: { _tag: 'File', path: '/images/a' } },
    ],
    [
      [image('a', { node: node('n') }), image('b', { node: node('m', 'n') })],
      { _tag: 'NodeShared', images: ['a', 'b'], node: 'n' },
    ],
  ]
  it.each(wrong.map(([images, ...expected]) => [expected[0]?._tag ?? '', images, expected] as const))(
    '%s',
    (_, images, expected) => expect(problems(images)).toEqual(expected),
  )

  it('every problem of every image at once', () => {
    const found = problems([
      image('', { sizeBytes: -1 }),
      over('b', 'gone', { clusterBytes: 3, format: 'raw' }),
      image('c', { sizeBytes: 0.1 }),
    ])
    expect(found.map(({ _tag }) => _tag)).toEqual([
      'NameInvalid',
      'SizeUnsafe',
      'ClusterSizeInvalid',
      'FormatCannotHaveBacking',
      'SizeUnsafe',
    ])
  })

  it('names from the prototype of objects, where they are no images', () => {
    expect(problems([over('a', '__proto__')])).toEqual([{ _tag: 'DanglingBacking', image: 'a', backing: '__proto__' }])
    expect(problems([image('b')], 'constructor')).toEqual([{ _tag: 'ActiveMissing', active: 'constructor' }])
  })

  it('200,000 images with a problem each, without a stack for them', () => {
    const images = Array.from({ length: 200_000 }, (_, index) => over(String(index), 'gone'))
    expect(problems(images, '0').length).toBe(200_000)
  })

  it('a loop of 100,000 images, in linear time', () => {
    const images = Array.from({ length: 100_000 }, (_, index) => over(`${index}`, `${(index + 1) % 100_000}`))
    const found = problems(images, '0')
    expect(found.length).toBe(1)
    expect(found[0]?._tag).toBe('BackingLoop')
  })
})

describe('chain takes', () => {
  it('images in any order, with what is left out absent', () => {
    const made = chain('vda', [over('top', 'base'), image('base', { format: 'qcow2' })], 'top')
    expect(E.isRight(made) && made.right.images.get('top')).toEqual({
      name: 'top',
      format: 'qcow2',
      sizeBytes: 65536,
      clusterBytes: undefined,
      version: undefined,
      location: { _tag: 'File', path: '/images/top' },
      backing: { image: 'base', header: '/images/base', format: 'qcow2' },
      dataFile: undefined,
      encryption: undefined,
      allocatedBytes: undefined,
      bitmaps: [],
      internalSnapshots: [],
      otherReaders: 'unknown',
      node: undefined,
    })
  })

  it('a backing string of exactly 1,023 bytes, and sizes of 0 and 2^53 - 1', () => {
    const backing = { image: 'b', header: 'x'.repeat(1023), format: 'qcow2' } as const
    expect(problems([image('b', { sizeBytes: 0 }), over('a', 'b', { backing, sizeBytes: 2 ** 53 - 1 })])).toEqual([])
  })

  it('a backing format left out where the overlay decides it', () => {
    const made = chain(
      'vda',
      [image('b', { format: 'vmdk' }), image('a', { format: 'vmdk', backing: { image: 'b', header: 'b' } })],
      'a',
    )
    expect(E.isRight(made) && made.right.images.get('a')?.backing?.format).toBe('vmdk')
  })

  it('side branches, siblings, trees beside each other, and an active image with overlays', () => {
    expect(problems([image('x'), image('a'), over('b', 'a'), over('c', 'a'), over('d', 'c')])).toEqual([])
  })

  it('a name such as __proto__', () => {
    expect(problems([image('__proto__'), over('a', '__proto__')])).toEqual([])
  })
})
