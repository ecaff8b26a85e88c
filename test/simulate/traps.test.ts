// FACTS-qemu.md section 9: the traps that touch commit, stream, mirror and snapshot, in its numbering.

import { describe, expect, it } from 'vitest'

import { fileAt, liveChain, perform, start } from 'backing-chain/simulate'
import type { World } from 'backing-chain/simulate'
import {
  after,
  at,
  commitJob,
  commitMiddle,
  dismiss,
  guest,
  host,
  img,
  node,
  own,
  qmp,
  refusalOf,
  right,
  seen,
  shutOff,
} from './pretend.js'

const add = (name: string, backing: string | null) => [
  qmp({
    execute: 'blockdev-add',
    arguments: { driver: 'file', 'node-name': `${name}-storage`, filename: `/images/${name}` },
  }),
  qmp({
    execute: 'blockdev-add',
    arguments: { driver: 'qcow2', 'node-name': node(name), file: `${name}-storage`, backing },
  }),
]
const snapshot = (on: string, overlay: string) =>
  qmp({ execute: 'blockdev-snapshot', arguments: { node: node(on), overlay: node(overlay) } })
const mirrorTop = qmp(
  {
    execute: 'blockdev-mirror',
    arguments: { 'job-id': 'j', device: node('l1'), target: node('n'), sync: 'top', 'auto-dismiss': false },
  },
  at('j', 'ready'),
)
const pivot = qmp({ execute: 'job-complete', arguments: { id: 'j' } }, at('j', 'concluded'))
const create = (...more: ReadonlyArray<string>) => img('create', '-f', 'qcow2', '-u', ...more, '/images/n', '262144')

describe('6: a shallow mirror into larger clusters', () => {
  const large = ['-o', 'cluster_size=131072']
  const named = ['-b', '/images/l0', '-F', 'qcow2']
  const picture = 'l0[1111] <- l1[-2--]^'
  const pivoted = (steps: ReadonlyArray<ReturnType<typeof img>>): World =>
    after(host(picture), [...steps, mirrorTop, pivot, dismiss])

  it('zeroes the rest of each touched cluster where the target names no backing file and gets it later', () => {
    const world = pivoted([create(...large), ...add('n', null)])
    expect(own(world, 'n')).toBe('02--')
  })

  it('copies whole clusters where its header names one', () => {
    expect(own(pivoted([create(...large, ...named), ...add('n', null)]), 'n')).toBe('12--')
  })

  it('is right where it reads its backing file from the start', () => {
    expect(guest(pivoted([create(...large), ...add('n', node('l0'))]))).toBe('1211')
  })
})

describe('10: blockdev-snapshot looks at nothing', () => {
  const picture = 'l0[1111]^'

  it('takes an overlay of another size: the disk has it at once', () => {
    const world = after(host(picture), [
      img('create', '-f', 'qcow2', '/images/n', '131072'),
      ...add('n', null),
      snapshot('l0', 'n'),
    ])
    expect(guest(world)).toBe('11')
  })

  it('takes an overlay whose header names nothing: it shows zeroes after a restart', () => {
    const world = after(host(picture), [create(), ...add('n', null), snapshot('l0', 'n')])
    expect(guest(world)).toBe('1111')
    const images = ['l0', 'n'].map((name) => ({ image: name, format: 'qcow2', location: `/images/${name}` }))
    after(world, [qmp({ execute: 'query-block' }, { _tag: 'ChainIs', disk: 'vda', images })])
    const again = right(start({ ...world, qemu: undefined }, { path: '/images/n', format: 'qcow2' }))
    expect(guest(again)).toBe('0000')
  })

  it('but not one that is read, or reads, or is the disk', () => {
    const world = host('l0[1111] <- l1[-2--]^')
    expect(refusalOf(world, [snapshot('l1', 'l0')])).toBe('The overlay is already in use')
    expect(refusalOf(world, [create(), ...add('n', node('l0')), snapshot('l1', 'n')])).toBe(
      'The overlay already has a backing image',
    )
    expect(refusalOf(world, [snapshot('l0', 'l1')])).toBe(
      "Node 'l0-format' is busy: node is used as backing hd of 'l1-format'",
    )
  })
})

describe('11: siblings', () => {
  const picture = 'l0[1111] <- (s[s---], l1[-2--] <- (t[--t-], l2[---3]^))'
  const opened = (world: World): World => after(world, [...add('s', node('l0')), ...add('t', node('l1'))])

  it('on base are spoiled, and nothing vetoes it', () => {
    const done = after(
      opened(host(picture)),
      commitMiddle({ device: 'l2', top: 'l1', base: 'l0', header: '/images/l0' }),
    )
    expect(seen({ ...done, qemu: undefined }, 's')).toBe('s211')
  })

  it('on top are re-pointed in silence if the same QEMU has them open, header and all', () => {
    const done = after(
      opened(host(picture)),
      commitMiddle({ device: 'l2', top: 'l1', base: 'l0', header: '/images/l0' }),
    )
    expect([fileAt(done, '/images/t')?.header?.string, seen({ ...done, qemu: undefined }, 't')]).toEqual([
      '/images/l0',
      '12t1',
    ])
  })

  it('that opened base once more veto it by their lock', () => {
    const implicit = [
      qmp({ execute: 'blockdev-add', arguments: { driver: 'file', 'node-name': 's-storage', filename: '/images/s' } }),
      qmp({
        execute: 'blockdev-add',
        arguments: { driver: 'qcow2', 'node-name': 's', file: 's-storage', 'read-only': true },
      }),
    ]
    const job = commitJob({ device: 'l2', top: 'l1', base: 'l0' })
    expect(refusalOf(host(picture), [...implicit, job])).toBe('Failed to get "write" lock')
  })
})

describe('16: a loop', () => {
  const looped = after(shutOff('l0[11] <- l1[--]^'), [
    img('rebase', '-u', '-b', '/images/l1', '-F', 'qcow2', '/images/l0'),
  ])

  it('is a hang and not an endless one', () => {
    expect(start(looped)).toMatchObject({ left: { _tag: 'Hang' } })
    expect(guest(looped)).toBe('cannot start')
    expect(perform(looped, img('convert', '-O', 'raw', '/images/l1', '/images/n').call)).toMatchObject({
      left: { _tag: 'Hang' },
    })
  })

  it('is refused by info --backing-chain, and mended by an unsafe rebase', () => {
    expect(refusalOf(looped, [img('info', '--backing-chain', '/images/l1')])).toContain('creates an infinite loop')
    expect(guest(after(looped, [img('rebase', '-u', '-b', '', '/images/l0')]))).toBe('11')
  })
})

describe('20: defaults', () => {
  it('block-commit goes to the lowest image, qemu-img commit to the one below', () => {
    const picture = 'l0[1---] <- l1[-2--] <- l2[--3-]^'
    const job = qmp(
      { execute: 'block-commit', arguments: { 'job-id': 'j', device: node('l2'), 'auto-dismiss': false } },
      at('j', 'ready'),
    )
    expect(own(after(host(picture), [job, pivot]), 'l0')).toBe('123-')
    expect(own(after(shutOff(picture), [img('commit', '/images/l2')]), 'l1')).toBe('-23-')
  })
})

describe('37: what an orphan still holds', () => {
  it('the old active image keeps its lock until it is closed', () => {
    const world = after(host('l0[11] <- l1[-2]^'), [
      commitJob({ device: 'l1', base: 'l0' }, at('j', 'ready')),
      pivot,
      dismiss,
    ])
    expect(liveChain(world).map(({ path }) => path)).toEqual(['/images/l0'])
    expect(refusalOf(world, [img('info', '/images/l1')])).toContain('Failed to get shared "write" lock')
    const closed = after(world, [qmp({ execute: 'blockdev-del', arguments: { 'node-name': node('l1') } })])
    after(closed, [img('info', '/images/l1')])
  })
})

describe('a file that is opened twice', () => {
  const world = host('l0[1111] <- l1[-2--]^')
  const again = (name: string, readOnly: boolean) => [
    qmp({ execute: 'blockdev-add', arguments: { driver: 'file', 'node-name': 'n-s', filename: `/images/${name}` } }),
    qmp({
      execute: 'blockdev-add',
      arguments: { driver: 'qcow2', 'node-name': 'n', file: 'n-s', backing: null, 'read-only': readOnly },
    }),
  ]

  it('locks against itself', () => {
    expect(refusalOf(world, again('l1', true))).toBe('Failed to get shared "write" lock')
    expect(refusalOf(world, again('l1', false))).toBe('Failed to get "write" lock')
    expect(refusalOf(world, again('l0', false))).toBe('Failed to get "write" lock')
    after(world, again('l0', true))
  })

  it('says how deep below an image it found the lock', () => {
    const storage = qmp({
      execute: 'blockdev-add',
      arguments: { driver: 'file', 'node-name': 'n-s', filename: '/images/n' },
    })
    const format = qmp({ execute: 'blockdev-add', arguments: { driver: 'qcow2', 'node-name': 'n', file: 'n-s' } })
    const onto = (base: string) => [
      img('create', '-u', '-f', 'qcow2', '-b', base, '-F', 'qcow2', '/images/n', '1M'),
      storage,
      format,
    ]
    const front = 'Could not open backing file: '
    expect(refusalOf(world, onto('l1'))).toBe(`${front}Failed to get shared "write" lock`)
    const deeper = img('create', '-u', '-f', 'qcow2', '-b', 'l1', '-F', 'qcow2', '/images/m', '1M')
    expect(refusalOf(world, [deeper, ...onto('m')])).toBe(`${front}${front}Failed to get shared "write" lock`)
    expect(refusalOf(world, onto('gone'))).toBe(`${front}Could not open '/images/gone': No such file or directory`)
  })
})

describe('5, 41: what a qemu-img may do beside a running QEMU', () => {
  const world = host('l0[1111] <- (s[s---], l1[-2--]^)')

  it('reads what is not written, and writes nothing that is open', () => {
    after(world, [img('info', '/images/l0'), img('convert', '-O', 'raw', '/images/s', '/images/n')])
    expect(refusalOf(world, [img('convert', '-O', 'raw', '/images/l1', '/images/n')])).toContain(
      'Failed to get shared "write" lock',
    )
    for (const argv of [
      ['commit', '/images/s'],
      ['resize', '/images/l0', '+1M'],
      ['rebase', '-u', '-b', '', '/images/l1'],
    ])
      expect(refusalOf(world, [img(...argv)])).toContain('Failed to get "write" lock')
  })

  it('creates an overlay on the active image', () => {
    after(world, [img('create', '-f', 'qcow2', '-b', 'l1', '-F', 'qcow2', '/images/n')])
  })
})
