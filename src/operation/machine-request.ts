import type { SavedPlace } from '../model/saved-state.js'
import type { AcceptableTag } from '../plan/refusal.js'
import type { CommitRequest, DeviceRoom, NewImage, PullRequest, RenameRequest } from './request.js'

/**
 * What becomes of one disk when a snapshot is taken.
 *
 * - `external`: frozen as it is, with the guest going on in `overlay`; derived where left out. `made: 'before'` has it lie there
 *   already (libvirt's REUSE_EXT), with its backing string as it is.
 * - `internal`: saved inside its image. `manual`: somebody else saves it while the guest is paused. `no`: left out.
 *
 * @since 0.2.0
 */
export type TakeDisk =
  { readonly mode: 'external'; readonly overlay?: NewImage } | { readonly mode: 'internal' | 'manual' | 'no' }

/**
 * A snapshot to be taken, of all disks at once.
 *
 * - `disks`: by target; one that is left out is external, its overlay named after the snapshot.
 * - `memory`: not kept, if left out; to a file, or inside the images.
 * - `metadata`: `keep`, the default, has a record of it; `none` (libvirt's NO_METADATA) only changes the chains.
 * - `quiesce`: whether file systems are frozen meanwhile: `no` is the default, `prefer` goes on where the agent does not answer.
 * - `reserved`: paths that may not be used though nothing is there.
 * - `creationTime`: what libvirt's clock or the caller's says, for the value afterwards.
 *
 * @since 0.2.0
 */
export interface TakeRequest {
  readonly name: string
  readonly description?: string
  readonly creationTime?: string
  readonly disks?: ReadonlyMap<string, TakeDisk>
  readonly memory?:
    { readonly _tag: 'None' } | { readonly _tag: 'Internal' } | { readonly _tag: 'External'; readonly path: string }
  readonly metadata?: 'keep' | 'none'
  readonly quiesce?: 'require' | 'prefer' | 'no'
  readonly reserved?: ReadonlyArray<string>
  readonly accept?: ReadonlyArray<AcceptableTag>
}

/**
 * The device under an image of a disk: see {@link DeviceRoom}.
 *
 * @since 0.2.0
 */
export interface ImageDevice extends DeviceRoom {
  readonly disk: string
  readonly image: string
}

/**
 * Snapshots to be deleted, together. A whole subtree or a range is a list of names: see `subtreeOf` and `snapshotRange`.
 *
 * - `direction`: `commit`, down into the image that held the point in time, as libvirt does; `pull`, up into each image that
 *   reads it; `auto`, the default: down wherever that loses nothing, else up.
 * - `how`: libvirt's own function, the calls by hand, or `auto`, the default: libvirt's own where it can, and does it right.
 * - `leftovers`: whether the files of images that nobody reads any more are removed (the default) or kept.
 * - `untied`: what becomes of images above the ones that go where they hold no point in time and the guest does not read them, such
 *   as what a revert has left: `keep`, the default, with all that they show, or `remove`.
 * - `memory`: whether the files of the guest's memory are removed (the default) or kept.
 * - `short`: as in a {@link CommitRequest}, for the commits that are made with qemu-img.
 * - `saved`: what becomes of a saved state that pins what changes: `refuse` (the default) leaves everything as it is; `repoint` has libvirt
 *   write it anew on the disks of afterwards, which read the same.
 * - `devices`: the devices under images that something is committed into ({@link commitsOf}); one that is left out is assumed to be large
 *   enough. Those of other images have no say.
 *
 * @since 0.2.0
 */
export interface DeleteRequest {
  readonly snapshots: ReadonlyArray<string>
  readonly direction?: 'commit' | 'pull' | 'auto'
  readonly how?: 'libvirt' | 'by hand' | 'auto'
  readonly leftovers?: 'remove' | 'keep'
  readonly untied?: 'keep' | 'remove'
  readonly memory?: 'remove' | 'keep'
  readonly short?: 'refuse' | 'grow'
  readonly saved?: 'refuse' | 'repoint'
  readonly devices?: ReadonlyArray<ImageDevice>
  readonly accept?: ReadonlyArray<AcceptableTag>
}

/**
 * A revert.
 *
 * - `overlays`: the new active image of each disk; `in place` makes it anew under the path of the one that is active now; derived
 *   where left out.
 * - `present`: what becomes of the image that is active now, and with it of what the guest wrote since the last snapshot:
 *   `keep`, the default, leaves it beside the chain; `discard` removes it.
 * - `later`: what becomes of the snapshots that come after: `keep`, the default, makes a branch of them; `delete` removes them.
 * - `definition`: `as now`, the default, changes nothing in it but the disks; `as taken` brings the whole one back, as libvirt does.
 * - `guest`: `as taken`, the default, or what it shall do afterwards.
 * - `how`: `auto` is by hand, except where memory has to be loaded, which only libvirt can.
 * - `seconds`: what libvirt's clock will say, for its own function: it names the overlays after it.
 *
 * @since 0.2.0
 */
export interface RevertRequest {
  readonly to: string
  readonly overlays?: ReadonlyMap<string, NewImage | 'in place'>
  readonly present?: 'keep' | 'discard'
  readonly later?: 'keep' | 'delete'
  readonly definition?: 'as now' | 'as taken'
  readonly guest?: 'as taken' | 'running' | 'paused' | 'shut-off'
  readonly how?: 'libvirt' | 'by hand' | 'auto'
  readonly seconds?: number
  readonly reserved?: ReadonlyArray<string>
}

/**
 * Snapshots whose records go while every file stays.
 *
 * @since 0.2.0
 */
export interface ForgetRequest {
  readonly snapshots: ReadonlyArray<string>
}

/**
 * Another path for the file of an image of a disk, as in a {@link RenameRequest}. `reserved` are paths that may not be used though
 * nothing is there. `saved` is that of a {@link DeleteRequest}.
 *
 * @since 0.2.0
 */
export interface RenameImageRequest extends Omit<RenameRequest, 'points'> {
  readonly disk: string
  readonly reserved?: ReadonlyArray<string>
  readonly saved?: 'refuse' | 'repoint'
}

/**
 * A commit or pull on a disk of a machine with snapshots. `metadata` says what becomes of the records: `refuse`, the default, where a
 * snapshot would name a file that goes or that shows something else; `carry` mends the records that can be, and forgets
 * none. `saved` is that of a {@link DeleteRequest}.
 *
 * @since 0.2.0
 */
export type ChainRequest = {
  readonly disk: string
  readonly metadata?: 'carry' | 'refuse'
  readonly saved?: 'refuse' | 'repoint'
} & ({ readonly commit: CommitRequest } | { readonly pull: PullRequest })

/**
 * The guest's memory, to be saved, which shuts the guest off.
 *
 * - `to`: where libvirt keeps it for the next start, or a new file.
 * - `guest`: what it shall do once it is restored; `as now`, the default, has it go on as it is.
 * - `cache`: `bypass` keeps the file out of the host's page cache; `use` is the default.
 * - `reserved`: paths that may not be used though nothing is there.
 *
 * @since 0.2.0
 */
export interface SaveRequest {
  readonly to: SavedPlace
  readonly guest?: 'as now' | 'running' | 'paused'
  readonly cache?: 'use' | 'bypass'
  readonly reserved?: ReadonlyArray<string>
}

/**
 * A saved state, to be restored. `guest`: what it does then; `as saved` is the default.
 *
 * @since 0.2.0
 */
export interface RestoreRequest {
  readonly from: SavedPlace
  readonly guest?: 'as saved' | 'running' | 'paused'
}

/**
 * A saved state that nobody needs any more.
 *
 * @since 0.2.0
 */
export interface DropRequest {
  readonly place: SavedPlace
}

/**
 * The present of some disks, to be written into standalone images, all as they are at one moment.
 *
 * - `to`: by target, the new image; disks that are left out are not exported.
 * - `way`: `backup` is QEMU's backup job, `overlay` freezes the images under temporary overlays that are committed back, `inside` keeps
 *   a temporary snapshot inside the images, `saved` does so while the guest's memory is saved and its QEMU is gone. `auto`, the default, is a
 *   backup. Of a guest that is shut off the active images are copied, and there is no way to choose.
 * - `removal`: when what is inside goes. `at once`, through the monitor, is for `inside` and its default; `second pause` saves the
 *   memory once more, `first pause` copies while it is saved, and needs nothing inside. `next stop`, the default of `saved`, has the
 *   deletion owed: see `owed` and `settle`.
 * - `temporary`: the name of what is inside, and of the overlays that are derived; `export`, where left out.
 * - `overlays`: the temporary overlays. `devices`: as in a {@link DeleteRequest}, for the images that they are committed into.
 * - `mostOwed`: how many deletions may be owed, this one included; 1, where left out.
 * - `quiesce`: as in a {@link TakeRequest}; not for `saved`.
 * - `data`: `compressed` has the new images, which have to be qcow2, store what is written now in compressed clusters; `plain` is the default.
 * - `bytesPerSecond`: how fast data are copied at most; as fast as can be, where left out.
 * - `accept`: as in a {@link TakeRequest}, for whatever is made.
 *
 * @since 0.2.0
 */
export interface ExportRequest {
  readonly to: ReadonlyMap<string, NewImage>
  readonly way?: 'auto' | 'backup' | 'overlay' | 'inside' | 'saved'
  readonly removal?: 'at once' | 'first pause' | 'second pause' | 'next stop'
  readonly temporary?: string
  readonly overlays?: ReadonlyMap<string, NewImage>
  readonly devices?: ReadonlyArray<ImageDevice>
  readonly mostOwed?: number
  readonly quiesce?: 'require' | 'prefer' | 'no'
  readonly data?: 'plain' | 'compressed'
  readonly bytesPerSecond?: number
  readonly accept?: ReadonlyArray<AcceptableTag>
  readonly reserved?: ReadonlyArray<string>
}

/**
 * What has become of the guest's QEMU, for which owed deletions wait.
 *
 * - `stopped`: it has ended: shut down, destroyed, crashed, or its memory was saved. `rebooted`: the guest has, in the same QEMU,
 *   which has the images open as before. `migrated`: another host has them open now. `now`: nothing has; whatever it takes.
 *
 * @since 0.2.0
 */
export type SettleEvent = 'stopped' | 'rebooted' | 'migrated' | 'now'

/**
 * An image of its own for disks of a snapshot.
 *
 * - `to`: the new images, by disk; a disk that is left out gets none.
 * - `data`, `bytesPerSecond`: as in an {@link ExportRequest}.
 * - `reserved`: paths that may not be used though nothing is there.
 *
 * @since 0.2.0
 */
export interface ExtractRequest {
  readonly snapshot: string
  readonly to: ReadonlyMap<string, NewImage>
  readonly data?: 'plain' | 'compressed'
  readonly bytesPerSecond?: number
  readonly reserved?: ReadonlyArray<string>
}
