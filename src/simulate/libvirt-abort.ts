import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { libvirtRefuses } from './fault.js'
import type { Outcome } from './fault.js'
import { fileOf } from './files.js'
import { knownNode, setBacking } from './graph.js'
import { throughMonitor, withDomain } from './libvirt-chain.js'
import type { Disk } from './libvirt-chain.js'
import { finishLibvirt } from './libvirt-event.js'
import { openImage } from './libvirt-new.js'
import { referenceOf, storedChain } from './stored.js'
import { blockJobCancel, jobVerb } from './qmp-job.js'
import { jobOf } from './qmp-check.js'
import type { LibvirtJob, World } from './world.js'

/** Opens what the header of a shallow copy's destination names, which libvirt does only now, in nodes of its own. */
const openedLate = (world: World, job: LibvirtJob): Outcome => {
  if (job.copy?.below !== 'opened late') return E.right(world)
  const target = knownNode(world, job.copy.node)
  const header = fileOf(world, target.file).header
  if (header === undefined) return E.right(world)
  return pipe(
    storedChain(world, referenceOf(world, target.openedAs, header), 'libvirt'),
    E.map((images) => {
      let opened = world
      let below: string | undefined
      for (const { path, format } of images.slice().reverse()) {
        const next = openImage(opened, { path, format }, below)
        opened = { ...next.world }
        below = next.name
      }
      return setBacking(opened, target.name, below)
    }),
  )
}

const pivoted = (disk: Disk, job: LibvirtJob): Outcome => {
  if (jobOf(disk.world, job.id)?.status !== 'ready')
    return libvirtRefuses(`block copy still active: block job '${job.id}' not ready for pivot yet`)
  return pipe(
    openedLate(disk.world, job),
    E.flatMap((world) => throughMonitor('job-complete', jobVerb(world, job.id, 'complete'))),
    E.flatMap((world) => finishLibvirt(withDomain(world, { event: undefined }))),
  )
}

/** `virDomainBlockJobAbort`: with PIVOT the guest goes on in the other image; without, the job ends, a ready copy complete. */
export const domainBlockJobAbort = (disk: Disk, flags: ReadonlyArray<string>): Outcome => {
  const job = disk.domain.job
  if (job === undefined)
    return libvirtRefuses(`Requested operation is not valid: disk ${disk.world.disk} does not have an active block job`)
  if (flags.includes('VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT')) return pivoted(disk, job)
  return pipe(
    throughMonitor('block-job-cancel', blockJobCancel(disk.world, job.id, false)),
    E.flatMap((world) => finishLibvirt(withDomain(world, { event: undefined }))),
  )
}
