// Another path for images of a libvirt domain that has snapshots: overlays, definition and records follow, and libvirt works on by them.

import { describe, expect, it } from 'vitest'
import type { RenameImageRequest } from '../../src/operation/machine-request.js'
import { labForAll } from './machine/lab.js'
import { does, reasonOf, refuses } from './machine/plans.js'
import { brought, fork, three } from './machine/scenarios.js'
import { inSession, type Session } from './machine/session.js'
import { targets } from './machine/stage.js'

const lab = labForAll()

/** The session calls an image by its path, so the new path is the new name too. */
const renaming = (
  session: Session,
  disk: string,
  of: { readonly from: string; readonly to: string },
): RenameImageRequest => {
  const to = session.path(`${disk}.${of.to}`)
  return { disk, image: of.from, to, name: to }
}

const activeOf = async (session: Session, disk: string): Promise<string> =>
  String((await session.look()).machine.disks.get(disk)?.active)

const options = { points: 'after each step' } as const

describe('of a domain that is shut off', () => {
  it.each(['qcow2', 's1', 's2'])(
    'the image %s, which holds a point in time, and libvirt deletes and reverts by what is written down',
    (layer) =>
      inSession(lab, 'running', async (session) => {
        await three(session)
        await brought(session, 'shut-off')
        for (const disk of targets)
          await does(
            session,
            { rename: renaming(session, disk, { from: session.path(`${disk}.${layer}`), to: 'new' }) },
            options,
          )
        await session.virsh('start')
        await session.write(5, 'q')
        await does(session, { take: { name: 's4' } })
        await does(session, { delete: { snapshots: ['s2'], how: 'libvirt' } })
        await does(session, { revert: { to: 's1', how: 'libvirt', present: 'discard', guest: 'running' } })
      }),
  )

  it('the active image, and libvirt starts it', () =>
    inSession(lab, 'running', async (session) => {
      await three(session)
      await brought(session, 'shut-off')
      for (const disk of targets)
        await does(
          session,
          { rename: renaming(session, disk, { from: await activeOf(session, disk), to: 'live' }) },
          options,
        )
      await session.virsh('start')
      await session.write(5, 'q')
      await does(session, { delete: { snapshots: ['s3'], how: 'libvirt' } })
      await does(session, { revert: { to: 's2', present: 'discard', guest: 'running' } })
    }))

  it('below a fork, where the records of both branches name it', () =>
    inSession(lab, 'running', async (session) => {
      await fork(session)
      await brought(session, 'shut-off')
      for (const disk of targets)
        await does(
          session,
          { rename: renaming(session, disk, { from: session.path(`${disk}.qcow2`), to: 'root' }) },
          options,
        )
      await does(session, { delete: { snapshots: ['s1'], how: 'by hand' } })
    }))
})

it('the path of another image, and an image that the running guest reads: refused', () =>
  inSession(lab, 'running', async (session) => {
    await three(session)
    const from = session.path('vda.s1')
    const request = renaming(session, 'vda', { from, to: 'new' })
    expect(reasonOf(await refuses(session, { rename: request }))).toBe('DiskRefused NotThisWay')
    await brought(session, 'shut-off')
    expect(reasonOf(await refuses(session, { rename: { ...request, to: session.path('vdb.s1') } }))).toBe('PathTaken')
  }))
