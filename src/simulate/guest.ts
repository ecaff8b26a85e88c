import * as E from 'fp-ts/lib/Either.js'

import type { Run } from '../content/run.js'
import { liveLayer, writeThrough } from './cache.js'
import { holds, noSpace } from './device.js'
import type { Fault, Outcome } from './fault.js'
import { withRange } from './cells.js'
import { knownNode } from './graph.js'
import { copiedBefore } from './job-backup.js'
import { copyRanges } from './job-copy.js'
import type { Job } from './job.js'
import { withJob } from './qmp-start.js'
import type { World } from './world.js'

const blocked = (desc: string): E.Either<Fault, never> => E.left({ _tag: 'GuestBlocked', desc })

/** Lets a mirror see a write of the guest: it copies it at once, or remembers to. */
const noted = (world: World, job: Job, run: Run): World => {
  if (job.work._tag !== 'Mirror' || job.work.source !== world.qemu?.root || job.work.dirty === undefined) return world
  if (job.work.copyMode === 'write-blocking') return copyRanges(world, job.work, [run])
  return withJob(world, job.id, { work: { ...job.work, dirty: withRange(job.work.dirty, run) } })
}

/** A mirror that waits to be finalized has stopped the guest's I/O, so that nothing is lost between copy and pivot. */
const isDrained = (world: World): boolean =>
  world.qemu?.jobs.some(({ work, status }) => work._tag === 'Mirror' && status === 'pending') ?? false

/**
 * Lets the guest write a run: to its disk, and through every mirror to the copy. What a backup still needs is copied first.
 *
 * Faults: `GuestBlocked` where the guest does not run, is held up by a mirror that is pending, or writes beyond its disk or what its device holds.
 *
 * @since 0.1.0
 */
export const guestWrite = (world: World, run: Run): Outcome => {
  if (world.qemu?.guest !== 'running') return blocked('the guest does not run')
  if (isDrained(world)) return blocked('a mirror is pending')
  const { file } = knownNode(world, world.qemu.root)
  if (run.endBytes > liveLayer(world, file).sizeBytes) return blocked('beyond the end of the disk')
  const kept = world.qemu.jobs.reduce((at, job) => copiedBefore(at, job, run), world)
  let written = writeThrough(kept, file, run)
  if (!holds(written, file, liveLayer(written, file))) return blocked(noSpace)
  for (const job of kept.qemu?.jobs ?? []) if (job.status !== 'concluded') written = noted(written, job, run)
  return E.right(written)
}
