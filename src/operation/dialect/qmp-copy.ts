import type { QmpHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { CopyOutcome } from '../copy-outcome.js'
import { derivedJob } from '../identifier.js'
import { closeNew, openExisting, openNew } from './qmp-image.js'
import { closeNodes, dismiss, flush, formatNode, observe } from './qmp-step.js'
import { qmp, removals } from './step.js'

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

const endOf = ({ job }: CopyOutcome, id: string): Step => {
  const until = { _tag: 'QmpJob', job: id, status: 'concluded' } as const
  return job.request.end === 'pivot'
    ? qmp({ execute: 'job-complete', arguments: { id } }, 'the guest goes on in the copy', until)
    : qmp(
        { execute: 'block-job-cancel', arguments: { device: id } },
        'ends the copy at this moment; without force it is whole',
        until,
      )
}

/** The node of an image under the copy: one that the plan opens, or one that QEMU has; nothing for no image. */
const nodeOf = ({ job, opened }: CopyOutcome, name: string | undefined): string | null => {
  const image = name === undefined ? undefined : job.chain.images.get(name)
  if (image === undefined) return null
  return opened.find((one) => one.image.name === image.name)?.node.format ?? formatNode(image)
}

/** A copy as QMP commands. */
export const qmpCopy = (outcome: CopyOutcome, hypervisor: QmpHypervisor): ReadonlyArray<Step> => {
  const { job, placed, opened, after, dropped, unused } = outcome
  const id = job.request.job ?? derivedJob('copy', job.chain, placed.image.name)
  const removing = job.request.leftovers === 'remove' ? removals(dropped) : []
  const kept = job.request.end === 'keep'
  return [
    ...opened.flatMap((one) => openExisting(one, nodeOf(outcome, one.image.backing?.image))),
    ...openNew(job.chain, placed, { made: job.request.to.made ?? 'now', backing: nodeOf(outcome, job.below?.name) }),
    mirror(outcome, id),
    endOf(outcome, id),
    dismiss(id),
    observe(after),
    ...(kept ? [placed, ...[...opened].reverse()].flatMap(closeNew) : closeNodes(unused)),
    ...(removing.length === 0 ? [] : flush(hypervisor, 'the copy is on disk before the files go')),
    ...removing,
  ]
}
