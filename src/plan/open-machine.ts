import type { Call } from '../call/call.js'
import type { Chain } from '../model/chain.js'
import type { Opening } from '../model/opening.js'
import type { MachinePlan } from './machine-plan.js'
import { stepConflicts } from './open-conflict.js'
import type { StepConflict } from './open-conflict.js'

/** A conflict on one disk of a plan for a machine; `step` counts the steps of the whole plan. */
export interface DiskConflict extends StepConflict {
  readonly disk: string
}

/** What a plan for a machine does to one disk, as far as it can be seen from outside. */
export interface DiskChains {
  readonly before: Chain
  readonly after: Chain
}

type Shared = Pick<MachinePlan, 'before' | 'after' | 'steps'>

/** The steps of a plan for a machine that open what somebody else has open, disk by disk; `also` as for the plan of one disk. */
export const diskConflicts = (
  plan: Shared,
  opened: ReadonlyMap<string, ReadonlyArray<Opening>>,
  also: (on: DiskChains) => (call: Call) => ReadonlyArray<Opening>,
): ReadonlyArray<DiskConflict> =>
  Array.from(plan.before.disks).flatMap(([disk, before]) => {
    const after = plan.after.disks.get(disk) ?? before
    const own = plan.steps.flatMap((step, index) => (step.disk === undefined || step.disk === disk ? [index] : []))
    const steps = own.flatMap((index) => plan.steps[index] ?? [])
    const openers = { guest: plan.before.state, opened: opened.get(disk) ?? [] }
    return stepConflicts({ before, after, steps }, openers, also({ before, after })).map((conflict) => ({
      ...conflict,
      disk,
      step: own[conflict.step] ?? conflict.step,
    }))
  })
