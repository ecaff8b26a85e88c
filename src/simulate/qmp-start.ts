import * as E from 'fp-ts/lib/Either.js'

import type { Outcome } from './fault.js'
import type { Job } from './job.js'
import { withProcess } from './world.js'
import type { World } from './world.js'

/** What a command that starts a job says about the job itself; both are on where they are left out. */
interface JobArguments {
  readonly 'job-id': string
  readonly 'auto-finalize'?: boolean
  readonly 'auto-dismiss'?: boolean
}

/** Adds a job to the running QEMU. */
export const startJob = (world: World, args: JobArguments, what: Pick<Job, 'held' | 'work'>): Outcome => {
  const job: Job = {
    id: args['job-id'],
    status: 'running',
    autoFinalize: args['auto-finalize'] ?? true,
    autoDismiss: args['auto-dismiss'] ?? true,
    error: undefined,
    ...what,
  }
  return E.right(withProcess(world, { jobs: [...(world.qemu?.jobs ?? []), job] }))
}

/** The world with a job changed. */
export const withJob = (world: World, id: string, change: Partial<Job>): World =>
  withProcess(world, {
    jobs: (world.qemu?.jobs ?? []).map((job) => (job.id === id ? { ...job, ...change } : job)),
  })
