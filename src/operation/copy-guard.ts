import type { Feature } from '../call/capability.js'
import { activePath, backingOf } from '../model/chain-query.js'
import { isEncrypted } from '../model/image.js'
import { pathOf } from '../model/location.js'
import type { Refusal } from '../plan/refusal.js'
import { refuse } from '../plan/refusal.js'
import { closedBelow, placeOfCopy } from './copy-job.js'
import type { CopyJob } from './copy-job.js'
import type { Guard } from './guard.js'
import { addressGuard, capabilityGuard, daemonFeature, guestStateGuard, jobGuard, xmlGuard } from './guard-host.js'
import { definitionGuard, filterGuard, flushGuard, jobIdGuard, secretGuard, removalGuard } from './guard-live.js'
import { bitmapGuard, carriesBitmaps, internalSnapshotGuard, plaintextGuard } from './guard-loss.js'
import { namesBelow } from './live.js'
import { newImageGuard } from './new-image.js'
import { pointGuard } from './points.js'

/**
 * True where the copy has to go through `virDomainBlockRebase`, which knows no persistent domains: libvirt before 1.2.9.
 */
export const throughRebase = ({ hypervisor }: CopyJob): boolean =>
  hypervisor.via === 'libvirt' &&
  hypervisor.domain.definition === 'transient' &&
  !hypervisor.capabilities.features.has('libvirt-block-copy')

/** What a copy needs of the host. */
export const copyFeatures = (job: CopyJob): ReadonlyArray<Feature> => {
  const { hypervisor, request } = job
  if (hypervisor.via === 'qemu-img') return request.depth === 'full' ? [] : ['qemu-img-convert-backing']
  if (hypervisor.via === 'qmp' || hypervisor.via === 'storage-daemon') {
    const create: ReadonlyArray<Feature> = request.to.made === 'before' ? [] : ['qemu-blockdev-create']
    return [...daemonFeature(hypervisor), 'qemu-blockdev-mirror', 'qemu-blockdev', 'qemu-job-finalize', ...create]
  }
  if (throughRebase(job)) return ['libvirt-block-rebase-copy']
  return hypervisor.domain.definition === 'persistent'
    ? ['libvirt-block-copy', 'libvirt-transient-job']
    : ['libvirt-block-copy']
}

/** A chain of another size does not show the same: beyond its end an overlay reads zeroes. */
const ontoGuard: Guard<CopyJob> = ({ chain, request, active, below }) => {
  const own = backingOf(chain, active)
  if (request.onto === undefined || below === undefined || own === undefined || below.name === own.name)
    return undefined
  if (namesBelow(chain, below.name).has(active.name))
    return refuse({ _tag: 'TopNotAboveBase', top: active.name, base: below.name })
  if (below.sizeBytes === own.sizeBytes) return undefined
  const detail = `${below.name} has ${below.sizeBytes} bytes and ${own.name} has ${own.sizeBytes}`
  return refuse({ _tag: 'DestinationWrong', name: request.to.name, why: 'contents', detail })
}

const rawGuard: Guard<CopyJob> = (job) => {
  const { request, hypervisor, active } = job
  if (hypervisor.via === 'qemu-img' && request.depth === 'shallow' && request.to.made === 'before') {
    const why = 'qemu-img convert fills an image that is there already, whatever its backing file shows'
    return refuse({ _tag: 'NotThisWay', via: 'qemu-img', why })
  }
  if (!throughRebase(job) || request.to.format === 'raw' || request.to.format === active.format) return undefined
  const why = 'virDomainBlockRebase copies to the same format or to raw'
  return refuse({ _tag: 'NotThisWay', via: 'libvirt', why })
}

/** The copy has none of the bitmaps, except where libvirt carries them over into a qcow2 image. */
const copyBitmapGuard: Guard<CopyJob> = ({ hypervisor, request, active }) =>
  request.end === 'keep' || carriesBitmaps(hypervisor, request.to) ? undefined : bitmapGuard(request, [active])

const copySnapshotGuard: Guard<CopyJob> = ({ request, span }) =>
  request.end === 'pivot' && request.leftovers === 'remove'
    ? internalSnapshotGuard(request, span, 'a copy has what the guest sees now, and no internal snapshots')
    : undefined

/** A pivot would take the filter away from the guest's device. */
const copyFilterGuard: Guard<CopyJob> = ({ hypervisor, chain, active }): Refusal | undefined =>
  filterGuard(hypervisor.via, [...activePath(chain).slice(0, -1), active])

/** Through a monitor the plan opens what QEMU does not have open; that has to be files or devices, and no secrets. */
const openGuard: Guard<CopyJob> = ({ chain, hypervisor, below }) => {
  if (hypervisor.via !== 'qmp' && hypervisor.via !== 'storage-daemon') return undefined
  for (const image of closedBelow(chain, below)) {
    const { name, location } = image
    const path = pathOf(location)
    if (path !== undefined && !path.startsWith('/')) return refuse({ _tag: 'PathNotAbsolute', image: name, path })
    const secret = isEncrypted(image)
    const why = secret
      ? 'to open it QEMU would have to be given its secret'
      : 'a plan opens files and block devices only'
    if (path === undefined || secret)
      return refuse({ _tag: 'LocationNotAddressable', image: name, via: hypervisor.via, why })
  }
  return undefined
}

/** The guards of a copy, in the order in which they are asked. */
export const copyGuards: ReadonlyArray<Guard<CopyJob>> = [
  (job) => guestStateGuard(job.hypervisor),
  (job) => capabilityGuard(job.hypervisor, copyFeatures(job)),
  rawGuard,
  (job) => jobGuard(job.hypervisor, { images: [job.active], root: 'taken' }),
  (job) => newImageGuard(placeOfCopy(job)),
  ontoGuard,
  copySnapshotGuard,
  copyBitmapGuard,
  (job) => plaintextGuard(job.request, job.span, job.request.to),
  (job) =>
    addressGuard(
      job.hypervisor.via,
      job.request.depth === 'shallow' && job.below !== undefined && job.request.onto === undefined
        ? [job.active, job.below]
        : [job.active],
    ),
  openGuard,
  (job) => xmlGuard(job.hypervisor, activePath(job.chain)),
  (job) => definitionGuard(job.hypervisor, job.chain, job.request.end === 'pivot' ? 'changes' : 'stays'),
  (job) => secretGuard(job.hypervisor.via, activePath(job.chain)),
  copyFilterGuard,
  (job) => jobIdGuard(job.request.job),
  (job) => (job.request.end === 'pivot' ? removalGuard(job.request, activePath(job.chain)) : undefined),
  (job) => flushGuard(job.hypervisor, job.request),
  (job) => pointGuard(job.chain, job.request.points ?? []),
]
