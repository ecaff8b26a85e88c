import type { Chain } from '../model/chain.js'
import { activeImage } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import { locationString } from '../model/location.js'
import type { Assumption } from '../plan/assumption.js'
import type { Hypervisor, QemuImgHypervisor, StorageDaemonHypervisor } from '../plan/hypervisor.js'
import type { Step } from '../plan/plan.js'
import { unclearHeaders } from './backing-string.js'

/** Assumptions that take a list of images; none where the list is empty. */
const about = (
  tag: 'NoOtherReaders' | 'Writable' | 'Closed' | 'HeadersLead',
  images: ReadonlyArray<string>,
): ReadonlyArray<Assumption> => (images.length === 0 ? [] : [{ _tag: tag, images }])

const names = (images: ReadonlyArray<Image>): ReadonlyArray<string> => images.map(({ name }) => name)

/** What an operation cannot know: who else reads what it takes away, what can be opened, where headers really lead. */
export interface Unknowns {
  readonly chain: Chain
  /** Images that are written, or that go. */
  readonly claimed: ReadonlyArray<Image>
  /** Images that QEMU reopens for writing. */
  readonly reopened: ReadonlyArray<Image>
  /** Images that no program may have open. */
  readonly closed: ReadonlyArray<Image>
  /** Images whose stored backing strings the plan builds on. */
  readonly links: ReadonlyArray<Image>
}

/** True where nobody but the plan's own programs has images open. */
export const isOffline = (hypervisor: Hypervisor): hypervisor is QemuImgHypervisor | StorageDaemonHypervisor =>
  hypervisor.via === 'qemu-img' || hypervisor.via === 'storage-daemon'

/** What a plan for a guest that is shut off writes; a storage daemon opens the active image for writing, whatever it is for. */
export const closedImages = (
  { chain, hypervisor }: { readonly chain: Chain; readonly hypervisor: Hypervisor },
  written: ReadonlyArray<Image>,
): ReadonlyArray<Image> =>
  hypervisor.via === 'storage-daemon' && written.every(({ name }) => name !== chain.active)
    ? [...written, activeImage(chain)]
    : written

/** The assumptions that follow from what an operation touches. */
export const assumptionsOf = (of: Unknowns): ReadonlyArray<Assumption> => [
  ...about('NoOtherReaders', names(of.claimed.filter(({ otherReaders }) => otherReaders === 'unknown'))),
  ...about('Writable', names(of.reopened)),
  ...about('Closed', names(of.closed)),
  ...about('HeadersLead', unclearHeaders(of.chain, of.links)),
]

/**
 * That whoever starts the guest next uses the new chain, from the step after the one that sees it; libvirt sees to that
 * itself, or is told by the plan.
 */
export const startAssumption = (
  hypervisor: Hypervisor,
  after: Chain,
  steps: ReadonlyArray<Step>,
): ReadonlyArray<Assumption> => {
  const told =
    hypervisor.via === 'libvirt' ||
    (isOffline(hypervisor) && (hypervisor.definition !== undefined || hypervisor.guest !== 'shut-off'))
  const { name, location } = activeImage(after)
  const seen = ({ until }: Step): boolean => until?._tag === 'ChainIs'
  const from = (hypervisor.via === 'storage-daemon' ? steps.findLastIndex(seen) : steps.findIndex(seen)) + 1
  return told ? [] : [{ _tag: 'StartsWith', image: name, path: locationString(location), from }]
}

/** That the device under an image holds what the image grows to; under qcow2, whatever is written into it. */
export const deviceAssumption = (image: Image, sizeBytes: number): ReadonlyArray<Assumption> =>
  image.location._tag === 'BlockDevice' && (image.format === 'qcow2' || sizeBytes > image.sizeBytes)
    ? [{ _tag: 'DeviceHolds', image: image.name, sizeBytes: Math.max(sizeBytes, image.sizeBytes) }]
    : []

/** That bitmaps left behind are no loss. */
export const bitmapAssumptions = (images: ReadonlyArray<Image>): ReadonlyArray<Assumption> =>
  images
    .filter(({ bitmaps }) => bitmaps.length > 0)
    .map(({ name, bitmaps }) => ({ _tag: 'BitmapsStop', image: name, bitmaps: bitmaps.map((bitmap) => bitmap.name) }))

/** That nobody kills QEMU between the rewrite of a header and the flush of what it relies on; only QMP can hold a job there. */
export const killAssumptions = (repointed: ReadonlyArray<Image>): ReadonlyArray<Assumption> =>
  repointed.flatMap(({ name, backing }) =>
    backing === undefined ? [] : [{ _tag: 'NoKillBeforeFlush' as const, image: name, oldHeader: backing.header }],
  )

/** The internal snapshots that the caller has accepted to lose, every one by name. */
export const snapshotAssumptions = (images: ReadonlyArray<Image>): ReadonlyArray<Assumption> =>
  images
    .filter(({ internalSnapshots }) => internalSnapshots.length > 0)
    .map(({ name, internalSnapshots }) => ({
      _tag: 'SnapshotsGo',
      image: name,
      snapshots: internalSnapshots.map((snapshot) => snapshot.name),
    }))

/** That no saved state of a shut-off domain waits to be resumed on the old chain, where the caller did not look. */
export const savedAssumption = (hypervisor: Hypervisor): ReadonlyArray<Assumption> =>
  !isOffline(hypervisor) || hypervisor.definition === undefined || hypervisor.definition.managedSave === 'none'
    ? []
    : [{ _tag: 'NoManagedSave', domain: hypervisor.definition.domain }]
