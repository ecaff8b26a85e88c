// Commits and pulls by hand on a libvirt domain that has snapshots, running and shut off: the records follow, or the plan is refused.

import { describe, expect, it } from 'vitest'
import type { MachineRefusal } from '../../src/plan/machine-refusal.js'
import type { ChainRequest } from '../../src/operation/machine-request.js'
import { labForAll } from './machine/lab.js'
import { does, reasonOf, refuses } from './machine/plans.js'
import { bareFork, brought, fork, three } from './machine/scenarios.js'
import { inSession, type Session } from './machine/session.js'
import { targets } from './machine/stage.js'

const lab = labForAll()

/** An image of a disk in short; `now` is the active one, and `below` the one below that. */
type Layer = 'qcow2' | 's1' | 's2' | 's3' | 'now' | 'below'

type Leftovers = 'keep' | 'remove'

type Change =
  | { readonly commit: { readonly top: Layer; readonly base: Layer; readonly leftovers: Leftovers } }
  | { readonly pull: { readonly into: Layer; readonly base?: Layer; readonly leftovers: Leftovers } }

const requestFor = async (session: Session, disk: string, change: Change): Promise<ChainRequest> => {
  const chain = (await session.look()).machine.disks.get(disk)
  const active = String(chain?.active)
  const below = String(chain?.images.get(active)?.backing?.image)
  const at = (layer: Layer): string => ({ now: active, below })[String(layer)] ?? session.path(`${disk}.${layer}`)
  if ('commit' in change) {
    const { top, base, leftovers } = change.commit
    const end = at(top) === active ? { end: 'pivot' as const } : {}
    return { disk, commit: { top: at(top), base: at(base), leftovers, ...end } }
  }
  const { into, base, leftovers } = change.pull
  return { disk, pull: { into: at(into), leftovers, ...(base === undefined ? {} : { base: at(base) }) } }
}

interface Case {
  readonly name: string
  readonly start: (session: Session) => Promise<void>
  /** Snapshots that are forgotten first, since the change would lose their point in time. */
  readonly forgotten?: ReadonlyArray<string>
  readonly change: Change
  /** The snapshots that would be wrong if nobody told libvirt. */
  readonly wrong: ReadonlyArray<string>
  /** The same while the guest runs, where it differs. */
  readonly wrongRunning?: ReadonlyArray<string>
  /** Why it is refused while the guest runs. */
  readonly running?: string
}

const cases: ReadonlyArray<Case> = [
  {
    name: 'down into the base, whose snapshot was forgotten, and the file of the next one goes',
    start: three,
    forgotten: ['s1'],
    change: { commit: { top: 's1', base: 'qcow2', leftovers: 'remove' } },
    wrong: ['s2', 's3'],
  },
  {
    name: 'down through what two snapshots held, which were forgotten, and the files stay',
    start: three,
    forgotten: ['s1', 's2'],
    change: { commit: { top: 's2', base: 'qcow2', leftovers: 'keep' } },
    wrong: ['s3'],
  },
  {
    name: 'down from what the guest writes to',
    start: three,
    forgotten: ['s3'],
    change: { commit: { top: 'now', base: 's2', leftovers: 'remove' } },
    wrong: [],
  },
  {
    name: 'up into what the guest writes to, and what is pulled stays for its snapshot',
    start: three,
    change: { pull: { into: 'now', base: 's1', leftovers: 'remove' } },
    wrong: [],
  },
  {
    name: 'up into what the guest writes to, and what nobody needs goes',
    start: three,
    forgotten: ['s3'],
    change: { pull: { into: 'now', base: 's1', leftovers: 'remove' } },
    wrong: [],
  },
  {
    name: 'everything up into what the guest writes to',
    start: three,
    change: { pull: { into: 'now', leftovers: 'keep' } },
    wrong: [],
  },
  {
    name: 'up in the middle, and the file below it goes',
    start: three,
    forgotten: ['s2'],
    change: { pull: { into: 's2', base: 'qcow2', leftovers: 'remove' } },
    wrong: ['s3'],
    running: 'DiskRefused NotThisWay',
  },
  {
    name: 'up on a branch, and what is pulled stays for its snapshot',
    start: fork,
    change: { pull: { into: 'now', base: 's1', leftovers: 'keep' } },
    wrong: [],
  },
  {
    name: 'down on a branch, into the overlay that a revert has made',
    start: fork,
    forgotten: ['s4'],
    change: { commit: { top: 'now', base: 'below', leftovers: 'remove' } },
    wrong: [],
  },
  {
    name: 'down below a fork, and the records of both branches follow',
    start: fork,
    forgotten: ['s1'],
    change: { commit: { top: 's1', base: 'qcow2', leftovers: 'remove' } },
    wrong: ['s2', 's3', 's4'],
  },
  {
    name: 'down below a fork, and while the guest runs the other branch keeps what it reads',
    start: fork,
    forgotten: ['s1'],
    change: { commit: { top: 's1', base: 'qcow2', leftovers: 'keep' } },
    wrong: ['s2', 's3', 's4'],
    wrongRunning: [],
  },
  {
    name: 'up out of a fork, into the overlay that a revert has made',
    start: bareFork,
    change: { pull: { into: 'now', leftovers: 'keep' } },
    wrong: [],
  },
]

const ready = async (session: Session, guest: 'running' | 'shut-off', one: Case): Promise<void> => {
  await one.start(session)
  await brought(session, guest)
  if (one.forgotten !== undefined) await does(session, { forget: { snapshots: one.forgotten } })
}

const wrongIn = (refusal: MachineRefusal): ReadonlyArray<string> =>
  refusal._tag === 'SnapshotsInvalidated' ? [...refusal.snapshots].sort() : [reasonOf(refusal)]

/** On one disk after the other; what libvirt would not be told of by a plan that leaves the records alone is refused. */
const changes = async (session: Session, one: Case, guest: 'running' | 'shut-off'): Promise<void> => {
  const wrong = guest === 'running' ? (one.wrongRunning ?? one.wrong) : one.wrong
  for (const disk of targets) {
    const change = await requestFor(session, disk, one.change)
    if (wrong.length > 0) expect(wrongIn(await refuses(session, { change }))).toEqual(wrong)
    const carried = wrong.length > 0 || disk === 'vdb' ? { metadata: 'carry' as const } : {}
    const plan = await does(session, { change: { ...change, ...carried } }, { points: 'after each step' })
    expect(Object.keys(one.change)).toContain(plan.operation)
  }
}

describe.each(['running', 'shut-off'] as const)('%s', (guest) => {
  it.each(cases)('$name', (one) =>
    inSession(lab, 'running', async (session) => {
      await ready(session, guest, one)
      if (guest === 'shut-off' || one.running === undefined) return changes(session, one, guest)
      const change = await requestFor(session, 'vda', one.change)
      expect(reasonOf(await refuses(session, { change: { ...change, metadata: 'carry' } }))).toBe(one.running)
    }),
  )

  it('over a point in time: refused', () =>
    inSession(lab, 'running', async (session) => {
      await three(session)
      await brought(session, guest)
      for (const change of [
        { commit: { top: 's1', base: 'qcow2', leftovers: 'keep' } },
        { commit: { top: 'now', base: 's1', leftovers: 'keep' } },
      ] as const) {
        const request = await requestFor(session, 'vda', change)
        const refusal = await refuses(session, { change: { ...request, metadata: 'carry' } })
        expect(reasonOf(refusal)).toBe('DiskRefused PointInTimeLost')
      }
    }))

  it('libvirt deletes by records that have been carried along, and reverts by them', () =>
    inSession(lab, 'running', async (session) => {
      const [first] = cases
      if (first === undefined) throw new Error('no case')
      await ready(session, guest, first)
      await changes(session, first, guest)
      await does(session, { take: { name: 's5' } })
      await does(session, { delete: { snapshots: ['s3'], how: 'libvirt' } })
      await does(session, { revert: { to: 's2', how: 'libvirt', present: 'discard', guest } })
      await does(session, { delete: { snapshots: ['s5'], how: 'libvirt' } })
    }))
})

it('with the guest paused', () =>
  inSession(lab, 'running', async (session) => {
    await three(session)
    await does(session, { forget: { snapshots: ['s1'] } })
    await session.virsh('suspend')
    const down = await requestFor(session, 'vda', { commit: { top: 's1', base: 'qcow2', leftovers: 'keep' } })
    await does(session, { change: { ...down, metadata: 'carry' } }, { points: 'after each step' })
    const up = await requestFor(session, 'vdb', { pull: { into: 'now', leftovers: 'keep' } })
    expect(reasonOf(await refuses(session, { change: up }))).toBe('DiskRefused GuestStateWrong')
  }))

it('under a snapshot with memory, which libvirt loads afterwards', () =>
  inSession(lab, 'running', async (session) => {
    await session.taken('s1')
    await session.write(2, 'm')
    const memory = { _tag: 'External', path: session.path('m1.memory') } as const
    await does(session, { take: { name: 'm1', memory } })
    await does(session, { forget: { snapshots: ['s1'] } })
    for (const disk of targets) {
      const change = await requestFor(session, disk, { commit: { top: 's1', base: 'qcow2', leftovers: 'remove' } })
      expect(await refuses(session, { change })).toMatchObject({ _tag: 'SnapshotsInvalidated', snapshots: ['m1'] })
      await does(session, { change: { ...change, metadata: 'carry' } })
    }
    await session.write(3, 'n')
    await does(session, { revert: { to: 'm1', present: 'discard' } })
  }))

it('around a snapshot inside the images', () =>
  inSession(lab, 'shut-off', async (session) => {
    const disks = new Map(targets.map((target) => [target, { mode: 'internal' as const }]))
    await does(session, { take: { name: 'i1', disks } })
    await session.virsh('start')
    await session.taken('s1')
    await session.write(14, 'p')
    await does(session, { forget: { snapshots: ['s1'] } })
    const up = await requestFor(session, 'vda', { pull: { into: 'now', leftovers: 'remove' } })
    expect(reasonOf(await refuses(session, { change: { ...up, metadata: 'carry' } }))).toBe(
      'DiskRefused InternalSnapshotsLost',
    )
    for (const disk of targets) {
      const down = await requestFor(session, disk, { commit: { top: 'now', base: 'qcow2', leftovers: 'remove' } })
      await does(session, { change: down }, { points: 'after each step' })
    }
    await session.virsh('destroy')
    await does(session, { revert: { to: 'i1', present: 'discard' } })
  }))
