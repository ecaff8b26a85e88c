import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { MissingFeature } from '../call/capability.js'
import type { GuestState } from '../model/guest.js'
import type { OwedSnapshot } from '../model/owed.js'
import type { SavedPlace } from '../model/saved-state.js'
import type { Hypervisor } from './hypervisor.js'
import type { PassedOver } from './passed-over.js'
import type { PinConflict } from './pin-conflict.js'
import type { AcceptableTag, Refusal } from './refusal.js'

/**
 * The reasons for which libvirt 11.3 refuses to delete or to revert to a snapshot, as docs/libvirt-snapshots.md numbers them: E1
 * to E15 are those of a deletion, R1 to R7 those of a revert. E0 and R0 say that libvirt has no record of it; at E16 and
 * R8 its daemon crashes.
 *
 * @since 0.2.0
 */
export type LibvirtRule =
  | `E${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16}`
  | `R${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8}`

/**
 * A refusal of libvirt's that was foreseen: the rule, and the text that libvirt 11.3 gives.
 *
 * @since 0.2.0
 */
export interface LibvirtRefusal {
  readonly rule: LibvirtRule
  readonly desc: string
}

/**
 * Something that an operation would lose: a point in time, or, where `snapshot` is nothing, what no snapshot is tied to: what the
 * guest has written since, a branch beside it, what somebody else reads.
 *
 * @since 0.2.0
 */
export interface Loss {
  readonly snapshot: string | undefined
  readonly disk: string
  readonly image: string
}

/**
 * Another way to what the caller wanted.
 *
 * @since 0.2.0
 */
export type MachineAlternative =
  | { readonly _tag: 'How'; readonly how: 'libvirt' | 'by hand' }
  | { readonly _tag: 'Direction'; readonly direction: 'commit' | 'pull' | 'auto' }
  | { readonly _tag: 'DeleteFirst'; readonly snapshots: ReadonlyArray<string> }
  | { readonly _tag: 'Forget'; readonly snapshots: ReadonlyArray<string> }
  | { readonly _tag: 'TakeFirst' }
  | { readonly _tag: 'CarryMetadata' }
  | { readonly _tag: 'KeepPresent' }
  | { readonly _tag: 'RestoreFirst'; readonly place: SavedPlace }
  | { readonly _tag: 'DropState'; readonly place: SavedPlace }
  | { readonly _tag: 'RepointState' }
  | { readonly _tag: 'KeepMemory' }
  | { readonly _tag: 'Quiesce'; readonly quiesce: 'prefer' | 'no' }
  | { readonly _tag: 'UseAnotherName'; readonly taken: ReadonlyArray<string> }
  | { readonly _tag: 'Via'; readonly via: Hypervisor['via']; readonly guest: ReadonlyArray<GuestState> }
  | { readonly _tag: 'Accept'; readonly tag: AcceptableTag }
  | { readonly _tag: 'Settle'; readonly event: 'now' | 'stopped' }

/**
 * Why a disk cannot go back to what a level has of it, or that cannot be deleted.
 *
 * - `another chain`: the guest has gone on in another image since, or reads it through others, or one of these has been moved since.
 *   `images since`: there are images where those of the copy would be put back, which it does not have, or one of its images has been
 *   moved away since, or would read one that is no more. `overlays`: other images read the active one, or one that goes back, and
 *   it is not known that nobody has written to it since. `left out`: no copy of this disk was given. `other snapshot`: the copies are of
 *   several snapshots, or twice of one disk. `same subvolume`: it is not taken with the subvolume that it is in, or its copy is in it, and
 *   would go back with it; or its copy would be deleted with another. `in use`: an image of the machine is where the copy is.
 *
 * @since 0.2.0
 */
export type CopyProblem =
  'another chain' | 'images since' | 'overlays' | 'left out' | 'other snapshot' | 'same subvolume' | 'in use'

type MachineFacts =
  | { readonly _tag: 'SnapshotNotFound'; readonly snapshot: string }
  | { readonly _tag: 'SnapshotNameWrong'; readonly snapshot: string; readonly why: 'invalid' | 'taken' | 'digits' }
  | { readonly _tag: 'DiskNotFound'; readonly disk: string }
  | { readonly _tag: 'NothingSelected' }
  | {
      readonly _tag: 'GuestStateWrong'
      readonly via: Hypervisor['via']
      readonly guest: GuestState
      readonly needs: ReadonlyArray<GuestState>
    }
  | { readonly _tag: 'CapabilityMissing'; readonly missing: ReadonlyNonEmptyArray<MissingFeature> }
  | { readonly _tag: 'NotThisWay'; readonly via: Hypervisor['via']; readonly why: string }
  | { readonly _tag: 'JobActive'; readonly disk: string; readonly job: string; readonly kind: string }
  | { readonly _tag: 'ManagedSavePresent'; readonly domain: string }
  /** A state that was saved would be restored on disks that are not those that it was saved on. */
  | {
      readonly _tag: 'StateSaved'
      readonly place: SavedPlace
      readonly conflicts: ReadonlyNonEmptyArray<PinConflict>
    }
  /** The state that was saved does not fit the disks as they are now. */
  | {
      readonly _tag: 'StateUnfit'
      readonly place: SavedPlace
      readonly conflicts: ReadonlyArray<PinConflict>
      readonly why: 'images' | 'written since'
    }
  | { readonly _tag: 'StateNotFound'; readonly place: SavedPlace }
  | { readonly _tag: 'AgentAbsent' }
  | { readonly _tag: 'KindsMixed'; readonly why: string }
  | { readonly _tag: 'PathTaken'; readonly disk: string; readonly path: string; readonly by: string }
  /** The request of one disk is refused, for the reason inside. */
  | { readonly _tag: 'DiskRefused'; readonly disk: string; readonly refusal: Refusal }
  /** Points in time that somebody still needs, or data of the guest's present, would be lost. */
  | { readonly _tag: 'PointsLost'; readonly lost: ReadonlyNonEmptyArray<Loss>; readonly why: string }
  /** The point in time is held by no image any more, or by somebody else. */
  | {
      readonly _tag: 'PointGone'
      readonly snapshot: string
      readonly disks: ReadonlyNonEmptyArray<string>
      readonly why: 'lost' | 'manual' | 'disk gone' | 'left out'
    }
  /** A change of the chain would leave these snapshots naming files that are gone, or that show something else. */
  | { readonly _tag: 'SnapshotsInvalidated'; readonly snapshots: ReadonlyNonEmptyArray<string>; readonly disk: string }
  /** libvirt would refuse its own function. */
  | ({ readonly _tag: 'LibvirtRefuses'; readonly function: string; readonly snapshot: string } & LibvirtRefusal)
  /** libvirt would do it, and lose what nobody asked it to. */
  | {
      readonly _tag: 'LibvirtLoses'
      readonly function: string
      readonly snapshot: string
      readonly lost: ReadonlyNonEmptyArray<Loss>
      readonly why: string
    }
  /** libvirt has written down something else than what is so; its own function would follow what is written. */
  | { readonly _tag: 'LibvirtDiffers'; readonly function: string; readonly snapshot: string; readonly why: string }
  /** Deletions inside images are owed, and no more may be. */
  | { readonly _tag: 'OwedTooMany'; readonly owed: ReadonlyNonEmptyArray<OwedSnapshot>; readonly most: number }
  /** The images inside which deletions are owed are still open, here or on another host. */
  | {
      readonly _tag: 'OwedStillOpen'
      readonly owed: ReadonlyNonEmptyArray<OwedSnapshot>
      readonly event: 'rebooted' | 'migrated'
    }
  | { readonly _tag: 'RecordMissing'; readonly snapshot: string; readonly why: string }
  /** No level that a disk has can hold what is asked of it; every one with the reason. */
  | { readonly _tag: 'NoLevelFits'; readonly disk: string; readonly passed: ReadonlyArray<PassedOver<MachineRefusal>> }
  /** What a level has of a disk is not what the disk could go back to. */
  | { readonly _tag: 'CopyUnfit'; readonly snapshot: string; readonly disk: string; readonly why: CopyProblem }

/**
 * Why there is no plan for a machine: a tag, the facts, and the other ways that there are.
 *
 * @since 0.2.0
 */
export type MachineRefusal = MachineFacts & { readonly alternatives: ReadonlyArray<MachineAlternative> }

/** Makes a refusal of its facts. */
export const refuseMachine = (
  facts: MachineFacts,
  alternatives: ReadonlyArray<MachineAlternative> = [],
): MachineRefusal => ({ ...facts, alternatives })
