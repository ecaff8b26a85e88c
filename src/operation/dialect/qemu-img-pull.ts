import type { QemuImgHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { PullOutcome } from '../pull-outcome.js'
import { mend, observe } from './qemu-img-step.js'
import { operand, qemuImg, removals } from './step.js'

/** A pull as qemu-img command lines, for a guest that is shut off. */
export const qemuImgPull = (outcome: PullOutcome, hypervisor: QemuImgHypervisor): ReadonlyArray<Step> => {
  const { job, backing, after, dropped } = outcome
  const to = backing === undefined ? ['-b', ''] : ['-F', backing.format, '-b', backing.header]
  return [
    qemuImg(
      ['rebase', '-f', job.into.format, ...to, operand(job.into)],
      'takes up whatever would read differently from the new backing file, and then rewrites the header',
    ),
    observe(after, job.into.name),
    ...mend(hypervisor, job.chain, after),
    ...removals(job.request, dropped),
  ]
}
