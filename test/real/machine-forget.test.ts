// Chains that someone changed by hand, and the records that are put right afterwards.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { listen } from './harness/execute-virsh.js'
import { startLibvirt } from './lab/libvirtd.js'
import { does } from './machine/plans.js'
import { three } from './machine/scenarios.js'
import { inSession, without } from './machine/session.js'
import { targets, type Lab } from './machine/stage.js'

let lab: Lab

beforeAll(async () => {
  const libvirt = await startLibvirt()
  lab = { libvirt, events: await listen(libvirt) }
})

afterAll(async () => {
  lab.events.stop()
  await lab.libvirt.stop()
})

it('forgets a snapshot, and every file and byte stays', async () => {
  await inSession(lab, 'running', async (session) => {
    await three(session)
    await does(session, { forget: { snapshots: ['s2'] } })
    await does(session, { forget: { snapshots: ['s1', 's3'] } })
  })
})

it('after a manual commit the snapshot whose point in time is gone is forgotten, and the others can be deleted', async () => {
  await inSession(lab, 'running', async (session) => {
    await three(session)
    for (const disk of targets) {
      const [top, base] = [session.path(`${disk}.s1`), session.path(`${disk}.qcow2`)]
      await session.virsh('blockcommit', disk, '--top', top, '--base', base, '--delete', '--wait')
    }
    const refused = await session.tryVirsh('snapshot-delete', 's2')
    expect(refused.stderr).toContain('snapshot VM disk source and parent disk source are not the same')
    session.note((of) => without(of, ['s1', 's2']))
    await does(session, { forget: { snapshots: ['s1', 's2'] } })
    await session.check()
    await does(session, { delete: { snapshots: ['s3'] } })
  })
})
