import { describe, expect, it } from 'vitest'

import { commit, copy, pull, shallowCommit } from '../../src/index.js'
import { everyWay, expectPlan, lines, live, offline, parsed, planned, qmp, refused } from './expect-plan.js'

const four = 'base[abcd] <- a[-e--] <- b[--f-] <- top[---g]^'

describe("the six live calls of the wiki's table, on base <- a <- b <- top", () => {
  const before = parsed(four)

  it.each(everyWay)('commit a into base ($via)', (way) => {
    expectPlan(planned(commit, before, { top: 'a', base: 'base' }, way), before.contents, 'base* <- b+ <- top^')
  })

  it.each(everyWay)('commit a into base, base left out ($via)', (way) => {
    expectPlan(planned(commit, before, { top: 'a' }, way), before.contents, 'base* <- b+ <- top^')
  })

  it.each(everyWay)('commit b into a ($via)', (way) => {
    expectPlan(planned(commit, before, { top: 'b', base: 'a' }, way), before.contents, 'base <- a* <- top+^')
  })

  it.each(everyWay)('commit b into a, shallow ($via)', (way) => {
    expectPlan(planned(shallowCommit, before, { top: 'b' }, way), before.contents, 'base <- a* <- top+^')
  })

  it.each(everyWay)('commit b into base ($via)', (way) => {
    expectPlan(planned(commit, before, { top: 'b', base: 'base' }, way), before.contents, 'base* <- top+^')
  })

  it.each(everyWay)('pull everything into top ($via)', (way) => {
    expectPlan(planned(pull, before, { into: 'top' }, way), before.contents, 'top*+^')
  })

  it.each(everyWay)('pull down to base ($via)', (way) => {
    expectPlan(planned(pull, before, { into: 'top', base: 'base' }, way), before.contents, 'base <- top*+^')
  })

  it.each(everyWay)('pull down to a ($via)', (way) => {
    expectPlan(planned(pull, before, { into: 'top', base: 'a' }, way), before.contents, 'base <- a <- top*+^')
  })
})

describe("the wiki's three opening pictures, on base <- snap1 <- snap2", () => {
  const before = parsed('base[abcd] <- snap1[-e--] <- snap2[--f-]^')
  const to = { name: 'new', location: { _tag: 'File', path: '/images/new' }, format: 'qcow2' } as const

  it.each(everyWay)('pull ($via)', (way) => {
    expectPlan(planned(pull, before, { into: 'snap2', base: 'base' }, way), before.contents, 'base <- snap2*+^')
  })

  it.each(everyWay)('commit ($via)', (way) => {
    expectPlan(planned(commit, before, { top: 'snap1', base: 'base' }, way), before.contents, 'base* <- snap2+^')
  })

  it.each(everyWay)('copy ($via)', (way) => {
    expectPlan(planned(copy, before, { to, depth: 'full', end: 'pivot' }, way), before.contents, 'new*^')
  })

  it.each(everyWay)('a commit into a shared backing file invalidates every other image based on it ($via)', (way) => {
    const shared = parsed('base[abcd] <- (snap1[-e--] <- snap2[--f-]^, sibling[g---])')
    expect(refused(commit, shared, { top: 'snap1', base: 'base' }, way)).toStrictEqual({
      _tag: 'ImageShared',
      image: 'base',
      readers: [{ _tag: 'Overlay', image: 'sibling' }],
      alternatives: [
        { _tag: 'PullIntoReaders', readers: ['snap2', 'sibling'] },
        { _tag: 'Copy', depth: 'full' },
      ],
    })
  })
})

describe('the calls', () => {
  const before = parsed(four)

  it('commits an intermediate image through libvirt with both ends and the definition of virsh(1)', () => {
    expect(lines(planned(commit, before, { top: 'b', base: 'a', leftovers: 'remove' }, live))).toStrictEqual([
      'virsh blockcommit guest vda --base /images/a --top /images/b',
      'virsh dumpxml guest',
      'virsh suspend guest',
      'virsh resume guest',
      'unlink -- /images/b',
    ])
  })

  it('commits an intermediate image offline', () => {
    expect(lines(planned(commit, before, { top: 'b', base: 'a', leftovers: 'remove' }, offline))).toStrictEqual([
      'qemu-img commit -f qcow2 -b /images/a -d /images/b',
      'qemu-img rebase -u -f qcow2 -F qcow2 -b /images/a /images/top',
      'qemu-img info --backing-chain --output=json /images/top',
      'unlink -- /images/b',
    ])
  })

  it('commits an intermediate image over QMP, and flushes before the overlay is repointed', () => {
    const steps = planned(commit, before, { top: 'b', base: 'a', leftovers: 'remove' }, qmp).steps
    expect(steps.map(({ call }) => (call._tag === 'Qmp' ? call.command : call))).toStrictEqual([
      {
        execute: 'block-commit',
        arguments: {
          'job-id': 'commit-57b9f10c',
          device: 'top-format',
          'top-node': 'b-format',
          'base-node': 'a-format',
          'backing-file': '/images/a',
          'backing-mask-protocol': true,
          'auto-finalize': false,
          'auto-dismiss': false,
        },
      },
      { execute: 'stop' },
      { execute: 'cont' },
      { execute: 'job-finalize', arguments: { id: 'commit-57b9f10c' } },
      { execute: 'job-dismiss', arguments: { id: 'commit-57b9f10c' } },
      { execute: 'query-block' },
      { execute: 'blockdev-del', arguments: { 'node-name': 'b-format' } },
      { execute: 'blockdev-del', arguments: { 'node-name': 'b-storage' } },
      { execute: 'stop' },
      { execute: 'cont' },
      { _tag: 'Files', operation: 'remove', path: '/images/b' },
    ])
  })
})
