import { headerBytes } from './header.js'
import type { ImageName } from './image.js'
import type { XmlElement } from './xml.js'

/**
 * The name of a snapshot; see {@link isSnapshotName}.
 *
 * @since 0.2.0
 */
export type SnapshotName = string & { readonly SnapshotName: unique symbol }

/**
 * What the guest did when the snapshot was taken, in libvirt's words: `disk-snapshot` is a snapshot of disks alone that
 * was taken while the guest ran, whose memory nobody kept.
 *
 * @since 0.2.0
 */
export type SnapshotState = 'running' | 'paused' | 'shutoff' | 'disk-snapshot'

/**
 * Where the guest's memory is: not kept, inside the first internal disk, or in a file of its own.
 *
 * @since 0.2.0
 */
export type Memory =
  { readonly _tag: 'None' } | { readonly _tag: 'Internal' } | { readonly _tag: 'External'; readonly path: string }

/**
 * Where a snapshot has one disk.
 *
 * - `external`: `frozen` is the image that was frozen, whose chain reads as the disk did at that point in time. It is not
 *   the overlay that was made then. Nothing, where no image holds that point in time any more.
 * - `internal`: inside `image`, under the name of the snapshot; nothing, where it is there no more.
 * - `manual`: somebody else has it, a storage array say.
 * - `no`: the disk was left out.
 *
 * A disk that the snapshot does not know was not there when it was taken. One that has gone since is not among the disks of
 * the machine; what the snapshot says of it cannot be checked.
 *
 * @since 0.2.0
 */
export type SnapshotDisk =
  | { readonly mode: 'external'; readonly frozen: ImageName | undefined }
  | { readonly mode: 'internal'; readonly image: ImageName | undefined }
  | { readonly mode: 'manual' | 'no' }

/**
 * One snapshot of a machine.
 *
 * - `creationTime`: as given; libvirt writes seconds since 1970.
 * - `disks`: by target, `vda`.
 * - `recorded`: the whole `<domainsnapshot>` element as libvirt has it, right or wrong; nothing, where libvirt has none.
 *   What libvirt does at a deletion or a revert follows from this, not from where the point in time really is.
 *
 * @since 0.2.0
 */
export interface Snapshot {
  readonly name: SnapshotName
  readonly parent: SnapshotName | undefined
  readonly description: string | undefined
  readonly creationTime: string | undefined
  readonly state: SnapshotState
  readonly memory: Memory
  readonly disks: ReadonlyMap<string, SnapshotDisk>
  readonly recorded: XmlElement | undefined
}

/**
 * A disk of a snapshot as a caller describes it.
 *
 * @since 0.2.0
 */
export type SnapshotDiskDescription =
  | { readonly mode: 'external'; readonly frozen?: string | undefined }
  | { readonly mode: 'internal'; readonly image?: string | undefined }
  | { readonly mode: 'manual' | 'no' }

/**
 * A snapshot as a caller describes it: what is left out is absent; `memory` is none, `state` is `disk-snapshot`. A
 * {@link Snapshot} is one.
 *
 * @since 0.2.0
 */
export interface SnapshotDescription {
  readonly name: string
  readonly parent?: string | undefined
  readonly description?: string | undefined
  readonly creationTime?: string | undefined
  readonly state?: SnapshotState
  readonly memory?: Memory
  readonly disks: Iterable<readonly [string, SnapshotDiskDescription]>
  readonly recorded?: XmlElement | undefined
}

/** libvirt writes a record to `<name>.xml.new` first, and a file's name has 255 bytes. */
const longestName = 247

/**
 * True for text that can name a snapshot wherever it goes: libvirt takes it, and XML and lists of names give it back.
 *
 * Not empty (libvirt makes up a name then); no `/`, no `.` in front; no control characters (libvirt takes line breaks and
 * tabs, which lists do not give back), and nothing else that XML cannot carry; no more than 247 bytes of UTF-8: with a longer
 * name libvirt takes the snapshot, and then fails to write its record. Spaces alone are a name.
 *
 * Source: `virDomainSnapshotCreateXML`, as libvirt 11.3.0 answers.
 *
 * @example
 * import { isSnapshotName } from 'backing-chain'
 *
 * ;['monday', ' ', '.hidden', 'a/b', 'a\nb', ''].map(isSnapshotName) // => [true, true, false, false, false, false]
 *
 * @since 0.2.0
 */
export const isSnapshotName = (name: string): name is SnapshotName =>
  name !== '' &&
  !name.startsWith('.') &&
  !/[/\u{0}-\u{1F}]|[^\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u.test(name) &&
  headerBytes(name) <= longestName

/** The image that holds a disk of a snapshot, where one does. */
export const imageOfDisk = (disk: SnapshotDisk | undefined): ImageName | undefined => {
  if (disk?.mode === 'external') return disk.frozen
  return disk?.mode === 'internal' ? disk.image : undefined
}

/** The image that was frozen for a disk of a snapshot, where it is external and one holds it. */
export const frozenIn = ({ disks }: Pick<Snapshot, 'disks'>, target: string): ImageName | undefined => {
  const disk = disks.get(target)
  return disk?.mode === 'external' ? disk.frozen : undefined
}
