import * as E from 'fp-ts/lib/Either.js'

import type { Machine } from '../model/machine.js'
import type { MachineAssumption, MachinePlan } from '../plan/machine-plan.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import type { Cleanup } from '../plan/plan.js'

/** A plan for what the plans before it leave. */
export type Stage = (machine: Machine) => E.Either<MachineRefusal, MachinePlan>

/** What has to be done on every way out, where so many steps come before. */
export const laterCleanup = ({ from, once, before, step }: Cleanup, by: number): Cleanup => ({
  from: from + by,
  ...(once === undefined ? {} : { once }),
  ...(before === undefined ? {} : { before: before + by }),
  step,
})

/** What is assumed, where so many steps come before. */
export const laterAssumption = (one: MachineAssumption, by: number): MachineAssumption =>
  one._tag === 'OfDisk' && one.assumption._tag === 'StartsWith'
    ? { ...one, assumption: { ...one.assumption, from: one.assumption.from + by } }
    : one

const distinct = <A>(all: ReadonlyArray<A>): ReadonlyArray<A> =>
  Array.from(new Map(all.map((one) => [JSON.stringify(one), one])).values())

/** Two plans, the second of which begins where the first ends, as one. */
const joined = (first: MachinePlan, second: MachinePlan): MachinePlan => {
  const by = first.steps.length
  return {
    ...first,
    after: second.after,
    parts: [...first.parts, ...second.parts],
    steps: [...first.steps, ...second.steps],
    finally: [...first.finally, ...second.finally.map((one) => laterCleanup(one, by))],
    unlinked: [...first.unlinked, ...second.unlinked],
    requires: distinct([...first.requires, ...second.requires]),
    assumes: distinct([...first.assumes, ...second.assumes.map((one) => laterAssumption(one, by))]),
  }
}

/** A plan of no steps. */
export const emptyPlan = (
  machine: Machine,
  whole: Pick<MachinePlan, 'operation' | 'via' | 'consistency'>,
): MachinePlan => ({
  ...whole,
  how: 'by hand',
  before: machine,
  after: machine,
  parts: [],
  steps: [],
  finally: [],
  unlinked: [],
  requires: [],
  assumes: [],
})

/** A refusal that counts steps, where so many come before. */
const laterRefusal = (refusal: MachineRefusal, by: number): MachineRefusal =>
  refusal._tag === 'DiskRefused' && refusal.refusal._tag === 'ImageOpen'
    ? { ...refusal, refusal: { ...refusal.refusal, step: refusal.refusal.step + by } }
    : refusal

/** Plans one after the other, as one: all of them are there before the first step, or none is. */
export const inSequence = (begin: MachinePlan, stages: ReadonlyArray<Stage>): E.Either<MachineRefusal, MachinePlan> => {
  let plan = begin
  for (const stage of stages) {
    const next = stage(plan.after)
    if (E.isLeft(next)) return E.left(laterRefusal(next.left, plan.steps.length))
    plan = joined(plan, next.right)
  }
  return E.right(plan)
}
