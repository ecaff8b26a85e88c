// Deletions on a libvirt domain with two disks: libvirt's own and by hand, from equal starts, running and shut off.

import { describe, expect, it } from 'vitest'
import { labForAll } from './machine/lab.js'
import { does, expectRefusedByLibvirt, reasonOf, refuses } from './machine/plans.js'
import { bareFork, brought, fork, three } from './machine/scenarios.js'
import { inSession, type Session } from './machine/session.js'

const lab = labForAll()

/** A way to delete: who does it, and whether data goes down or up. */
const ways = {
  libvirt: { how: 'libvirt' },
  commit: { how: 'by hand', direction: 'commit' },
  pull: { how: 'by hand', direction: 'pull' },
  auto: { how: 'by hand' },
} as const
type Way = keyof typeof ways

interface Case {
  readonly name: string
  readonly start: (session: Session) => Promise<void>
  readonly snapshots: ReadonlyArray<string>
  /** Whether each way is gone, or else the reason for which it is refused; `auto` is gone where `commit` is not. */
  readonly running: { readonly [W in Way]?: string }
  readonly 'shut-off': { readonly [W in Way]?: string }
  /** A way that is gone with the guest running alone: shut off, what it does is what other cases have done. */
  readonly once?: Way
}

const several = 'NotThisWay'
const active = 'DiskRefused NotThisWay'
const shared = 'DiskRefused ImageShared'

const cases: ReadonlyArray<Case> = [
  { name: 'the first of three', start: three, snapshots: ['s1'], running: { pull: active }, 'shut-off': {} },
  { name: 'the middle one', start: three, snapshots: ['s2'], running: { pull: active }, 'shut-off': {} },
  {
    name: 'the last one, which is current',
    start: three,
    snapshots: ['s3'],
    running: {},
    'shut-off': {},
    once: 'pull',
  },
  {
    name: 'the first two in one plan',
    start: three,
    snapshots: ['s1', 's2'],
    running: { libvirt: several, pull: active },
    'shut-off': { libvirt: several },
    once: 'commit',
  },
  {
    name: 'the first and the last',
    start: three,
    snapshots: ['s1', 's3'],
    running: { libvirt: several, pull: active },
    'shut-off': { libvirt: several },
    once: 'pull',
  },
  {
    name: 'all three',
    start: three,
    snapshots: ['s1', 's2', 's3'],
    running: { libvirt: several },
    'shut-off': { libvirt: several },
    once: 'pull',
  },
  { name: 'the leaf of an inactive branch', start: fork, snapshots: ['s3'], running: {}, 'shut-off': {}, once: 'pull' },
  {
    name: 'a fork with two children',
    start: fork,
    snapshots: ['s2'],
    running: { libvirt: 'LibvirtRefuses E8', commit: shared, pull: active },
    'shut-off': { libvirt: 'LibvirtRefuses E8', commit: shared },
  },
  { name: 'what lies under a fork', start: fork, snapshots: ['s1'], running: { pull: active }, 'shut-off': {} },
  {
    name: 'the current one beside another branch',
    start: fork,
    snapshots: ['s4'],
    running: {},
    'shut-off': {},
    once: 'pull',
  },
  {
    name: 'a whole subtree',
    start: fork,
    snapshots: ['s2', 's3', 's4'],
    running: { libvirt: several },
    'shut-off': { libvirt: several },
    once: 'commit',
  },
  {
    name: 'the current one, which has a child',
    start: bareFork,
    snapshots: ['s2'],
    running: { libvirt: 'LibvirtRefuses E6', commit: shared },
    'shut-off': { libvirt: 'LibvirtRefuses E6', commit: shared },
  },
]

const wayNames = ['libvirt', 'commit', 'pull', 'auto'] as const

const goneWays = (one: Case, guest: 'running' | 'shut-off'): ReadonlyArray<Way> =>
  wayNames.filter((way) => {
    const gone = one[guest][way] === undefined && (way !== 'auto' || one[guest].commit !== undefined)
    return gone && (guest === 'running' || way !== one.once)
  })

const expectRefusals = async (
  session: Session,
  one: Case,
  refused: { readonly [W in Way]?: string },
): Promise<void> => {
  for (const way of wayNames) {
    if (refused[way] === undefined) continue
    const refusal = await refuses(session, { delete: { snapshots: one.snapshots, ...ways[way] } })
    expect({ way, reason: reasonOf(refusal) }).toEqual({ way, reason: refused[way] })
    await expectRefusedByLibvirt(session, refusal)
  }
}

describe.each(['running', 'shut-off'] as const)('%s', (guest) => {
  describe.each(cases)('$name', (one) => {
    it.each(goneWays(one, guest))('%s', async (way) => {
      await inSession(lab, 'running', async (session) => {
        await one.start(session)
        await brought(session, guest)
        if (way === goneWays(one, guest)[0]) await expectRefusals(session, one, one[guest])
        const points = way === 'libvirt' || guest === 'shut-off' ? {} : { points: 'after each step' as const }
        const plan = await does(session, { delete: { snapshots: one.snapshots, ...ways[way] } }, points)
        expect(plan.how).toBe(ways[way].how)
      })
    })
  })
})
