import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { layerOfPattern, patternOfLayer } from 'backing-chain'
import type { QmpCommand } from 'backing-chain'
import { endOf, fileView, guestView, kill, perform, quit, run, settle, start } from 'backing-chain/simulate'
import type { SimStep, World } from 'backing-chain/simulate'
import { storageDaemonArgv } from '../../src/call/storage-daemon-argv.js'
import { right, shutOff } from './pretend.js'

const socket = '/run/d.qmp'

const storage = (node: string) =>
  ({ driver: 'file', 'node-name': `${node}-s`, filename: `/images/${node}`, 'auto-read-only': true }) as const

const format = (node: string, backing: string | null, readOnly: boolean) =>
  ({ driver: 'qcow2', 'node-name': node, file: `${node}-s`, backing, 'read-only': readOnly }) as const

const blockdevs = [
  ...[storage('base'), format('base', null, true)],
  ...[storage('mid'), format('mid', 'base', true)],
  ...[storage('top'), format('top', 'mid', false)],
]

const starting: SimStep = {
  call: { _tag: 'StorageDaemon', argv: storageDaemonArgv({ blockdevs, socket }) },
  until: { _tag: 'Daemon', socket, status: 'answers' },
}

const ask = (command: QmpCommand, status?: 'ready' | 'pending' | 'concluded'): SimStep => ({
  call: { _tag: 'Qmp', command, socket },
  ...(status === undefined ? {} : { until: { _tag: 'QmpJob', job: 'j', status } }),
})

const off = shutOff('base[11111111] <- mid[-2------] <- top[---4----]^')

const after = (...steps: ReadonlyArray<SimStep>): World => {
  const trace = run(off, [starting, ...steps])
  expect(trace.fault).toBeUndefined()
  return endOf(trace)
}

const refusal = (world: World, step: SimStep): unknown => {
  const done = perform(world, step.call)
  return E.isLeft(done) && 'desc' in done.left ? done.left.desc : 'done'
}

const seen = (world: World, image: string): string => patternOfLayer(right(fileView(world, `/images/${image}`)))

const stream = (more: object = {}, status: 'pending' | 'concluded' = 'concluded'): SimStep =>
  ask({ execute: 'block-stream', arguments: { 'job-id': 'j', device: 'top', 'auto-dismiss': false, ...more } }, status)

const reopen = (node: string, backing: string | null, readOnly: boolean): SimStep =>
  ask({ execute: 'blockdev-reopen', arguments: { options: [format(node, backing, readOnly)] } })

const finalize = ask({ execute: 'job-finalize', arguments: { id: 'j' } }, 'concluded')
const dismiss = ask({ execute: 'job-dismiss', arguments: { id: 'j' } })

describe('a storage daemon', () => {
  it.each(['stop', 'cont', 'query-status'] as const)('has no %s', (execute) => {
    expect(perform(after(), ask({ execute }).call)).toMatchObject({
      left: { _tag: 'Refused', class: 'CommandNotFound', desc: `The command ${execute} has not been found` },
    })
  })

  it('lists its nodes, and no disks', () => {
    const images = ['base', 'mid', 'top'].map((image) => ({ image, format: 'qcow2', location: `/images/${image}` }))
    const wait = { _tag: 'ChainIs', disk: 'vda', images } as const
    const nodes = ask({ execute: 'query-named-block-nodes', arguments: { flat: false } }).call
    expect(E.isRight(settle(after(), wait, nodes))).toBe(true)
    expect(E.isRight(settle(after(), wait, ask({ execute: 'query-block' }).call))).toBe(false)
    const two = { ...wait, images: images.slice(0, 2) }
    expect(E.isRight(settle(after(), two, nodes))).toBe(true)
  })

  it('holds the locks that a guest would hold', () => {
    const text = 'Is another process using the image'
    const info = { call: { _tag: 'QemuImg', argv: ['qemu-img', 'info', '/images/top'] } } as const
    const rebase = { call: { _tag: 'QemuImg', argv: ['qemu-img', 'rebase', '-u', '-b', '', '/images/mid'] } } as const
    expect(refusal(after(), info)).toContain(text)
    expect(refusal(after(), rebase)).toContain(text)
    const started = start(after())
    expect(E.isLeft(started) && 'desc' in started.left ? started.left.desc : '').toContain('Failed to get "write" lock')
    expect(refusal(right(start(off)), starting)).toContain('Failed to get "write" lock')
  })

  it('keeps qemu-img from what is inside an image, and takes it out itself', () => {
    const snapshot = (verb: string): SimStep => ({
      call: { _tag: 'QemuImg', argv: ['qemu-img', 'snapshot', verb, 'export', '/images/top'] },
    })
    const world = endOf(run(off, [snapshot('-c'), starting]))
    expect(refusal(world, snapshot('-d'))).toContain('Is another process using the image')
    const args = { device: 'top', name: 'export' } as const
    const removal = ask({ execute: 'blockdev-snapshot-delete-internal-sync', arguments: args })
    const removed = endOf(run(world, [removal, ask({ execute: 'quit' })]))
    expect(refusal(removed, snapshot('-d'))).toContain('snapshot not found')
    expect(refusal(endOf(run(world, [ask({ execute: 'quit' })])), snapshot('-d'))).toBe('done')
  })

  it('answers on its own socket alone', () => {
    const elsewhere: SimStep = { call: { _tag: 'Qmp', command: { execute: 'quit' }, socket: '/run/other' } }
    expect(refusal(after(), elsewhere)).toBe('nobody listens on /run/other')
    expect(refusal(after(), { call: { _tag: 'Qmp', command: { execute: 'quit' } } })).toBe('no QEMU is running')
    expect(refusal(off, ask({ execute: 'quit' }))).toBe(`nobody listens on ${socket}`)
  })

  it('is waited for', () => {
    const gone = { _tag: 'Daemon', socket, status: 'gone' } as const
    expect(settle(after(), gone)).toMatchObject({ left: { _tag: 'WaitNeverReached' } })
    expect(E.isRight(settle(after(ask({ execute: 'quit' })), gone))).toBe(true)
    expect(settle(off, { ...gone, status: 'answers' })).toMatchObject({ left: { _tag: 'WaitFailed' } })
  })

  it('is not there for libvirt', () => {
    const domain = { name: 'vm', definition: 'persistent' } as const
    const managed = shutOff('base[11111111] <- mid[-2------] <- top[---4----]^', { domain })
    const trace = run(managed, [
      starting,
      { call: { _tag: 'Libvirt', function: { call: 'virDomainGetXMLDesc', arguments: { domain: 'vm' }, flags: [] } } },
    ])
    expect(endOf(trace).qemu?.socket).toBe(socket)
    const suspend: SimStep = {
      call: { _tag: 'Libvirt', function: { call: 'virDomainSuspend', arguments: { domain: 'vm' }, flags: [] } },
    }
    expect(refusal(endOf(trace), suspend)).toContain('domain is not running')
  })
})

describe('what a storage daemon leaves behind', () => {
  it('SIGKILL after a stream: the header is rewritten, what was pulled is lost (as seen in 7.2 and 10.0)', () => {
    expect(seen(kill(after(stream())), 'top')).toBe('00040000')
  })

  it.each([
    ['quit', after(stream(), ask({ execute: 'quit' }))],
    ['blockdev-reopen, read-only', after(stream(), dismiss, reopen('top', null, true))],
    ['blockdev-del', after(stream(), dismiss, ask({ execute: 'blockdev-del', arguments: { 'node-name': 'top' } }))],
    [
      'blockdev-reopen while the stream waits to be finalized',
      after(stream({ 'auto-finalize': false }, 'pending'), reopen('top', 'mid', false), finalize),
    ],
  ])('with %s nothing is lost', (_, world) => {
    expect(seen(kill(world), 'top')).toBe('12141111')
  })

  it('quit with a commit that is ready: the base has everything, the top is as it was', () => {
    const args = { 'job-id': 'j', device: 'top', 'top-node': 'top', 'base-node': 'mid' } as const
    const world = after(ask({ execute: 'block-commit', arguments: args }, 'ready'), ask({ execute: 'quit' }))
    expect([seen(world, 'mid'), seen(world, 'top')]).toStrictEqual(['12141111', '12141111'])
    expect(world.qemu).toBeUndefined()
  })

  it('quit while a stream runs: the chain is as it was', () => {
    const args = { 'job-id': 'j', device: 'top', 'auto-dismiss': false } as const
    const world = after(ask({ execute: 'block-stream', arguments: args }), ask({ execute: 'quit' }))
    expect([seen(world, 'top'), patternOfLayer(guestView(world) ?? layerOfPattern(''))]).toStrictEqual([
      '12141111',
      '12141111',
    ])
  })

  it('a guest would read what the daemon has, once it has ended', () => {
    const world = after(stream())
    expect(guestView(world)).toStrictEqual(guestView(quit(world)))
    expect(patternOfLayer(guestView(world) ?? layerOfPattern(''))).toBe('12141111')
  })
})

describe('blockdev-reopen', () => {
  const held = after(stream({ 'auto-finalize': false }, 'pending'))

  it.each([
    [
      'a node that a job writes',
      reopen('top', 'mid', true),
      "Read-only block node 'top' cannot support read-write users",
    ],
    ['a node that is not there', reopen('x', null, true), "Failed to find node with node-name='x'"],
    ['another backing node', reopen('top', 'base', false), 'blockdev-reopen that changes more than the access'],
    ['nothing that changes', reopen('top', 'mid', false), 'done'],
  ])('of %s', (_, step, said) => {
    expect(refusal(held, step)).toBe(said)
  })
})
