// What becomes of a write that the device of an image has no room for: as QEMU 10.0 and 7.2 do it on loop devices
// (test/real/storage.test.ts), but that tables take no room here.

import { describe, expect, it } from 'vitest'

import { guestWrite, withDevice } from 'backing-chain/simulate'
import type { World } from 'backing-chain/simulate'
import {
  after,
  clusterAt,
  commitActive,
  commitMiddle,
  faultOf,
  guest,
  host,
  img,
  own,
  refusalOf,
  right,
  seen,
  shutOff,
  stream,
} from './pretend.js'

const clusters = (world: World, name: string, count: number): World =>
  withDevice(world, `/images/${name}`, count * 65536)

/** The world that a fault has left. */
const leftBy = (world: World, steps: Parameters<typeof faultOf>[1]): World => {
  const fault = faultOf(world, steps)
  if (!('world' in fault)) throw new Error(fault._tag)
  return fault.world
}

const picture = 'l0[aaa---] <- l1[-b--bb] <- l2[--c---]^'
const offline = [img('commit', '-d', '-b', 'l0', '/images/l1')]
const middle = commitMiddle({ device: 'l2', top: 'l1', base: 'l0', header: '/images/l0' })
const active = commitActive({ device: 'l2', base: 'l0' })

describe('a commit', () => {
  it('into a device with room for every cluster is done', () => {
    expect(own(after(clusters(shutOff(picture), 'l0', 5), offline), 'l0')).toBe('aba-bb')
    expect(own(after(clusters(host(picture), 'l0', 5), middle), 'l0')).toBe('aba-bb')
    expect(guest(after(clusters(host(picture), 'l0', 5), active))).toBe('abc0bb')
  })

  it('with qemu-img fails in the middle, with the base partly overwritten and the overlay whole', () => {
    const world = clusters(shutOff(picture), 'l0', 4)
    expect(faultOf(world, offline)).toMatchObject({
      ...{ _tag: 'Failed', by: 'qemu-img' },
      desc: 'Block job failed: No space left on device',
    })
    const left = leftBy(world, offline)
    expect([own(left, 'l0'), own(left, 'l1'), seen(left, 'l1')]).toEqual(['aba-b-', '-b--bb', 'aba0bb'])
    // Nothing is lost: with more room it goes on.
    expect(own(after(clusters(left, 'l0', 5), offline), 'l0')).toBe('aba-bb')
  })

  it.each([
    ['of an image between', middle, 'aba-b-'],
    ['of the active image', active, 'abc-b-'],
  ])('by a job, %s, fails in the middle', (_, steps, base) => {
    const world = clusters(host(picture), 'l0', 4)
    expect(faultOf(world, steps)).toMatchObject({ _tag: 'WaitFailed', desc: 'No space left on device' })
    const left = leftBy(world, steps)
    expect([guest(left), own(left, 'l0')]).toEqual(['abc0bb', base])
  })

  it('needs no room for what is there already, and for zeroes', () => {
    expect(own(after(clusters(shutOff('l0[aaa---] <- l1[bbb000]^'), 'l0', 3), offline), 'l0')).toBe('bbb000')
  })

  it('needs room for what a snapshot inside keeps', () => {
    const inside = [img('snapshot', '-c', 's', '/images/l0')]
    const world = (count: number): World => after(clusters(shutOff('l0[aaa-] <- l1[bb--]^'), 'l0', count), inside)
    expect(own(after(world(5), offline), 'l0')).toBe('bba-')
    expect(own(leftBy(world(4), offline), 'l0')).toBe('baa-')
  })

  it.each([
    ['with qemu-img', shutOff, offline],
    ['by a job', host, commitActive({ device: 'l1', base: 'l0' })],
  ])('does not begin where a raw base is smaller than the top, %s', (_, on, steps) => {
    const raw = 'l0:raw[aa] <- l1[-b--]^'
    expect(faultOf(clusters(on(raw), 'l0', 3), steps).desc).toContain('Invalid argument')
    expect(own(after(clusters(on(raw), 'l0', 4), steps), 'l0')).toBe('ab00')
    // What lies between is larger, and is not asked.
    expect(
      own(
        after(clusters(shutOff('l0:raw[aa] <- l1[---c] <- l2[-b]^'), 'l0', 2), [
          img('commit', '-d', '-b', 'l0', '/images/l2'),
        ]),
        'l0',
      ),
    ).toBe('ab')
  })
})

describe('others who write to a device that is full', () => {
  it('a pull fails', () => {
    const world = clusters(host('l0[aaaa] <- l1[b---]^'), 'l1', 2)
    expect(faultOf(world, stream('l1'))).toMatchObject({ desc: 'No space left on device' })
    expect(guest(leftBy(world, stream('l1')))).toBe('baaa')
    const safe = [img('rebase', '-b', '', '/images/l1')]
    expect(refusalOf(clusters(shutOff('l0[aaaa] <- l1[b---]^'), 'l1', 3), safe)).toBe(
      'Error while writing to COW image: No space left on device',
    )
    expect(own(after(clusters(shutOff('l0[aaaa] <- l1[b---]^'), 'l1', 4), safe), 'l1')).toBe('baaa')
  })

  it('the guest cannot', () => {
    const world = clusters(host('l0[b---]^'), 'l0', 2)
    const once = right(guestWrite(world, clusterAt(1, 'x')))
    expect(guest(right(guestWrite(once, clusterAt(1, 'y'))))).toBe('by00')
    expect(guestWrite(once, clusterAt(2, 'x'))).toMatchObject({
      left: { _tag: 'GuestBlocked', desc: 'No space left on device' },
    })
  })
})
