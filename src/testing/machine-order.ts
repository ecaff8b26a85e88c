import type { MachineStep } from '../plan/machine-plan.js'

type Lanes = ReadonlyArray<Pick<MachineStep, 'disk'>>

/** The steps that may come next: the first left of each lane, as far as no barrier is before it. */
const nextOf = (steps: Lanes, done: ReadonlySet<number>): ReadonlyArray<number> => {
  const open = new Set<string>()
  const next: Array<number> = []
  for (const [index, { disk }] of steps.entries()) {
    if (done.has(index)) continue
    if (disk === undefined) return open.size === 0 ? [index] : next
    if (!open.has(disk)) next.push(index)
    open.add(disk)
  }
  return next
}

/** An order of all steps that lanes and barriers allow; `choices` pick, over and over, which lane goes on. */
export const allowedOrder = (steps: Lanes, choices: ReadonlyArray<number>): ReadonlyArray<number> => {
  const done = new Set<number>()
  for (let turn = 0; done.size < steps.length; turn += 1) {
    const next = nextOf(steps, done)
    const chosen = next[(choices[turn % Math.max(1, choices.length)] ?? 0) % Math.max(1, next.length)]
    if (chosen === undefined) break
    done.add(chosen)
  }
  return Array.from(done)
}

/** Steps that can have been done when others have not: the beginning of an allowed order. */
export const allowedPrefix = (steps: Lanes, choices: ReadonlyArray<number>): ReadonlySet<number> => {
  const order = allowedOrder(steps, choices)
  return new Set(order.slice(0, (choices[0] ?? order.length) % (order.length + 1)))
}
