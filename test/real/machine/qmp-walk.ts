// A random walk of plans on one machine without libvirt, running, paused and shut off. After each everything is compared.

import * as E from 'fp-ts/lib/Either.js'
import type { ChainRequest, RevertRequest, Snapshot, TakeRequest } from 'backing-chain'
import type { QemuVersion } from '../lab/binaries.js'
import { pathNames, reasonOf } from './qmp-scenarios.js'
import { onFreeMachine, type Free } from './qmp-session.js'
import type { Asked } from './qmp-plans.js'
import { randomOf, type Random } from './random.js'
import { cellCount, targets } from './stage.js'

interface At {
  readonly free: Free
  readonly random: Random
  /** A number that no snapshot has yet. */
  readonly next: number
}

const names = ({ free }: At): ReadonlyArray<string> => Array.from(free.machine().snapshots.keys())

/** A disk that is left out, or one or both that are taken inside their images. */
const exceptions = ({ random }: At): TakeRequest['disks'] => {
  if (random.oneIn(4)) return new Map(random.some(targets, 2).map((target) => [target, { mode: 'internal' }]))
  return random.oneIn(6) ? new Map([[random.pick(targets), { mode: 'no' }]]) : undefined
}

const allInside: TakeRequest['disks'] = new Map(targets.map((target) => [target, { mode: 'internal' }]))

const take = (at: At): Asked => {
  const { random, next, free } = at
  if (free.machine().state !== 'shut-off' && random.oneIn(4))
    return { take: { name: `s${String(next)}`, disks: allInside, memory: { _tag: 'Internal' } } }
  const disks = exceptions(at)
  const metadata = random.oneIn(4) ? 'none' : 'keep'
  const quiesce = random.pick(['no', 'no', 'prefer'] as const)
  return { take: { name: `s${String(next)}`, metadata, quiesce, ...(disks === undefined ? {} : { disks }) } }
}

const remove = (at: At): Asked => {
  const { random } = at
  return {
    delete: {
      snapshots: random.some(names(at), 3),
      direction: random.pick(['commit', 'pull', 'auto', 'auto'] as const),
      leftovers: random.pick(['keep', 'remove', 'remove'] as const),
      untied: random.pick(['keep', 'keep', 'remove'] as const),
    },
  }
}

/** True for a snapshot with memory that is inside the images that the guest writes to now. */
const isLoadable =
  (free: Free) =>
  ({ memory, disks }: Snapshot): boolean =>
    memory._tag !== 'None' &&
    Array.from(free.machine().disks.values()).every(({ disk, active }) => {
      const own = disks.get(disk)
      return own?.mode === 'internal' && own.image === active
    })

const guests = ['as taken', 'running', 'paused', 'shut-off'] as const

const revert = (at: At): Asked => {
  const { random, free } = at
  const present = random.pick(['keep', 'discard'] as const)
  const inPlace = present === 'discard' && random.oneIn(2)
  const overlays: RevertRequest['overlays'] = new Map(targets.map((target) => [target, 'in place']))
  const later = random.oneIn(4) ? 'delete' : 'keep'
  const remembered = Array.from(free.machine().snapshots.values()).filter(isLoadable(free))
  if (free.machine().state !== 'shut-off' && remembered.length > 0)
    return { revert: { to: random.pick(remembered).name, present: 'discard', later, guest: random.pick(guests) } }
  return { revert: { to: random.pick(names(at)), present, later, ...(inPlace ? { overlays } : {}) } }
}

const change = ({ free, random }: At): Asked => {
  const disk = random.pick(targets)
  const images = pathNames(free, disk)
  const above = 1 + random.below(Math.max(1, images.length - 1))
  const upper = images[above] ?? images[0] ?? ''
  const lower = images[random.below(above)] ?? ''
  const metadata = random.pick(['carry', 'carry', 'refuse'] as const)
  const leftovers = random.pick(['keep', 'remove'] as const)
  const pivot = upper === images.at(-1) ? { end: 'pivot' as const } : {}
  const request: ChainRequest = random.oneIn(2)
    ? { disk, metadata, commit: { top: upper, base: lower, leftovers, ...pivot } }
    : { disk, metadata, pull: { into: upper, leftovers, ...(random.oneIn(2) ? { base: lower } : {}) } }
  return { change: request }
}

const asked = (at: At): Asked => {
  const many = at.free.machine().snapshots.size
  const what = at.random.weighted([
    [many < 6 ? 6 : 1, take],
    [many === 0 ? 0 : many < 3 ? 2 : 5, remove],
    [many === 0 ? 0 : at.free.machine().state === 'shut-off' ? 5 : 2, revert],
    [2, change],
  ] as const)
  return what(at)
}

const guestWrites = async ({ free, random }: At): Promise<void> => {
  for (const target of targets)
    for (let count = random.below(4); count > 0; count--) {
      const value = String.fromCharCode(97 + random.below(26))
      await free.write({ target, cell: random.below(cellCount), value })
    }
}

/** The machine's state changes: it starts, stops, is paused or goes on. */
const alone = async ({ free, random }: At): Promise<string> => {
  const { state } = free.machine()
  if (state === 'shut-off') {
    await free.start(random.oneIn(4) ? 'paused' : 'running')
    return 'start'
  }
  if (random.oneIn(2)) {
    await free.stop()
    return 'stop'
  }
  await (state === 'running' ? free.pause() : free.resume())
  return state === 'running' ? 'pause' : 'go on'
}

const step = async (at: At, log: (line: string) => void): Promise<string> => {
  const { free, random } = at
  if (random.oneIn(4)) {
    const what = await alone(at)
    log(what)
    await free.check()
    return what
  }
  const running = free.machine().state === 'running'
  if (running) await guestWrites(at)
  const one = asked(at)
  log(JSON.stringify(one, (_, value: unknown) => (value instanceof Map ? Array.from(value) : value)))
  const plan = await free.plan(one)
  const [operation = ''] = Object.keys(one)
  if (E.isLeft(plan)) {
    log(`  refused: ${JSON.stringify(plan.left)}`)
    return `${operation}: ${reasonOf(plan.left)}`
  }
  const writes = running && random.oneIn(3) ? { writes: random.below(1000) } : {}
  const watched = random.oneIn(2) && !('take' in one && 'writes' in writes)
  await free.run(one, plan.right, { choose: random.below, watched, ...writes })
  return `${operation} ${plan.right.via}`
}

/** Walks until so many plans have been executed or refused; gives back how often what happened. */
export const walk = async (
  version: QemuVersion,
  { seed, steps }: { readonly seed: number; readonly steps: number },
): Promise<ReadonlyMap<string, number>> => {
  const counts = new Map<string, number>()
  const random = randomOf(seed)
  const log: string[] = []
  await onFreeMachine(version, async (free) => {
    for (let next = 1; next <= steps; next++) {
      try {
        const what = await step({ free, random, next }, (line) => log.push(`${String(next)}. ${line}`))
        counts.set(what, (counts.get(what) ?? 0) + 1)
      } catch (error) {
        throw new Error(`BC_SEED=${String(seed)}, step ${String(next)}:\n${log.slice(-40).join('\n')}`, {
          cause: error,
        })
      }
    }
  })
  return counts
}
