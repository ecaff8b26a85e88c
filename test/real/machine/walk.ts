// A random walk of plans on one machine. After each everything is compared with what was foretold.

import * as E from 'fp-ts/lib/Either.js'
import { expect } from 'vitest'
import { activePath } from 'backing-chain'
import type { ChainRequest, Machine, SavedPlace, SavedState } from 'backing-chain'
import { managedIn, writtenSince } from '../../../src/model/saved-state.js'
import { machineOf } from './machine-of.js'
import { expectRefusedByLibvirt, planned, reasonOf, type Asked } from './plans.js'
import { randomOf, type Random } from './random.js'
import { withStates } from './saved.js'
import { inSession, type Looked, type Session } from './session.js'
import { cellCount, targets, type Lab } from './stage.js'

interface At {
  readonly session: Session
  readonly random: Random
  readonly machine: Machine
  readonly looked: Looked
  /** A number that no snapshot has yet. */
  readonly next: number
}

/** The states that fit the disks. */
const waiting = ({ saved }: Machine): ReadonlyArray<SavedState> => saved.filter(({ disks }) => disks === 'as saved')

const names = ({ machine }: At): ReadonlyArray<string> => Array.from(machine.snapshots.keys())

const inside = new Map(targets.map((target) => [target, { mode: 'internal' }] as const))

const take = ({ random, machine, session, next }: At): Asked => {
  const name = `s${String(next)}`
  if (random.oneIn(6))
    return { take: { name, disks: inside, ...(machine.state === 'running' ? { memory: { _tag: 'Internal' } } : {}) } }
  const left = random.oneIn(8) ? new Map([[random.pick(targets), { mode: 'no' as const }]]) : undefined
  const memory = { _tag: 'External', path: session.path(`${name}.memory`) } as const
  const kept = machine.state === 'running' && left === undefined && random.oneIn(8)
  return { take: { name, ...(left === undefined ? {} : { disks: left }), ...(kept ? { memory } : {}) } }
}

/** While memory waits, every other time it shall follow the disks. */
const saved = ({ random, machine }: At): { readonly saved?: 'repoint' } =>
  waiting(machine).length > 0 && random.oneIn(2) ? { saved: 'repoint' } : {}

const remove = (at: At): Asked => {
  const { random } = at
  const how = random.pick(['libvirt', 'by hand', 'auto', 'auto'] as const)
  return {
    delete: {
      snapshots: random.some(names(at), how === 'libvirt' ? 1 : 3),
      how,
      direction: random.pick(['commit', 'pull', 'auto', 'auto'] as const),
      ...saved(at),
    },
  }
}

const revert = (at: At): Asked => {
  const { random } = at
  return {
    revert: {
      to: random.pick(names(at)),
      present: random.pick(['keep', 'discard'] as const),
      later: random.weighted([
        [4, 'keep'],
        [1, 'delete'],
      ] as const),
      how: random.pick(['libvirt', 'by hand', 'auto'] as const),
      guest: random.pick(['as taken', 'running', 'shut-off'] as const),
    },
  }
}

/** A commit or a pull on one disk, between any two images that the guest reads; where there is but one, another layer first. */
const change = (at: At): Asked => {
  const { random, machine } = at
  const disk = random.pick(targets)
  const chain = machine.disks.get(disk)
  const images = chain === undefined ? [] : activePath(chain).map(({ name }) => String(name))
  if (images.length < 2) return take(at)
  const above = 1 + random.below(images.length - 1)
  const upper = images[above] ?? ''
  const lower = images[random.below(above)] ?? ''
  const metadata = random.pick(['carry', 'carry', 'refuse'] as const)
  const leftovers = random.pick(['keep', 'remove'] as const)
  const pivot = upper === images.at(-1) ? { end: 'pivot' as const } : {}
  const request: ChainRequest = random.oneIn(2)
    ? { disk, metadata, ...saved(at), commit: { top: upper, base: lower, leftovers, ...pivot } }
    : { disk, metadata, ...saved(at), pull: { into: upper, leftovers, ...(random.oneIn(2) ? { base: lower } : {}) } }
  return { change: request }
}

/** Another path for any image of a disk; where the guest runs, for one that it does not read. */
const renaming = (at: At): Asked => {
  const { random, machine, session, next } = at
  const disk = random.pick(targets)
  const chain = machine.disks.get(disk)
  const images = chain === undefined ? [] : Array.from(chain.images.keys(), String)
  const to = session.path(`${disk}.r${String(next)}`)
  return { rename: { disk, image: random.pick(images), to, name: to, ...saved(at) } }
}

const memory = (at: At): Asked => {
  const { random, machine, session, next } = at
  const places = machine.saved.map(({ place }) => place)
  const path = session.path(`saved${String(next)}.memory`)
  const to = random.pick<SavedPlace>([{ kind: 'managed' }, { kind: 'file', path }])
  if (places.length > 0 && random.oneIn(4)) return { drop: { place: random.pick(places) } }
  if (machine.state === 'shut-off' && places.length > 0) return { restore: { from: random.pick(places) } }
  return { save: { to } }
}

const asked = (at: At): Asked => {
  if (at.machine.snapshots.size === 0) return at.random.oneIn(2) ? take(at) : change(at)
  const many = at.machine.snapshots.size
  const what = at.random.weighted([
    [many < 7 ? 6 : 1, 'take'],
    [many < 3 ? 2 : 5, 'remove'],
    [3, 'revert'],
    [many > 4 ? 1 : 0, 'forget'],
    [3, 'change'],
    [at.machine.state === 'shut-off' ? 3 : 1, 'rename'],
    [waiting(at.machine).length > 0 ? 6 : 2, 'memory'],
  ] as const)
  if (what === 'memory') return memory(at)
  if (what === 'rename') return renaming(at)
  if (what === 'take') return take(at)
  if (what === 'remove') return remove(at)
  if (what === 'change') return change(at)
  return what === 'revert' ? revert(at) : { forget: { snapshots: at.random.some(names(at), 1) } }
}

const guestWrites = async ({ session, random }: At): Promise<void> => {
  for (const target of targets)
    for (let count = random.below(4); count > 0; count--) {
      const letter = String.fromCharCode(97 + random.below(26))
      await session.writeOne(target, random.below(cellCount), letter)
    }
}

interface Alone {
  readonly what: string
  readonly saved: ReadonlyArray<SavedState>
}

/** The guest does something by itself: it writes, stops or starts, from the memory that libvirt has for it. */
const alone = async (at: At): Promise<Alone> => {
  const { session, machine, random } = at
  const { saved } = machine
  if (machine.state !== 'running') {
    await session.virsh('start')
    const managed = managedIn(saved)
    const why = managed === undefined ? 'booted' : 'restored'
    expect(await session.virsh('domstate', '--reason')).toContain(`running (${why})`)
    return { what: `start ${why}`, saved: writtenSince(saved.filter((one) => one !== managed)) }
  }
  await guestWrites(at)
  if (random.oneIn(3)) {
    await session.virsh('destroy')
    return { what: 'write and stop', saved }
  }
  return { what: 'write', saved }
}

interface Done {
  readonly what: string
  readonly looked: Looked
}

const step = async (at: At, log: (line: string) => void): Promise<Done> => {
  const { session, random, machine, looked } = at
  if (random.oneIn(3)) {
    const done = await alone(at)
    log(done.what)
    return { what: done.what, looked: await withStates(session, await session.check(), done.saved) }
  }
  if (machine.state === 'running' && random.oneIn(2)) await guestWrites(at)
  const one = asked(at)
  log(JSON.stringify(one, (_, value: unknown) => (value instanceof Map ? Array.from(value) : value)))
  const plan = await planned(session, one, looked)
  const [operation = ''] = Object.keys(one)
  if (E.isLeft(plan)) {
    log(`  refused: ${JSON.stringify(plan.left)}`)
    if ('delete' in one) await expectRefusedByLibvirt(session, plan.left)
    return { what: `${operation}: ${reasonOf(plan.left)}`, looked }
  }
  const points = random.oneIn(4) ? { points: 'after each step' as const } : {}
  const seen = await session.run(plan.right, { choose: random.below, ...points })
  const { how, after } = plan.right.plan
  const meanwhile = waiting(machine).length > 0 ? ' meanwhile' : ''
  const now = await withStates(session, { seen, machine: machineOf(seen) }, after.saved)
  return { what: `${operation} ${how}${meanwhile}`, looked: now }
}

/** Walks; gives back how often what happened. */
export const walk = async (
  lab: Lab,
  { seed, steps }: { readonly seed: number; readonly steps: number },
): Promise<ReadonlyMap<string, number>> => {
  const counts = new Map<string, number>()
  const random = randomOf(seed)
  const log: string[] = []
  await inSession(lab, 'running', async (session) => {
    let looked = await session.look()
    for (let next = 1; next <= steps; next++) {
      try {
        const at = { session, random, machine: looked.machine, looked, next }
        const done = await step(at, (line) => log.push(`${String(next)}. ${line}`))
        counts.set(done.what, (counts.get(done.what) ?? 0) + 1)
        looked = done.looked
      } catch (error) {
        throw new Error(`BC_SEED=${String(seed)}, step ${String(next)}:\n${log.slice(-40).join('\n')}`, {
          cause: error,
        })
      }
    }
  })
  return counts
}
