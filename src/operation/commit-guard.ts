import type { Feature } from '../call/capability.js'
import { traitsOf } from '../model/format.js'
import { activeImage, activePath, backingOf, path } from '../model/chain-query.js'
import { refuse } from '../plan/refusal.js'
import type { Alternative, Refusal } from '../plan/refusal.js'
import { reachOf, reachThrough } from './backing-string.js'
import { growthOf, shortUnder, topGrowthGuard } from './commit-growth.js'
import { overwritten } from './commit-job.js'
import type { CommitJob } from './commit-job.js'
import type { Guard } from './guard.js'
import { addressGuard, capabilityGuard, daemonFeature, flushFeature } from './guard-host.js'
import { guestStateGuard, jobGuard, xmlGuard } from './guard-host.js'
import { bitmapGuard, carriesBitmaps, internalSnapshotGuard, plaintextGuard, sharedGuard } from './guard-loss.js'
import {
  definitionGuard,
  flushGuard,
  filterGuard,
  jobIdGuard,
  onPathGuard,
  secretGuard,
  removalGuard,
  writableGuard,
} from './guard-live.js'
import { deviceGuard, growthGuard } from './guard-size.js'
import { pointGuard } from './points.js'

/** What a commit needs of the host. */
export const commitFeatures = (job: CommitJob): ReadonlyArray<Feature> => {
  const { hypervisor, active } = job
  if (hypervisor.via === 'qemu-img') return ['qemu-img-commit-to-base']
  const activeQemu: ReadonlyArray<Feature> = active === 'yes' ? ['qemu-active-commit'] : []
  if (hypervisor.via === 'qmp' || hypervisor.via === 'storage-daemon') {
    const flushed: ReadonlyArray<Feature> = active === 'yes' ? [] : flushFeature(hypervisor)
    const own = [...daemonFeature(hypervisor), ...flushed]
    return [...own, 'qemu-block-commit', ...activeQemu, 'qemu-commit-by-node', 'qemu-job-finalize']
  }
  const activeLibvirt: ReadonlyArray<Feature> = active === 'yes' ? ['libvirt-active-commit'] : []
  const relative: ReadonlyArray<Feature> = staysRelative(job) ? ['libvirt-relative'] : []
  return ['qemu-block-commit', 'libvirt-block-commit', ...activeQemu, ...activeLibvirt, ...relative]
}

const staysRelative = (job: CommitJob): boolean => {
  if (job.active === 'yes') return false
  const below = reachOf(job.chain, job.top, job.base)
  return job.repointed.qemu.some((overlay) => reachThrough(overlay, below).relative === 'all the way')
}

const pivotGuard: Guard<CommitJob> = ({ active, request, chain, top }) => {
  if (active === 'yes' && request.end === undefined)
    return refuse({ _tag: 'ActiveNeedsPivotDecision', active: chain.active })
  return active === 'no' && request.end !== undefined
    ? refuse({ _tag: 'PivotOnlyForActive', top: top.name, active: chain.active })
    : undefined
}

/** Everything but the top is written over; the top too has to be nobody else's where the guest goes on writing below it. */
const commitSharedGuard: Guard<CommitJob> = (job) => {
  if (overwritten(job).some(({ name }) => name === job.chain.active)) {
    const readers = [{ _tag: 'Other', reader: 'the guest' }] as const
    return refuse({ _tag: 'ImageShared', image: job.chain.active, readers }, [{ _tag: 'Copy', depth: 'full' }])
  }
  const inside = new Set(job.span.map(({ name }) => String(name)))
  const shared = sharedGuard(job.chain, job.active === 'yes' ? job.span : overwritten(job), inside)
  if (shared !== undefined || job.active === 'yes') return shared
  const { qemu, header } = job.repointed
  const read = sharedGuard(job.chain, [...qemu, ...header], new Set(job.chain.images.keys()))
  if (read !== undefined || job.request.leftovers !== 'remove') return read
  const overlays = new Set([...inside, ...job.overlays.map(({ name }) => String(name))])
  return sharedGuard(job.chain, [job.top], overlays)
}

const formatGuard: Guard<CommitJob> = (job) => {
  const { qemu, header } = job.repointed
  const fixed = [...qemu, ...header].find(({ format }) => traitsOf(format).holds !== 'overlay')
  return fixed === undefined
    ? undefined
    : refuse({ _tag: 'FormatCannotChangeBacking', image: fixed.name, format: fixed.format }, [
        { _tag: 'Copy', depth: 'full' },
      ])
}

const around = (job: CommitJob): ReadonlyArray<Alternative> => [
  { _tag: 'PullEverything', into: job.chain.active },
  { _tag: 'Copy', depth: 'full' },
]

/** A base is never made smaller, so after a pivot the guest's disk would grow and show the base's tail. */
const activeSizeGuard: Guard<CommitJob> = (job) => {
  const { base, top } = job
  if (job.active === 'no' || base.sizeBytes <= top.sizeBytes) return undefined
  const facts = { base: base.name, baseBytes: base.sizeBytes, top: top.name, topBytes: top.sizeBytes }
  return refuse({ _tag: 'BaseLargerThanTop', ...facts }, [
    ...around(job),
    { _tag: 'Grow', image: top.name, toBytes: base.sizeBytes, guest: 'any' },
  ])
}

/**
 * QEMU copies only as far as the top goes. Where an overlay and the base both go further, the overlay read zeroes there
 * and would read the base's old data.
 */
const shortTopGuard: Guard<CommitJob> = (job) => {
  const { base, top } = job
  for (const { overlay, needBytes } of growthOf(job) === undefined ? shortUnder(job) : []) {
    const sizes = { baseBytes: base.sizeBytes, shortBytes: top.sizeBytes, overlayBytes: overlay.sizeBytes }
    const names = { base: base.name, short: top.name, overlay: overlay.name }
    const ways =
      job.hypervisor.via === 'qemu-img' ? safeRebase(job) : [{ _tag: 'ActiveCommit', base: base.name } as const]
    return refuse({ _tag: 'ShortImageExposesBase', ...names, ...sizes }, [
      ...ways,
      ...around(job),
      { _tag: 'Grow', image: top.name, toBytes: needBytes, guest: 'shut-off' },
    ])
  }
  return undefined
}

const safeRebase = ({ overlays }: CommitJob): ReadonlyArray<Alternative> =>
  overlays.map(({ name }) => ({ _tag: 'SafeRebase', image: name }))

const commitSnapshotGuard: Guard<CommitJob> = (job) => {
  const lost = internalSnapshotGuard(
    job.request,
    job.span.slice(1),
    'they stay in an image that is written under or goes, and read what lies below them now',
  )
  if (lost !== undefined || job.top.sizeBytes >= job.base.sizeBytes) return lost
  const { qemu, header } = job.repointed
  return internalSnapshotGuard(
    job.request,
    [...qemu, ...header],
    'one that is larger than the top would show the old data of the base',
  )
}

/** libvirt carries bitmaps over by itself; QEMU does not, and nobody can carry them where they cannot be stored. */
const commitBitmapGuard: Guard<CommitJob> = ({ hypervisor, base, span, request }) =>
  carriesBitmaps(hypervisor, base) ? undefined : bitmapGuard(request, span.slice(1))

const commitAddressGuard: Guard<CommitJob> = (job) => {
  const via = job.hypervisor.via
  const { qemu, header } = job.repointed
  const own =
    via === 'qmp' || via === 'storage-daemon'
      ? [activeImage(job.chain), job.top, job.base, ...qemu]
      : [job.base, job.top, ...qemu]
  return addressGuard(via, own) ?? addressGuard('qemu-img', header) ?? secretGuard('qemu-img', header)
}

const commitJobGuard: Guard<CommitJob> = ({ hypervisor, span, overlays }) =>
  jobGuard(hypervisor, { images: [...span, ...overlays], root: 'taken' })

const commitPathGuard: Guard<CommitJob> = (job): Refusal | undefined =>
  onPathGuard(job.hypervisor.via, job.chain, job.top)

/** The guards of a commit, in the order in which they are asked. */
export const commitGuards: ReadonlyArray<Guard<CommitJob>> = [
  (job) => guestStateGuard(job.hypervisor, { chain: job.chain, written: job.span }),
  commitPathGuard,
  (job) => capabilityGuard(job.hypervisor, commitFeatures(job)),
  commitJobGuard,
  pivotGuard,
  commitSharedGuard,
  formatGuard,
  activeSizeGuard,
  shortTopGuard,
  topGrowthGuard,
  (job) => writableGuard(job.hypervisor.via, job.base),
  (job) => growthGuard(job.base, job.top.sizeBytes, { below: backingOf(job.chain, job.base), around: around(job) }),
  deviceGuard,
  commitSnapshotGuard,
  commitBitmapGuard,
  (job) => plaintextGuard(job.request, job.span.slice(1), job.base),
  (job) =>
    definitionGuard(
      job.hypervisor,
      job.chain,
      job.active === 'yes' && job.request.end === 'pivot' ? 'changes' : 'stays',
    ),
  (job) => secretGuard(job.hypervisor.via, [...(path(job.chain, job.top.name) ?? []), ...job.overlays]),
  commitAddressGuard,
  (job) => xmlGuard(job.hypervisor, activePath(job.chain)),
  (job) => filterGuard(job.hypervisor.via, activePath(job.chain).slice(0, -1)),
  (job) => jobIdGuard(job.request.job),
  (job) => removalGuard(job.request, job.span.slice(1)),
  (job) => flushGuard(job.hypervisor, job.request),
  (job) => pointGuard(job.chain, job.request.points ?? []),
]
