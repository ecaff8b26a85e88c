// The one loop that executes a plan: make the call, then wait as the step says, then the next.

import type { Call, Plan, Step, Wait, WaitState } from 'backing-chain'

/** Something that can make calls and knows how a wait stands. */
export interface Host {
  /** Makes a call; rejects if it fails. Gives back what it answered. */
  readonly call: (call: Call) => Promise<unknown>
  /** Waits; `reply` is the answer of the step's call, `since` what `mark` said before it. */
  readonly wait: (wait: Wait, from: { readonly reply: unknown; readonly since: number }) => Promise<Settled>
  /** A position in the stream of events. */
  readonly mark: () => number
}

/** How a wait ended, and what was seen. */
export interface Settled {
  readonly state: Exclude<WaitState, 'waiting'>
  readonly seen: string
}

export interface Watch {
  readonly before?: (step: Step, index: number) => Promise<void> | void
  readonly after?: (step: Step, index: number) => Promise<void> | void
}

const inWords = (step: Step, index: number): string => `step ${index + 1} ${JSON.stringify(step.call)}`

/** Executes one step. */
export const executeStep = async (host: Host, step: Step, index = 0): Promise<void> => {
  const since = host.mark()
  const reply = await host.call(step.call).catch((error: unknown) => {
    throw new Error(`${inWords(step, index)} failed: ${String(error)}`)
  })
  if (step.until === undefined) return
  const { state, seen } = await host.wait(step.until, { reply, since })
  if (state !== 'reached')
    throw new Error(`${inWords(step, index)}: the wait ${JSON.stringify(step.until)} ${state}: ${seen}`)
}

/** Executes the steps of a plan in order, as far as they go. */
export const execute = async (plan: Pick<Plan, 'steps'>, host: Host, watch: Watch = {}): Promise<void> => {
  for (const [index, step] of plan.steps.entries()) {
    await watch.before?.(step, index)
    await executeStep(host, step, index)
    await watch.after?.(step, index)
  }
}
