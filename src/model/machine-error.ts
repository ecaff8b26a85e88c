import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Location } from './location.js'

/**
 * Why a description is no machine.
 *
 * - `PointWritten`: the image that should hold a point in time is the active one, or lies above it, so the guest has changed it.
 * - `MemoryShared`: the file of a saved state is that of a snapshot's memory, and would go with the one or the other.
 * - `OwedMissing`: a snapshot whose deletion is owed is not inside that image.
 * - `PlaceShared`: two disks have an image in the same place.
 *
 * @since 0.2.0
 */
export type MachineError =
  | { readonly _tag: 'MachineNameInvalid'; readonly name: string }
  | { readonly _tag: 'DiskDuplicate'; readonly disk: string }
  | {
      readonly _tag: 'PlaceShared'
      readonly disks: readonly [string, string]
      readonly images: readonly [string, string]
      readonly location: Location
    }
  | { readonly _tag: 'SnapshotNameInvalid' | 'SnapshotDuplicate'; readonly snapshot: string }
  | { readonly _tag: 'ParentMissing'; readonly snapshot: string; readonly parent: string }
  | { readonly _tag: 'ParentLoop'; readonly snapshots: ReadonlyNonEmptyArray<string> }
  | { readonly _tag: 'CurrentMissing'; readonly current: string }
  | { readonly _tag: 'PointImageMissing'; readonly snapshot: string; readonly disk: string; readonly image: string }
  | { readonly _tag: 'PointWritten'; readonly snapshot: string; readonly disk: string; readonly image: string }
  | { readonly _tag: 'InternalMissing'; readonly snapshot: string; readonly disk: string; readonly image: string }
  | { readonly _tag: 'OwedMissing'; readonly disk: string; readonly image: string; readonly snapshot: string }
  | { readonly _tag: 'MemoryShared'; readonly snapshot: string; readonly path: string }
  | { readonly _tag: 'DefinitionWrong'; readonly which: 'persistent' | 'live'; readonly why: string }
