// Reverts on a libvirt domain with two disks: later snapshots kept or deleted, the present kept or discarded.

import { access } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { labForAll } from './machine/lab.js'
import { does } from './machine/plans.js'
import { brought, fork, three } from './machine/scenarios.js'
import { inSession, type Session } from './machine/session.js'

const lab = labForAll()

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const on = (guest: 'running' | 'shut-off', act: (session: Session) => Promise<void>): Promise<void> =>
  inSession(lab, 'running', async (session) => {
    await three(session)
    await brought(session, guest)
    await act(session)
  })

describe.each(['running', 'shut-off'] as const)('%s', (guest) => {
  it('to the middle one, and everything else is kept', async () => {
    await on(guest, async (session) => {
      const plan = await does(session, { revert: { to: 's2', guest } })
      expect([...plan.after.snapshots.keys()]).toEqual(['s1', 's2', 's3'])
      expect(await exists(session.path('vda.s3'))).toBe(true)
      await does(session, { take: { name: 's4' } })
      await does(session, { revert: { to: 's3', guest } })
      await does(session, { revert: { to: 's4', guest } })
    })
  })

  it('to the middle one, and what the guest wrote since is discarded', async () => {
    await on(guest, async (session) => {
      await does(session, { revert: { to: 's2', present: 'discard', guest } })
      expect(await exists(session.path('vda.s3'))).toBe(false)
    })
  })

  it('to the first one, and the later ones are deleted', async () => {
    await on(guest, async (session) => {
      const plan = await does(session, { revert: { to: 's1', later: 'delete', present: 'discard', guest } })
      expect([...plan.after.snapshots.keys()]).toEqual(['s1'])
    })
  })

  it('to the current one, in place', async () => {
    await on(guest, async (session) => {
      const overlays = new Map([
        ['vda', 'in place' as const],
        ['vdb', 'in place' as const],
      ])
      await does(session, { revert: { to: 's3', overlays, present: 'discard', guest } })
      expect(await exists(session.path('vda.s3'))).toBe(true)
    })
  })

  it("with libvirt's own function", async () => {
    await on(guest, async (session) => {
      const plan = await does(session, { revert: { to: 's2', how: 'libvirt', present: 'discard', guest } })
      expect(plan.how).toBe('libvirt')
    })
  })
})

it('from one branch to the other and back, and then both are deleted', async () => {
  await inSession(lab, 'running', async (session) => {
    await fork(session)
    await does(session, { revert: { to: 's3', guest: 'running' } })
    await does(session, { revert: { to: 's4', guest: 'running' } })
    await does(session, { delete: { snapshots: ['s3'] } })
    await does(session, { delete: { snapshots: ['s2', 's4'] } })
  })
})

it('to a snapshot with memory, which only libvirt loads', async () => {
  await inSession(lab, 'running', async (session) => {
    await session.write(2, 'm')
    const memory = { _tag: 'External', path: session.path('s1.memory') } as const
    await does(session, { take: { name: 's1', memory } })
    await session.write(3, 'n')
    const plan = await does(session, { revert: { to: 's1', present: 'discard' } })
    expect(plan.how).toBe('libvirt')
  })
})
