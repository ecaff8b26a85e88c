import type { StorageDaemonHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { CommitOutcome } from '../commit-outcome.js'
import { mend, observe } from './qemu-img-step.js'
import { siblingSteps } from './qemu-img-commit.js'
import { commitSteps } from './qmp-commit.js'
import { removals } from './step.js'
import { inDaemon } from './storage-daemon-step.js'

/** A commit in a storage daemon, for a guest that is shut off. */
export const storageDaemonCommit = (
  outcome: CommitOutcome,
  hypervisor: StorageDaemonHypervisor,
): ReadonlyArray<Step> => {
  const { job, after, dropped } = outcome
  return [
    ...inDaemon(hypervisor, { before: job.chain, after, job: commitSteps(outcome, hypervisor) }),
    ...siblingSteps(outcome),
    observe(after),
    ...mend(hypervisor, job.chain, after),
    ...removals(job.request, dropped),
  ]
}
