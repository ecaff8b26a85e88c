// The world itself: files, what is noted of them, transactions, and what is observed.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { layerOfPattern, parseChain, printChain } from 'backing-chain'
import { fileAt, kill, observeChain, pathsOf, perform, withImage, worldOf } from 'backing-chain/simulate'
import type { SimStep, World } from 'backing-chain/simulate'
import { after, commitMiddle, guest, host, img, node, own, qmp, refusalOf, right, seen, shutOff } from './pretend.js'

const picture = 'l0[a--] <- l1[-b-] <- l2[--c]^'
const remove = (name: string): SimStep => ({ call: { _tag: 'Files', operation: 'remove', path: `/images/${name}` } })
const files = (operation: 'rename' | 'link', from: string, to: string): SimStep => ({
  call: { _tag: 'Files', operation, path: `/images/${from}`, to: `/images/${to}` },
})

describe('removing a file', () => {
  it('that the running QEMU has open, or that a header leads to, is noted, and reads on', () => {
    const done = after(host(picture), [remove('l1')])
    expect(done.incidents).toEqual([
      { _tag: 'RemovedWhileRead', path: '/images/l1', nodes: ['l1-format'], headers: ['/images/l2'] },
    ])
    expect(guest(done)).toBe('abc')
    expect(guest(kill(done))).toBe('cannot start')
  })

  it('that nobody reads is not', () => {
    const steps = commitMiddle({ device: 'l2', top: 'l1', base: 'l0', header: '/images/l0' })
    const close = [node('l1'), 'l1-storage'].map((name) =>
      qmp({ execute: 'blockdev-del', arguments: { 'node-name': name } }),
    )
    const done = after(host(picture), [...steps, ...close, remove('l1')])
    expect([done.incidents, pathsOf(done)]).toEqual([[], ['/images/l0', '/images/l2']])
  })

  it('that is not there is refused', () =>
    expect(refusalOf(host(picture), [remove('x')])).toBe('/images/x: No such file or directory'))

  it('by writing a new one over it is noted too', () => {
    const done = after(shutOff(picture), [img('create', '-f', 'qcow2', '/images/l0', '1M')])
    expect(done.incidents.map(({ path, headers }) => [path, headers])).toEqual([['/images/l0', ['/images/l1']]])
  })
})

describe('names of files', () => {
  it('are moved without the file noticing', () => {
    const done = after(host(picture), [files('rename', 'l2', 'm')])
    expect([guest(done), done.incidents, own(done, 'l2'), own(done, 'm')]).toEqual(['abc', [], 'gone', '--c'])
  })

  it('are two for one file after a link, and one of them may go', () => {
    const done = after(shutOff(picture), [files('link', 'l1', 'm'), remove('m')])
    expect([seen(done, 'l2'), done.incidents]).toEqual(['abc', []])
    expect(refusalOf(shutOff(picture), [files('link', 'l1', 'l2')])).toBe('/images/l2: File exists')
  })

  it('mean the same file in another spelling', () => {
    expect(fileAt(host(picture), '/images/x/.././l1')?.header?.string).toBe('/images/l0')
  })

  it('in headers are read from where the overlay is', () => {
    const done = after(shutOff(picture, { headers: 'relative' }), [files('rename', 'l2', 'sub/l2')])
    expect(guest({ ...done, boot: { ...done.boot, path: '/images/sub/l2' } })).toBe('cannot start')
  })
})

describe('a transaction', () => {
  const overlay = (name: string): ReadonlyArray<SimStep> => [
    img('create', '-f', 'qcow2', `/images/${name}`, '196608'),
    qmp({
      execute: 'blockdev-add',
      arguments: { driver: 'file', 'node-name': `${name}-s`, filename: `/images/${name}` },
    }),
    qmp({
      execute: 'blockdev-add',
      arguments: { driver: 'qcow2', 'node-name': name, file: `${name}-s`, backing: null },
    }),
  ]
  const bitmap = (on: string, granularity: number) =>
    ({ type: 'block-dirty-bitmap-add', data: { node: on, name: 'b', granularity, persistent: true } }) as const
  const snapshot = { type: 'blockdev-snapshot', data: { node: node('l2'), overlay: 'n' } } as const
  const open = after(host(picture), overlay('n'))

  it('does all, each action seeing those before it', () => {
    const done = after(open, [qmp({ execute: 'transaction', arguments: { actions: [snapshot, bitmap('n', 65536)] } })])
    expect([guest(done), fileAt(done, '/images/n')?.bitmaps]).toEqual([
      'abc',
      [{ name: 'b', granularityBytes: 65536, state: 'recording' }],
    ])
    expect(fileAt(kill(done), '/images/n')?.bitmaps[0]?.state).toBe('inconsistent')
  })

  it('or nothing', () => {
    const failing = qmp({ execute: 'transaction', arguments: { actions: [snapshot, bitmap('n', 1000)] } })
    expect(refusalOf(open, [failing])).toBe('Granularity must be power of 2 and at least 512')
    expect(guest(open)).toBe('abc')
  })
})

describe('a world', () => {
  const parsed = right(parseChain(picture))

  it('is refused where the contents have another size than the image', () => {
    expect(worldOf(parsed.chain, new Map([['l1', layerOfPattern('aaaaa')]]), { guest: 'running' })).toEqual(
      E.left({ _tag: 'ContentsWrongSize', image: 'l1', sizeBytes: 196608, layerBytes: 327680 }),
    )
  })

  it('is observed as the chain that it was made of', () => {
    for (const world of [host(picture), shutOff(picture), host(picture, { nodes: 'implicit' })])
      expect(printChain(right(observeChain(world, parsed.chain)))).toBe(printChain(parsed.chain))
  })

  it('is observed with what is gone left out, and what came in under its path', () => {
    const done = after(shutOff(picture), [
      img('create', '-f', 'qcow2', '-b', 'l0', '-F', 'qcow2', '/images/n'),
      img('rebase', '-b', 'n', '-F', 'qcow2', '/images/l2'),
      remove('l1'),
    ])
    const observed = right(observeChain(done, parsed.chain))
    expect(Array.from(observed.images.keys()).sort()).toEqual(['/images/n', 'l0', 'l2'])
  })

  it('that is shut off is active where libvirt says, or else where the chain says', () => {
    const world = shutOff(picture)
    const moved: World = { ...world, boot: { ...world.boot, path: '/images/l1' } }
    expect(right(observeChain(moved, parsed.chain)).active).toBe('l2')
    const kept: World = { ...moved, boot: { ...moved.boot, keeper: 'libvirt' } }
    expect(right(observeChain(kept, parsed.chain)).active).toBe('l1')
  })

  it('that dangles is observed as no chain', () => {
    const done: World = after(shutOff(picture), [remove('l1')])
    expect(observeChain(done, parsed.chain)).toMatchObject({ left: [{ _tag: 'DanglingBacking', image: 'l2' }] })
  })

  it('can be given a file besides', () => {
    const other = right(parseChain('n[xyz]^'))
    const image = other.chain.images.get('n')
    if (image === undefined) throw new Error('no image')
    expect(seen(withImage(host(picture), image, layerOfPattern('xyz')), 'n')).toBe('xyz')
  })

  it('without a QEMU answers no QMP', () => {
    expect(perform(shutOff(picture), qmp({ execute: 'query-jobs' }).call)).toMatchObject({
      left: { class: 'NotConnected' },
    })
  })
})
