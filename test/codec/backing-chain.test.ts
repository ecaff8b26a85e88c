import { describe, expect, test } from 'vitest'

import { decodeBackingChain, decodeBranches } from '../../src/codec/index.js'
import { imageOf, overlaysOf } from '../../src/model/chain-query.js'
import { captured, capturedIn, left, pictured, right, versions } from './captured.js'

const options = { disk: 'vda' }

const entry = (filename: string, backing?: string, more: object = {}): object => ({
  filename,
  format: 'qcow2',
  'virtual-size': 65536,
  ...(backing === undefined
    ? {}
    : { 'backing-filename': backing, 'full-backing-filename': backing, 'backing-filename-format': 'qcow2' }),
  ...more,
})

describe.each(versions)('qemu-img info --backing-chain of QEMU %s', (version) => {
  const chainOf = (scene: string) => decodeBackingChain(captured(`${version}/info/${scene}.chain.json`), options)

  test.each([
    ['absolute', '/images/abs-base.qcow2 <- /images/abs-1.qcow2 <- /images/abs-2.qcow2 <- /images/abs-active.qcow2'],
    ['relative', 'base.qcow2 <- snap1.qcow2 <- snap2.qcow2 <- active.qcow2'],
    ['raw-base', 'base.raw <- raw-base.qcow2'],
    ['unequal-sizes', 'size-base <- size-mid <- size-top'],
    ['uri-nbd', 'nbd+unix://?socket=/images/nbd.sock <- uri-nbd.qcow2'],
    ['json-nbd', 'nbd+unix://?socket=/images/nbd.sock <- json-nbd.qcow2'],
    ['vmdk-overlay', 'base.vmdk <- overlay.vmdk'],
    [
      'odd-names',
      '././././././sp ace.qcow2 <- ./././././new\nline.qcow2 <- ././././quo"t\'e.qcow2 <- ./././-dash.qcow2' +
        ' <- ././co:lon.qcow2 <- ./<- x & y.qcow2',
    ],
  ])('%s', (scene, picture) => {
    expect(pictured(right(chainOf(scene)))).toBe(picture)
  })

  test('every captured chain is read, or refused for a backing format that no header records', () => {
    for (const scene of capturedIn(`${version}/info`, '.chain.json')) {
      const decoded = decodeBackingChain(captured(`${version}/info/${scene}`), options)
      const unrecorded = scene.startsWith('no-backing-format') || scene.startsWith('qed-overlay')
      if (unrecorded) expect(left(decoded)).toMatchObject({ problems: [{ _tag: 'BackingFormatMissing' }] })
      else expect(decoded._tag).toBe('Right')
    }
  })

  test('the caller may say the format that the header does not', () => {
    const backingFormats = new Map([['no-backing-format.qcow2', 'qcow2' as const]])
    const printed = captured(`${version}/info/no-backing-format.chain.json`)
    expect(decodeBackingChain(printed, { ...options, backingFormats })._tag).toBe('Right')
  })

  test('branches that share a base are one chain', () => {
    const outputs = ['branch-left2', 'branch-right'].map((scene) => captured(`${version}/info/${scene}.chain.json`))
    const chain = right(decodeBranches(outputs, options))
    expect(pictured(chain)).toBe('fork.qcow2 <- left1.qcow2 <- left2.qcow2')
    expect(overlaysOf(chain, 'fork.qcow2').map(({ name }) => name)).toEqual(['left1.qcow2', 'right.qcow2'])
  })

  test('what a program prints to standard error is no chain', () => {
    const printed = captured(`${version}/info/loop.chain.error.txt`)
    expect(left(decodeBackingChain(printed, options))._tag).toBe('TextWrong')
  })
})

describe('how the images are linked', () => {
  test('the header string stays as stored, whatever it leads to', () => {
    const printed = [
      { ...entry('/vm/a', '../vm/b'), 'full-backing-filename': '/vm/../vm/b' },
      entry('/vm/b', 'file:/vm/c'),
      entry('/vm/c', 'json:{"driver":"qcow2","file":{"driver":"file","filename":"/vm/d"}}'),
      entry('/vm/d', 'json:{"file.driver":"file","file.filename":"/vm/e"}'),
      entry('/vm/e'),
    ]
    const chain = right(decodeBackingChain(printed, options))
    expect(pictured(chain)).toBe('/vm/e <- /vm/d <- /vm/c <- /vm/b <- /vm/a')
    expect(imageOf(chain, '/vm/a')?.backing?.header).toBe('../vm/b')
    expect(imageOf(chain, '/vm/b')?.backing?.header).toBe('file:/vm/c')
  })

  test('all that does not fit is said at once', () => {
    const printed = [entry('/a', '/elsewhere'), entry('/b'), entry('/c', '/d')]
    expect(left(decodeBackingChain(printed, options))).toEqual({
      _tag: 'LinkWrong',
      problems: [
        { _tag: 'BackingNotListed', image: '/c', backing: '/d' },
        { _tag: 'BackingNotRecorded', image: '/b', listed: '/c' },
        { _tag: 'BackingElsewhere', image: '/a', backing: '/elsewhere', listed: '/b' },
      ],
    })
  })

  test('a path does not lead to the network, nor the network to a path', () => {
    for (const [backing, listed] of [
      ['/b', 'nbd://h/b'],
      ['nbd://h/b', '/b'],
    ] as const)
      expect(left(decodeBackingChain([entry('/a', backing), entry(listed)], options))).toMatchObject({
        problems: [{ _tag: 'BackingElsewhere' }],
      })
  })

  test('the same file twice in one chain is refused', () => {
    const printed = [entry('/a', '/b'), entry('/b', '/a'), entry('/a')]
    expect(left(decodeBackingChain(printed, options))).toMatchObject({
      _tag: 'ModelWrong',
      problems: [{ _tag: 'NameDuplicate', name: '/a' }],
    })
  })

  test('no image, and one image that is no array', () => {
    expect(left(decodeBackingChain([], options))).toMatchObject({ problems: [{ path: '$', actual: 'an array of 0' }] })
    expect(left(decodeBackingChain(entry('/a'), options))).toMatchObject({
      problems: [{ path: '$', actual: 'an object' }],
    })
  })

  test('names, devices and readers as the caller says', () => {
    const printed = [entry('/vm/a', '/dev/vg/b'), entry('/dev/vg/b')]
    const chain = right(
      decodeBackingChain(printed, {
        disk: 'vda',
        nameOf: (filename) => filename.slice(filename.lastIndexOf('/') + 1),
        blockDevices: new Set(['/dev/vg/b']),
        otherReaders: (filename) => (filename === '/dev/vg/b' ? ['vm2'] : []),
      }),
    )
    expect(pictured(chain)).toBe('b <- a')
    expect(imageOf(chain, 'b')).toMatchObject({
      location: { _tag: 'BlockDevice', path: '/dev/vg/b' },
      otherReaders: ['vm2'],
    })
  })

  test('QEMU since 8.0 tells a device itself; older ones do not', () => {
    const children = [{ name: 'file', info: { format: 'host_device' } }]
    const [told, untold] = [entry('/dev/x', undefined, { children }), entry('/dev/x')]
    expect(imageOf(right(decodeBackingChain([told], options)), '/dev/x')?.location._tag).toBe('BlockDevice')
    expect(imageOf(right(decodeBackingChain([untold], options)), '/dev/x')?.location._tag).toBe('File')
  })

  test.each([
    ['nbd://host/export', { _tag: 'Network', uri: 'nbd://host/export' }],
    ['rbd:pool/image', { _tag: 'Network', uri: 'rbd:pool/image' }],
    ['json:{"driver":"nbd"}', { _tag: 'Descriptor', json: 'json:{"driver":"nbd"}' }],
    ['host_device:/dev/sdb', { _tag: 'BlockDevice', path: '/dev/sdb' }],
    ['./a:b', { _tag: 'File', path: './a:b' }],
    ['file:a:b', { _tag: 'File', path: './a:b' }],
    ['-rf', { _tag: 'File', path: '-rf' }],
  ])('%s', (filename, location) => {
    const chain = right(decodeBackingChain([entry(filename)], options))
    expect(imageOf(chain, filename)?.location).toEqual(location)
  })

  test('an external data file lies where the image says, seen from the image', () => {
    const data = { 'format-specific': { type: 'qcow2', data: { 'data-file': 'd.raw' } } }
    const chain = right(decodeBackingChain([entry('/vm/a', undefined, data)], options))
    expect(imageOf(chain, '/vm/a')?.dataFile).toEqual({
      location: { _tag: 'File', path: '/vm/d.raw' },
      layout: 'mapped',
    })
  })
})

describe('branches', () => {
  test('two spellings of one base are one image', () => {
    const chain = right(
      decodeBranches(
        [
          [entry('/a', '/vm/base'), entry('/vm/base')],
          [entry('/b', '/vm/x/../base'), entry('/vm/x/../base')],
        ],
        options,
      ),
    )
    expect(Array.from(chain.images.keys())).toEqual(['/vm/base', '/a', '/b'])
  })

  test('what two outputs say differently about one image is a problem', () => {
    const outputs = [[entry('/base')], [entry('/a', '/base'), entry('/base', undefined, { 'virtual-size': 131072 })]]
    expect(left(decodeBranches(outputs, options))).toEqual({
      _tag: 'LinkWrong',
      problems: [{ _tag: 'FactsDiffer', image: '/base', fact: 'sizeBytes', values: ['[65536]', '[131072]'] }],
    })
  })

  test('how much is allocated may have changed: the first output counts', () => {
    const outputs = [1, 2].map((bytes) => [entry('/base', undefined, { 'actual-size': bytes })])
    expect(imageOf(right(decodeBranches(outputs, options)), '/base')?.allocatedBytes).toBe(1)
  })

  test('problems name the output', () => {
    expect(left(decodeBranches([[entry('/a')], [{}]], options))).toMatchObject({
      problems: [{ path: '$[1][0].filename' }, { path: '$[1][0].format' }, { path: '$[1][0].virtual-size' }],
    })
    expect(left(decodeBranches(['[]', '{'], options))).toMatchObject({ _tag: 'TextWrong' })
    expect(left(decodeBranches([], options))).toMatchObject({ _tag: 'ShapeWrong' })
    expect(left(decodeBranches([[entry('/a')], []], options))).toMatchObject({ problems: [{ path: '$[1]' }] })
  })
})
