import * as E from 'fp-ts/lib/Either.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Call } from '../call/call.js'
import type { Wait } from '../call/wait.js'
import type { Run } from '../content/run.js'
import type { Fault } from './fault.js'
import { guestWrite } from './guest.js'
import { perform } from './perform.js'
import { approach } from './settle.js'
import type { World } from './world.js'

/**
 * One call, and what has to be true before the next: a step of a plan, or anything shaped like one.
 *
 * @since 0.1.0
 */
export interface SimStep {
  readonly call: Call
  readonly until?: Wait
}

/**
 * The world at one moment of a run. `step` counts from 0; `what` tells what has just happened: nothing yet, the call, a bit of a
 * job's work, a write of the guest, or the wait was reached.
 *
 * @since 0.1.0
 */
export interface Moment {
  readonly step: number
  readonly what: 'before' | 'call' | 'progress' | 'write' | 'reached'
  readonly world: World
  /** What the guest has just written, where `what` is `write`. */
  readonly run: Run | undefined
}

/**
 * A run: every moment in order, and the fault that ended it early, if one did.
 *
 * @since 0.1.0
 */
export interface Trace {
  readonly moments: ReadonlyNonEmptyArray<Moment>
  readonly fault: { readonly step: number; readonly fault: Fault } | undefined
}

/**
 * How finely to run.
 *
 * - `progressBytes`: jobs copy at most so much at a time, and each time is a moment. Left out, a job goes as far as it can.
 * - `writes`: what the guest writes at a moment. `count` numbers the moments of the run. It is asked after each call and each bit
 *   of progress, at most `busiest` times in one wait (100 if left out), or a guest that always writes would keep a mirror from
 *   ever being ready.
 *
 * @since 0.1.0
 */
export interface RunOptions {
  readonly progressBytes?: number
  readonly writes?: (moment: Moment, count: number) => ReadonlyArray<Run>
  readonly busiest?: number
}

/** The run so far. Private to one call of {@link run}, which alone appends to it. */
interface Recorder {
  readonly moments: [Moment, ...Array<Moment>]
  readonly options: RunOptions
  readonly step: number
}

const note = (recorder: Recorder, what: Moment['what'], at: { world: World; run?: Run }): Moment => {
  const moment: Moment = { step: recorder.step, what, world: at.world, run: at.run }
  recorder.moments.push(moment)
  return moment
}

/** Lets the guest write; what it cannot write now, being paused, it does not write. */
const letGuestWrite = (recorder: Recorder, moment: Moment): World => {
  let world = moment.world
  for (const run of recorder.options.writes?.(moment, recorder.moments.length) ?? []) {
    const written = guestWrite(world, run)
    if (E.isRight(written)) world = note(recorder, 'write', { world: written.right, run }).world
  }
  return world
}

const waitFor = (
  recorder: Recorder,
  from: World,
  { call, wait }: { call: Call; wait: Wait },
): E.Either<Fault, World> => {
  let writesLeft = recorder.options.busiest ?? 100
  for (let world = from; ;) {
    const next = approach(world, wait, { call, limitBytes: recorder.options.progressBytes })
    if (E.isLeft(next)) return next
    if (next.right.reached) return E.right(note(recorder, 'reached', next.right).world)
    const moment = note(recorder, 'progress', next.right)
    world = writesLeft-- > 0 ? letGuestWrite(recorder, moment) : moment.world
  }
}

const takeStep = (recorder: Recorder, world: World, { call, until }: SimStep): E.Either<Fault, World> => {
  const called = perform(world, call)
  if (E.isLeft(called)) return called
  const after = letGuestWrite(recorder, note(recorder, 'call', { world: called.right }))
  return until === undefined ? E.right(after) : waitFor(recorder, after, { call, wait: until })
}

/**
 * Runs steps one by one from a world, each call and then its wait, and keeps every moment on the way.
 *
 * Ends at the first fault, which never is an exception. Stack-safe; linear in steps and progress, as far as the calls are.
 *
 * @example
 * import { parseChain, patternOfLayer } from 'backing-chain'
 * import { endOf, fileView, run, worldOf } from 'backing-chain/simulate'
 * import type { SimStep } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const img = (...args: ReadonlyArray<string>): SimStep => ({ call: { _tag: 'QemuImg', argv: ['qemu-img', ...args] } })
 * const offlineMerge = [img('commit', '-d', '/images/mid'), img('rebase', '-u', '-b', 'base', '-F', 'qcow2', '/images/top')]
 *
 * const topAfter = (picture: string): string => {
 *   const parsed = parseChain(picture)
 *   if (E.isLeft(parsed)) return 'no picture'
 *   const world = worldOf(parsed.right.chain, parsed.right.contents, { guest: 'shut-off' })
 *   if (E.isLeft(world)) return 'no world'
 *   const seen = fileView(endOf(run(world.right, offlineMerge)), '/images/top')
 *   return E.isRight(seen) ? patternOfLayer(seen.right) : 'no view'
 * }
 *
 * topAfter('base[1111] <- mid[-22-] <- top[----]^') // => '1221'
 * topAfter('base[1111] <- mid[-2] <- top[----]^') // => '1211'
 * // The second one was '1200' before: QEMU exposes what lies below a short image, and so does this.
 *
 * @since 0.1.0
 */
export const run = (world: World, steps: ReadonlyArray<SimStep>, options: RunOptions = {}): Trace => {
  const first: Moment = { step: 0, what: 'before', world, run: undefined }
  const moments: Recorder['moments'] = [first]
  let at = world
  for (const [step, one] of steps.entries()) {
    const next = takeStep({ moments, options, step }, at, one)
    if (E.isLeft(next)) return { moments, fault: { step, fault: next.left } }
    at = next.right
  }
  return { moments, fault: undefined }
}

/**
 * The world at the end of a run; after a fault, the last one before it.
 *
 * @since 0.1.0
 */
export const endOf = (trace: Trace): World => (trace.moments[trace.moments.length - 1] ?? trace.moments[0]).world
