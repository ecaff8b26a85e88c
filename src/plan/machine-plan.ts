import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Feature } from '../call/capability.js'
import type { Chain } from '../model/chain.js'
import type { Machine } from '../model/machine.js'
import type { PointMap } from '../model/point-map.js'
import type { Assumption } from './assumption.js'
import type { Fate } from './fate.js'
import type { Hypervisor } from './hypervisor.js'
import type { Cleanup, ContentChange, Step } from './plan.js'

/**
 * What a plan for a machine does to one disk: one factor of the product. A {@link Plan} is one; a disk can have several, one after
 * the other, each beginning where the last one ended.
 *
 * @since 0.2.0
 */
export interface DiskPart {
  readonly before: Chain
  readonly after: Chain
  readonly contents: ReadonlyArray<ContentChange>
  readonly fates: ReadonlyMap<string, ReadonlyNonEmptyArray<Fate>>
}

/**
 * One step of a plan for a machine.
 *
 * - `disk`: the disk whose lane the step is in. Lanes are independent: steps of one lane keep their order, those of different
 *   lanes may be executed in any order or at once. Without `disk` the step is a barrier: everything before it has to be
 *   done before it, and nothing after it may begin before it is done.
 * - `points`: which image holds which point in time once this step and all before it are done. What a disk shows in it depends
 *   on the steps of its own lane and on barriers alone, so it is right for every prefix: see `pointsAfter`.
 * - `failure`: where the step may fail, what that means; left out, its failure ends the plan.
 *
 * @since 0.2.0
 */
export interface MachineStep extends Step {
  readonly disk: string | undefined
  readonly points: PointMap
  readonly failure?: string
}

/**
 * What a snapshot is good for.
 *
 * - `clean`: the guest was shut off. `memory`: the guest's memory is kept with the disks. `quiesced`: its file systems were
 *   frozen. `quiesced or crash`: they were if the agent answered. `crash`: as after a power failure. `none`: no disk is kept.
 *
 * @since 0.2.0
 */
export type Consistency = 'clean' | 'memory' | 'quiesced' | 'quiesced or crash' | 'crash' | 'none'

/**
 * An assumption of a plan for a machine, about one disk or all of it.
 *
 * @since 0.2.0
 */
export type MachineAssumption =
  | { readonly _tag: 'OfDisk'; readonly disk: string; readonly assumption: Assumption }
  /** libvirt reads its clock in this second, since 1970, and names the overlays of its revert after it. */
  | { readonly _tag: 'ClockReads'; readonly seconds: number }
  /** libvirt has no saved state of the domain. */
  | { readonly _tag: 'NoManagedSave'; readonly domain: string }
  /** The file of the guest's memory is there, and nobody else needs it. */
  | { readonly _tag: 'MemoryFile'; readonly snapshot: string; readonly path: string }
  /** The images of the machine hold what they held when its memory was saved here. */
  | { readonly _tag: 'DisksAsSaved'; readonly domain: string }
  /** The guest can be started again with this definition. */
  | { readonly _tag: 'Starts'; readonly domain: string }
  /** These disks are no longer the machine's; their files are left as they are. */
  | { readonly _tag: 'DiskGone'; readonly snapshot: string; readonly disks: ReadonlyArray<string> }
  /** The guest writes to no disk that the machine does not have: QEMU does not mind one that is left out of its memory's snapshot. */
  | { readonly _tag: 'NoOtherDisks' }
  /** The running QEMU has the devices that it had when the snapshot was taken: else it loads half of it, and can be let go on so. */
  | { readonly _tag: 'SameDevices'; readonly snapshot: string }
  /** These disks have the size that they had when the snapshot was taken: the one inside comes back with it, or is cut off or filled up where it is copied. */
  | { readonly _tag: 'SizesAsTaken'; readonly snapshot: string; readonly disks: ReadonlyArray<string> }
  /** The domain is transient: when it stops, libvirt drops every record of its snapshots, and the files stay. */
  | { readonly _tag: 'RecordsEnd'; readonly domain: string }
  /** What is at this path is on that volume, or in that subvolume, which can be snapshotted. */
  | { readonly _tag: 'StoredOn'; readonly disk: string; readonly path: string; readonly on: string }
  /** QEMU can write out what it holds back of these images when it stops: it says nothing where that fails, on a full file system say. */
  | { readonly _tag: 'WrittenOut'; readonly disk: string; readonly images: ReadonlyArray<string> }
  /** No more than so many bytes are written before the snapshot of this volume is done with: then it is lost. */
  | { readonly _tag: 'CopyHolds'; readonly disk: string; readonly volume: string; readonly sizeBytes: number }
  /** These images stay as they are: a copy reads them. */
  | { readonly _tag: 'CopyReads'; readonly disk: string; readonly path: string; readonly images: ReadonlyArray<string> }
  /** There is nothing in this folder besides the images of the machine: it goes back as a whole. */
  | { readonly _tag: 'NothingElseIn'; readonly path: string }

/**
 * What an operation on a machine does: chains and snapshots together, before and after, and the calls in between.
 *
 * - `how`: `libvirt` where libvirt's own function for it is called, `by hand` where the steps do what that one would not.
 * - `parts`: what happens to each disk, in order; disks that nothing happens to are not there.
 * - `finally`: what has to be done on every way out.
 * - `unlinked`: files that go and are no images: memory.
 *
 * @since 0.2.0
 */
export interface MachinePlan {
  readonly operation:
    | 'take'
    | 'delete'
    | 'revert'
    | 'forget'
    | 'redefine'
    | 'commit'
    | 'pull'
    | 'rename'
    | 'save'
    | 'restore'
    | 'drop'
    | 'extract'
    | 'export'
    | 'settle'
  readonly via: Hypervisor['via']
  readonly how: 'libvirt' | 'by hand'
  readonly before: Machine
  readonly after: Machine
  readonly parts: ReadonlyArray<DiskPart>
  readonly steps: ReadonlyArray<MachineStep>
  readonly finally: ReadonlyArray<Cleanup>
  readonly consistency: Consistency | undefined
  readonly unlinked: ReadonlyArray<string>
  readonly requires: ReadonlyArray<Feature>
  readonly assumes: ReadonlyArray<MachineAssumption>
}
