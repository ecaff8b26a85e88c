import * as E from 'fp-ts/lib/Either.js'

import type { Call } from '../call/call.js'
import { judgeQmpJob } from '../call/wait.js'
import type { Wait, WaitState } from '../call/wait.js'
import type { Fault, Outcome } from './fault.js'
import { inodeOf, keyOf } from './files.js'
import { advance } from './job-progress.js'
import { advanceLibvirt } from './libvirt-event.js'
import { chainFrom, durableChain, liveChain, startChain } from './observe.js'
import type { SeenImage } from './observe.js'
import { parseArgv } from './qemu-img-argv.js'
import { jobOf } from './qmp-check.js'
import { emptyTable, lookup } from './table.js'
import type { World } from './world.js'

/** How a wait stands, and where it does not go on by itself, why. */
interface Standing {
  readonly state: WaitState
  readonly desc: string
}

const qmpJob = (world: World, wait: Wait & { readonly _tag: 'QmpJob' }): Standing => {
  const jobs = (world.qemu?.jobs ?? []).map(({ id, status, error }) => ({
    id,
    status,
    ...(error === undefined ? {} : { error }),
  }))
  const job = jobOf(world, wait.job)
  const desc = job === undefined ? `there is no job '${wait.job}'` : (job.error ?? `job '${job.id}' is ${job.status}`)
  return { state: judgeQmpJob(wait, jobs), desc }
}

const libvirtJob = (world: World, wait: Wait & { readonly _tag: 'LibvirtJob' }): Standing => {
  const event = world.domain?.event
  if (event === wait.status) return { state: 'reached', desc: event }
  if (event === undefined || event === 'ready')
    return { state: world.domain?.job === undefined ? 'lost' : 'waiting', desc: `no event but ${event ?? 'none'}` }
  return { state: 'failed', desc: `event ${event}` }
}

/** Of several disks, this world has one. */
const ofOwnDisk = (world: World, { disks, status }: Wait & { readonly _tag: 'LibvirtJobs' }): Standing =>
  disks.includes(world.disk)
    ? libvirtJob(world, { _tag: 'LibvirtJob', disk: world.disk, status })
    : { state: 'reached', desc: 'another disk' }

/** A storage daemon lists its nodes; of disks it has none. */
const shownByDaemon = (world: World, call: Call | undefined, uppermost: string): ReadonlyArray<SeenImage> => {
  const lists = call?._tag === 'Qmp' && call.command.execute === 'query-named-block-nodes'
  const [node] = lookup(world.qemu?.open ?? emptyTable, inodeOf(world, uppermost) ?? '') ?? []
  return lists && node !== undefined ? chainFrom(world, node) : []
}

/** A daemon that is not there answers nobody; one that has not been told to go stays. */
const daemon = (world: World, { socket, status }: Wait & { readonly _tag: 'Daemon' }): Standing => {
  const there = world.qemu?.socket === socket
  const desc = there ? `it listens on ${socket}` : `nobody listens on ${socket}`
  if (status === 'gone') return { state: there ? 'waiting' : 'reached', desc }
  return { state: there ? 'reached' : 'failed', desc }
}

/**
 * The chain that the reply to a call shows. `qemu-img info` reads headers; libvirt shows the live chain, or for INACTIVE what the
 * definition and the headers make of the next start; a monitor shows what QEMU has. Without a call it is the live chain, and where
 * nothing runs the one on disk under `uppermost`.
 */
const shown = (world: World, call: Call | undefined, uppermost: string): E.Either<Fault, ReadonlyArray<SeenImage>> => {
  if (call?._tag === 'QemuImg') {
    const parsed = parseArgv(call.argv)
    return E.isLeft(parsed) ? parsed : durableChain(world, parsed.right.operands[0] ?? uppermost)
  }
  if (world.qemu?.guest === 'none') return E.right(shownByDaemon(world, call, uppermost))
  const inactive = call?._tag === 'Libvirt' && call.function.flags.some((flag) => flag === 'VIR_DOMAIN_XML_INACTIVE')
  if (world.qemu !== undefined && !inactive) return E.right(liveChain(world))
  return call?._tag === 'Libvirt' ? startChain(world) : durableChain(world, uppermost)
}

const chainIs = (world: World, wait: Wait & { readonly _tag: 'ChainIs' }, call: Call | undefined): Standing => {
  const uppermost = wait.images[wait.images.length - 1]?.location ?? world.boot.path
  const found = shown(world, call, uppermost)
  if (E.isLeft(found)) return { state: 'lost', desc: 'the chain cannot be read' }
  const same =
    found.right.length === wait.images.length &&
    found.right.every(({ path, format }, index) => {
      const image = wait.images[index]
      return image !== undefined && keyOf(image.location) === keyOf(path) && image.format === format
    })
  const desc = found.right.map(({ path, format }) => `${path} (${format})`).join(' <- ')
  return same ? { state: 'reached', desc } : { state: 'failed', desc: `the chain is ${desc}` }
}

const standing = (world: World, wait: Wait, call: Call | undefined): Standing => {
  switch (wait._tag) {
    case 'QmpJob':
      return qmpJob(world, wait)
    case 'LibvirtJob':
      return libvirtJob(world, wait)
    case 'LibvirtJobs':
      return ofOwnDisk(world, wait)
    case 'ChainIs':
      return chainIs(world, wait, call)
    case 'Daemon':
      return daemon(world, wait)
  }
}

const moved = (world: World, wait: Wait, limitBytes: number | undefined): Outcome => {
  switch (wait._tag) {
    case 'QmpJob':
      return advance(world, wait.job, limitBytes)
    case 'LibvirtJob':
    case 'LibvirtJobs':
      return advanceLibvirt(world, limitBytes)
    case 'ChainIs':
    case 'Daemon':
      return E.right(world)
  }
}

/** Where one step towards a wait has led: whether it is reached, and the world. */
export interface Approach {
  readonly reached: boolean
  readonly world: World
}

/** How to approach a wait: the call that it follows, and how much a job may copy in one step. */
export interface Pace {
  readonly call?: Call
  readonly limitBytes?: number | undefined
}

/** Takes one step towards a wait; says so where the wait is reached already. */
export const approach = (world: World, wait: Wait, { call, limitBytes }: Pace): E.Either<Fault, Approach> => {
  const { state, desc } = standing(world, wait, call)
  if (state === 'reached') return E.right({ reached: true, world })
  if (state === 'failed') return E.left({ _tag: 'WaitFailed', wait, desc, world })
  const next = state === 'lost' ? E.right(world) : moved(world, wait, limitBytes)
  if (E.isLeft(next)) return next
  return next.right === world
    ? E.left({ _tag: 'WaitNeverReached', wait, desc, world })
    : E.right({ reached: false, world: next.right })
}

/**
 * Lets jobs run until a wait is reached. `call` is the one that the wait follows, whose reply `ChainIs` is about.
 *
 * Faults: `WaitFailed` with the job's error, or the chain that was found; `WaitNeverReached` where nothing moves any more;
 * `Crash` where QEMU dies of it.
 *
 * @since 0.1.0
 */
export const settle = (world: World, wait: Wait, call?: Call): Outcome => {
  const pace = call === undefined ? {} : { call }
  for (let at = world; ;) {
    const next = approach(at, wait, pace)
    if (E.isLeft(next)) return next
    if (next.right.reached) return E.right(next.right.world)
    at = next.right.world
  }
}
