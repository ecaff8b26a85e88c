// qemu-img convert -l: what a snapshot inside an image reads, as QEMU 10.0 and 7.2 answer.

import { describe, expect, it } from 'vitest'

import { layerOfPattern, parseChain } from 'backing-chain'
import { guestWrite, withOutside, worldOf } from 'backing-chain/simulate'
import type { SimStep, World } from 'backing-chain/simulate'
import { withImages } from '../../src/model/chain.js'
import { after, clusterAt, commitMiddle, faultOf, img, own, refusalOf, right, seen, stream } from './pretend.js'

type Saved = Readonly<Record<string, ReadonlyArray<readonly [name: string, cells: string]>>>

/** The picture made real, with what snapshots have inside images; their numbers begin with 1. */
const world = (picture: string, saved: Saved, guest: 'running' | 'paused' | 'shut-off' = 'shut-off'): World => {
  const { chain, contents } = right(parseChain(picture, guest === 'shut-off' ? {} : { nodes: 'monitor' }))
  const images = Array.from(chain.images, ([name, image]) => {
    const internalSnapshots = (saved[name] ?? []).map(([one], index) => ({
      id: String(index + 1),
      name: one,
      vmStateBytes: 0,
    }))
    return [name, { ...image, internalSnapshots }] as const
  })
  const inside = Object.entries(saved).map(
    ([image, all]) => [image, new Map(all.map(([name, cells]) => [name, layerOfPattern(cells)]))] as const,
  )
  return right(worldOf(withImages(chain, new Map(images)), contents, { guest, inside: new Map(inside) }))
}

const load = (image: string, ...options: ReadonlyArray<string>): SimStep =>
  img('convert', ...options, '-O', 'qcow2', `/images/${image}`, '/images/n')

/** What a copy of a snapshot shows. */
const copied = (of: World, image: string, ...options: ReadonlyArray<string>): string =>
  seen(after(of, [load(image, ...options)]), 'n')

const chain = 'base[11111111] <- mid[-23-----] <- top[---45---]^'
const saved: Saved = { mid: [['m1', '-2------']], top: [['t1', '---4----']] }
const lab = world(chain, saved)

const both = (of: World): ReadonlyArray<string> => [copied(of, 'top', '-l', 't1'), copied(of, 'mid', '-l', 'm1')]

describe('convert -l', () => {
  it('reads what is inside through what lies below today', () => {
    expect(both(lab)).toEqual(['12341111', '12111111'])
    expect([copied(lab, 'top'), copied(lab, 'mid')]).toEqual(['12345111', '12311111'])
  })

  it('changes nothing, and leaves nothing inside the copy', () => {
    const done = after(lab, [load('top', '-l', 't1')])
    expect([own(done, 'top'), seen(done, 'top'), ...both(done)]).toEqual([
      '---45---',
      '12345111',
      '12341111',
      '12111111',
    ])
    expect(refusalOf(done, [img('convert', '-l', 't1', '-O', 'raw', '/images/n', '/images/o')])).toBe(
      "Failed to load snapshot: Can't find snapshot",
    )
  })

  // The lab's table of what changes a snapshot that is inside.
  it.each<readonly [string, ReadonlyArray<SimStep>, readonly [string, string]]>([
    ['a commit of top into mid', [img('commit', '-d', '/images/top')], ['12345111', '12111111']],
    ['a commit of mid into base', [img('commit', '/images/mid')], ['12341111', '12311111']],
    ['a commit of both into base', [img('commit', '-b', '/images/base', '/images/top')], ['12345111', '12345111']],
    [
      'a rebase of top onto base',
      [img('rebase', '-b', '/images/base', '-F', 'qcow2', '/images/top')],
      ['11141111', '12111111'],
    ],
    ['top without what lies below', [img('rebase', '-b', '', '/images/top')], ['00040000', '12111111']],
    ['mid without what lies below', [img('rebase', '-b', '', '/images/mid')], ['12341111', '02000000']],
    ['m1 applied under top', [img('snapshot', '-a', 'm1', '/images/mid')], ['12141111', '12111111']],
    ['t1 applied', [img('snapshot', '-a', 't1', '/images/top')], ['12341111', '12111111']],
    ['top enlarged', [img('resize', '/images/top', '768K')], ['123411110000', '12111111']],
    ['top made smaller', [img('resize', '--shrink', '/images/top', '256K')], ['1234', '12111111']],
    ['mid made smaller', [img('resize', '--shrink', '/images/mid', '128K')], ['12040000', '12']],
    [
      'only the header of top',
      [img('rebase', '-u', '-b', '/images/base', '-F', 'qcow2', '/images/top')],
      ['11141111', '12111111'],
    ],
  ])('after %s', (_, steps, expected) => {
    expect(both(after(lab, steps))).toEqual(expected)
  })

  it('shows beyond the end that the snapshot had what lies below there', () => {
    const of = world('big[9999999999] <- top[2---]^', { top: [['s', '1---']] })
    const grown = after(of, [img('resize', '/images/top', '384K')])
    expect([copied(grown, 'top', '-l', 's'), seen(grown, 'top')]).toEqual(['199999', '299900'])
    const shrunk = after(grown, [img('resize', '--shrink', '/images/top', '128K')])
    expect(copied(shrunk, 'top', '-l', 's')).toBe('19')
  })

  it('with -B copies what the snapshot has in the image itself: right over the same contents', () => {
    const onto = (base: string): string => copied(lab, 'top', '-l', 't1', '-B', base, '-F', 'qcow2')
    expect([onto('mid'), onto('base')]).toEqual(['12341111', '11141111'])
    expect(own(after(lab, [load('top', '-l', 't1', '-B', 'mid', '-F', 'qcow2')]), 'n')).toBe('---4----')
  })

  it('with -n goes over what is there; raw stores the zeroes', () => {
    const of = world('v[ab--]^', { v: [['s', 'x---']] })
    const made = img('create', '-f', 'qcow2', '/images/n', '384K')
    expect(seen(after(of, [made, load('v', '-n', '-l', 's')]), 'n')).toBe('x00000')
    expect(own(after(of, [img('convert', '-l', 's', '-O', 'raw', '/images/v', '/images/r')]), 'r')).toBe('x000')
  })
})

describe('which snapshot -l is about', () => {
  // The third has the second's number for its name.
  const of = world('v[zz]^', {
    v: [
      ['a', 'a-'],
      ['b', 'b-'],
      ['2', 'c-'],
      ['d,e', 'd-'],
      ['f=g', 'f-'],
      [',', 'h-'],
    ],
  })

  it.each([
    ['a', 'a0'],
    ['2', 'b0'],
    ['3', 'c0'],
    ['snapshot.name=2', 'c0'],
    ['snapshot.id=2', 'b0'],
    ['snapshot.id=3,snapshot.name=2', 'c0'],
    ['snapshot.name=d,,e', 'd0'],
    ['snapshot.name=f=g', 'f0'],
    ['snapshot.name=,,', 'h0'],
    ['d,e', 'd0'],
  ])('%s', (text, cells) => expect(copied(of, 'v', '-l', text)).toBe(cells))

  it.each([
    ['c', "Failed to load snapshot: Can't find snapshot"],
    ['', "Failed to load snapshot: Can't find snapshot"],
    ['snapshot.name=', "Failed to load snapshot: Can't find snapshot"],
    ['snapshot.name=d,e', "Invalid parameter 'e'\nFailed in parsing snapshot param 'snapshot.name=d,e'"],
    ['snapshot.id=a', "Failed to load snapshot: Can't find snapshot"],
    ['snapshot.id=2,snapshot.name=a', "Failed to load snapshot: Can't find snapshot"],
    ['snapshot.tag=a', "Invalid parameter 'snapshot.tag'\nFailed in parsing snapshot param 'snapshot.tag=a'"],
  ])('none: %s', (text, desc) => expect(refusalOf(of, [load('v', '-l', text)])).toBe(desc))

  it('none in an image of another format; a missing image comes first, and what cannot be read before that', () => {
    const raw = world('v:raw[zz]^', {})
    expect(refusalOf(raw, [load('v', '-l', 'a')])).toBe(
      "Failed to load snapshot: Block format 'raw' used by device '' does not support temporarily loading internal snapshots",
    )
    expect(refusalOf(raw, [load('nix', '-l', 'a')])).toBe("Could not open '/images/nix': No such file or directory")
    expect(refusalOf(raw, [load('nix', '-l', 'snapshot.tag=a')])).toContain('Invalid parameter')
  })
})

describe('beside a guest', () => {
  it.each(['running', 'paused'] as const)(
    'that is %s only -U reads what is inside the image that it writes',
    (guest) => {
      const of = world(chain, saved, guest)
      expect(refusalOf(of, [load('top', '-l', 't1')])).toBe(
        'Could not open \'/images/top\': Failed to get shared "write" lock\nIs another process using the image [/images/top]?',
      )
      expect(copied(of, 'top', '-U', '-l', 't1')).toBe('12341111')
      expect(copied(of, 'mid', '-U', '-l', 'm1')).toBe('12111111')
    },
  )

  it('whatever that has written meanwhile', () => {
    const of = world(chain, saved, 'running')
    const wrote = [0, 3, 4, 7].reduce((now, at) => right(guestWrite(now, clusterAt(at, 'x'))), of)
    expect(copied(wrote, 'top', '-U', '-l', 't1')).toBe('12341111')
  })

  it('what is not inside is in flux: nobody says what -U reads of it', () => {
    const of = world(chain, saved, 'running')
    expect(faultOf(of, [load('top', '-U')])._tag).toBe('Unmodelled')
    expect(copied(of, 'mid', '-U')).toBe('12311111')
    const over = after(of, [img('create', '-f', 'qcow2', '-b', '/images/top', '-F', 'qcow2', '/images/over')])
    expect(faultOf(over, [load('over', '-U')])._tag).toBe('Unmodelled')
    expect(refusalOf(over, [load('over')])).toContain('shared "write" lock')
  })

  it('nor what -U reads of a snapshot over an image that is in flux', () => {
    const of = world('base[11] <- top[2-]^ <- over[--]', { over: [['o1', '-4']] }, 'running')
    expect(faultOf(of, [load('over', '-U', '-l', 'o1')])._tag).toBe('Unmodelled')
    expect(copied(world('base[11] <- top[2-]^ <- over[--]', { over: [['o1', '-4']] }), 'over', '-l', 'o1')).toBe('24')
  })

  it('a job changes what lies below, and with it what is read', () => {
    const of = world(chain, saved, 'running')
    const committed = after(of, commitMiddle({ device: 'top', top: 'mid', base: 'base', header: '/images/base' }))
    expect([copied(committed, 'top', '-U', '-l', 't1'), copied(committed, 'mid', '-l', 'm1')]).toEqual([
      '12341111',
      '12311111',
    ])
    expect(copied(after(of, stream('top')), 'top', '-U', '-l', 't1')).toBe('00040000')
  })

  it('somebody besides is heeded without -U alone', () => {
    const of = withOutside(lab, '/images/top', 'write')
    expect(refusalOf(of, [load('top', '-l', 't1')])).toContain('shared "write" lock')
    expect(copied(of, 'top', '-U', '-l', 't1')).toBe('12341111')
    expect(copied(withOutside(lab, '/images/top', 'read'), 'top', '-l', 't1')).toBe('12341111')
  })
})
