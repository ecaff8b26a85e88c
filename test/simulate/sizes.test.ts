// FACTS-qemu.md section 4, the table of sizes, row by row. `-` is a hole, `0` an explicit zero.

import { describe, expect, it } from 'vitest'

import { fileAt } from 'backing-chain/simulate'
import { after, commitActive, commitMiddle, faultOf, guest, host, own, seen, stream } from './pretend.js'

describe('reading through layers of different sizes', () => {
  it('reads zeroes beyond a short backing file', () => {
    expect(seen(host('l0[1111] <- l1[-2----2-]^'), 'l1')).toBe('12110020')
  })

  it('reads nothing beyond the end of the overlay', () => {
    expect(seen(host('l0[11111111] <- l1[-2--]^'), 'l1')).toBe('1211')
  })

  it('never looks below a short layer', () => {
    expect(seen(host('l0[11111111] <- l1[-2--] <- l2[--3-----]^'), 'l2')).toBe('12310000')
  })
})

describe('commit', () => {
  it('grows a smaller base (active)', () => {
    const done = after(host('l0[1111] <- l1[-2----2-]^'), commitActive({ device: 'l1', base: 'l0' }))
    expect(own(done, 'l0')).toBe('1211--2-')
    expect(guest(done)).toBe('12110020')
  })

  it('does not shrink a larger base: the guest disk grows and shows its tail (flaw)', () => {
    const before = host('l0[11111111] <- l1[-2--]^')
    const done = after(before, commitActive({ device: 'l1', base: 'l0' }))
    expect([guest(before), guest(done)]).toEqual(['1211', '12111111'])
  })

  it('copies the zeroes of a short middle layer (active)', () => {
    const done = after(host('l0[11111111] <- l1[-2--] <- l2[--3-----]^'), commitActive({ device: 'l2', base: 'l0' }))
    expect(own(done, 'l0')).toBe('12310000')
    expect(guest(done)).toBe('12310000')
  })

  it('exposes stale base data where the top of an intermediate commit is short (flaw)', () => {
    const done = after(
      host('l0[11111111] <- l1[-2--] <- l2[--3-----]^'),
      commitMiddle({ device: 'l2', top: 'l1', base: 'l0' }),
    )
    expect(own(done, 'l0')).toBe('12111111')
    expect(guest(done)).toBe('12311111')
  })

  it('is right where a short layer lies below the top of an intermediate commit', () => {
    const before = host('l0[11111111] <- l1[-2--] <- l2[4-------] <- l3[--------]^')
    const done = after(before, commitMiddle({ device: 'l3', top: 'l2', base: 'l0' }))
    expect([guest(before), guest(done)]).toEqual(['42110000', '42110000'])
  })

  it('grows base for an intermediate top', () => {
    const before = host('l0[1111] <- l1[-----2-2] <- l2[3-------]^')
    const done = after(before, commitMiddle({ device: 'l2', top: 'l1', base: 'l0' }))
    expect(own(done, 'l0')).toBe('1111-2-2')
    expect([guest(before), guest(done)]).toEqual(['31110202', '31110202'])
  })

  it('writes explicit zeroes where a grown base would show its own backing file', () => {
    const before = host('z[99999999] <- l0[1111] <- l1[-----2-2]^')
    const done = after(before, commitActive({ device: 'l1', base: 'l0' }))
    expect(own(done, 'l0')).toBe('11110202')
    expect(guest(done)).toBe(guest(before))
  })

  it('grows a raw base', () => {
    const done = after(host('l0:raw[1111] <- l1[-2----2-]^'), commitActive({ device: 'l1', base: 'l0' }))
    expect(own(done, 'l0')).toBe('12110020')
  })

  it('fails where base cannot grow', () => {
    const fault = faultOf(host('l0:vdi[1111] <- l1[-2----2-]^'), commitActive({ device: 'l1', base: 'l0' }))
    expect(fault).toMatchObject({ _tag: 'WaitFailed', desc: 'Operation not supported' })
  })
})

describe('stream', () => {
  it('stops at the end of a short backing file and exposes base (flaw)', () => {
    const done = after(host('l0[11111111] <- l1[-22-] <- l2[--------]^'), stream('l2', 'l0'))
    expect(fileAt(done, '/images/l2')?.header?.string).toBe('/images/l0')
    expect(guest(done)).toBe('12211111')
  })

  it('is right where the short layer lies deeper', () => {
    const before = host('l0[11111111] <- l1[-22-] <- l2[3-------] <- l3[--------]^')
    const done = after(before, stream('l3', 'l0'))
    expect([guest(before), guest(done)]).toEqual(['32210000', '32210000'])
  })

  it('is right without a base', () => {
    const before = host('l0[11111111] <- l1[-22-] <- l2[--------]^')
    const done = after(before, stream('l2'))
    expect([guest(before), guest(done)]).toEqual(['12210000', '12210000'])
  })

  it('is right into a short target', () => {
    const before = host('l0[11111111] <- l1[-2----2-] <- l2[--3-] <- l3[--------]^')
    const done = after(before, stream('l2', 'l0'))
    expect(own(done, 'l2')).toBe('-23-')
    expect([guest(before), guest(done)]).toEqual(['12310000', '12310000'])
  })
})
