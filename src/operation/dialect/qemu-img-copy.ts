import type { QemuImgHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { CopyOutcome } from '../copy-outcome.js'
import { mend, observe } from './qemu-img-step.js'
import { operand, qemuImg, removals } from './step.js'

/** A copy as qemu-img command lines, for a guest that is shut off. */
export const qemuImgCopy = (outcome: CopyOutcome, hypervisor: QemuImgHypervisor): ReadonlyArray<Step> => {
  const { job, placed, after, dropped } = outcome
  const { image } = placed
  const backing = image.backing === undefined ? [] : ['-B', image.backing.header, '-F', image.backing.format]
  const cluster = image.clusterBytes === undefined ? [] : ['-o', `cluster_size=${image.clusterBytes}`]
  const there = job.request.to.made === 'before' ? ['-n'] : [...backing, ...cluster]
  const why =
    job.below === undefined
      ? 'writes what the guest sees into one image'
      : 'writes what the active image itself holds; what lies below reads the same, so nothing is missing'
  return [
    qemuImg(
      ['convert', '-f', job.active.format, '-O', image.format, ...there, operand(job.active), operand(image)],
      why,
    ),
    observe(after, image.name),
    ...mend(hypervisor, job.chain, after),
    ...removals(job.request, dropped),
  ]
}
