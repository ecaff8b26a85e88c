import { describe, expect, it } from 'vitest'

import { addOverlay, commit, copy, notation, pull, shallowCommit } from '../../src/index.js'
import type { Plan } from '../../src/index.js'
import { everyWay, expectPlan, lines, offline, parsed, planned, qmp } from './expect-plan.js'

const held = (plan: Plan): ReadonlyArray<string> => plan.points.map(({ point, after }) => `${point}: ${after}`)

/** The worked examples of the wiki: which file holds which point in time, and how each deletion changes it. */
describe('points in time', () => {
  it.each(everyWay)('taking: v is frozen under v.1, and v.1 under v.2 ($via)', (way) => {
    const first = parsed('v[abcd]^')
    const overlay = (name: string) =>
      ({ name, location: { _tag: 'File', path: `/images/${name}` }, format: 'qcow2' }) as const
    const taken = planned(addOverlay, first, { overlay: overlay('v.1') }, way)
    expect(notation(taken).after).toBe('v <- v.1^')
    const contents = new Map([...first.contents])
    const again = planned(
      addOverlay,
      { chain: taken.after, contents },
      { overlay: overlay('v.2'), points: [{ point: 'snapshot 0', image: 'v' }] },
      way,
    )
    expect(notation(again).after).toBe('v <- v.1 <- v.2^')
    expect(held(again)).toStrictEqual(['snapshot 0: v'])
  })

  it.each(everyWay)('deleting the first of two ties the second to the file v ($via)', (way) => {
    const before = parsed('v[abcd] <- v.1[-e--] <- v.2[--f-]^')
    const plan = planned(shallowCommit, before, { top: 'v.1', points: [{ point: 'second', image: 'v.1' }] }, way)
    expectPlan(plan, before.contents, 'v* <- v.2+^')
    expect(held(plan)).toStrictEqual(['second: v'])
    expect(plan.fates.get('v.1')).toStrictEqual(['redundant'])
  })

  it.each(everyWay)('deleting the second of three makes the file of the third disappear ($via)', (way) => {
    const before = parsed('v[abcd] <- v.1[-e--] <- v.2[--f-] <- v.3[---g]^')
    const points = [
      { point: 'first', image: 'v' },
      { point: 'third', image: 'v.2' },
    ]
    const plan = planned(shallowCommit, before, { top: 'v.2', points, leftovers: 'remove' }, way)
    expectPlan(plan, before.contents, 'v <- v.1* <- v.3+^')
    expect(held(plan)).toStrictEqual(['first: v', 'third: v.1'])
    expect(plan.fates.get('v.2')).toStrictEqual(['redundant', 'removed'])
  })

  it.each(everyWay)('deleting the newest by position pulls it into the active image ($via)', (way) => {
    const before = parsed('v[abcd] <- v.1[-e--] <- v.2[--f-] <- v.3[---g]^')
    const points = [
      { point: 'first', image: 'v' },
      { point: 'second', image: 'v.1' },
    ]
    const plan = planned(pull, before, { into: 'v.3', base: 'v.1', points, leftovers: 'remove' }, way)
    expectPlan(plan, before.contents, 'v <- v.1 <- v.3*+^')
    expect(held(plan)).toStrictEqual(['first: v', 'second: v.1'])
  })

  it.each(everyWay)('a pull keeps the images that points in time need, and removes the others ($via)', (way) => {
    const before = parsed('v[abcd] <- v.1[-e--] <- v.2[--f-] <- v.3[---g]^')
    const plan = planned(
      pull,
      before,
      { into: 'v.3', points: [{ point: 'p', image: 'v.1' }], leftovers: 'remove' },
      way,
    )
    expectPlan(plan, before.contents, 'v <- v.1; v.3*+^')
    expect(held(plan)).toStrictEqual(['p: v.1'])
    expect(lines(plan).filter((line) => line.startsWith('unlink'))).toStrictEqual(['unlink -- /images/v.2'])
  })

  it.each(everyWay)('a commit keeps the top where the larger base does not show its point in time ($via)', (way) => {
    const before = parsed('v[abcdef] <- v.1[-e--] <- v.2[--f-]^')
    const points = [{ point: 'p', image: 'v.1' }]
    const plan = planned(commit, before, { top: 'v.1', points, leftovers: 'remove' }, way)
    expectPlan(plan, before.contents, 'v* <- (v.1, v.2+^)')
    expect(held(plan)).toStrictEqual(['p: v.1'])
    expect(lines(plan).filter((line) => line.startsWith('unlink'))).toStrictEqual([])
  })

  it.each(everyWay)('a copy leaves every point in time where it is ($via)', (way) => {
    const before = parsed('v[abcd] <- v.1[-e--]^')
    const to = { name: 'new', location: { _tag: 'File', path: '/images/new' }, format: 'qcow2' } as const
    const points = [{ point: 'p', image: 'v' }]
    const plan = planned(copy, before, { to, depth: 'full', end: 'pivot', points, leftovers: 'remove' }, way)
    expectPlan(plan, before.contents, 'v; new*^')
    expect(held(plan)).toStrictEqual(['p: v'])
  })
})

describe('siblings', () => {
  it('of the top, at rest, are repointed where the file of the top goes', () => {
    const before = parsed('v[abcd] <- v.1[-e--] <- (v.2[--f-]^, s[g---])')
    const plan = planned(commit, before, { top: 'v.1', leftovers: 'remove' })
    expectPlan(plan, before.contents, 'v* <- (v.2+^, s+)')
    expect(lines(plan).filter((line) => line.startsWith('qemu-img'))).toStrictEqual([
      'qemu-img rebase -u -f qcow2 -F qcow2 -b /images/v /images/s',
    ])
    expect(plan.assumes).toContainEqual({ _tag: 'Closed', images: ['s'] })
  })

  it('of the top, at rest, stay on it where its file stays', () => {
    const before = parsed('v[abcd] <- v.1[-e--] <- (v.2[--f-]^, s[g---])')
    const plan = planned(commit, before, { top: 'v.1' })
    expectPlan(plan, before.contents, 'v* <- (v.1 <- s, v.2+^)')
    expect(plan.fates.get('v.1')).toStrictEqual(['kept'])
  })

  it('that QEMU has open keep the nodes below them open', () => {
    const { chain, contents } = parsed('v[abcd] <- v.1[-e--] <- (v.2[--f-]^, s[g---])')
    const node = { format: 's-format', storage: 's-storage', owner: 'monitor', filters: [] } as const
    const images = new Map(chain.images)
    const s = images.get('s')
    if (s === undefined) throw new Error('no s')
    images.set('s', { ...s, node })
    const before = { chain: { ...chain, images }, contents }
    const plan = planned(pull, before, { into: 'v.2' })
    expect(lines(plan).filter((line) => line.includes('blockdev-del'))).toStrictEqual([])
    expect(plan.after.images.get('v.1')?.node?.format).toBe('v.1-format')
    const closed = planned(pull, { chain, contents }, { into: 'v.2' })
    expect(lines(closed).filter((line) => line.includes('blockdev-del'))).toHaveLength(4)
    expect(closed.after.images.get('v.1')?.node).toBeUndefined()
  })
})

describe('backing strings', () => {
  it('stay relative, and lead to the same file from another folder', () => {
    const before = parsed('v[abcd] <- v.1[-e--] <- v.2[--f-]^', { headers: 'relative' })
    const plan = planned(commit, before, { top: 'v.1' }, offline)
    expect(plan.after.images.get('v.2')?.backing).toStrictEqual({ image: 'v', header: 'v', format: 'qcow2' })
  })

  it('record the format of the base, raw for a raw one', () => {
    const before = parsed('v:raw[abcd] <- v.1[-e--] <- v.2[--f-]^')
    const plan = planned(commit, before, { top: 'v.1' }, qmp)
    expect(plan.after.images.get('v.2')?.backing?.format).toBe('raw')
  })
})
