// Executes the plan of a machine: lanes in any order between two barriers, and what has to be done on every way out.

import type { MachinePlan, MachineStep } from '../../../src/plan/machine-plan.js'
import { chainOfInfo, judgeChain } from '../harness/files.js'
import { executeStep, type Host } from '../harness/steps.js'

/** A libvirt domain whose plans also look at headers, where libvirt does not say what the chain is. */
export const machineHostOf = (virsh: Host): Host => ({
  ...virsh,
  wait: (wait, from) =>
    wait._tag === 'ChainIs' && String(from.reply).startsWith('[')
      ? Promise.resolve(judgeChain(wait, chainOfInfo(String(from.reply))))
      : virsh.wait(wait, from),
})

/** Chooses one of so many, from 0. */
export type Choose = (many: number) => number

const first: Choose = () => 0

/** The next steps that may be taken: the first of each lane, as far as no barrier is before it; or the barrier itself. */
const ready = (steps: ReadonlyArray<MachineStep>, done: ReadonlySet<number>): ReadonlyArray<number> => {
  const found: number[] = []
  const lanes = new Set<string>()
  for (const [index, { disk }] of steps.entries()) {
    if (done.has(index)) continue
    if (disk === undefined) return found.length === 0 ? [index] : found
    if (!lanes.has(disk)) found.push(index)
    lanes.add(disk)
  }
  return found
}

export interface ExecuteOptions {
  /** Which lane goes on next; the order of the plan where left out. */
  readonly choose?: Choose
  /** Looks at the machine after each step. */
  readonly after?: (done: ReadonlySet<number>) => Promise<void>
}

type Outcome = 'done' | 'failed'

const executeOne = async (host: Host, step: MachineStep, index: number): Promise<Outcome> => {
  try {
    await executeStep(host, step, index)
    return 'done'
  } catch (error) {
    if (step.failure === undefined) throw error
    return 'failed'
  }
}

/** What has to be undone for the sake of a step that failed may fail too. */
const cleanUp = async (
  { finally: cleanups }: MachinePlan,
  host: Host,
  tried: ReadonlyMap<number, Outcome>,
): Promise<void> => {
  const last = Math.max(-1, ...tried.keys())
  for (const { from, once, before, step } of cleanups) {
    if (
      from > last ||
      (once === 'done' && tried.get(from) !== 'done') ||
      (before !== undefined && tried.get(before) === 'done')
    )
      continue
    await executeStep(host, step).catch((error: unknown) => {
      if (step.failure === undefined && tried.get(from) !== 'failed') throw error
    })
  }
}

/** Executes all of a plan. */
export const executeMachine = async (plan: MachinePlan, host: Host, options: ExecuteOptions = {}): Promise<void> => {
  const { choose = first, after } = options
  const done = new Set<number>()
  const tried = new Map<number, Outcome>()
  try {
    for (let next = ready(plan.steps, done); next.length > 0; next = ready(plan.steps, done)) {
      const index = next[choose(next.length)] ?? 0
      const step = plan.steps[index]
      if (step === undefined) throw new Error('no such step')
      tried.set(index, 'failed')
      tried.set(index, await executeOne(host, step, index))
      done.add(index)
      await after?.(done)
    }
  } finally {
    await cleanUp(plan, host, tried)
  }
}
