import * as E from 'fp-ts/lib/Either.js'

import type { Refusal } from '../plan/refusal.js'

/** A reason against a request, or nothing. */
export type Guard<Job> = (job: Job) => Refusal | undefined

/** Runs guards in order and gives the first refusal, or the job itself. */
export const guarded =
  <Job>(guards: ReadonlyArray<Guard<Job>>) =>
  (job: Job): E.Either<Refusal, Job> => {
    for (const guard of guards) {
      const refusal = guard(job)
      if (refusal !== undefined) return E.left(refusal)
    }
    return E.right(job)
  }
