import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { activeImage } from '../model/chain-query.js'
import { placeOf } from '../model/header.js'
import { samePlace } from '../model/saved-state.js'
import type { SavedState } from '../model/saved-state.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineAlternative, MachineRefusal } from '../plan/machine-refusal.js'
import { pinConflicts, startConflicts, unfitPins } from '../plan/pin-conflict.js'
import type { PinConflict } from '../plan/pin-conflict.js'
import { repointGuard } from './saved-repoint.js'

/** The ways that leave a state, or end it: only what keeps what the guest reads can have it follow. */
const instead = ({ operation, via, before }: MachinePlan, saved: SavedState): ReadonlyArray<MachineAlternative> => {
  const { place } = saved
  const keeps = operation === 'delete' || operation === 'commit' || operation === 'pull' || operation === 'rename'
  const follows = keeps && unfitPins(saved, before).length === 0
  return [
    { _tag: 'RestoreFirst', place },
    { _tag: 'DropState', place },
    ...(follows && via === 'libvirt' ? [{ _tag: 'RepointState' as const }] : []),
  ]
}

/** What a state that follows the disks needs of them afterwards: the images that it names then, and disks of the same size. */
const followed = (plan: MachinePlan, saved: SavedState): ReadonlyArray<PinConflict> => [
  ...unfitPins(saved, plan.after),
  ...Array.from(plan.after.disks.values()).flatMap((chain): ReadonlyArray<PinConflict> => {
    const before = plan.before.disks.get(chain.disk)
    const active = activeImage(chain)
    return before === undefined || activeImage(before).sizeBytes === active.sizeBytes
      ? []
      : [{ disk: chain.disk, path: placeOf(active), change: 'resized' }]
  }),
]

/** Only a state that fits the disks can follow them: one that does not is no better off on what is made of them. */
const moving = (plan: MachinePlan, saved: SavedState, now: SavedState): ReadonlyArray<PinConflict> => {
  const unfit = unfitPins(saved, plan.before)
  return unfit.length > 0 ? unfit : followed(plan, now)
}

/** A revert may start the guest, which then writes where a state that waits in a file has left the disks. */
const started = ({ before, after }: MachinePlan): ReadonlyArray<PinConflict> =>
  before.state === 'shut-off' && after.state !== 'shut-off' ? startConflicts(before) : []

/** What becomes of the pins of a state that stays as it is, each disk once. */
const spoilt = (plan: MachinePlan, saved: SavedState): ReadonlyArray<PinConflict> => {
  const changed = pinConflicts(plan, saved)
  return [...changed, ...started(plan).filter(({ disk }) => !changed.some((one) => one.disk === disk))]
}

/**
 * Refuses what would have a saved state restored on other disks than those that it was saved on. libvirt refuses none of it: the
 * state of memory is resumed on an image that others read by then, or not at all.
 */
export const savedStatesGuard = (plan: MachinePlan): MachineRefusal | undefined => {
  for (const saved of plan.before.saved) {
    if (saved.disks === 'written since') continue
    const { place } = saved
    const now = plan.after.saved.find((one) => samePlace(one.place, place))
    const moved = now !== undefined && now.definition !== saved.definition
    const conflicts = moved ? moving(plan, saved, now) : spoilt(plan, saved)
    if (isNonEmpty(conflicts)) return refuseMachine({ _tag: 'StateSaved', place, conflicts }, instead(plan, saved))
  }
  return repointGuard(plan)
}
