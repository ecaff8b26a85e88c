import type { StorageDaemonHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { CopyOutcome } from '../copy-outcome.js'
import { mend, observe } from './qemu-img-step.js'
import { copySteps } from './qmp-copy.js'
import { removals } from './step.js'
import { inDaemon } from './storage-daemon-step.js'

/** A copy in a storage daemon, for a guest that is shut off: nobody pivots, since nobody reads the copied node. */
export const storageDaemonCopy = (outcome: CopyOutcome, hypervisor: StorageDaemonHypervisor): ReadonlyArray<Step> => {
  const { job, placed, after, dropped } = outcome
  return [
    ...inDaemon(hypervisor, { before: job.chain, after, job: copySteps(outcome) }),
    observe(after, placed.image.name),
    ...mend(hypervisor, job.chain, after),
    ...removals(job.request, dropped),
  ]
}
