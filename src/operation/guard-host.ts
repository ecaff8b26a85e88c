import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { missingFeatures } from '../call/capability.js'
import type { Feature } from '../call/capability.js'
import { locationString, pathOf } from '../model/location.js'
import type { Location } from '../model/location.js'
import type { Image } from '../model/image.js'
import type { Chain } from '../model/chain.js'
import { activePath, path } from '../model/chain-query.js'
import type { GuestState } from '../model/guest.js'
import type { Hypervisor, RunningJob } from '../plan/hypervisor.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'

/** The guest states in which a dialect can be used for work on a chain. */
const usable: { readonly [V in Hypervisor['via']]: ReadonlyArray<GuestState> } = {
  qmp: ['running', 'paused'],
  libvirt: ['running', 'paused'],
  'qemu-img': ['shut-off'],
  'storage-daemon': ['shut-off'],
}

/** True for images that the guest's QEMU does not have open, and that nobody reads who does not rest as well. */
export const atRest = (chain: Chain, images: ReadonlyArray<Image>): boolean => {
  const open = new Set(activePath(chain).map(({ name }) => String(name)))
  return images.every(
    (image) =>
      image.node === undefined &&
      !open.has(image.name) &&
      path(chain, image.name)?.every(({ name }) => name !== chain.active) === true,
  )
}

/**
 * Refuses a dialect that cannot be used in the guest's state: nothing but QEMU may write to what QEMU has open. qemu-img can
 * work beside a guest that runs on `written` images that rest; those below, QEMU and qemu-img only read.
 */
export const guestStateGuard = (
  { via, guest }: Hypervisor,
  work?: { readonly chain: Chain; readonly written: ReadonlyArray<Image> },
): Refusal | undefined => {
  const needs = usable[via]
  if (needs.includes(guest)) return undefined
  if (via === 'qemu-img' && work !== undefined && atRest(work.chain, work.written)) return undefined
  const other = guest === 'shut-off' ? 'qemu-img' : 'qmp'
  return refuse({ _tag: 'GuestStateWrong', via, guest, needs }, [{ _tag: 'Via', via: other, guest: usable[other] }])
}

/** Refuses what the host lacks, and names the version that has each missing feature. */
export const capabilityGuard = ({ capabilities }: Hypervisor, needed: ReadonlyArray<Feature>): Refusal | undefined => {
  const missing = missingFeatures(capabilities, needed)
  return isNonEmpty(missing) ? refuse({ _tag: 'CapabilityMissing', missing }) : undefined
}

/** The images that an operation works on; `reads` are those that it only must not lose; whether it takes the disk's root. */
export interface Reach {
  readonly images: ReadonlyArray<Image>
  readonly reads?: ReadonlyArray<Image>
  readonly root: 'taken' | 'free'
}

/**
 * Refuses work on images that a job is at. QEMU lets one job at the root of a disk, commits and copies take the root
 * wherever they work, and libvirt lets one job on a disk. Pulls into images apart from each other may run.
 */
export const jobGuard = ({ via, jobs = [] }: Hypervisor, reach: Reach): Refusal | undefined => {
  const worked = new Set(reach.images.map(({ name }) => String(name)))
  const read = new Set(reach.reads?.map(({ name }) => String(name)))
  const overlaps = (job: RunningJob): boolean =>
    via === 'libvirt' ||
    (reach.root === 'taken' && job.kind !== 'pull') ||
    job.images.some((image) => worked.has(image) || (job.kind !== 'pull' && read.has(image)))
  const job = jobs.find(overlaps)
  return job === undefined
    ? undefined
    : refuse({ _tag: 'JobOverlaps', job: job.id, kind: job.kind, images: job.images }, [
        { _tag: 'WaitForJob', job: job.id },
      ])
}

/** Refuses an image that the dialect has no name for. */
export const addressGuard = (via: Hypervisor['via'], images: ReadonlyArray<Image>): Refusal | undefined => {
  for (const { name, location, node } of images) {
    if (via === 'qmp' || via === 'storage-daemon') {
      if (node === undefined) return refuse({ _tag: 'NodeUnknown', image: name })
      continue
    }
    const where = pathOf(location)
    if (where !== undefined && !where.startsWith('/'))
      return refuse({ _tag: 'PathNotAbsolute', image: name, path: where })
    if (where === undefined && via === 'libvirt') {
      const why = 'libvirt names such an image only by an index that is valid until the next start'
      return refuse({ _tag: 'LocationNotAddressable', image: name, via, why }, [
        { _tag: 'Via', via: 'qmp', guest: usable.qmp },
      ])
    }
  }
  return undefined
}

/**
 * True for a path that libvirt gives back as it was: XML cannot carry control characters, and libvirt 11.3 prints tabs and
 * line ends as they are, so that a reader of its XML finds a space.
 */
const survivesXml = (text: string): boolean => !/[^\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u.test(text)

/** Refuses paths that libvirt would not give back, where libvirt is told of them. */
export const xmlGuard = (
  hypervisor: Hypervisor,
  images: ReadonlyArray<{ readonly name: string; readonly location: Location }>,
): Refusal | undefined => {
  const { via } = hypervisor
  const told = via === 'libvirt' || (via !== 'qmp' && hypervisor.definition !== undefined)
  const found = told ? images.find(({ location }) => !survivesXml(locationString(location))) : undefined
  const why = 'its path has characters that libvirt does not give back as they were'
  return found === undefined ? undefined : refuse({ _tag: 'LocationNotAddressable', image: found.name, via, why })
}

/** The program itself, where it is not the guest's QEMU that is asked. */
export const daemonFeature = ({ via }: Hypervisor): ReadonlyArray<Feature> =>
  via === 'storage-daemon' ? ['qemu-storage-daemon'] : []

/** What flushes a job that is held where there is no guest to stop. */
export const flushFeature = ({ via }: Hypervisor): ReadonlyArray<Feature> =>
  via === 'storage-daemon' ? ['qemu-blockdev-reopen'] : []
