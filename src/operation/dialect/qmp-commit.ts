import { activeImage } from '../../model/chain-query.js'
import type { QmpHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import { repointedBy } from '../commit-job.js'
import type { CommitOutcome } from '../commit-outcome.js'
import { derivedJob } from '../identifier.js'
import { rootNode } from '../live.js'
import { siblingSteps } from './qemu-img-commit.js'
import { closeNodes, dismiss, flush, formatNode, observe } from './qmp-step.js'
import { qmp, removals } from './step.js'

const startCommit = ({ job, backings }: CommitOutcome, id: string, hypervisor: QmpHypervisor): Step => {
  const { chain, base, top } = job
  const header = repointedBy(job).qemu.flatMap(({ name }) => backings.get(name)?.header ?? [])[0]
  const masks = hypervisor.capabilities.features.has('qemu-mask-protocol')
  return qmp(
    {
      execute: 'block-commit',
      arguments: {
        'job-id': id,
        device: rootNode(activeImage(chain)) ?? formatNode(activeImage(chain)),
        'top-node': formatNode(top),
        'base-node': formatNode(base),
        ...(header === undefined ? {} : { 'backing-file': header }),
        ...(header !== undefined && masks ? { 'backing-mask-protocol': true } : {}),
        ...(job.active === 'yes' ? {} : { 'auto-finalize': false }),
        'auto-dismiss': false,
      },
    },
    job.active === 'yes'
      ? 'copies down what lies above the base, and then keeps the base equal to what the guest reads'
      : 'copies down what lies above the base; without auto-finalize the overlay stays as it is until it is told to change',
    { _tag: 'QmpJob', job: id, status: job.active === 'yes' ? 'ready' : 'pending' },
  )
}

const endCommit = ({ job }: CommitOutcome, id: string, hypervisor: QmpHypervisor): ReadonlyArray<Step> => {
  const until = { _tag: 'QmpJob', job: id, status: 'concluded' } as const
  if (job.active === 'no')
    return [
      ...flush(hypervisor, 'what was committed is on disk before an overlay is repointed to it'),
      qmp(
        { execute: 'job-finalize', arguments: { id } },
        'repoints the overlay to the base, in the graph and its header',
        until,
      ),
    ]
  return job.request.end === 'pivot'
    ? [qmp({ execute: 'job-complete', arguments: { id } }, 'the guest goes on in the base', until)]
    : [
        qmp(
          { execute: 'block-job-cancel', arguments: { device: id } },
          'ends a job that is ready and leaves the guest where it is',
          until,
        ),
      ]
}

/** A commit as QMP commands. */
export const qmpCommit = (outcome: CommitOutcome, hypervisor: QmpHypervisor): ReadonlyArray<Step> => {
  const { job, after, dropped, unused } = outcome
  const id = job.request.job ?? derivedJob('commit', job.chain, job.top.name)
  const removing = job.request.leftovers === 'remove' ? removals(dropped) : []
  return [
    startCommit(outcome, id, hypervisor),
    ...endCommit(outcome, id, hypervisor),
    dismiss(id),
    observe(after),
    ...closeNodes(unused),
    ...siblingSteps(outcome),
    ...(removing.length === 0 ? [] : flush(hypervisor, 'what replaces the files is on disk before they go')),
    ...removing,
  ]
}
