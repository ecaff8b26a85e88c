import type { Call } from '../call/call.js'
import type { MachinePlan, MachineStep } from '../plan/machine-plan.js'
import type { Cleanup } from '../plan/plan.js'

/** What of a call has the guest stand still, or go on. */
export const goes = (call: Call): 'stands' | 'on' | undefined => {
  const name = call._tag === 'Qmp' ? call.command.execute : call._tag === 'Libvirt' ? call.function.call : undefined
  if (name === 'stop' || name === 'virDomainSuspend') return 'stands'
  return name === 'cont' || name === 'virDomainResume' ? 'on' : undefined
}

/** Where a guest goes on that stands still from a step on; less than 0 where it does not. */
const goesOnAt = (steps: ReadonlyArray<MachineStep>, from: number): number =>
  steps.findIndex(({ call, disk }, at) => at > from && disk === steps[from]?.disk && goes(call) === 'on')

const cleanup = (steps: ReadonlyArray<MachineStep>, from: number): ReadonlyArray<Cleanup> => {
  const before = goesOnAt(steps, from)
  const { call, why } = steps[before] ?? {}
  return call === undefined || why === undefined
    ? []
    : [{ from, once: 'done', before, step: { call, why, failure: 'it goes on already, or has ended' } }]
}

/** A guest goes on once: where it has, it may have been stopped again since, by somebody else or by an error of a disk. */
export const unlessGone =
  (steps: ReadonlyArray<MachineStep>) =>
  (one: Cleanup): Cleanup => {
    const before = goes(one.step.call) === 'on' ? goesOnAt(steps, one.from) : -1
    return before < 0 ? one : { ...one, before }
  }

/** Where QEMU is stopped so that it flushes, and something fails before it goes on, it goes on all the same. */
export const goingOnAlways = ({ steps }: Pick<MachinePlan, 'steps'>): ReadonlyArray<Cleanup> =>
  steps.flatMap(({ call }, from) => (goes(call) === 'stands' ? cleanup(steps, from) : []))
