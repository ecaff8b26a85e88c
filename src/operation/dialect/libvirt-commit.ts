import type { BlockCommitCall } from '../../call/libvirt.js'
import { isAbsolute } from '../../model/location.js'
import type { LibvirtHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { CommitOutcome } from '../commit-outcome.js'
import { endJob, flush, observe } from './libvirt-step.js'
import { siblingSteps } from './qemu-img-commit.js'
import { flushedFirst, libvirt, operand, removals } from './step.js'

const flagsOf = ({ job, backings }: CommitOutcome): BlockCommitCall['flags'] => {
  if (job.active === 'yes') return ['VIR_DOMAIN_BLOCK_COMMIT_ACTIVE']
  const headers = job.repointed.qemu.flatMap(({ name }) => backings.get(name)?.header ?? [])
  return headers.some((header) => !isAbsolute(header)) ? ['VIR_DOMAIN_BLOCK_COMMIT_RELATIVE'] : []
}

/** A commit as libvirt calls. */
export const libvirtCommit = (outcome: CommitOutcome, hypervisor: LibvirtHypervisor): ReadonlyArray<Step> => {
  const { job, after, dropped } = outcome
  const on = { domain: hypervisor.domain.name, disk: job.chain.disk }
  return [
    libvirt(
      {
        call: 'virDomainBlockCommit',
        arguments: { ...on, base: operand(job.base), top: operand(job.top), bandwidth: 0 },
        flags: flagsOf(outcome),
      },
      'copies down what lies above the base',
      { _tag: 'LibvirtJob', disk: on.disk, status: job.active === 'yes' ? 'ready' : 'completed' },
    ),
    ...(job.active === 'yes' ? [endJob(on, job.request.end ?? 'keep')] : []),
    observe(hypervisor, after),
    ...siblingSteps(outcome),
    ...flushedFirst(
      flush(hypervisor, 'what replaces the files is on disk before they go'),
      removals(job.request, dropped),
    ),
  ]
}
