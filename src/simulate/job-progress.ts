import * as E from 'fp-ts/lib/Either.js'

import { flush, liveLayer } from './cache.js'
import { holds, noSpace } from './device.js'
import { copyBackup } from './job-backup.js'
import { copyCommit, copyMirror, copyStream } from './job-copy.js'
import type { Copied } from './job-copy.js'
import { abort, finalize, killedFinalizing, readByGuest } from './job-finish.js'
import { create } from './job-create.js'
import { knownNode } from './graph.js'
import type { Outcome } from './fault.js'
import type { Job, MirrorWork, Work } from './job.js'
import { jobOf } from './qmp-check.js'
import { withJob } from './qmp-start.js'
import type { World } from './world.js'

/** All is copied: to `pending`, and on from there unless the caller wants to say when. */
const toPending = (world: World, job: Job): Outcome => {
  if (job.autoFinalize) return finalize(world, job)
  const pending = withJob(world, job.id, { status: 'pending' })
  return world.qemu?.guest === 'running' ? readByGuest(pending) : E.right(pending)
}

/** Nothing is dirty: a mirror is ready, which flushes its target, and goes on only when it is told how to end. */
const mirrorIdle = (world: World, job: Job, work: MirrorWork): Outcome => {
  if (work.end !== undefined) return toPending(world, job)
  if (job.status === 'ready') return E.right(world)
  return E.right(withJob(flush(world, knownNode(world, work.target).file), job.id, { status: 'ready' }))
}

/** True where a job has written more than the device of its target holds. */
const isBeyond = (world: World, { work }: Pick<Job, 'work'>): boolean => {
  if (work._tag === 'Create' || work._tag === 'Snapshot') return false
  const { file } = knownNode(world, work._tag === 'Commit' ? work.base : work.target)
  return !holds(world, file, liveLayer(world, file))
}

const went = <W extends Work>(world: World, job: Job, copied: Copied<W>): Outcome => {
  switch (copied._tag) {
    case 'Copied':
      if (isBeyond(copied.world, job)) return E.right(abort(world, job, noSpace))
      return E.right(withJob(copied.world, job.id, { work: copied.work }))
    case 'Failed':
      return E.right(abort(copied.world ?? world, job, copied.error))
    case 'Done':
      return toPending(world, job)
  }
}

const moved = (world: World, job: Job, limitBytes: number | undefined): Outcome => {
  switch (job.work._tag) {
    case 'Commit':
      return went(world, job, copyCommit(world, job.work, limitBytes))
    case 'Stream':
      return went(world, job, copyStream(world, job.work, limitBytes))
    case 'Mirror': {
      const copied = copyMirror(world, job.work, limitBytes)
      return copied._tag === 'Done' ? mirrorIdle(world, job, job.work) : went(world, job, copied)
    }
    case 'Backup':
      return went(world, job, copyBackup(world, job.work, limitBytes))
    case 'Create':
      return E.right(create(world, job, job.work))
    case 'Snapshot':
      return E.right(world)
  }
}

/**
 * Moves one job by one step, copying at most `limitBytes`, or all that there is without a limit.
 *
 * Gives back the very same world where the job cannot move: it is pending, concluded, gone, or ready and not told how to end.
 */
export const advance = (world: World, id: string, limitBytes?: number): Outcome => {
  const job = jobOf(world, id)
  if (job === undefined || job.status === 'pending' || job.status === 'concluded') return E.right(world)
  return moved(world, job, limitBytes)
}

/** True for a job that will be finalized next: it is pending, or has copied everything and waits for nobody. */
const isAboutToFinalize = (world: World, { status, work }: Job): boolean => {
  if (status !== 'running') return status === 'pending'
  switch (work._tag) {
    case 'Commit':
      return copyCommit(world, work, undefined)._tag === 'Done'
    case 'Stream':
      return copyStream(world, work, undefined)._tag === 'Done'
    case 'Mirror':
    case 'Backup':
    case 'Create':
    case 'Snapshot':
      return false
  }
}

/**
 * What a `kill -9` can leave that comes not between two calls but inside QEMU, while it finalizes a job: one world for each job
 * that is about to be finalized.
 *
 * QEMU rewrites the headers first and writes out what they lead to afterwards. A `stop` while the job is pending flushes, and
 * closes the gap; a job that finalizes by itself leaves no moment for one.
 *
 * @since 0.1.0
 */
export const killsFinalizing = (world: World): ReadonlyArray<World> =>
  (world.qemu?.jobs ?? []).flatMap((job) => (isAboutToFinalize(world, job) ? (killedFinalizing(world, job) ?? []) : []))
