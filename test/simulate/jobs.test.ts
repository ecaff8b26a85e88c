// FACTS-qemu.md section 2.14: the states of a job, and the verbs that each accepts.

import { describe, expect, it } from 'vitest'

import type { QmpCommand } from 'backing-chain'
import { perform } from 'backing-chain/simulate'
import type { World } from 'backing-chain/simulate'
import { after, at, commitJob, complete, dismiss, faultOf, host, img, qmp, refusalOf, right } from './pretend.js'

const picture = 'l0[a---] <- l1[-b--] <- l2[--c-]^'
const verbs = ['complete', 'finalize', 'dismiss', 'cancel'] as const

const say = (verb: (typeof verbs)[number]) => qmp({ execute: `job-${verb}`, arguments: { id: 'j' } })

const middle = (more: object): QmpCommand => ({
  execute: 'block-commit',
  arguments: { 'job-id': 'j', device: 'l2-format', 'top-node': 'l1-format', 'base-node': 'l0-format', ...more },
})

/** A job in each state in which one can rest. */
const states: { readonly [state: string]: () => World } = {
  running: () => right(perform(host(picture), qmp(middle({})).call)),
  ready: () => after(host(picture), [commitJob({ device: 'l2', base: 'l0' }, at('j', 'ready'))]),
  pending: () => after(host(picture), [qmp(middle({ 'auto-finalize': false }), at('j', 'pending'))]),
  concluded: () => after(host(picture), [qmp(middle({ 'auto-dismiss': false }), at('j', 'concluded'))]),
}

const accepted: { readonly [state: string]: ReadonlyArray<string> } = {
  running: ['cancel'],
  ready: ['complete', 'cancel'],
  pending: ['finalize', 'cancel'],
  concluded: ['dismiss'],
}

describe.each(Object.keys(states))('a job that is %s', (state) => {
  const world = states[state] ?? (() => host(picture))

  it.each(verbs)('meets %s as QEMU does', (verb) => {
    const outcome = perform(world(), say(verb).call)
    if (accepted[state]?.includes(verb) === true) expect(outcome).toHaveProperty('right')
    else
      expect(outcome).toMatchObject({
        left: { _tag: 'Refused', desc: `Job 'j' in state '${state}' cannot accept command verb '${verb}'` },
      })
  })

  it('keeps its id from others', () => {
    const other = img('create', '-f', 'qcow2', '/images/n', '1M')
    const create: QmpCommand = {
      execute: 'blockdev-create',
      arguments: { 'job-id': 'j', options: { driver: 'file', filename: '/images/n', size: 0 } },
    }
    expect(refusalOf(world(), [other, qmp(create)])).toBe("Job ID 'j' already in use")
  })
})

describe('a job', () => {
  it('that nobody knows is not found, by two names for it', () => {
    expect(refusalOf(host(picture), [say('dismiss')])).toBe('Job not found')
    expect(faultOf(host(picture), [qmp({ execute: 'block-job-cancel', arguments: { device: 'j' } })])).toMatchObject({
      class: 'DeviceNotActive',
      desc: "Block job 'j' not found",
    })
  })

  it('goes when it ends, unless its caller wants to dismiss it', () => {
    const gone = faultOf(host(picture), [qmp(middle({}), at('j', 'concluded'))])
    expect(gone).toMatchObject({ _tag: 'WaitNeverReached', desc: "there is no job 'j'" })
    after(host(picture), [qmp(middle({ 'auto-dismiss': false }), at('j', 'concluded')), dismiss])
  })

  it('holds base and top before it is finalized', () => {
    const pending = states['pending']?.() ?? host(picture)
    expect(refusalOf(pending, [qmp({ execute: 'blockdev-del', arguments: { 'node-name': 'l1-format' } })])).toBe(
      'Node l1-format is in use',
    )
  })

  it('that is ready has to be told how to end, however long one waits', () => {
    const fault = faultOf(states['ready']?.() ?? host(picture), [qmp({ execute: 'query-jobs' }, at('j', 'concluded'))])
    expect(fault._tag).toBe('WaitNeverReached')
  })

  it('that was cancelled says so as an error, and lets a commit go', () => {
    const world = after(host(picture), [
      qmp(middle({ 'auto-finalize': false, 'auto-dismiss': false }), at('j', 'pending')),
    ])
    const cancelled = after(world, [say('cancel')])
    expect(faultOf(cancelled, [qmp({ execute: 'query-jobs' }, at('j', 'concluded'))])).toMatchObject({
      _tag: 'WaitFailed',
      desc: 'Operation canceled',
    })
    after(cancelled, [qmp(middle({ 'job-id': 'k' }))])
  })

  it('that is soft-cancelled before it is ready is aborted all the same', () => {
    const commit: QmpCommand = {
      execute: 'block-commit',
      arguments: { 'job-id': 'j', device: 'l2-format', 'auto-dismiss': false },
    }
    const cancel = qmp({ execute: 'block-job-cancel', arguments: { device: 'j' } }, at('j', 'concluded'))
    expect(faultOf(host(picture), [qmp(commit), cancel])).toMatchObject({ desc: 'Operation canceled' })
  })

  it('holds what lies between, and says so before the overlay that reads it', () => {
    const pull: QmpCommand = {
      execute: 'block-stream',
      arguments: { 'job-id': 'j', device: 'l2-format', 'auto-finalize': false },
    }
    const world = after(host(picture), [qmp(pull, at('j', 'pending'))])
    expect(refusalOf(world, [qmp({ execute: 'blockdev-del', arguments: { 'node-name': 'l1-format' } })])).toBe(
      "Node 'l1-format' is busy: block device is in use by block job: stream",
    )
  })

  it('that is soft-cancelled once ready completes without a pivot, and with force does not', () => {
    const cancel = (force: boolean) =>
      qmp({ execute: 'block-job-cancel', arguments: { device: 'j', force } }, at('j', 'concluded'))
    const ready = () => states['ready']?.() ?? host(picture)
    after(ready(), [cancel(false), dismiss])
    expect(faultOf(ready(), [cancel(true)])).toMatchObject({ _tag: 'WaitFailed', desc: 'Operation canceled' })
  })

  it('of a mirror finds out about sizes by itself', () => {
    const target = [
      img('create', '-f', 'qcow2', '/images/n', '1M'),
      qmp({ execute: 'blockdev-add', arguments: { driver: 'file', 'node-name': 'n-s', filename: '/images/n' } }),
      qmp({ execute: 'blockdev-add', arguments: { driver: 'qcow2', 'node-name': 'n', file: 'n-s', backing: null } }),
    ]
    const mirror = qmp(
      {
        execute: 'blockdev-mirror',
        arguments: { 'job-id': 'j', device: 'l2-format', target: 'n', sync: 'full', 'auto-dismiss': false },
      },
      at('j', 'ready'),
    )
    expect(faultOf(host(picture), [...target, mirror])).toMatchObject({
      _tag: 'WaitFailed',
      desc: 'Source and target image have different sizes',
    })
  })
})

describe('two jobs', () => {
  const long = 'l0[a---] <- l1[-b--] <- l2[--c-] <- l3[---d] <- l4[----]^'
  const pull = (job: string, device: string, base?: string): QmpCommand => ({
    execute: 'block-stream',
    arguments: {
      'job-id': job,
      device,
      'auto-finalize': false,
      'auto-dismiss': false,
      ...(base === undefined ? {} : { 'base-node': base }),
    },
  })
  const commit = (job: string, top: string, base: string): QmpCommand => ({
    execute: 'block-commit',
    arguments: {
      'job-id': job,
      device: 'l4-format',
      'top-node': top,
      'base-node': base,
      'auto-finalize': false,
      'auto-dismiss': false,
    },
  })

  it('may stream on ranges that do not overlap', () => {
    after(host(long), [
      qmp(pull('upper', 'l4-format', 'l2-format'), at('upper', 'pending')),
      qmp(pull('lower', 'l2-format', 'l0-format'), at('lower', 'pending')),
      qmp({ execute: 'job-finalize', arguments: { id: 'lower' } }, at('lower', 'concluded')),
      qmp({ execute: 'job-finalize', arguments: { id: 'upper' } }, at('upper', 'concluded')),
    ])
  })

  it('may not stream through each other', () => {
    expect(refusalOf(host(long), [qmp(pull('a', 'l3-format')), qmp(pull('b', 'l4-format', 'l2-format'))])).toBe(
      "Node 'l3-format' is busy: block device is in use by block job: stream",
    )
  })

  it('may not both need the root', () => {
    expect(
      refusalOf(host(long), [qmp(commit('a', 'l1-format', 'l0-format')), qmp(commit('b', 'l3-format', 'l2-format'))]),
    ).toBe('Need a root block node')
  })

  it('may stream and commit apart, if the stream does not end on the top of the commit', () => {
    after(host(long), [qmp(commit('a', 'l1-format', 'l0-format')), qmp(pull('b', 'l3-format', 'l2-format'))])
    expect(
      refusalOf(host(long), [qmp(commit('a', 'l1-format', 'l0-format')), qmp(pull('b', 'l3-format', 'l1-format'))]),
    ).toBe("Cannot freeze 'backing' link to 'commit-filter'")
  })

  it('after a pivot the next job waits until the old active image is closed, which still reads the new one', () => {
    const next = commitJob({ device: 'l3', base: 'l2' }, at('j', 'ready'))
    const first = after(host(long), [commitJob({ device: 'l4', base: 'l3' }, at('j', 'ready')), complete, dismiss])
    expect(refusalOf(first, [next])).toBe('Need a root block node')
    after(first, [qmp({ execute: 'blockdev-del', arguments: { 'node-name': 'l4-format' } }), next, complete, dismiss])
  })
})
