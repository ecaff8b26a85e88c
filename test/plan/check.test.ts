import { describe, expect, it } from 'vitest'

import { checkPlan, commit, copy, pull } from '../../src/index.js'
import type { Plan } from '../../src/index.js'
import { daemon, everyWay, parsed, planned, qmp } from '../operation/expect-plan.js'

const before = parsed('base[abcd] <- a[-e--] <- b[--f-] <- top[---g]^')
const good = planned(commit, before, {
  top: 'b',
  base: 'a',
  leftovers: 'remove',
  points: [{ point: 'p', image: 'base' }],
})
const removal = good.steps.findIndex(({ call }) => call._tag === 'Files')

const without = (drop: (execute: string, index: number) => boolean): Plan => ({
  ...good,
  steps: good.steps.filter(({ call }, index) => call._tag !== 'Qmp' || !drop(call.command.execute, index)),
})

describe('checkPlan', () => {
  it.each([...everyWay, daemon])('finds nothing in plans of this library ($via)', (way) => {
    const to = { name: 'new', location: { _tag: 'File', path: '/images/new' }, format: 'qcow2' } as const
    const plans = [
      planned(commit, before, { top: 'b', leftovers: 'remove' }, way),
      planned(commit, before, { top: 'top', end: 'pivot', leftovers: 'remove' }, way),
      planned(pull, before, { into: 'top', leftovers: 'remove' }, way),
      planned(copy, before, { to, depth: 'full', end: 'pivot', leftovers: 'remove' }, way),
      planned(copy, before, { to, depth: 'shallow', end: 'keep' }, way),
    ]
    expect(plans.flatMap(checkPlan)).toStrictEqual([])
  })

  it("finds a guest's disk that changes its size", () => {
    const longer = parsed('base[abcde] <- top[---g-]^')
    const plan = { ...good, after: planned(pull, longer, { into: 'top' }).after }
    expect(checkPlan(plan)).toContainEqual({ _tag: 'GuestDiskResized', beforeBytes: 262144, afterBytes: 327680 })
  })

  it('finds images without a fate, and fates that do not fit', () => {
    const fates = new Map(good.fates)
    fates.delete('base')
    fates.set('top', ['removed'])
    fates.set('a', ['created'])
    expect(checkPlan({ ...good, fates })).toStrictEqual([
      { _tag: 'FateMissing', image: 'base' },
      { _tag: 'FateWrong', image: 'a', fate: 'created', why: 'it is not new' },
      { _tag: 'FateWrong', image: 'top', fate: 'removed', why: 'the chain still has it' },
    ])
  })

  it('finds a point in time that no image holds', () => {
    const points = good.points.map((point) => ({ ...point, after: before.chain.images.get('b')?.name ?? point.after }))
    expect(checkPlan({ ...good, points })).toStrictEqual([{ _tag: 'PointNotHeld', point: 'p', image: 'b' }])
  })

  it('finds contents of images that are not there', () => {
    const [first] = good.contents
    const contents = first === undefined ? [] : [{ ...first, image: before.chain.images.get('b')?.name ?? first.image }]
    expect(checkPlan({ ...good, contents })).toStrictEqual([{ _tag: 'ContentsUnknown', image: 'b', from: 'b' }])
  })

  it('finds a job that nobody waits for, and one that nobody dismisses', () => {
    const [first, ...others] = without((execute) => execute === 'job-dismiss').steps
    const steps = first === undefined ? [] : [{ call: first.call, why: first.why }, ...others]
    expect(checkPlan({ ...good, steps })).toStrictEqual([
      { _tag: 'JobNotAwaited', step: 0, what: 'commit-57b9f10c' },
      { _tag: 'JobNotDismissed', job: 'commit-57b9f10c' },
    ])
  })

  it('finds files that go before the chain was seen', () => {
    const plan = without((execute) => execute === 'query-block')
    expect(checkPlan(plan)).toStrictEqual([{ _tag: 'RemovedUnseen', step: removal - 1, path: '/images/b' }])
  })

  it('finds files that go before the flush', () => {
    const plan = without((execute, index) => (execute === 'stop' || execute === 'cont') && index > 3)
    expect(checkPlan(plan)).toStrictEqual([{ _tag: 'RemovedUnflushed', step: removal - 2, path: '/images/b' }])
  })

  it('finds a file that goes while an image of the chain is in it', () => {
    const steps = good.steps.map((step) =>
      step.call._tag === 'Files' ? { ...step, call: { ...step.call, path: '/images/../images/a' } } : step,
    )
    expect(checkPlan({ ...good, steps })).toStrictEqual([
      { _tag: 'ReaderLosesFile', step: removal, path: '/images/../images/a', image: 'a' },
    ])
  })

  it('finds a storage daemon that is left running, and files that go while it runs', () => {
    const plan = planned(pull, before, { into: 'top', leftovers: 'remove' }, daemon)
    const steps = plan.steps.filter(({ call }) => call._tag !== 'Qmp' || call.command.execute !== 'quit')
    expect(checkPlan({ ...plan, steps })).toStrictEqual([
      { _tag: 'RemovedUnflushed', step: 7, path: '/images/b' },
      { _tag: 'RemovedUnflushed', step: 8, path: '/images/a' },
      { _tag: 'RemovedUnflushed', step: 9, path: '/images/base' },
      { _tag: 'DaemonLeftRunning', step: 0, socket: '/run/chain.qmp' },
    ])
    const [start] = plan.steps
    const again = steps.flatMap((step, index) => (index === 7 && start !== undefined ? [start, step] : [step]))
    expect(checkPlan({ ...plan, steps: again })).toContainEqual({
      _tag: 'RemovedUnflushed',
      step: 8,
      path: '/images/b',
    })
    const hurried = plan.steps.map(({ call, why, until }) =>
      until?._tag === 'Daemon' && until.status === 'gone' ? { call, why } : { call, why, ...(until && { until }) },
    )
    expect(checkPlan({ ...plan, steps: hurried }).map(({ _tag }) => _tag)).toContain('DaemonLeftRunning')
  })

  it('finds a guest that is left paused', () => {
    const plan = without((execute, index) => execute === 'cont' && index > 3)
    expect(checkPlan(plan)).toStrictEqual([{ _tag: 'GuestLeftPaused', step: removal - 2 }])
    expect(checkPlan(planned(pull, before, { into: 'top' }, { ...qmp, guest: 'paused' }))).toStrictEqual([])
  })
})
