import { describe, expect, test } from 'vitest'

import {
  attachNodes,
  chainOfNodes,
  decodeBackingChain,
  decodeBranches,
  decodeNamedBlockNodes,
  decodeQueryBlock,
  nodesOfDisk,
} from '../../src/codec/index.js'
import type { BlockNode } from '../../src/codec/index.js'
import { activePath, imageOf } from '../../src/model/chain-query.js'
import type { Chain } from '../../src/model/chain.js'
import { captured, left, pictured, right, versions } from './captured.js'

const nodesOf = (version: string, scene: string, query = 'nodes'): ReadonlyArray<BlockNode> =>
  right(decodeNamedBlockNodes(captured(`${version}/qmp/${scene}.${query}.json`)))

const live = (of: Chain): ReadonlyArray<string> =>
  activePath(of).map(({ node }) =>
    node === undefined
      ? '-'
      : `${node.format.replace(/#.*/, '#')}/${node.storage?.replace(/#.*/, '#') ?? '-'} ${node.owner}` +
        node.filters.map((name) => ` < ${name.replace(/#.*/, '#')}`).join(''),
  )

const path = '/images/base.raw <- /images/snap1.qcow2 <- /images/snap2.qcow2 <- /images/active.qcow2'

describe.each(versions)('QEMU %s', (version) => {
  describe.each(['nodes', 'nodes-flat'])('query-named-block-nodes (%s)', (query) => {
    const monitor = (filtered = ''): ReadonlyArray<string> =>
      ['base', 'snap1', 'snap2', 'active'].map(
        (name) => `${name}/${name}-s monitor${filtered.startsWith(name) ? filtered.slice(name.length) : ''}`,
      )

    test.each([
      ['explicit', monitor()],
      ['throttled', monitor('active < limit')],
      ['commit-pending', monitor('snap2 < #')],
      ['stream-pending', monitor('active < #')],
      ['mirror-ready', monitor('active < #')],
      ['active-commit-ready', monitor('active < #')],
      ['implicit', ['#/# implicit', '#/# implicit', '#/# implicit', 'active/# monitor']],
    ])('%s', (scene, expected) => {
      const root = scene === 'throttled' ? 'limit' : 'active'
      const chain = right(chainOfNodes(nodesOf(version, scene, query), { disk: 'vda', root }))
      expect(pictured(chain)).toBe(path)
      expect(live(chain)).toEqual(expected)
    })
  })

  test('query-block alone shows the whole chain, and where the guest is', () => {
    for (const scene of ['explicit', 'implicit', 'throttled', 'commit-pending', 'active-commit-ready']) {
      const [device] = right(decodeQueryBlock(captured(`${version}/qmp/${scene}.block.json`)))
      expect(device?.qdev).toBe('/machine/peripheral/disk0/virtio-backend')
      expect(device?.root?.name).toBe(scene === 'throttled' ? 'limit' : 'active')
      expect(device?.root?.images.map(({ filename }) => filename).join(' <- ')).toBe(path)
    }
  })

  test('nodes are attached to a chain that qemu-img described', () => {
    const printed = captured(`${version}/info/relative-opened-by-absolute-path.chain.json`)
    const chain = right(decodeBackingChain(printed, { disk: 'vda' }))
    const problems = left(attachNodes(chain, nodesOf(version, 'explicit')))
    expect(problems).toEqual({
      _tag: 'LinkWrong',
      problems: [{ _tag: 'NodeMissing', image: '/images/base.qcow2', location: '/images/base.qcow2' }],
    })
  })
})

const node = (name: string, drv: string, file: string, more: object = {}): object => ({
  'node-name': name,
  drv,
  ro: false,
  file,
  image: { filename: file, format: drv, 'virtual-size': 65536 },
  ...more,
})

const read = (...nodes: ReadonlyArray<object>): ReadonlyArray<BlockNode> => right(decodeNamedBlockNodes(nodes))

const lone = (format: string): Chain =>
  right(decodeBackingChain([{ filename: '/a', format, 'virtual-size': 65536 }], { disk: 'vda' }))

const stacked = (driver: string, inner: object): string => `json:${JSON.stringify({ driver, file: inner })}`

describe('finding the nodes of an image', () => {
  const onFile = { driver: 'file', filename: '/a' }

  test('libvirt gives a raw image no format node: storage stands for it', () => {
    const chain = right(attachNodes(lone('raw'), read(node('libvirt-1-storage', 'file', '/a'))))
    expect(imageOf(chain, '/a')?.node).toEqual({
      format: 'libvirt-1-storage',
      storage: undefined,
      owner: 'monitor',
      filters: [],
    })
  })

  test('two nodes on one file are ambiguous, and so are two storage nodes', () => {
    const twice = read(node('f', 'qcow2', '/a'), node('g', 'qcow2', '/a'), node('s', 'file', '/a'))
    expect(left(attachNodes(lone('qcow2'), twice))).toEqual({
      _tag: 'LinkWrong',
      problems: [{ _tag: 'NodeAmbiguous', image: '/a', nodes: ['f', 'g', 's'] }],
    })
    const storages = read(node('f', 'qcow2', '/a'), node('s', 'file', '/a'), node('r', 'file', '/a'))
    expect(left(attachNodes(lone('qcow2'), storages))).toMatchObject({ problems: [{ _tag: 'NodeAmbiguous' }] })
  })

  test('filters are recorded lowest first, whatever order they are listed in', () => {
    const qcow2 = { driver: 'qcow2', file: onFile }
    const throttle = { driver: 'throttle', file: qcow2 }
    const nodes = read(
      node('top', 'copy-on-read', stacked('copy-on-read', throttle)),
      node('low', 'throttle', stacked('throttle', qcow2)),
      node('f', 'qcow2', '/a'),
      node('under', 'throttle', stacked('throttle', onFile)),
    )
    expect(imageOf(right(attachNodes(lone('qcow2'), nodes)), '/a')?.node?.filters).toEqual(['low', 'top'])
  })

  test('filters whose order the reply does not tell are not guessed at', () => {
    const nodes = read(node('f', 'qcow2', '/a'), node('x', 'commit_top', '/a'), node('y', 'mirror_top', '/a'))
    expect(left(attachNodes(lone('qcow2'), nodes))).toEqual({
      _tag: 'LinkWrong',
      problems: [{ _tag: 'FiltersUnordered', image: '/a', filters: ['x', 'y'] }],
    })
    const told = read(
      node('f', 'qcow2', '/a'),
      node('x', 'commit_top', '/a', {
        image: {
          filename: '/a',
          format: 'commit_top',
          'backing-image': {
            format: 'mirror_top',
            'backing-image': { filename: '/a', format: 'qcow2', 'virtual-size': 65536 },
          },
        },
      }),
      node('y', 'mirror_top', '/a', {
        image: {
          filename: '/a',
          format: 'mirror_top',
          'backing-image': { filename: '/a', format: 'qcow2', 'virtual-size': 65536 },
        },
      }),
    )
    expect(imageOf(right(attachNodes(lone('qcow2'), told)), '/a')?.node?.filters).toEqual(['y', 'x'])
  })

  test('the owner is what the name tells, or what the caller says', () => {
    const nodes = read(node('named-inline', 'qcow2', '/a'))
    expect(imageOf(right(attachNodes(lone('qcow2'), nodes)), '/a')?.node?.owner).toBe('monitor')
    expect(imageOf(right(attachNodes(lone('qcow2'), nodes, () => 'implicit')), '/a')?.node?.owner).toBe('implicit')
  })

  test('an image beside the path has a node where it is open, and keeps no old one where it is not', () => {
    const entry = (filename: string, backing: string): object => ({
      ...{ filename, format: 'qcow2', 'virtual-size': 65536 },
      ...{ 'backing-filename': backing, 'backing-filename-format': 'qcow2' },
    })
    const base = { filename: '/base', format: 'qcow2', 'virtual-size': 65536 }
    const outputs = [
      [entry('/a', '/base'), base],
      [entry('/b', '/base'), base],
    ]
    const both = right(decodeBranches(outputs, { disk: 'vda' }))
    const [base1, a, b] = [node('f', 'qcow2', '/base'), node('g', 'qcow2', '/a'), node('h', 'qcow2', '/b')]
    const open = right(attachNodes(both, read(base1, a, b)))
    expect(imageOf(open, '/b')?.node?.format).toBe('h')
    const closed = right(attachNodes(open, read(base1, a)))
    expect(imageOf(closed, '/b')?.node).toBeUndefined()
    expect(left(attachNodes(open, read(base1, b)))).toMatchObject({ problems: [{ _tag: 'NodeMissing', image: '/a' }] })
  })
})

describe('a chain from a live graph', () => {
  test('a bitmap in use is as its node says', () => {
    const specific = {
      type: 'qcow2',
      data: { bitmaps: [{ name: 'b', granularity: 65536, flags: ['in-use', 'auto'] }] },
    }
    const image = { filename: '/a', format: 'qcow2', 'virtual-size': 65536, 'format-specific': specific }
    const bitmaps = [
      { name: 'b', granularity: 65536, recording: true, busy: false, persistent: true, count: 0 },
      { granularity: 65536, recording: true, busy: true, persistent: false, count: 0 },
      { name: 'memory', granularity: 65536, recording: true, busy: false, persistent: false, count: 0 },
    ]
    const nodes = read(node('f', 'qcow2', '/a', { image, 'dirty-bitmaps': bitmaps }), node('s', 'host_device', '/a'))
    const chain = right(chainOfNodes(nodes, { disk: 'vda', root: 'f' }))
    expect(imageOf(chain, '/a')).toMatchObject({
      bitmaps: [{ name: 'b', granularityBytes: 65536, state: 'recording' }],
      location: { _tag: 'BlockDevice', path: '/a' },
    })
  })

  test('a root that is not there, and one that shows no image', () => {
    const nodes = read(node('s', 'file', '/a'))
    expect(left(chainOfNodes(nodes, { disk: 'vda', root: 'f' }))).toMatchObject({
      problems: [{ _tag: 'TargetUnknown' }],
    })
    expect(left(chainOfNodes(nodes, { disk: 'vda', root: 's' }))).toMatchObject({ problems: [{ _tag: 'InfoMissing' }] })
  })

  test('a backing file that is open although the header names another one is a problem', () => {
    const below = { filename: '/other', format: 'qcow2', 'virtual-size': 65536 }
    const image = {
      ...{ filename: '/a', format: 'qcow2', 'virtual-size': 65536, 'backing-filename': '/base' },
      ...{ 'backing-filename-format': 'qcow2', 'backing-image': below },
    }
    const nodes = read(node('f', 'qcow2', '/a', { image }), node('g', 'qcow2', '/other'))
    expect(left(chainOfNodes(nodes, { disk: 'vda', root: 'f' }))).toEqual({
      _tag: 'LinkWrong',
      problems: [{ _tag: 'BackingElsewhere', image: '/a', backing: '/base', listed: '/other' }],
    })
  })

  test('headers that lead round in a circle end', () => {
    const looped = (name: string, file: string, backing: string): object =>
      node(name, 'qcow2', file, {
        image: {
          ...{ filename: file, format: 'qcow2', 'virtual-size': 65536 },
          ...{ 'backing-filename': backing, 'backing-filename-format': 'qcow2' },
        },
      })
    const nodes = read(looped('f', '/a', '/b'), looped('g', '/b', '/a'))
    expect(left(chainOfNodes(nodes, { disk: 'vda', root: 'f' }))._tag).toBe('LinkWrong')
  })

  test('problems inside the images that are nested have their path', () => {
    const image = {
      filename: '/a',
      format: 'qcow2',
      'virtual-size': 1,
      'backing-image': { filename: '/b', format: 'raw' },
    }
    const reply = { return: [node('f', 'qcow2', '/a', { image }), { drv: 1 }] }
    expect(left(decodeNamedBlockNodes({ return: [node('f', 'qcow2', '/a', { image })] }))).toMatchObject({
      problems: [{ path: '$[0].image.backing-image.virtual-size', actual: 'nothing' }],
    })
    expect(left(decodeNamedBlockNodes(reply))).toMatchObject({ _tag: 'ShapeWrong' })
  })
})

describe('two disks that read one file', () => {
  const entry = (filename: string, backing?: string): object => ({
    ...{ filename, format: 'qcow2', 'virtual-size': 65536 },
    ...(backing === undefined ? {} : { 'backing-filename': backing, 'backing-filename-format': 'qcow2' }),
  })
  const nodes = read(
    node('x', 'qcow2', '/x', { image: entry('/x', '/base') }),
    node('y', 'qcow2', '/y', { image: entry('/y', '/base') }),
    node('x-base', 'qcow2', '/base'),
    node('y-base', 'qcow2', '/base'),
    node('job', 'mirror_top', '/x'),
    node('limit', 'throttle', stacked('throttle', { driver: 'qcow2', file: { driver: 'file', filename: '/y' } })),
    node('copy', 'qcow2', '/copy'),
    node('sibling', 'qcow2', '/sibling', { image: entry('/sibling', '/base') }),
  )
  const names = ['x', 'y', 'x-base', 'y-base', 'job', 'limit', 'copy', 'sibling']
  const edge = (parent: number, child: number, name: string): object => ({ parent, child, name, perm: [] })
  const graph = {
    nodes: [
      ...names.map((name, id) => ({ id, type: 'block-driver', name })),
      { id: 8, type: 'block-backend', name: '' },
      { id: 9, type: 'block-job', name: 'j' },
    ],
    edges: [
      ...[edge(0, 2, 'backing'), edge(1, 3, 'backing'), edge(4, 0, 'backing'), edge(5, 1, 'file')],
      ...[
        edge(4, 6, 'target'),
        edge(8, 4, 'root'),
        edge(9, 0, 'main node'),
        edge(7, 2, 'backing'),
        edge(99, 98, 'file'),
      ],
    ],
  }

  test('cannot be told apart by file', () => {
    expect(left(chainOfNodes(nodes, { disk: 'vda', root: 'x' }))).toMatchObject({
      problems: [{ _tag: 'NodeAmbiguous', nodes: ['x-base', 'y-base'] }],
    })
  })

  test.each([
    ['x', ['x', 'x-base', 'job'], ['x-base', 'x'], ['job']],
    ['y', ['y', 'y-base', 'limit'], ['y-base', 'y'], ['limit']],
    ['limit', ['y', 'y-base', 'limit'], ['y-base', 'y'], ['limit']],
  ])('can by the block graph: %s', (root, all, formats, filters) => {
    const own = right(nodesOfDisk(nodes, JSON.stringify({ return: graph }), root))
    expect(own.map(({ name }) => name)).toEqual(all)
    const chain = right(chainOfNodes(own, { disk: 'vda', root }))
    expect(activePath(chain).map((image) => image.node?.format)).toEqual(formats)
    expect(activePath(chain).at(-1)?.node?.filters).toEqual(filters)
  })

  test('a root that is no node, a graph that is none', () => {
    expect(left(nodesOfDisk(nodes, graph, 'z'))).toMatchObject({ problems: [{ _tag: 'TargetUnknown', node: 'z' }] })
    expect(left(nodesOfDisk(nodes, [], 'x'))._tag).toBe('ShapeWrong')
  })
})
