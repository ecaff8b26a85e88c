import type { QmpHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import { derivedJob } from '../identifier.js'
import { pulledUp } from '../pull-job.js'
import type { PullOutcome } from '../pull-outcome.js'
import { closeNodes, dismiss, finalizeFlushed, flush, formatNode, observe } from './qmp-step.js'
import type { Monitored } from './qmp-step.js'
import { flushedFirst, qmp, removals } from './step.js'

const startPull = ({ job, backing }: PullOutcome, id: string, hypervisor: Monitored): Step =>
  qmp(
    {
      execute: 'block-stream',
      arguments: {
        'job-id': id,
        device: formatNode(job.into),
        ...(job.base === undefined || backing === undefined
          ? {}
          : {
              'base-node': formatNode(job.base),
              'backing-file': backing.header,
              ...(hypervisor.capabilities.features.has('qemu-mask-protocol') ? { 'backing-mask-protocol': true } : {}),
            }),
        ...(pulledUp(job).length === 0 ? {} : { 'auto-finalize': false }),
        'auto-dismiss': false,
      },
    },
    pulledUp(job).length === 0
      ? 'rewrites the header; there is nothing to take up'
      : 'takes up what lies between; without auto-finalize the header stays as it is until it is told to change',
    { _tag: 'QmpJob', job: id, status: pulledUp(job).length === 0 ? 'concluded' : 'pending' },
  )

const finishPull = ({ job }: PullOutcome, id: string, hypervisor: Monitored): ReadonlyArray<Step> =>
  pulledUp(job).length === 0
    ? []
    : finalizeFlushed(
        hypervisor,
        { job: id, chain: job.chain, written: job.into },
        {
          flush: 'what was pulled is on disk before the header lets go of the images that it came from',
          finalize: 'rewrites the header and takes the images out of the graph',
        },
      )

/** The job of a pull, from its start to its dismissal. */
export const pullSteps = (outcome: PullOutcome, hypervisor: Monitored): ReadonlyArray<Step> => {
  const { job } = outcome
  const id = job.request.job ?? derivedJob('pull', job.chain, job.into.name)
  return [startPull(outcome, id, hypervisor), ...finishPull(outcome, id, hypervisor), dismiss(id)]
}

/** A pull as QMP commands. */
export const qmpPull = (outcome: PullOutcome, hypervisor: QmpHypervisor): ReadonlyArray<Step> => {
  const { job, after, dropped, unused } = outcome
  return [
    ...pullSteps(outcome, hypervisor),
    observe(after),
    ...closeNodes(unused),
    ...flushedFirst(flush(hypervisor, 'the new header is on disk before the files go'), removals(job.request, dropped)),
  ]
}
