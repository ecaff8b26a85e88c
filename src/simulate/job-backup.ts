import { solid } from '../content/layer.js'
import { liveLayer, writeCached } from './cache.js'
import { paste, takeRanges, withoutRange } from './cells.js'
import { downFrom, knownNode, productOf } from './graph.js'
import type { BackupWork, Job, Range } from './job.js'
import type { Copied } from './job-copy.js'
import { withJob } from './qmp-start.js'
import type { World } from './world.js'

/** Copies ranges of what the source shows now; where it shows zeroes the target gets zeroes, whatever it had. */
const copied = (world: World, { source, target }: BackupWork, ranges: ReadonlyArray<Range>): World => {
  const { file } = knownNode(world, target)
  const seen = solid(productOf(world, downFrom(world, source)))
  return writeCached(world, file, paste(liveLayer(world, file), seen, ranges))
}

/** One step of a backup: copies at most `limitBytes` of what is left. */
export const copyBackup = (world: World, work: BackupWork, limitBytes: number | undefined): Copied<BackupWork> => {
  const { taken, rest } = takeRanges(work.left, limitBytes)
  if (taken.length === 0) return { _tag: 'Done' }
  return { _tag: 'Copied', world: copied(world, work, taken), work: { ...work, left: rest } }
}

/** The range with its ends moved out to whole clusters. */
const clusters = ({ startBytes, endBytes }: Range, bytes: number): Range => ({
  startBytes: Math.floor(startBytes / bytes) * bytes,
  endBytes: Math.ceil(endBytes / bytes) * bytes,
})

/** What a backup copies before the guest writes there: of the clusters that the write touches, what is left. */
export const copiedBefore = (world: World, job: Job, write: Range): World => {
  const { work, status } = job
  if (work._tag !== 'Backup' || status === 'concluded' || work.source !== world.qemu?.root) return world
  const { inside, outside } = withoutRange(work.left, clusters(write, work.clusterBytes))
  if (inside.length === 0) return world
  return withJob(copied(world, work, inside), job.id, { work: { ...work, left: outside } })
}
