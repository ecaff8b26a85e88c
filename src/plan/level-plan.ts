import type { StorageCopy } from '../model/storage-copy.js'
import type { StorageLevel } from '../model/storage-level.js'
import type { MachinePlan } from './machine-plan.js'
import type { MachineRefusal } from './machine-refusal.js'
import type { PassedOver } from './passed-over.js'

/**
 * A snapshot of a machine at the levels that were chosen.
 *
 * - `plan`: all steps, those of the levels below QEMU among them. In `after` the snapshot has the disks that a level below
 *   QEMU has as `manual`, and images that a copy reads have it among their readers.
 * - `chosen`: the level of each disk. `passedOver`: what was preferred to it, and why it was not that.
 * - `copies`: what the levels below have, to be kept by the caller: deletion and revert need it.
 *
 * How long the guest stands still, {@link pausesOf} says of the plan.
 *
 * @since 0.2.0
 */
export interface LevelPlan {
  readonly plan: MachinePlan
  readonly chosen: ReadonlyMap<string, StorageLevel>
  readonly passedOver: ReadonlyArray<PassedOver<MachineRefusal>>
  readonly copies: ReadonlyArray<StorageCopy>
}
