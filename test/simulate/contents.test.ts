// FACTS-qemu.md section 5: what each image shows after an operation, on l0 <- l1 <- l2 <- l3 with a sibling on l0 and on l1.

import { describe, expect, it } from 'vitest'

import type { World } from 'backing-chain/simulate'
import { perform, quit } from 'backing-chain/simulate'
import {
  after,
  own,
  at,
  commitActive,
  commitJob,
  dismiss,
  finalize,
  guest,
  host,
  img,
  qmp,
  right,
  seen,
  shutOff,
  stream,
} from './pretend.js'

const picture = 'l0[aaaaa] <- (s0[s----], l1[-b---] <- (s1[-s---], l2[--c--] <- l3[---d-]^))'
const images = ['l0', 'l1', 'l2', 'l3', 's0', 's1'] as const
const before = { l0: 'aaaaa', l1: 'abaaa', l2: 'abcaa', l3: 'abcda', s0: 'saaaa', s1: 'asaaa' }

/** What differs from before, once QEMU has ended in order. */
const changed = (world: World): object => {
  const ended = quit(world)
  return Object.fromEntries(
    images.flatMap((name) => (seen(ended, name) === before[name] ? [] : [[name, seen(ended, name)]])),
  )
}

const overlay = [
  img('create', '-f', 'qcow2', '-u', '-b', '/images/l3', '-F', 'qcow2', '/images/n', '327680'),
  qmp({
    execute: 'blockdev-add',
    arguments: { driver: 'file', 'node-name': 'n-storage', filename: '/images/n', 'auto-read-only': true },
  }),
  qmp({
    execute: 'blockdev-add',
    arguments: { driver: 'qcow2', 'node-name': 'n-format', file: 'n-storage', backing: null },
  }),
]

const emptyFull = [img('create', '-f', 'qcow2', '/images/n', '327680'), ...overlay.slice(1)]

const mirror = (sync: 'full' | 'top') =>
  qmp(
    {
      execute: 'blockdev-mirror',
      arguments: { 'job-id': 'j', device: 'l3-format', target: 'n-format', sync, 'auto-dismiss': false },
    },
    at('j', 'ready'),
  )

const complete = qmp({ execute: 'job-complete', arguments: { id: 'j' } }, at('j', 'concluded'))
const keep = qmp({ execute: 'block-job-cancel', arguments: { device: 'j' } }, at('j', 'concluded'))

describe('while the guest runs', () => {
  it('blockdev-snapshot changes nothing', () => {
    const done = after(host(picture), [
      ...overlay,
      qmp({ execute: 'blockdev-snapshot', arguments: { node: 'l3-format', overlay: 'n-format' } }),
    ])
    expect(changed(done)).toEqual({})
    expect(guest(done)).toBe('abcda')
    expect(seen(quit(done), 'n')).toBe('abcda')
  })

  it('block-commit of l2 into l1 changes l1 and what sits on it, and no image above l2', () => {
    const done = after(host(picture), [
      commitJob({ device: 'l3', top: 'l2', base: 'l1', header: '/images/l1' }),
      dismiss,
    ])
    expect(changed(done)).toEqual({ l1: 'abcaa', s1: 'ascaa' })
    expect(guest(done)).toBe('abcda')
  })

  it('block-commit of l2 into l0 changes base, the layer between, and the siblings on both', () => {
    const done = after(host(picture), [
      commitJob({ device: 'l3', top: 'l2', base: 'l0', header: '/images/l0' }),
      dismiss,
    ])
    expect(changed(done)).toEqual({ l0: 'abcaa', l1: 'abcaa', s0: 'sbcaa', s1: 'ascaa' })
    expect(guest(done)).toBe('abcda')
  })

  it('block-commit of the active image into l1 lets its data shine through l2', () => {
    const done = after(host(picture), commitActive({ device: 'l3', base: 'l1' }))
    expect(changed(done)).toEqual({ l1: 'abcda', l2: 'abcda', s1: 'ascda' })
    expect(guest(done)).toBe('abcda')
  })

  it('an active commit that is kept pollutes base all the same', () => {
    const done = after(host(picture), [commitJob({ device: 'l3', base: 'l1' }, at('j', 'ready')), keep, dismiss])
    expect(changed(done)).toEqual({ l1: 'abcda', l2: 'abcda', s1: 'ascda' })
    expect(guest(done)).toBe('abcda')
  })

  it('a commit that is cancelled while pending has written base, and shows nothing wrong from top upwards', () => {
    const pending = qmp(
      {
        execute: 'block-commit',
        arguments: {
          'job-id': 'j',
          device: 'l3-format',
          'top-node': 'l2-format',
          'base-node': 'l0-format',
          'auto-finalize': false,
        },
      },
      at('j', 'pending'),
    )
    const done = after(host(picture), [pending, qmp({ execute: 'job-cancel', arguments: { id: 'j' } })])
    expect(changed(done)).toEqual({ l0: 'abcaa', l1: 'abcaa', s0: 'sbcaa', s1: 'ascaa' })
    expect(guest(done)).toBe('abcda')
  })

  it.each([
    ['everything into l3', 'l3', undefined],
    ['into l3 down to l0', 'l3', 'l0'],
    ['into l2 down to l0', 'l2', 'l0'],
    ['everything into l1', 'l1', undefined],
  ])('block-stream %s changes what no image shows', (_, into, base) => {
    const done = after(host(picture), stream(into, base))
    expect(changed(done)).toEqual({})
    expect(guest(done)).toBe('abcda')
  })

  it('blockdev-mirror and a pivot change nothing, and the guest goes on in the copy', () => {
    const done = after(host(picture), [...emptyFull, mirror('full'), complete, dismiss])
    expect(changed(done)).toEqual({})
    expect([guest(done), seen(quit(done), 'n')]).toEqual(['abcda', 'abcda'])
  })

  it('blockdev-mirror of the active image only, onto nothing, shows zeroes after the pivot', () => {
    const done = after(host(picture), [...emptyFull, mirror('top'), complete, dismiss])
    expect(guest(done)).toBe('000d0')
  })

  it('blockdev-mirror of the active image copies every piece of it, also where the image below holds the same', () => {
    const steps = [img('create', '-f', 'qcow2', '/images/n', '196608'), ...emptyFull.slice(1)]
    const device = {
      'job-id': 'j',
      device: 'l1-format',
      target: 'n-format',
      sync: 'top',
      'auto-dismiss': false,
    } as const
    const job = qmp({ execute: 'blockdev-mirror', arguments: device }, at('j', 'ready'))
    expect(own(after(host('l0[aaa] <- l1[a-a]^'), [...steps, job]), 'n')).toBe('a-a')
  })

  it('blockdev-mirror that is kept leaves a whole copy and the guest where it is', () => {
    const done = after(host(picture), [...emptyFull, mirror('full'), keep, dismiss])
    expect(changed(done)).toEqual({})
    expect([guest(done), seen(quit(done), 'n')]).toEqual(['abcda', 'abcda'])
  })
})

describe('while the guest is shut off', () => {
  it('qemu-img commit empties the image into its backing file, and spoils its siblings', () => {
    const done = after(shutOff(picture), [img('commit', '/images/l3')])
    expect(changed(done)).toEqual({ l2: 'abcda' })
  })

  it('qemu-img commit -b spoils what lies between', () => {
    const done = after(shutOff(picture), [img('commit', '-b', 'l0', '/images/l2')])
    expect(changed(done)).toEqual({ l0: 'abcaa', l1: 'abcaa', s0: 'sbcaa', s1: 'ascaa' })
  })

  it.each([['l0'], ['l1'], ['s0']])('qemu-img rebase onto %s changes what no image shows', (to) => {
    const done = after(shutOff(picture), [img('rebase', '-b', to, '-F', 'qcow2', '/images/l3')])
    expect(changed(done)).toEqual({})
  })

  it('qemu-img rebase -u changes what the image shows', () => {
    const done = after(shutOff(picture), [img('rebase', '-u', '-b', 'l0', '-F', 'qcow2', '/images/l3')])
    expect(changed(done)).toEqual({ l3: 'aaada' })
  })

  it('an offline merge of a middle image is a commit and then an unsafe rebase of its overlay', () => {
    const done = after(shutOff(picture), [
      img('commit', '-d', '-b', '/images/l1', '/images/l2'),
      img('rebase', '-u', '-b', '/images/l1', '-F', 'qcow2', '/images/l3'),
    ])
    expect(changed(done)).toEqual({ l1: 'abcaa', s1: 'ascaa' })
  })

  it('qemu-img resize of an image that others read changes what they show', () => {
    const done = after(shutOff(picture), [img('resize', '--shrink', '/images/l1', '65536')])
    expect(changed(done)).toEqual({ l1: 'a', l2: 'a0c00', l3: 'a0cd0', s1: 'as000' })
  })
})

describe('a job that has only begun', () => {
  it('does nothing before it runs', () => {
    const world = host(picture)
    const begun = right(perform(world, commitJob({ device: 'l3', top: 'l2', base: 'l0' }).call))
    expect(changed(begun)).toEqual({})
  })

  it('refuses to be finalized before it is pending', () => {
    const begun = right(perform(host(picture), commitJob({ device: 'l3', top: 'l2', base: 'l0' }).call))
    expect(perform(begun, finalize.call)).toMatchObject({
      left: { desc: "Job 'j' in state 'running' cannot accept command verb 'finalize'" },
    })
  })
})
