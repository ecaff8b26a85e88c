import * as E from 'fp-ts/lib/Either.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Wait } from '../call/wait.js'
import type { Run } from '../content/run.js'
import type { Fault } from './fault.js'
import { guestWrite } from './guest.js'
import { approachMachine } from './machine-approach.js'
import { inWorld } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import type { MachineWorld } from './machine-world.js'
import { performMachine } from './perform-machine.js'
import type { SimStep } from './trace.js'

/**
 * A step on a machine. `disk`: the disk that it is about, where it is about one. With `failure` it may be refused, or what it waits for
 * may fail, and the run goes on.
 *
 * @since 0.2.0
 */
export interface MachineSimStep extends SimStep {
  readonly disk?: string | undefined
  readonly failure?: string
}

/**
 * The machine at one moment of a run. `step` counts from 0, those of the cleanup on; `during` is a moment inside a libvirt function
 * that takes its time, `refused` a step that was allowed to fail, `fault` what a fault has left where that is something else.
 *
 * @since 0.2.0
 */
export interface MachineMoment {
  readonly step: number
  readonly what: 'before' | 'call' | 'during' | 'progress' | 'write' | 'reached' | 'refused' | 'fault'
  readonly machine: MachineWorld
  /** What the guest has just written, where `what` is `write`. */
  readonly written: GuestWrite | undefined
}

/** A write of the guest. */
export interface GuestWrite {
  readonly disk: string
  readonly run: Run
}

/**
 * A run on a machine: every moment in order, and the fault that ended it early, if one did.
 *
 * @since 0.2.0
 */
export interface MachineTrace {
  readonly moments: ReadonlyNonEmptyArray<MachineMoment>
  readonly fault: { readonly step: number; readonly fault: Fault<MachineWorld> } | undefined
}

/**
 * A step to take on every way out, once step `from` was tried, or, if that is said, done; with `before`, only where that step was not done.
 *
 * @since 0.2.0
 */
export interface MachineSimCleanup {
  readonly from: number
  readonly once?: 'done'
  readonly before?: number
  readonly step: MachineSimStep
}

/**
 * How a run goes.
 *
 * - `limitBytes`: how much a job copies in one step; all, where left out.
 * - `writes`: what the guest writes at each moment. `busiest`: at how many moments of one step it may; 100, where left out.
 * - `finally`: steps to take on every way out.
 *
 * @since 0.2.0
 */
export interface MachineRunOptions {
  readonly limitBytes?: number
  readonly writes?: (moment: MachineMoment, index: number) => ReadonlyArray<GuestWrite>
  readonly busiest?: number
  readonly finally?: ReadonlyArray<MachineSimCleanup>
}

interface Recorder {
  readonly moments: [MachineMoment, ...Array<MachineMoment>]
  readonly options: MachineRunOptions
  readonly step: number
}

/**
 * Lets the guest write to one of its disks.
 *
 * Faults: as `guestWrite` has them; `GuestBlocked` too while its file systems are frozen.
 *
 * @example
 * import { layerOfPattern, machine, parseChain, patternOfLayer } from 'backing-chain'
 * import { guestViews, machineWorldOf, machineWrite } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const world = pipe(
 *   parseChain('v[aa] <- v.1[-b]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'running', disks: [chain] }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * const [run] = layerOfPattern('c-').runs
 * const written = pipe(
 *   world,
 *   E.flatMap((of) => (run === undefined ? E.right(of) : machineWrite(of, { disk: 'vda', run }))),
 *   E.map((of) => Array.from(guestViews(of).values(), (layer) => patternOfLayer(layer))),
 * )
 * E.isRight(written) ? written.right : written.left // => ['cb']
 *
 * @since 0.2.0
 */
export const machineWrite = (machine: MachineWorld, { disk, run }: GuestWrite): MachineOutcome => {
  if (machine.frozen) return E.left({ _tag: 'GuestBlocked', desc: 'the file systems are frozen' })
  if (!machine.worlds.has(disk)) return E.left({ _tag: 'GuestBlocked', desc: `there is no disk ${disk}` })
  return inWorld(machine, disk, (world) => guestWrite(world, run))
}

const note = (recorder: Recorder, what: MachineMoment['what'], machine: MachineWorld): MachineMoment => {
  const moment: MachineMoment = { step: recorder.step, what, machine, written: undefined }
  recorder.moments.push(moment)
  return moment
}

/** Notes a moment, and lets the guest write then; what it cannot write it does not write. */
const live = (recorder: Recorder, what: MachineMoment['what'], machine: MachineWorld): MachineWorld => {
  const moment = note(recorder, what, machine)
  let after = machine
  for (const written of recorder.options.writes?.(moment, recorder.moments.length) ?? []) {
    const done = machineWrite(after, written)
    if (E.isLeft(done)) continue
    after = done.right
    recorder.moments.push({ step: recorder.step, what: 'write', machine: after, written })
  }
  return after
}

const waitFor = (
  recorder: Recorder,
  from: MachineWorld,
  step: MachineSimStep & { readonly until: Wait },
): MachineOutcome => {
  let writesLeft = recorder.options.busiest ?? 100
  for (let machine = from; ;) {
    const next = approachMachine(machine, step, recorder.options.limitBytes)
    if (E.isLeft(next)) return next
    if (next.right.reached) return E.right(note(recorder, 'reached', next.right.machine).machine)
    machine =
      writesLeft-- > 0
        ? live(recorder, 'progress', next.right.machine)
        : note(recorder, 'progress', next.right.machine).machine
  }
}

/** What is left after a fault: some leave another world than they found. */
const leftBy = (machine: MachineWorld, fault: Fault<MachineWorld>): MachineWorld =>
  'world' in fault ? fault.world : machine

const takeStep = (recorder: Recorder, machine: MachineWorld, step: MachineSimStep): MachineOutcome => {
  const { limitBytes, busiest = 100 } = recorder.options
  let writesLeft = busiest
  const called = performMachine(machine, step.call, {
    ...(step.disk === undefined ? {} : { disk: step.disk }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    meanwhile: (during) =>
      writesLeft-- > 0 ? live(recorder, 'during', during) : note(recorder, 'during', during).machine,
  })
  if (E.isLeft(called)) {
    const { _tag } = called.left
    if (step.failure === undefined || (_tag !== 'Refused' && _tag !== 'Failed')) return called
    return E.right(note(recorder, 'refused', leftBy(machine, called.left)).machine)
  }
  const { until } = step
  const after = live(recorder, 'call', called.right)
  if (until === undefined) return E.right(after)
  const waited = waitFor(recorder, after, { ...step, until })
  if (E.isRight(waited) || step.failure === undefined || waited.left._tag === 'Crash') return waited
  return E.right(note(recorder, 'refused', leftBy(after, waited.left)).machine)
}

/** What has to be taken on the way out, when so many steps were tried and so many were done. */
const dueThen = (
  { finally: cleanups = [] }: MachineRunOptions,
  { tried, done }: { readonly tried: number; readonly done: number },
): ReadonlyArray<MachineSimCleanup> =>
  cleanups.filter(
    ({ from, once, before }) => from <= (once === 'done' ? done : tried) && (before === undefined || done < before),
  )

/**
 * Runs steps one by one on a machine, each call and then its wait, and keeps every moment on the way, those inside libvirt's own
 * functions too.
 *
 * Ends at the first fault, which never is an exception, and takes the steps of `finally` that are due then.
 *
 * @example
 * import { machine, parseChain } from 'backing-chain'
 * import { machineWorldOf, runMachine } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const world = pipe(
 *   parseChain('v[aa] <- v.1[-b]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'shut-off', disks: [chain] }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * const img = (...args: ReadonlyArray<string>) => ({ call: { _tag: 'QemuImg', argv: ['qemu-img', ...args] } }) as const
 * const steps = [img('commit', '/images/v.1'), img('commit', '/images/no')]
 * const trace = E.isRight(world) ? runMachine(world.right, steps) : undefined
 * trace?.moments.map(({ step, what }) => `${step} ${what}`) // => ['0 before', '0 call']
 * trace?.fault?.step // => 1
 *
 * @since 0.2.0
 */
export const runMachine = (
  machine: MachineWorld,
  steps: ReadonlyArray<MachineSimStep>,
  options: MachineRunOptions = {},
): MachineTrace => {
  const moments: Recorder['moments'] = [{ step: 0, what: 'before', machine, written: undefined }]
  let at = machine
  let ended: MachineTrace['fault']
  let tried = -1
  for (const [step, one] of steps.entries()) {
    if (ended !== undefined) break
    tried = step
    const next = takeStep({ moments, options, step }, at, one)
    if (E.isRight(next)) at = next.right
    else {
      ended = { step, fault: next.left }
      at = leftBy(at, next.left)
      if ('world' in next.left) note({ moments, options, step }, 'fault', at)
    }
  }
  const due = dueThen(options, { tried, done: ended === undefined ? tried : tried - 1 })
  for (const [index, { step }] of due.entries()) {
    const next = takeStep({ moments, options, step: steps.length + index }, at, step)
    at = E.isRight(next) ? next.right : leftBy(at, next.left)
    if (E.isLeft(next) && ended === undefined) ended = { step: steps.length + index, fault: next.left }
  }
  return { moments, fault: ended }
}

/**
 * The machine at the end of a run; after a fault, the last one before it.
 *
 * @example
 * import { machine, parseChain, patternOfLayer } from 'backing-chain'
 * import { endOfMachine, machineFileView, machineWorldOf, runMachine } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const world = pipe(
 *   parseChain('v[aa] <- v.1[-b]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'shut-off', disks: [chain] }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * const commit = { call: { _tag: 'QemuImg', argv: ['qemu-img', 'commit', '-d', '/images/v.1'] } } as const
 * const end = pipe(
 *   world,
 *   E.flatMap((of) => machineFileView(endOfMachine(runMachine(of, [commit])), '/images/v')),
 *   E.map((seen) => patternOfLayer(seen)),
 * )
 * E.isRight(end) ? end.right : end.left // => 'ab'
 *
 * @since 0.2.0
 */
export const endOfMachine = (trace: MachineTrace): MachineWorld =>
  (trace.moments[trace.moments.length - 1] ?? trace.moments[0]).machine
