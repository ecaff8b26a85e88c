import type { Opener } from '../model/opening.js'
import type { LevelKind } from '../model/storage-level.js'

/**
 * Why a level cannot hold what is asked of it.
 *
 * - `NotOffered`: the disk does not have it. `NotPreferred`: the disk has it, and the caller does not want it.
 * - `KeepsNoMemory`: the guest's memory is to be kept, and not in that way. `NeedsPause`: the guest runs, and may not be paused.
 * - `NotThere`: the active image is not on that volume, in that subvolume, in a file. `PathNotAbsolute`: a path of the level is not.
 * - `NameUnfit`: LVM takes no such name. `SizeUnfit`: nor such a size. `PathTaken`: something is where the copy would be.
 * - `SnapshotsInside`: the folder of the snapshots is in the subvolume itself.
 * - `DataFileApart`: the data are in a file of their own, to which the copy would lead.
 * - `HeaderLeadsAway`: a backing string that the copy has leads elsewhere from there.
 * - `HeldBack`: the guest is paused already, so libvirt has QEMU write nothing out, and a job that has ended since can have left
 *   something: see `heldBack` of the host.
 * - `JobActive`: a block job writes on while the guest is paused. `WrittenByOther`: so does somebody else.
 * - `AllOrNone`: a snapshot inside is one of all disks, and these are not taken so. `AllInside`: all disks are taken inside, since another
 *   disk prefers that.
 * - `TakeRefuses`: `take` would refuse it, for the reason inside.
 *
 * @since 0.2.0
 */
export type LevelObjection<Refusal> =
  | { readonly _tag: 'NotOffered' | 'NotPreferred' | 'KeepsNoMemory' | 'NeedsPause' }
  | { readonly _tag: 'NotThere'; readonly image: string; readonly wanted: string }
  | { readonly _tag: 'PathNotAbsolute'; readonly path: string }
  | { readonly _tag: 'NameUnfit'; readonly name: string }
  | { readonly _tag: 'SizeUnfit'; readonly sizeBytes: number }
  | { readonly _tag: 'AllInside' }
  | { readonly _tag: 'PathTaken'; readonly path: string; readonly by: string }
  | { readonly _tag: 'SnapshotsInside'; readonly snapshots: string; readonly subvolume: string }
  | { readonly _tag: 'DataFileApart'; readonly image: string }
  | { readonly _tag: 'HeaderLeadsAway'; readonly image: string; readonly header: string }
  | { readonly _tag: 'HeldBack'; readonly image: string }
  | { readonly _tag: 'JobActive'; readonly job: string; readonly kind: string }
  | { readonly _tag: 'WrittenByOther'; readonly image: string; readonly by: Opener }
  | { readonly _tag: 'AllOrNone'; readonly lacking: ReadonlyArray<string> }
  | { readonly _tag: 'TakeRefuses'; readonly refusal: Refusal }

/**
 * A level that was passed over for a disk, and why.
 *
 * @since 0.2.0
 */
export interface PassedOver<Refusal> {
  readonly disk: string
  readonly level: LevelKind
  readonly why: LevelObjection<Refusal>
}
