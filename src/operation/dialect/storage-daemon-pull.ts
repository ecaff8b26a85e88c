import type { StorageDaemonHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { PullOutcome } from '../pull-outcome.js'
import { mend, observe } from './qemu-img-step.js'
import { pullSteps } from './qmp-pull.js'
import { removals } from './step.js'
import { inDaemon } from './storage-daemon-step.js'

/** A pull in a storage daemon, for a guest that is shut off. */
export const storageDaemonPull = (outcome: PullOutcome, hypervisor: StorageDaemonHypervisor): ReadonlyArray<Step> => {
  const { job, after, dropped } = outcome
  return [
    ...inDaemon(hypervisor, { before: job.chain, after, job: pullSteps(outcome, hypervisor) }),
    observe(after),
    ...mend(hypervisor, job.chain, after),
    ...removals(job.request, dropped),
  ]
}
