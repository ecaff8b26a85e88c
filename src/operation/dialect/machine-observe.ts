import type { Chain } from '../../model/chain.js'
import type { Step } from '../../plan/plan.js'
import { observe } from './qemu-img-step.js'
import { chainIs, libvirt } from './step.js'

/** Looks at the live XML of a domain for one of its disks. */
export const observeLibvirt = (domain: string, chain: Chain): Step =>
  libvirt(
    { call: 'virDomainGetXMLDesc', arguments: { domain }, flags: [] },
    'see that the chain is as planned',
    chainIs(chain),
  )

/** Reads the headers of a disk whose machine is shut off. */
export const observeOff = (chain: Chain): Step => observe(chain)
