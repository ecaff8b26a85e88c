import type { BlockCopyCall, BlockRebaseCall, LibvirtCall } from '../../call/libvirt.js'
import { element } from '../../model/xml.js'
import { locationString } from '../../model/location.js'
import { sourceElement } from '../../model/record.js'
import type { LibvirtHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import { throughRebase } from '../copy-guard.js'
import type { CopyOutcome } from '../copy-outcome.js'
import { endJob, flush, observe } from './libvirt-step.js'
import { createImage } from './qemu-img-overlay.js'
import { flushedFirst, libvirt, operand, removals } from './step.js'

/** libvirt makes the image itself only over the same backing file, with its path as the backing string. */
const made = ({ job, placed }: CopyOutcome): 'libvirt' | 'here' | 'before' => {
  if (job.request.to.made === 'before') return 'before'
  const { backing, clusterBytes } = placed.image
  const own = job.below === undefined || job.below.name === job.active.backing?.image
  const plain = job.below === undefined || backing?.header === locationString(job.below.location)
  return own && plain && clusterBytes === undefined ? 'libvirt' : 'here'
}

const blockCopy = (outcome: CopyOutcome, { domain }: LibvirtHypervisor): BlockCopyCall => {
  const { job, placed } = outcome
  const { type, source } = sourceElement(placed.image)
  const driver = element('driver', { type: placed.image.format })
  return {
    call: 'virDomainBlockCopy',
    arguments: { domain: domain.name, disk: job.chain.disk, destxml: element('disk', { type }, [source, driver]) },
    flags: [
      ...(job.request.depth === 'shallow' ? (['VIR_DOMAIN_BLOCK_COPY_SHALLOW'] as const) : []),
      ...(made(outcome) === 'libvirt' ? [] : (['VIR_DOMAIN_BLOCK_COPY_REUSE_EXT'] as const)),
      ...(domain.definition === 'persistent' ? (['VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB'] as const) : []),
    ],
  }
}

/** The same through the older function, where `base` is the destination. */
const blockRebase = (outcome: CopyOutcome, { domain }: LibvirtHypervisor): BlockRebaseCall => {
  const { job, placed } = outcome
  return {
    call: 'virDomainBlockRebase',
    arguments: { domain: domain.name, disk: job.chain.disk, base: operand(placed.image), bandwidth: 0 },
    flags: [
      'VIR_DOMAIN_BLOCK_REBASE_COPY',
      ...(job.request.depth === 'shallow' ? (['VIR_DOMAIN_BLOCK_REBASE_SHALLOW'] as const) : []),
      ...(made(outcome) === 'libvirt' ? [] : (['VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT'] as const)),
      ...(placed.image.format === 'raw' ? (['VIR_DOMAIN_BLOCK_REBASE_COPY_RAW'] as const) : []),
    ],
  }
}

/** A copy as libvirt calls. */
export const libvirtCopy = (outcome: CopyOutcome, hypervisor: LibvirtHypervisor): ReadonlyArray<Step> => {
  const { job, placed, after, dropped } = outcome
  const on = { domain: hypervisor.domain.name, disk: job.chain.disk }
  const call: LibvirtCall = throughRebase(job) ? blockRebase(outcome, hypervisor) : blockCopy(outcome, hypervisor)
  const why = 'makes the image with the backing string wanted'
  return [
    ...(made(outcome) === 'here' ? [createImage(placed.image, 'nothing', why)] : []),
    libvirt(call, 'copies, and then keeps the copy equal to what the guest reads', {
      _tag: 'LibvirtJob',
      disk: on.disk,
      status: 'ready',
    }),
    endJob(on, job.request.end),
    observe(hypervisor, after),
    ...flushedFirst(flush(hypervisor, 'the copy is on disk before the files go'), removals(job.request, dropped)),
  ]
}
