import type { LevelKind, StorageLevel } from '../model/storage-level.js'
import type { StorageCopy } from '../model/storage-copy.js'
import type { TakeRequest } from './machine-request.js'
import type { NewImage } from './request.js'

/**
 * A snapshot of a machine, at the levels of the stack that the caller prefers.
 *
 * - `levels`: what can snapshot each disk; of one that is left out nothing can. `leave`: disks that are left out of the snapshot.
 * - `prefer`: the kinds of level, the most wanted one first; a kind that is not there is not used.
 * - `pause`: whether a guest that runs may be paused for it, which is the default: levels below QEMU cannot do without.
 * - `overlays`: of disks that get one; derived where left out, as `take` does.
 * - `memory`, `metadata`, `quiesce`, `reserved`, `accept`: as in a {@link TakeRequest}.
 *
 * @since 0.2.0
 */
export interface LevelRequest extends Omit<TakeRequest, 'disks'> {
  readonly levels: ReadonlyMap<string, ReadonlyArray<StorageLevel>>
  readonly prefer: ReadonlyArray<LevelKind>
  readonly leave?: ReadonlyArray<string>
  readonly pause?: 'allowed' | 'never'
  readonly overlays?: ReadonlyMap<string, NewImage>
}

/**
 * What levels below QEMU have, to be deleted: all of a snapshot, or of some of its disks. The record of a snapshot stays while any disk
 * of it does; `forget` takes it away.
 *
 * @since 0.2.0
 */
export interface DeleteCopiesRequest {
  readonly copies: ReadonlyArray<StorageCopy>
}

/**
 * A machine that is shut off, to go back to what levels below QEMU have of it.
 *
 * - `copies`: of one snapshot, one of each of its disks.
 * - `present`: what the guest has written since: `keep` has it go on under `aside`, where the level can; `discard` loses it.
 * - `aside`: added to the name of what is kept: `present` makes `vm.qcow2.present` of `vm.qcow2`.
 *
 * @since 0.2.0
 */
export interface RevertToCopiesRequest {
  readonly copies: ReadonlyArray<StorageCopy>
  readonly present: { readonly keep: string } | 'discard'
}
