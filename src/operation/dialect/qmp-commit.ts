import { activeImage } from '../../model/chain-query.js'
import type { QmpHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { CommitJob } from '../commit-job.js'
import type { CommitOutcome } from '../commit-outcome.js'
import { derivedJob } from '../identifier.js'
import { rootNode } from '../live.js'
import { siblingSteps } from './qemu-img-commit.js'
import { closeNodes, dismiss, endReady, finalizeFlushed, flush, formatNode, observe } from './qmp-step.js'
import type { Held, Monitored } from './qmp-step.js'
import { flushedFirst, qmp, removals } from './step.js'

const startCommit = ({ job, backings }: CommitOutcome, id: string, hypervisor: Monitored): Step => {
  const { chain, base, top } = job
  const header = job.repointed.qemu.flatMap(({ name }) => backings.get(name)?.header ?? [])[0]
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

const heldCommit = ({ chain, base }: CommitJob, id: string): Held => ({ job: id, chain, written: base })

const endCommit = ({ job }: CommitOutcome, id: string, hypervisor: Monitored): ReadonlyArray<Step> =>
  job.active === 'no'
    ? finalizeFlushed(hypervisor, heldCommit(job, id), {
        flush: 'what was committed is on disk before an overlay is repointed to it',
        finalize: 'repoints the overlay to the base, in the graph and its header',
      })
    : [
        endReady(job.request.end, id, {
          pivot:
            hypervisor.via === 'qmp' ? 'the guest goes on in the base' : 'the base has all that the guest would read',
          keep: 'ends a job that is ready and leaves the guest where it is',
        }),
      ]

/** The job of a commit, from its start to its dismissal. */
export const commitSteps = (outcome: CommitOutcome, hypervisor: Monitored): ReadonlyArray<Step> => {
  const { job } = outcome
  const id = job.request.job ?? derivedJob('commit', job.chain, job.top.name)
  return [startCommit(outcome, id, hypervisor), ...endCommit(outcome, id, hypervisor), dismiss(id)]
}

/** A commit as QMP commands. */
export const qmpCommit = (outcome: CommitOutcome, hypervisor: QmpHypervisor): ReadonlyArray<Step> => {
  const { job, after, dropped, unused } = outcome
  return [
    ...commitSteps(outcome, hypervisor),
    observe(after),
    ...closeNodes(unused),
    ...siblingSteps(outcome),
    ...flushedFirst(
      flush(hypervisor, 'what replaces the files is on disk before they go'),
      removals(job.request, dropped),
    ),
  ]
}
