/**
 * How a snapshot keeps what it holds.
 *
 * - `full copy`: everything is copied at once. `copy-on-write`: what is written from then on is put apart, the old or the new.
 *   `referenced`: both share what neither has written since, block by block.
 *
 * @since 0.2.0
 */
export type Keeping = 'full copy' | 'copy-on-write' | 'referenced'

/**
 * A level of the stack that can take a snapshot of one disk, with what has to be known of it.
 *
 * - `QemuExternal`, `QemuInternal`: an overlay, or inside the qcow2 image, as `take` does it.
 * - `Lvm`: the active image is on this logical volume. A thick snapshot has room for so many bytes that are written afterwards,
 *   and is invalid once there are more; a thin one shares its pool.
 * - `Btrfs`: the active image is in this subvolume; its snapshots are put into the folder `snapshots`, which is outside of it.
 * - `Reflink`: the file system of the active image shares blocks between files (btrfs, XFS); the copy goes into `folder`, or,
 *   left out, beside the image.
 * - `Other`: somebody else takes it, a storage array say; a plan says what, and when.
 *
 * Paths are absolute.
 *
 * @since 0.2.0
 */
export type StorageLevel =
  | { readonly _tag: 'QemuExternal' | 'QemuInternal' }
  | {
      readonly _tag: 'Lvm'
      readonly group: string
      readonly volume: string
      readonly kind: 'thin' | { readonly thickBytes: number }
    }
  | { readonly _tag: 'Btrfs'; readonly subvolume: string; readonly snapshots: string }
  | { readonly _tag: 'Reflink'; readonly folder?: string }
  | { readonly _tag: 'Other'; readonly name: string; readonly keeps: Keeping }

/**
 * The kind of a level, as a caller prefers one to another.
 *
 * @since 0.2.0
 */
export type LevelKind = StorageLevel['_tag']

/** A level below QEMU: the guest goes on in the image that it has, and the copy is somewhere else. */
export type LevelBelow = Exclude<StorageLevel, { readonly _tag: 'QemuExternal' | 'QemuInternal' }>

/**
 * What a level can do.
 *
 * - `together`: which disks it takes at one moment by itself; where that is not all of them, the guest has to be paused.
 * - `memory`: whether the guest's memory can be kept with it: inside the image, in a file that libvirt writes, or not at all.
 * - `whileTaken`: what a guest that runs does meanwhile. Below QEMU it has to stand still: qcow2 tables that QEMU has not written
 *   yet would be missing in the copy.
 * - `revert`, `delete`: whether a plan has the calls, hands it over, or leaves it to `revert` and `deleteSnapshots`.
 * - `costs`: in words, what it costs from then on.
 *
 * @since 0.2.0
 */
export interface LevelTraits {
  readonly together: 'all disks' | 'one subvolume' | 'one disk' | 'unknown'
  readonly memory: 'inside' | 'in a file' | 'no'
  readonly whileTaken: 'runs' | 'stands still'
  readonly revert: 'by revert' | 'by host commands' | 'handed over'
  readonly delete: 'by deleteSnapshots' | 'by host commands' | 'handed over'
  readonly costs: string
}

const below = { memory: 'in a file', whileTaken: 'stands still' } as const
const commands = { revert: 'by host commands', delete: 'by host commands' } as const
const byQemu = { together: 'all disks', revert: 'by revert', delete: 'by deleteSnapshots' } as const

const traits: { readonly [K in LevelKind]: LevelTraits } = {
  QemuExternal: {
    ...byQemu,
    memory: 'in a file',
    whileTaken: 'runs',
    costs: 'one more image on the way of every read, until it is deleted by a commit or a pull',
  },
  QemuInternal: {
    ...byQemu,
    memory: 'inside',
    whileTaken: 'stands still',
    costs: 'the image grows by what is written afterwards, and keeps its length',
  },
  Lvm: {
    ...below,
    ...commands,
    together: 'one disk',
    costs: 'thick: each first write is copied, and a full snapshot is lost; thin: room in the pool',
  },
  Btrfs: {
    ...below,
    ...commands,
    together: 'one subvolume',
    costs: 'room for what is written afterwards, in more and more pieces',
  },
  Reflink: {
    ...below,
    ...commands,
    together: 'one disk',
    costs: 'room for what is written afterwards, in more and more pieces',
  },
  Other: {
    ...below,
    together: 'unknown',
    revert: 'handed over',
    delete: 'handed over',
    costs: 'whatever it costs there',
  },
}

/**
 * What a level can do, and what it costs.
 *
 * @example
 * import { levelTraits } from 'backing-chain'
 *
 * levelTraits('Btrfs').together // => 'one subvolume'
 *
 * @since 0.2.0
 */
export const levelTraits = (kind: LevelKind): LevelTraits => traits[kind]

/**
 * How a level keeps what a snapshot holds.
 *
 * @example
 * import { keepingOf } from 'backing-chain'
 *
 * keepingOf({ _tag: 'Lvm', group: 'vg', volume: 'vm', kind: { thickBytes: 1_073_741_824 } }) // => 'copy-on-write'
 * keepingOf({ _tag: 'Lvm', group: 'vg', volume: 'vm', kind: 'thin' }) // => 'referenced'
 *
 * @since 0.2.0
 */
export const keepingOf = (level: StorageLevel): Keeping => {
  switch (level._tag) {
    case 'QemuExternal':
      return 'copy-on-write'
    case 'QemuInternal':
    case 'Btrfs':
    case 'Reflink':
      return 'referenced'
    case 'Lvm':
      return level.kind === 'thin' ? 'referenced' : 'copy-on-write'
    case 'Other':
      return level.keeps
  }
}

/** True for a level below QEMU. */
export const isBelow = (level: StorageLevel): level is LevelBelow =>
  level._tag !== 'QemuExternal' && level._tag !== 'QemuInternal'
