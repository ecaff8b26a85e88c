import type { QemuImgHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import { hasProtocol } from '../../model/location.js'
import { growthOf } from '../commit-growth.js'
import type { CommitJob } from '../commit-job.js'
import type { CommitOutcome } from '../commit-outcome.js'
import { mend, observe, repoint } from './qemu-img-step.js'
import { operand, qemuImg, removals } from './step.js'

/** Repoints the overlays that QEMU does not repoint itself, with the guest's own chain already as it should be. */
export const siblingSteps = ({ job, backings }: CommitOutcome): ReadonlyArray<Step> =>
  job.repointed.header.flatMap((overlay) => {
    const backing = backings.get(overlay.name)
    const why = 'the base now shows what the top showed, so rewriting the header alone changes nothing that is read'
    return backing === undefined ? [] : [repoint(overlay, backing, why)]
  })

/** qemu-img finds the base among the chain's paths, or, where a header says `protocol:...`, by that very string. */
const baseOperand = ({ span, base }: CommitJob): string => {
  const header = span[1]?.backing?.header ?? ''
  return hasProtocol(header) ? header : operand(base)
}

/** A short top is enlarged before it goes down; until then, and after it, its overlays read zeroes beyond its old end. */
const growth = (job: CommitJob): ReadonlyArray<Step> => {
  const toBytes = growthOf(job)
  const why = 'what is new reads zero, as its overlays read there; the base would let old data show'
  return toBytes === undefined
    ? []
    : [qemuImg(['resize', '-f', job.top.format, operand(job.top), String(toBytes)], why)]
}

/** A commit as qemu-img command lines, for a guest that is shut off. */
export const qemuImgCommit = (outcome: CommitOutcome, hypervisor: QemuImgHypervisor): ReadonlyArray<Step> => {
  const { job, after, dropped } = outcome
  return [
    ...growth(job),
    qemuImg(
      ['commit', '-f', job.top.format, '-b', baseOperand(job), '-d', operand(job.top)],
      'copies down what lies above the base; -d leaves the top as it is, so that a crash here loses nothing',
    ),
    ...siblingSteps(outcome),
    observe(after, job.active === 'yes' ? after.active : (job.overlays[0]?.name ?? job.base.name)),
    ...mend(hypervisor, job.chain, after),
    ...removals(job.request, dropped),
  ]
}
