import type { Location } from '../model/location.js'
import type { Format } from '../model/format.js'
import type { Point } from '../plan/plan.js'
import type { AcceptableTag } from '../plan/refusal.js'

/**
 * What every request can carry.
 *
 * - `points`: the points in time that somebody still needs. A plan that would lose one is refused.
 * - `leftovers`: what to do with the files of images that nobody reads afterwards. `keep`, the default, leaves them on
 *   disk; `remove` unlinks them, after a flush and after the new chain has been seen.
 * - `accept`: losses that the caller has thought about.
 * - `job`: the id of the job in QMP; derived from the disk and the image where left out.
 *
 * @since 0.1.0
 */
export interface CommonRequest {
  readonly points?: ReadonlyArray<Point>
  readonly leftovers?: 'keep' | 'remove'
  readonly accept?: ReadonlyArray<AcceptableTag>
  readonly job?: string
}

/**
 * How an operation that can pivot ends: the guest goes on in the new image, or stays where it is.
 *
 * @since 0.1.0
 */
export type End = 'pivot' | 'keep'

/**
 * How large the device under an image is, and how large it has to be for what is committed into that image ({@link commitRoom}).
 *
 * @since 0.2.0
 */
export interface DeviceRoom {
  readonly presentBytes: number
  readonly neededBytes: number
}

/**
 * A commit of `top`, and of everything between, down into `base`; the lowest image where `base` is left out. `end` is
 * needed exactly where `top` is the active image. `short` says what to do where an overlay would show old data of the base beyond
 * the end of a shorter `top`: `refuse`, the default, or, through qemu-img, `grow` the top first. `device` says how large the device of
 * the base is, and how large it has to be ({@link commitRoom}); where it is left out, that it is large enough is assumed.
 *
 * @since 0.1.0
 */
export interface CommitRequest extends CommonRequest {
  readonly top: string
  readonly base?: string
  readonly end?: End
  readonly short?: 'refuse' | 'grow'
  readonly device?: DeviceRoom
}

/**
 * A commit of `top` into its own backing file.
 *
 * @since 0.1.0
 */
export type ShallowCommitRequest = Omit<CommitRequest, 'base'>

/**
 * A pull into `into` of everything down to `base`, which stays as its backing file; of everything where `base` is left
 * out.
 *
 * @since 0.1.0
 */
export interface PullRequest extends CommonRequest {
  readonly into: string
  readonly base?: string
}

/**
 * An image that an operation adds.
 *
 * - `header`: the backing string to store; the path of the backing file where left out.
 * - `made`: `now`, the default, has the plan create it; `before` has it lie there already, with `sizeBytes` and, where it
 *   has a backing file, `header` as they are.
 * - `found`: what the caller saw at its path; a plan assumes the right thing where he did not look.
 * - `nodes`: names for QEMU; derived where left out.
 *
 * @since 0.1.0
 */
export interface NewImage {
  readonly name: string
  readonly location: Location
  readonly format: Format
  readonly clusterBytes?: number
  readonly sizeBytes?: number
  readonly header?: string
  readonly made?: 'now' | 'before'
  readonly found?: 'nothing' | 'something'
  readonly nodes?: { readonly format: string; readonly storage: string }
}

/**
 * A new active image over the present one.
 *
 * @since 0.1.0
 */
export interface AddOverlayRequest extends Pick<CommonRequest, 'points' | 'accept'> {
  readonly overlay: NewImage
}

/**
 * A copy of what the guest sees to another image. `shallow` copies the active image alone, onto the same backing file or,
 * with `onto`, onto another image of the chain value from which a guest reads the same.
 *
 * @since 0.1.0
 */
export interface CopyRequest extends CommonRequest {
  readonly to: NewImage
  readonly depth: 'full' | 'shallow'
  readonly onto?: string
  readonly end: End
}

/**
 * Another path for the file of an image, and, where that is asked, another name for it in the chain.
 *
 * - `to`: the new path, absolute, in the same file system.
 * - `name`: what the chain calls the image afterwards; as now where left out.
 * - `found`: what the caller saw at the new path.
 *
 * @since 0.2.0
 */
export interface RenameRequest extends Pick<CommonRequest, 'points'> {
  readonly image: string
  readonly to: string
  readonly name?: string
  readonly found?: 'nothing' | 'something'
}
