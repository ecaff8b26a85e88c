import * as E from 'fp-ts/lib/Either.js'

import { traitsOf } from '../model/format.js'
import type { Format } from '../model/format.js'
import { headerBytes, largestHeaderBytes } from '../model/header.js'
import { flush } from './cache.js'
import type { Fault, Outcome } from './fault.js'
import { filenameOf } from './filename.js'
import { fileOf, isKept, withHeader } from './files.js'
import { dropLoose, knownNode, nodeOf, setBacking, setRoot, withNode } from './graph.js'
import type { CommitWork, Job, MirrorWork, StreamWork } from './job.js'
import { kill } from './process.js'
import { jobOf } from './qmp-check.js'
import { withJob } from './qmp-start.js'
import { withProcess } from './world.js'
import type { FileHeader, SimNode, World } from './world.js'

/** QEMU dies; its files stay. */
export const crash = (world: World, desc: string): E.Either<Fault, never> =>
  E.left({ _tag: 'Crash', desc, world: kill(world) })

/**
 * Lets a running guest read its disk, as it will sooner or later.
 *
 * QEMU dies of it while a stream that had nothing to copy waits to be finalized: its filter reads through a node that is not
 * there (seen in 7.2 and 10.0).
 */
export const readByGuest = (world: World): Outcome => {
  const fatal = world.qemu?.jobs.find(
    ({ work, status }) =>
      work._tag === 'Stream' && status === 'pending' && nodeOf(world, work.target)?.backing === work.base,
  )
  return fatal === undefined
    ? E.right(world)
    : crash(world, `the guest reads while the block-stream '${fatal.id}', which has nothing to copy, is pending`)
}

/** Forgets a job. */
export const dismissed = (world: World, id: string): World =>
  withProcess(world, { jobs: (world.qemu?.jobs ?? []).filter((job) => job.id !== id) })

const concluded = (world: World, id: string): World => {
  const job = jobOf(world, id)
  if (job === undefined) return world
  return job.autoDismiss ? dismissed(world, id) : withJob(world, id, { status: 'concluded' })
}

/** The header that a commit or a stream writes: the string given, or QEMU's own name of the node. */
const newHeader = (world: World, base: string, given: string | undefined): FileHeader => {
  const format: Format = fileOf(world, knownNode(world, base).file).format
  return { string: given ?? filenameOf(world, base), format }
}

const cannotWrite = (world: World, overlay: SimNode, header: FileHeader | undefined): string | undefined => {
  const file = fileOf(world, overlay.file)
  if (traitsOf(file.format).holds !== 'overlay') return 'Operation not supported'
  if (header !== undefined && headerBytes(header.string) > largestHeaderBytes) return 'Invalid argument'
  const open = overlay.access === 'read-write'
  if (!open && isKept(file, 'write')) return 'Failed to get "write" lock'
  return open || (overlay.protocol === 'reopens' && file.access === 'read-write') ? undefined : 'Permission denied'
}

const headerOf = (world: World, node: SimNode, header: FileHeader): FileHeader =>
  traitsOf(fileOf(world, node.file).format).records === 'format' ? header : { ...header, format: undefined }

/**
 * Re-points every overlay of top to base and rewrites its header.
 *
 * Where a header cannot be rewritten QEMU dies of it (seen in 7.2 and 10.0), with base already written.
 */
const repointed = (world: World, work: CommitWork): Outcome => {
  const header = newHeader(world, work.base, work.backingFile)
  let done = world
  for (const name of knownNode(world, work.top).overlays) {
    const overlay = knownNode(done, name)
    const why = cannotWrite(done, overlay, header)
    if (why !== undefined) return crash(done, `the header of '${overlay.openedAs}' cannot be rewritten: ${why}`)
    done = withHeader(done, overlay.file, headerOf(done, overlay, header))
  }
  for (const name of knownNode(world, work.top).overlays) done = setBacking(done, name, work.base)
  return E.right(done)
}

/** Re-points the overlays, and only then flushes base, which is closed for writing again. */
const finishCommit = (world: World, work: CommitWork): Outcome => {
  const done = repointed(world, work)
  if (E.isLeft(done)) return done
  const base = knownNode(done.right, work.base)
  return E.right(withNode(flush(done.right, base.file), work.base, { access: work.baseAccess }))
}

/** What a stream makes of the world when it is finalized, and what went wrong. */
interface Streamed {
  readonly world: World
  readonly error: string | undefined
}

/**
 * Gives the target its new backing node and rewrites its header. Where the header cannot be rewritten the graph changes all the
 * same; a target that had no backing file is left alone.
 */
const relinked = (world: World, work: StreamWork): Streamed => {
  const target = knownNode(world, work.target)
  if (target.backing === undefined) return { world, error: undefined }
  const header = work.base === undefined ? undefined : newHeader(world, work.base, work.backingFile)
  const error = cannotWrite(world, target, header)
  const stored = header === undefined ? undefined : headerOf(world, target, header)
  const rewritten = error === undefined ? withHeader(world, target.file, stored) : world
  return { world: setBacking(rewritten, work.target, work.base), error }
}

/** The pulled clusters stay in the cache, unless the target is closed for writing again. */
const finishStream = (world: World, work: StreamWork): Streamed => {
  const { world: changed, error } = relinked(world, work)
  if (work.targetAccess === 'read-write') return { world: changed, error }
  const flushed = flush(changed, knownNode(changed, work.target).file)
  return { world: withNode(flushed, work.target, { access: 'read-only' }), error }
}

/**
 * What `kill -9` can leave in the middle of finalizing a job: the headers are rewritten, what they now lead to is not on disk yet.
 *
 * Nothing where the job is not about to be finalized. A flush while the job is pending closes the gap.
 */
export const killedFinalizing = (world: World, { work }: Job): World | undefined => {
  if (work._tag === 'Stream') return kill(relinked(world, work).world)
  if (work._tag !== 'Commit') return undefined
  const done = repointed(world, work)
  return E.isRight(done) ? kill(done.right) : undefined
}

/** Flushes the target; at a pivot the guest's disk reads it from now on. A base that was only committed into stays writable. */
const finishMirror = (world: World, work: MirrorWork): World => {
  const flushed = flush(world, knownNode(world, work.target).file)
  return work.end === 'pivot' && world.qemu?.root === work.source ? setRoot(flushed, work.target) : flushed
}

/** What a job does between `pending` and `concluded`: the header and the graph change here and not before. */
export const finalize = (world: World, job: Job): Outcome => {
  const ended = withJob(world, job.id, { status: 'concluded' })
  switch (job.work._tag) {
    case 'Commit': {
      const done = finishCommit(ended, job.work)
      return E.isLeft(done) ? done : E.right(concluded(done.right, job.id))
    }
    case 'Stream': {
      const done = finishStream(ended, job.work)
      return E.right(concluded(withJob(done.world, job.id, { error: done.error }), job.id))
    }
    case 'Mirror':
      return E.right(concluded(finishMirror(ended, job.work), job.id))
    // A backup flushes nothing: what it has copied is in the cache until the target is closed.
    case 'Backup':
    case 'Create':
    case 'Snapshot':
      return E.right(concluded(ended, job.id))
  }
}

/** The nodes that a job opened for writing, as they were before. */
const restored = (world: World, name: string, access: SimNode['access']): World => {
  const node = nodeOf(world, name)
  if (node === undefined || access === 'read-write') return world
  return dropLoose(withNode(flush(world, node.file), name, { access }), name)
}

/** Ends a job without what it was for. What it has copied stays copied. */
export const abort = (world: World, job: Job, error: string): World => {
  const ended = withJob(world, job.id, { status: 'concluded', error })
  switch (job.work._tag) {
    case 'Commit':
      return concluded(restored(ended, job.work.base, job.work.baseAccess), job.id)
    case 'Stream':
      return concluded(restored(ended, job.work.target, job.work.targetAccess), job.id)
    case 'Mirror':
      return concluded(restored(ended, job.work.target, job.work.targetAccess), job.id)
    case 'Backup':
    case 'Create':
    case 'Snapshot':
      return concluded(ended, job.id)
  }
}
