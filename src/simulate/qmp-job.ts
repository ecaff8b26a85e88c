import * as E from 'fp-ts/lib/Either.js'

import { qemuRefuses } from './fault.js'
import type { Outcome } from './fault.js'
import { abort, dismissed, finalize } from './job-finish.js'
import type { Job } from './job.js'
import { jobOf } from './qmp-check.js'
import { withJob } from './qmp-start.js'
import type { World } from './world.js'

type Verb = 'complete' | 'finalize' | 'dismiss' | 'cancel'

/** The states in which a job accepts a verb, among those in which it can rest here. */
const accepted: { readonly [V in Verb]: ReadonlyArray<Job['status']> } = {
  complete: ['ready'],
  finalize: ['pending'],
  dismiss: ['concluded'],
  cancel: ['running', 'ready', 'pending'],
}

const canceled = 'Operation canceled'

const refusal = (job: Job, verb: Verb): Outcome =>
  qemuRefuses(`Job '${job.id}' in state '${job.status}' cannot accept command verb '${verb}'`)

const told = (world: World, job: Job, end: 'pivot' | 'keep'): World =>
  job.work._tag === 'Mirror' ? withJob(world, job.id, { work: { ...job.work, end } }) : world

const obeyed = (world: World, job: Job, verb: Verb): Outcome => {
  switch (verb) {
    case 'complete':
      return E.right(told(world, job, 'pivot'))
    case 'finalize':
      return finalize(world, job)
    case 'dismiss':
      return E.right(dismissed(world, job.id))
    case 'cancel':
      return E.right(abort(world, job, canceled))
  }
}

/** `job-complete`, `job-finalize`, `job-dismiss` and `job-cancel`, each only in the states that accept it. */
export const jobVerb = (world: World, id: string, verb: Verb): Outcome => {
  const job = jobOf(world, id)
  if (job === undefined) return qemuRefuses('Job not found')
  return accepted[verb].includes(job.status) ? obeyed(world, job, verb) : refusal(job, verb)
}

/** `block-job-cancel`: before a mirror is ready, or with `force`, an abort; after it the copy is finished and kept. */
export const blockJobCancel = (world: World, id: string, force: boolean): Outcome => {
  const job = jobOf(world, id)
  if (job === undefined || job.work._tag === 'Create' || job.work._tag === 'Snapshot')
    return qemuRefuses(`Block job '${id}' not found`, 'DeviceNotActive')
  if (!accepted.cancel.includes(job.status)) return refusal(job, 'cancel')
  return job.status === 'ready' && !force ? E.right(told(world, job, 'keep')) : E.right(abort(world, job, canceled))
}
