import type { LibvirtCall } from '../../call/libvirt.js'
import { isAbsolute } from '../../model/location.js'
import type { LibvirtHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { PullOutcome } from '../pull-outcome.js'
import { flush, observe } from './libvirt-step.js'
import { libvirt, operand, removals } from './step.js'

const pullCall = ({ job, backing }: PullOutcome, domain: string): LibvirtCall => {
  const on = { domain, disk: job.chain.disk }
  if (job.base === undefined) return { call: 'virDomainBlockPull', arguments: { ...on, bandwidth: 0 }, flags: [] }
  const relative = backing !== undefined && !isAbsolute(backing.header)
  return {
    call: 'virDomainBlockRebase',
    arguments: { ...on, base: operand(job.base), bandwidth: 0 },
    flags: relative ? ['VIR_DOMAIN_BLOCK_REBASE_RELATIVE'] : [],
  }
}

/** A pull as libvirt calls. */
export const libvirtPull = (outcome: PullOutcome, hypervisor: LibvirtHypervisor): ReadonlyArray<Step> => {
  const { job, after, dropped } = outcome
  return [
    libvirt(pullCall(outcome, hypervisor.domain.name), 'takes up what lies between', {
      _tag: 'LibvirtJob',
      disk: job.chain.disk,
      status: 'completed',
    }),
    ...flush(hypervisor, 'the header is rewritten already; until this flush a kill loses what was pulled'),
    observe(hypervisor, after),
    ...removals(job.request, dropped),
  ]
}
