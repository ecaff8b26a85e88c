import type { Feature } from '../call/capability.js'
import { activePath, backingOf, path } from '../model/chain-query.js'
import { traitsOf } from '../model/format.js'
import { knownReaders } from '../model/image.js'
import type { Image } from '../model/image.js'
import { refuse } from '../plan/refusal.js'
import { reachOf } from './backing-string.js'
import type { Guard } from './guard.js'
import { addressGuard, capabilityGuard, daemonFeature, flushFeature } from './guard-host.js'
import { guestStateGuard, jobGuard, xmlGuard } from './guard-host.js'
import {
  definitionGuard,
  filterGuard,
  jobIdGuard,
  onPathGuard,
  pausedPullGuard,
  secretGuard,
  removalGuard,
} from './guard-live.js'
import { bitmapGuard, internalSnapshotGuard, plaintextGuard } from './guard-loss.js'
import { pointGuard } from './points.js'
import { pulledUp } from './pull-job.js'
import type { PullJob } from './pull-job.js'
import { settlePull } from './pull-outcome.js'

const isActive = ({ chain, into }: PullJob): boolean => into.name === chain.active

/** What a pull needs of the host. */
export const pullFeatures = (job: PullJob): ReadonlyArray<Feature> => {
  const { chain, hypervisor, into, base } = job
  if (hypervisor.via === 'qemu-img') return []
  const intermediate: ReadonlyArray<Feature> = isActive(job) ? [] : ['qemu-intermediate-stream']
  if (hypervisor.via === 'qmp' || hypervisor.via === 'storage-daemon') {
    const flushed: ReadonlyArray<Feature> = pulledUp(job).length === 0 ? [] : flushFeature(hypervisor)
    return [...daemonFeature(hypervisor), ...flushed, 'qemu-block-stream', ...intermediate, 'qemu-job-finalize']
  }
  if (base === undefined) return ['qemu-block-stream', 'libvirt-block-pull']
  const relative: ReadonlyArray<Feature> =
    reachOf(chain, into, base).relative === 'all the way' ? ['libvirt-relative'] : []
  return ['qemu-block-stream', 'libvirt-block-rebase', ...relative]
}

/** libvirt pulls into the active image only, in every version. */
const wayGuard: Guard<PullJob> = (job) =>
  job.hypervisor.via !== 'libvirt' || isActive(job)
    ? undefined
    : refuse({ _tag: 'NotThisWay', via: 'libvirt', why: 'virDomainBlockRebase pulls into the active image only' }, [
        { _tag: 'Via', via: 'qmp', guest: ['running', 'paused'] },
        { _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] },
      ])

/** Somebody else who has the image open shuts QEMU out from writing it. */
const readerGuard: Guard<PullJob> = ({ into }) => {
  const [first, ...others] = knownReaders(into)
  if (first === undefined) return undefined
  const rest = others.map((reader) => ({ _tag: 'Other', reader }) as const)
  return refuse({ _tag: 'ImageShared', image: into.name, readers: [{ _tag: 'Other', reader: first }, ...rest] }, [
    { _tag: 'Copy', depth: 'full' },
  ])
}

const formatGuard: Guard<PullJob> = ({ into }) =>
  traitsOf(into.format).holds === 'overlay'
    ? undefined
    : refuse({ _tag: 'FormatCannotChangeBacking', image: into.name, format: into.format }, [
        { _tag: 'Copy', depth: 'full' },
      ])

/**
 * block-stream stops at the end of the first backing file. Where the image and the new backing file both go further, the
 * image read zeroes there and would read that file's data. `qemu-img rebase` compares, and is safe.
 */
const shortBackingGuard: Guard<PullJob> = (job) => {
  const { chain, base, into, hypervisor } = job
  const first = backingOf(chain, into)
  if (hypervisor.via === 'qemu-img' || base === undefined || first === undefined || first.name === base.name)
    return undefined
  const needBytes = Math.min(into.sizeBytes, base.sizeBytes)
  if (first.sizeBytes >= needBytes) return undefined
  const sizes = { baseBytes: base.sizeBytes, shortBytes: first.sizeBytes, overlayBytes: into.sizeBytes }
  return refuse({ _tag: 'ShortImageExposesBase', base: base.name, short: first.name, overlay: into.name, ...sizes }, [
    { _tag: 'PullEverything', into: into.name },
    { _tag: 'Copy', depth: 'full' },
    { _tag: 'SafeRebase', image: into.name },
    { _tag: 'Grow', image: first.name, toBytes: needBytes, guest: 'shut-off' },
  ])
}

/** A pull that takes nothing up leaves everything below as it is. */
const snapshotGuard: Guard<PullJob> = (job) =>
  job.base !== undefined && pulledUp(job).length === 0
    ? undefined
    : internalSnapshotGuard(
        job.request,
        [job.into],
        'what they do not store themselves they would read from another image',
      )

/** Internal snapshots go with the file that they are inside of. */
const goneSnapshotGuard: Guard<PullJob> = (job) =>
  job.request.leftovers !== 'remove'
    ? undefined
    : internalSnapshotGuard(job.request, settlePull(job, undefined).dropped, 'they are inside an image that goes')

const lostBitmapGuard: Guard<PullJob> = (job) =>
  job.request.leftovers !== 'remove' ? undefined : bitmapGuard(job.request, pulledUp(job))

const addressed = ({ into, base }: PullJob): ReadonlyArray<Image> => (base === undefined ? [into] : [into, base])

/** The guards of a pull, in the order in which they are asked. */
export const pullGuards: ReadonlyArray<Guard<PullJob>> = [
  (job) => guestStateGuard(job.hypervisor, { chain: job.chain, written: [job.into] }),
  (job) => onPathGuard(job.hypervisor.via, job.chain, job.into),
  wayGuard,
  (job) => capabilityGuard(job.hypervisor, pullFeatures(job)),
  (job) =>
    jobGuard(job.hypervisor, {
      images: job.span,
      reads: job.base === undefined ? [] : [job.base],
      root: isActive(job) ? 'taken' : 'free',
    }),
  readerGuard,
  formatGuard,
  shortBackingGuard,
  snapshotGuard,
  goneSnapshotGuard,
  lostBitmapGuard,
  (job) => plaintextGuard(job.request, pulledUp(job), job.into),
  (job) => definitionGuard(job.hypervisor, job.chain, 'stays'),
  (job) => secretGuard(job.hypervisor.via, path(job.chain, job.into.name) ?? job.span),
  (job) => addressGuard(job.hypervisor.via, job.hypervisor.via === 'qemu-img' ? [job.into] : addressed(job)),
  (job) => xmlGuard(job.hypervisor, activePath(job.chain)),
  (job) => filterGuard(job.hypervisor.via, activePath(job.chain).slice(0, -1)),
  (job) => jobIdGuard(job.request.job),
  (job) => removalGuard(job.request, pulledUp(job)),
  (job) => pausedPullGuard(job.hypervisor),
  (job) => pointGuard(job.chain, job.request.points ?? []),
]
