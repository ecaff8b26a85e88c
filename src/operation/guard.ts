import * as E from 'fp-ts/lib/Either.js'

import type { Refusal } from '../plan/refusal.js'

/** A reason against a request, or nothing. */
export type Guard<Job, Reason = Refusal> = (job: Job) => Reason | undefined

/** Asks guards in order and gives the first refusal. */
export const firstRefusal = <Job, Reason>(guards: ReadonlyArray<Guard<Job, Reason>>, job: Job): Reason | undefined => {
  for (const guard of guards) {
    const refusal = guard(job)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

/** Gives the first refusal, or the job itself. */
export const guarded =
  <Job, Reason>(guards: ReadonlyArray<Guard<Job, Reason>>) =>
  (job: Job): E.Either<Reason, Job> => {
    const refusal = firstRefusal(guards, job)
    return refusal === undefined ? E.right(job) : E.left(refusal)
  }
