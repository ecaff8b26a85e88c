// blockdev-backup: what it copies, what it is in the way of, and when what it has copied is on disk. As QEMU 7.2 and 10.0 do it.

import { describe, expect, it } from 'vitest'

import type { QmpCommand } from 'backing-chain'
import { guestWrite, kill, perform, quit } from 'backing-chain/simulate'
import type { SimStep, World } from 'backing-chain/simulate'
import { lookup } from '../../src/simulate/table.js'
import { after, at, clusterAt, dismiss, guest, host, img, node, own, qmp, refusalOf, right, seen } from './pretend.js'

const picture = 'l0[1-3-] <- l1[-2--]^'

const create = (name: string, ...more: ReadonlyArray<string>): SimStep =>
  img('create', '-f', 'qcow2', ...more, `/images/${name}`, '262144')

const add = (name: string, driver = 'qcow2'): ReadonlyArray<SimStep> => [
  qmp({
    execute: 'blockdev-add',
    arguments: { driver: 'file', 'node-name': `${name}-storage`, filename: `/images/${name}` },
  }),
  qmp({
    execute: 'blockdev-add',
    arguments: {
      driver,
      'node-name': node(name),
      file: `${name}-storage`,
      ...(driver === 'raw' ? {} : { backing: null }),
    },
  }),
]

const del = (name: string): SimStep => qmp({ execute: 'blockdev-del', arguments: { 'node-name': name } })

const backupOf = (device: string, target: string, id = 'j'): QmpCommand => ({
  execute: 'blockdev-backup',
  arguments: { 'job-id': id, device: node(device), target: node(target), sync: 'full', 'auto-dismiss': false },
})

const open = (picture_ = picture): World => after(host(picture_), [create('t'), ...add('t'), create('u'), ...add('u')])

const started = (world = open()): World => after(world, [qmp(backupOf('l1', 't'))])

const end: SimStep = qmp({ execute: 'query-jobs' }, at('j', 'concluded'))

const writes = (world: World, ...cells: ReadonlyArray<readonly [number, string]>): World =>
  cells.reduce((on, [index, source]) => right(guestWrite(on, clusterAt(index, source))), world)

describe('a compressed backup', () => {
  const compressed = (target: string): SimStep => {
    const command = backupOf('l1', target)
    if (command.execute !== 'blockdev-backup') throw new Error('no backup')
    return qmp({ ...command, arguments: { ...command.arguments, compress: true, speed: 65536 } })
  }

  it('shows the same, whatever the guest writes', () => {
    const written = writes(after(open(), [compressed('t')]), [0, 'x'], [3, 'y'])
    const done = after(written, [end, dismiss, del('t-format')])
    expect([seen(done, 't'), guest(done)]).toStrictEqual(['1230', 'x23y'])
  })

  it('is for qcow2, and for clusters that are not there yet', () => {
    const raw = after(host(picture), [img('create', '-f', 'raw', '/images/r', '262144'), ...add('r', 'raw')])
    expect(refusalOf(raw, [compressed('r')])).toBe('Compression is not supported for this drive ')
    const filled = after(host('l0[9999] <- l1[0-0-]^ ; f[7777]', {}), [...add('f')])
    expect(refusalOf(filled, [compressed('f')])).toBe('Unmodelled: compressed data over clusters that are there')
  })
})

describe('the target of a backup', () => {
  it('shows what the source showed at its beginning, whatever the guest has written since', () => {
    const written = writes(started(), [0, 'x'], [3, 'y'], [0, 'z'])
    const done = after(written, [end, dismiss, del('t-format')])
    expect([seen(done, 't'), guest(done)]).toStrictEqual(['1230', 'z23y'])
    expect(own(done, 't')).toBe('1230')
  })

  it('has zeroes where the source shows zeroes, whatever it held', () => {
    const world = after(host('l0[9999] <- l1[0-0-]^ ; f[7777]', {}), [...add('f')])
    const done = after(world, [qmp(backupOf('l1', 'f')), end, dismiss, del('f-format')])
    expect(own(done, 'f')).toBe('0909')
  })

  it('is copied as far as the job has come', () => {
    const half = right(perform(started(), { _tag: 'Qmp', command: { execute: 'query-jobs' } }))
    const done = after(half, [qmp({ execute: 'job-cancel', arguments: { id: 'j' } })])
    const canceled = after(done, [dismiss, del('t-format')])
    expect(own(canceled, 't')).toBe('----')
    const written = after(writes(started(), [1, 'x']), [qmp({ execute: 'job-cancel', arguments: { id: 'j' } })])
    expect(own(after(written, [dismiss, del('t-format')]), 't')).toBe('-2--')
  })

  it('is on disk when it is closed, and not before', () => {
    const done = after(started(), [end, dismiss])
    expect(own(kill(done), 't')).toBe('----')
    expect(own(kill(after(done, [del('t-format')])), 't')).toBe('1230')
    expect(own(quit(done), 't')).toBe('1230')
    expect(own(after(done, [qmp({ execute: 'stop' })]), 't')).toBe('1230')
  })

  it('is closed before the job is dismissed, and the id is free only then', () => {
    const done = after(started(), [end, del('t-format'), del('t-storage')])
    expect(refusalOf(done, [qmp(backupOf('l1', 'u'))])).toBe("Job ID 'j' already in use")
    after(done, [dismiss, qmp(backupOf('l1', 'u'))])
  })

  it('has the guest write through a larger cluster of its own', () => {
    const world = after(host('l0[1234]^'), [create('t', '-o', 'cluster_size=131072'), ...add('t')])
    const written = writes(after(world, [qmp(backupOf('l0', 't'))]), [0, 'x'], [3, 'y'])
    expect(own(quit(written), 't')).toBe('1234')
  })

  it('of a backing file that nothing else needs any more', () => {
    const world = after(host(picture, { nodes: 'implicit' }), [create('t'), ...add('t')])
    const base = world.qemu === undefined ? '' : (lookup(world.qemu.nodes, world.qemu.root)?.backing ?? '')
    const to = { 'job-id': 'j', device: base, target: 't-format', sync: 'full', 'auto-dismiss': false } as const
    const root = world.qemu?.root ?? ''
    const pulled = after(world, [
      qmp({ execute: 'blockdev-backup', arguments: to }),
      qmp(
        { execute: 'block-stream', arguments: { 'job-id': 'k', device: root, 'auto-dismiss': false } },
        at('k', 'concluded'),
      ),
      qmp({ execute: 'job-dismiss', arguments: { id: 'k' } }),
    ])
    const done = after(pulled, [end, dismiss, del('t-format')])
    expect([own(done, 't'), own(quit(done), 'l1')]).toStrictEqual(['1030', '123-'])
  })

  it('of a backing file too', () => {
    const done = after(open(), [qmp(backupOf('l0', 't')), end, dismiss, del('t-format')])
    expect(own(done, 't')).toBe('1030')
  })
})

describe('what QEMU says against a backup', () => {
  const sized = (size: string): World =>
    after(host(picture), [img('create', '-f', 'qcow2', '/images/t', size), ...add('t')])
  const cases: ReadonlyArray<readonly [string, World, QmpCommand, string]> = [
    ['a larger target', sized('524288'), backupOf('l1', 't'), 'Source and target image have different sizes'],
    ['a smaller target', sized('131072'), backupOf('l1', 't'), 'Source and target image have different sizes'],
    ['one image', open(), backupOf('l1', 'l1'), 'Source and target cannot be the same'],
    ['no source', open(), backupOf('no', 't'), "Cannot find device='no-format' nor node-name='no-format'"],
    ['no target', open(), backupOf('l1', 'no'), "Cannot find device='no-format' nor node-name='no-format'"],
    ['a bad id', open(), backupOf('l1', 't', '1x'), "Invalid job ID '1x'"],
    ['an id in use', started(), backupOf('l1', 'u'), "Job ID 'j' already in use"],
    [
      'a target of another',
      started(),
      backupOf('l1', 't', 'k'),
      "Node 't-format' is busy: block device is in use by block job: backup",
    ],
  ]
  it.each(cases)('%s', (_, world, command, desc) => {
    expect(refusalOf(world, [qmp(command)])).toBe(desc)
  })

  it.each(['l0', 'l1'])('a target that the guest reads, %s', (name) => {
    expect(refusalOf(after(open(), [create('v'), ...add('v')]), [qmp(backupOf('v', name))])).toContain(
      `Could not create node: Permission conflict on node '${name}-format': permissions 'write' are both required`,
    )
  })

  it('begins all of a transaction, or nothing', () => {
    const actions = (target: string) =>
      qmp({
        execute: 'transaction',
        arguments: {
          actions: [
            { type: 'blockdev-backup', data: { 'job-id': 'j', device: 'l1-format', target: 't-format', sync: 'full' } },
            { type: 'blockdev-backup', data: { 'job-id': 'k', device: 'l1-format', target, sync: 'full' } },
          ],
        },
      })
    expect(refusalOf(open(), [actions('t-format')])).toContain('is busy: block device is in use by block job: backup')
    expect(after(open(), [actions('u-format')]).qemu?.jobs.map(({ id }) => id)).toStrictEqual(['j', 'k'])
  })
})

describe('meanwhile', () => {
  const root = 'Need a root block node'
  const refused: ReadonlyArray<readonly [string, QmpCommand, string]> = [
    [
      'a copy',
      {
        execute: 'blockdev-mirror',
        arguments: { 'job-id': 'k', device: node('l1'), target: node('u'), sync: 'full' },
      },
      root,
    ],
    [
      'a commit',
      { execute: 'block-commit', arguments: { 'job-id': 'k', device: node('l1'), 'base-node': node('l0') } },
      root,
    ],
    [
      'an internal snapshot',
      { execute: 'blockdev-snapshot-internal-sync', arguments: { device: node('l1'), name: 'i' } },
      root,
    ],
    [
      'closing the source',
      { execute: 'blockdev-del', arguments: { 'node-name': node('l1') } },
      'Block device l1-format is in use',
    ],
    [
      'closing the target',
      { execute: 'blockdev-del', arguments: { 'node-name': node('t') } },
      "Node 't-format' is busy: block device is in use by block job: backup",
    ],
    [
      'completing it',
      { execute: 'job-complete', arguments: { id: 'j' } },
      "Job 'j' in state 'running' cannot accept command verb 'complete'",
    ],
    [
      'dismissing it',
      { execute: 'job-dismiss', arguments: { id: 'j' } },
      "Job 'j' in state 'running' cannot accept command verb 'dismiss'",
    ],
  ]
  it.each(refused)('QEMU refuses %s', (_, command, desc) => {
    expect(refusalOf(started(), [qmp(command)])).toBe(desc)
  })

  it('allows a pull, a second backup, and an overlay, and copies what it would', () => {
    const pulled = after(started(), [
      qmp(
        { execute: 'block-stream', arguments: { 'job-id': 'k', device: node('l1'), 'auto-dismiss': false } },
        at('k', 'concluded'),
      ),
      qmp({ execute: 'job-dismiss', arguments: { id: 'k' } }),
      end,
      dismiss,
      del('t-format'),
    ])
    expect([own(pulled, 't'), own(quit(pulled), 'l1')]).toStrictEqual(['1230', '123-'])
    const second = after(started(), [qmp(backupOf('l1', 'u', 'k'))])
    const written = writes(second, [1, 'x'])
    const both = quit(after(written, [end, qmp({ execute: 'query-jobs' }, at('k', 'concluded'))]))
    expect([own(both, 't'), own(both, 'u')]).toStrictEqual(['1230', '1230'])
    const overlaid = after(started(), [
      qmp({ execute: 'blockdev-snapshot', arguments: { node: node('l1'), overlay: node('u') } }),
    ])
    expect(own(quit(after(writes(overlaid, [1, 'x']), [end])), 't')).toBe('1230')
  })

  it('cancels by either command', () => {
    for (const command of [
      { execute: 'job-cancel', arguments: { id: 'j' } },
      { execute: 'block-job-cancel', arguments: { device: 'j' } },
    ] as const) {
      const [job] = after(started(), [qmp(command)]).qemu?.jobs ?? []
      expect([job?.status, job?.error]).toStrictEqual(['concluded', 'Operation canceled'])
    }
  })
})
