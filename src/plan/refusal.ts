import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { MissingFeature } from '../call/capability.js'
import type { Reader } from '../model/chain-query.js'
import type { Format } from '../model/format.js'
import type { GuestState } from '../model/guest.js'
import type { Access, Opener, Opening } from '../model/opening.js'
import type { Hypervisor } from './hypervisor.js'

/**
 * Another way to what the caller wanted.
 *
 * @since 0.1.0
 */
export type Alternative =
  | { readonly _tag: 'PullIntoReaders'; readonly readers: ReadonlyArray<string> }
  | { readonly _tag: 'PullEverything'; readonly into: string }
  | { readonly _tag: 'ActiveCommit'; readonly base: string }
  | { readonly _tag: 'Copy'; readonly depth: 'full' | 'shallow' }
  | { readonly _tag: 'Grow'; readonly image: string; readonly toBytes: number; readonly guest: 'shut-off' | 'any' }
  | { readonly _tag: 'ExtendDevice'; readonly image: string; readonly toBytes: number }
  | { readonly _tag: 'SafeRebase'; readonly image: string }
  | { readonly _tag: 'Via'; readonly via: Hypervisor['via']; readonly guest: ReadonlyArray<GuestState> }
  | { readonly _tag: 'KeepLeftovers' }
  | { readonly _tag: 'GiveHeader'; readonly image: string }
  | { readonly _tag: 'Accept'; readonly tag: AcceptableTag }
  | { readonly _tag: 'UseAnotherName'; readonly taken: ReadonlyArray<string> }
  | { readonly _tag: 'WaitForJob'; readonly job: string }
  | { readonly _tag: 'CloseFirst'; readonly image: string; readonly by: Opener }

/**
 * The refusals that are policy: a caller who knows what is lost can accept them by name.
 *
 * @since 0.1.0
 */
export type AcceptableTag = 'PlaintextLeak' | 'BitmapsLost' | 'InternalSnapshotsLost'

/** The sizes that decide whether a short image lets stale data through, in bytes. */
export interface ThreeSizes {
  readonly base: string
  readonly baseBytes: number
  readonly short: string
  readonly shortBytes: number
  readonly overlay: string
  readonly overlayBytes: number
}

type Facts =
  | { readonly _tag: 'ImageNotInChain'; readonly image: string }
  | { readonly _tag: 'TopNotAboveBase'; readonly top: string; readonly base: string }
  | { readonly _tag: 'NothingBelow'; readonly image: string }
  | { readonly _tag: 'NotOnActivePath'; readonly image: string; readonly active: string }
  | {
      readonly _tag: 'GuestStateWrong'
      readonly via: Hypervisor['via']
      readonly guest: GuestState
      readonly needs: ReadonlyArray<GuestState>
    }
  | { readonly _tag: 'NotThisWay'; readonly via: Hypervisor['via']; readonly why: string }
  | { readonly _tag: 'CapabilityMissing'; readonly missing: ReadonlyNonEmptyArray<MissingFeature> }
  | {
      readonly _tag: 'JobOverlaps'
      readonly job: string
      readonly kind: string
      readonly images: ReadonlyArray<string>
    }
  | { readonly _tag: 'ActiveNeedsPivotDecision'; readonly active: string }
  | { readonly _tag: 'PivotOnlyForActive'; readonly top: string; readonly active: string }
  | { readonly _tag: 'ImageShared'; readonly image: string; readonly readers: ReadonlyNonEmptyArray<Reader> }
  | { readonly _tag: 'FormatCannotChangeBacking'; readonly image: string; readonly format: Format }
  | { readonly _tag: 'FormatCannotHoldOverlay'; readonly image: string; readonly format: Format }
  | {
      readonly _tag: 'BaseLargerThanTop'
      readonly base: string
      readonly baseBytes: number
      readonly top: string
      readonly topBytes: number
    }
  | ({ readonly _tag: 'ShortImageExposesBase' } & ThreeSizes)
  | {
      readonly _tag: 'BaseNotGrowable'
      readonly base: string
      readonly baseBytes: number
      readonly topBytes: number
      readonly why: string
    }
  | {
      readonly _tag: 'BaseDeviceTooSmall'
      readonly base: string
      readonly presentBytes: number
      readonly neededBytes: number
    }
  | {
      readonly _tag: 'InternalSnapshotsLost'
      readonly lost: ReadonlyNonEmptyArray<{ readonly image: string; readonly snapshots: ReadonlyArray<string> }>
      readonly why: string
    }
  | {
      readonly _tag: 'BitmapsLost'
      readonly lost: ReadonlyNonEmptyArray<{ readonly image: string; readonly bitmaps: ReadonlyArray<string> }>
    }
  | { readonly _tag: 'PlaintextLeak'; readonly from: ReadonlyNonEmptyArray<string>; readonly to: string }
  | {
      readonly _tag: 'BackingStringTooLong'
      readonly image: string
      readonly header: string
      readonly headerBytes: number
      readonly largestBytes: number
    }
  | { readonly _tag: 'BackingStringUnknown'; readonly image: string; readonly backing: string; readonly why: string }
  | { readonly _tag: 'PathNotAbsolute'; readonly image: string; readonly path: string }
  | {
      readonly _tag: 'LocationNotAddressable'
      readonly image: string
      readonly via: Hypervisor['via']
      readonly why: string
    }
  | { readonly _tag: 'NodeUnknown'; readonly image: string }
  | { readonly _tag: 'NodeNameInvalid'; readonly node: string; readonly why: string }
  | {
      readonly _tag: 'FilterAbove'
      readonly image: string
      readonly filters: ReadonlyArray<string>
      readonly why: string
    }
  | {
      readonly _tag: 'NameTaken'
      readonly name: string
      readonly by: 'image' | 'location' | 'node' | 'own backing' | 'header' | 'definition'
    }
  | {
      readonly _tag: 'DestinationWrong'
      readonly name: string
      readonly why: 'size' | 'relative' | 'exists' | 'missing' | 'format' | 'contents'
      readonly detail: string
    }
  | {
      readonly _tag: 'PointUnknown'
      readonly point: string
      readonly image: string
      readonly why: 'not in the chain' | 'active' | 'above the active image'
    }
  | {
      readonly _tag: 'PointInTimeLost'
      readonly points: ReadonlyNonEmptyArray<{ readonly point: string; readonly image: string }>
    }
  /** A step, counted from 0, would open an image that somebody has open. */
  | {
      readonly _tag: 'ImageOpen'
      readonly image: string
      readonly step: number
      readonly wants: Access
      readonly by: Opener
      readonly held: Opening
    }

/**
 * Why there is no plan: a tag, the facts, and the other ways that there are.
 *
 * All guards run before the first step, in the order in which the tags stand in each operation's docstring; the first one
 * that fails is the answer.
 *
 * @since 0.1.0
 */
export type Refusal = Facts & { readonly alternatives: ReadonlyArray<Alternative> }

/** Makes a refusal of its facts. */
export const refuse = (facts: Facts, alternatives: ReadonlyArray<Alternative> = []): Refusal => ({
  ...facts,
  alternatives,
})
