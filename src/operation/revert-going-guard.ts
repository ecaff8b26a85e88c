import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { removalGuard } from './guard-live.js'
import { severalGuard } from './inside-name.js'
import { lostGuard } from './machine-guard.js'
import { memoryGoing, memoryPathGuard } from './memory-files.js'
import type { RevertJob } from './revert-job.js'
import type { RevertedDisk } from './revert-outcome.js'

type Going = ReadonlyArray<Pick<RevertedDisk, 'before' | 'going' | 'snapshots'>>

/** Beside a guest that runs nothing goes but what is inside the active images: files go in a plan of their own. */
const liveGuard = ({ host: { via }, deleted, kept }: RevertJob, disks: Going): MachineRefusal | undefined => {
  const beside = disks.some(
    ({ before, going, snapshots }) => going.length > 0 || snapshots.some(({ image }) => image.name !== before.active),
  )
  if (via !== 'qmp' || (!beside && memoryGoing(deleted, kept).length === 0)) return undefined
  const why = 'snapshots that come after have images or files of their own, which go in a plan of their own'
  return refuseMachine({ _tag: 'NotThisWay', via, why }, [
    { _tag: 'DeleteFirst', snapshots: deleted.map(({ name }) => name) },
  ])
}

/**
 * Refuses what a revert would remove without knowing what it is: files by relative paths, one of several internal snapshots of
 * a name, and images of which one may hold a snapshot that stays and is lost.
 */
export const goingGuard = (job: RevertJob, disks: Going): MachineRefusal | undefined => {
  const { host, deleted, kept } = job
  const { via } = host
  for (const { before, going } of disks) {
    const refusal = removalGuard({ leftovers: 'remove' }, going)
    if (refusal !== undefined) return refuseMachine({ _tag: 'DiskRefused', disk: before.disk, refusal })
  }
  const live = liveGuard(job, disks)
  if (live !== undefined) return live
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
