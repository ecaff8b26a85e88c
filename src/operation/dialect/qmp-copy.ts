import type { QmpHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { CopyOutcome } from '../copy-outcome.js'
import { derivedJob } from '../identifier.js'
import { closeNew, openExisting, openNew } from './qmp-image.js'
import { closeNodes, dismiss, endReady, flush, formatNode, observe } from './qmp-step.js'
import { flushedFirst, qmp, removals } from './step.js'

const mirror = ({ job, placed }: CopyOutcome, id: string): Step =>
  qmp(
    {
      execute: 'blockdev-mirror',
      arguments: {
        'job-id': id,
        device: formatNode(job.active),
        target: placed.node.format,
        sync: job.request.depth === 'full' ? 'full' : 'top',
        'auto-dismiss': false,
      },
    },
    'copies, and then keeps the copy equal to what the guest reads',
    { _tag: 'QmpJob', job: id, status: 'ready' },
  )

/** The node of each image under the copy: one that the plan opens, or one that QEMU has; nothing for no image. */
const nodesUnder = ({ job, opened }: CopyOutcome): ((name: string | undefined) => string | null) => {
  const own = new Map(opened.map(({ image, node }) => [String(image.name), node.format]))
  return (name) => {
    const image = name === undefined ? undefined : job.chain.images.get(name)
    return image === undefined ? null : (own.get(image.name) ?? formatNode(image))
  }
}

/** The job of a copy, from the opening of what it needs to its dismissal. */
export const copySteps = (outcome: CopyOutcome): ReadonlyArray<Step> => {
  const { job, placed, opened } = outcome
  const id = job.request.job ?? derivedJob('copy', job.chain, placed.image.name)
  const nodeOf = nodesUnder(outcome)
  return [
    ...opened.flatMap((one) => openExisting(one, nodeOf(one.image.backing?.image))),
    ...openNew(job.chain, placed, { made: job.request.to.made ?? 'now', backing: nodeOf(job.below?.name) }),
    mirror(outcome, id),
    endReady(job.request.end, id, {
      pivot:
        job.hypervisor.via === 'qmp' ? 'the guest goes on in the copy' : 'the copy has all that the guest would read',
      keep: 'ends the copy at this moment; without force it is whole',
    }),
    dismiss(id),
  ]
}

/** A copy as QMP commands. */
export const qmpCopy = (outcome: CopyOutcome, hypervisor: QmpHypervisor): ReadonlyArray<Step> => {
  const { job, placed, opened, after, dropped, unused } = outcome
  const kept = job.request.end === 'keep'
  return [
    ...copySteps(outcome),
    observe(after),
    ...(kept ? [placed, ...[...opened].reverse()].flatMap(closeNew) : closeNodes(unused)),
    ...flushedFirst(flush(hypervisor, 'the copy is on disk before the files go'), removals(job.request, dropped)),
  ]
}
