import type { Chain } from '../../model/chain.js'
import type { LibvirtHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import { chainIs, libvirt } from './step.js'

/** Looks at the live XML of a domain for one of its disks. */
export const look = (domain: string, chain: Chain, why = 'see that the chain is as planned'): Step =>
  libvirt({ call: 'virDomainGetXMLDesc', arguments: { domain }, flags: [] }, why, chainIs(chain))

/** The same before anything depends on what a job has done. */
export const observe = ({ domain }: LibvirtHypervisor, after: Chain): Step =>
  look(domain.name, after, 'a job that is gone proves nothing: see that the chain is as planned')

/** Has QEMU write its caches out: suspending a running guest flushes every image. */
export const flush = ({ domain }: LibvirtHypervisor, why: string): ReadonlyArray<Step> => [
  libvirt({ call: 'virDomainSuspend', arguments: { domain: domain.name }, flags: [] }, why),
  libvirt({ call: 'virDomainResume', arguments: { domain: domain.name }, flags: [] }, 'the guest goes on'),
]

/** Ends a block job that is ready: into the other image, or with everything left where it is. */
export const endJob = (on: { readonly domain: string; readonly disk: string }, end: 'pivot' | 'keep'): Step =>
  libvirt(
    {
      call: 'virDomainBlockJobAbort',
      arguments: on,
      flags: end === 'pivot' ? ['VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT'] : [],
    },
    end === 'pivot' ? 'the guest goes on in the other image' : 'the job ends and the guest stays where it is',
    { _tag: 'LibvirtJob', disk: on.disk, status: end === 'pivot' ? 'completed' : 'canceled' },
  )
