import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { removalGuard } from './guard-live.js'
import { severalGuard } from './inside-name.js'
import { lostGuard } from './machine-guard.js'
import { memoryGoing, memoryPathGuard } from './memory-files.js'
import type { RevertJob } from './revert-job.js'
import type { RevertedDisk } from './revert-outcome.js'

/**
 * Refuses what a revert would remove without knowing what it is: files by relative paths, one of several internal snapshots of
 * a name, and images of which one may hold a snapshot that stays and is lost.
 */
export const goingGuard = (
  { host: { via }, deleted, kept }: RevertJob,
  disks: ReadonlyArray<Pick<RevertedDisk, 'before' | 'going' | 'snapshots'>>,
): MachineRefusal | undefined => {
  for (const { before, going } of disks) {
    const refusal = removalGuard({ leftovers: 'remove' }, going)
    if (refusal !== undefined) return refuseMachine({ _tag: 'DiskRefused', disk: before.disk, refusal })
  }
  const frozen = disks.filter(({ before, going }) => going.some(({ name }) => name !== before.active))
  const targets = frozen.map(({ before }) => before.disk)
  const inside = disks.flatMap(({ snapshots }) => snapshots)
  const instead = [{ _tag: 'DeleteFirst', snapshots: deleted.map(({ name }) => name) }] as const
  return (
    severalGuard(inside, via) ??
    lostGuard(kept, targets) ??
    memoryPathGuard(memoryGoing(deleted, kept), { via, instead })
  )
}
