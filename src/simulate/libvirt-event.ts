import * as E from 'fp-ts/lib/Either.js'

import type { Outcome } from './fault.js'
import { keyOf, unlink } from './files.js'
import { nodeOf, removeNode } from './graph.js'
import { dismissed } from './job-finish.js'
import { advance } from './job-progress.js'
import type { Job } from './job.js'
import { declaredWithoutDropped, withCopy, withoutDropped } from './libvirt-definition.js'
import { withDomain } from './libvirt-chain.js'
import { jobOf } from './qmp-check.js'
import { blockJobCancel } from './qmp-job.js'
import { withProcess } from './world.js'
import type { Boot, LibvirtJob, World } from './world.js'

/** Closes a format node and its storage node, if nobody reads it any more. */
export const closeNode = (world: World, name: string): World => {
  const node = nodeOf(world, name)
  if (node === undefined || node.overlays.length > 0 || world.qemu?.root === name) return world
  const closed = removeNode(world, name)
  return node.storage === undefined || nodeOf(closed, node.storage) === undefined
    ? closed
    : removeNode(closed, node.storage)
}

/** After a success: closes what was dropped, mends the persistent definition, and deletes files if it was told to. */
const tidyUp = (world: World, job: LibvirtJob): World => {
  const paths = new Set(job.dropped.map(({ openedAs }) => keyOf(openedAs)))
  const closed = job.dropped.reduce((open, { name }) => closeNode(open, name), world)
  const declare = (change: (declared: Boot) => Boot): World =>
    closed.qemu === undefined ? closed : withProcess(closed, { declared: change(closed.qemu.declared) })
  if (job.kind === 'copy') {
    const copied = declare((declared) => withCopy({ ...declared, keeper: 'libvirt' }, job))
    return { ...copied, boot: withCopy(world.boot, job) }
  }
  const declared = declare((old) => declaredWithoutDropped(old, job, paths))
  const mended = { ...declared, boot: withoutDropped(world.boot, job, paths) }
  return job.files === 'kept' ? mended : Array.from(paths).reduce(unlink, mended)
}

/** After a backup, or a copy that was not pivoted to: the destination is closed, which flushes it, and stays. */
const letGo = (world: World, job: LibvirtJob): World =>
  job.copy === undefined ? world : closeNode(world, job.copy.node)

const ended = (world: World, record: LibvirtJob, job: Job): World => {
  const free = withDomain(dismissed(world, job.id), { job: undefined })
  if (record.kind === 'backup') {
    const event = job.error === undefined ? 'completed' : job.error === 'Operation canceled' ? 'canceled' : 'failed'
    return withDomain(letGo(free, record), { event })
  }
  const kept = job.work._tag === 'Mirror' && job.work.end === 'keep'
  if (job.error === undefined && !kept) return withDomain(tidyUp(free, record), { event: 'completed' })
  const event = kept || job.error === 'Operation canceled' ? 'canceled' : 'failed'
  return withDomain(letGo(free, record), { event })
}

/** Lets libvirt see how its block job stands, and do what it does then. */
export const noticed = (world: World): World => {
  const record = world.domain?.job
  const job = record === undefined ? undefined : jobOf(world, record.id)
  if (record === undefined || job === undefined) return world
  if (job.status === 'concluded') return ended(world, record, job)
  return job.status === 'ready' && world.domain?.event !== 'ready' ? withDomain(world, { event: 'ready' }) : world
}

/** A job that has been told to end does so with its next step, and until then is one that runs. */
const moves = (world: World, { id, ending }: LibvirtJob, limitBytes: number | undefined): Outcome =>
  ending === 'canceled' && jobOf(world, id)?.status === 'running'
    ? blockJobCancel(world, id, false)
    : advance(world, id, limitBytes)

/** Moves the block job of the domain by one step, and lets libvirt see it. */
export const advanceLibvirt = (world: World, limitBytes: number | undefined): Outcome => {
  if (world.domain?.job === undefined) return E.right(world)
  const moved = moves(world, world.domain.job, limitBytes)
  return E.isLeft(moved) ? moved : E.right(noticed(moved.right))
}

/** Lets the block job of the domain go on until it has ended; for calls that return only then. */
export const finishLibvirt = (world: World): Outcome => {
  for (let at = noticed(world); ;) {
    const next = advanceLibvirt(at, undefined)
    if (E.isLeft(next)) return next
    if (next.right === at || next.right.domain?.job === undefined) return next
    at = next.right
  }
}
