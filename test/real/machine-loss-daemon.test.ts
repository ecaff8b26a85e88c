// What libvirt 11.3 dies of: shown on a daemon that is started again afterwards, and then what we do from an equal start.

import { writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { listen } from './harness/execute-virsh.js'
import { startLibvirt, type Libvirt } from './lab/libvirtd.js'
import { does, reasonOf, refuses } from './machine/plans.js'
import { revertTo } from './machine/scenarios.js'
import { inSession, nextSecond, without, type Session } from './machine/session.js'

/** A machine on a daemon of its own. */
const alone = async (act: (session: Session, libvirt: Libvirt) => Promise<void>): Promise<void> => {
  const libvirt = await startLibvirt()
  const events = await listen(libvirt)
  try {
    await inSession({ libvirt, events }, 'shut-off', (session) => act(session, libvirt))
  } finally {
    events.stop()
    await libvirt.stop()
  }
}

/** The same, on a daemon of which nothing stays in memory that it has freed: what is luck elsewhere is certain. */
const unlucky = async (act: (session: Session, libvirt: Libvirt) => Promise<void>): Promise<void> => {
  process.env['MALLOC_PERTURB_'] = '165'
  try {
    await alone(act)
  } finally {
    delete process.env['MALLOC_PERTURB_']
  }
}

/** The daemon dies of what is asked, and is started again. */
const dies = async (libvirt: Libvirt, asked: () => ReturnType<Session['tryVirsh']>): Promise<void> => {
  expect((await asked()).stderr).toContain('error: End of file while reading data: Input/output error')
  expect((await libvirt.virsh('list')).code).not.toBe(0)
  await libvirt.restart()
}

describe('a snapshot off the active path whose record has stored no chain (E16)', () => {
  /** Taken shut off, so that no record has stored what lies below; the guest is back at `s2`. */
  const start = async (session: Session): Promise<void> => {
    for (const name of ['s0', 's1', 's2', 's3']) await session.taken(name)
    await revertTo(session, 's2')
    await session.write(5, 'r')
  }

  it('libvirt: the daemon dies of a deletion', async () => {
    await alone(async (session, libvirt) => {
      await start(session)
      await dies(libvirt, () => session.tryVirsh('snapshot-delete', 's1'))
      expect((await session.virsh('domstate')).trim()).toBe('running')
      await session.check()
    })
  })

  it('ours: by hand it is done, and the daemon lives', async () => {
    await alone(async (session) => {
      await start(session)
      for (const name of ['s1', 's0']) {
        const refusal = await refuses(session, { delete: { snapshots: [name], how: 'libvirt' } })
        expect(reasonOf(refusal)).toBe('LibvirtRefuses E16')
        const plan = await does(session, { delete: { snapshots: [name] } }, { points: 'after each step' })
        expect(plan.how).toBe('by hand')
      }
      await session.taken('s4')
      for (const name of ['s4', 's3', 's2']) {
        await session.virsh('snapshot-delete', name)
        session.note((of) => without(of, [name]))
        await session.check()
      }
    })
  })
})

describe('all that is below a snapshot, where one has both children and siblings (E16)', () => {
  /** Three branches of two beside each other. */
  const start = async (session: Session): Promise<void> => {
    for (const name of ['s0', 's1', 's2', 's3']) await session.taken(name)
    for (const name of ['s4', 's5', 's6']) {
      await revertTo(session, 's1')
      await session.virsh('destroy')
      await session.taken(name)
      await session.taken(`${name}a`)
    }
    await revertTo(session, 's0')
  }

  it('libvirt: the daemon dies of forgetting them all', async () => {
    await unlucky(async (session, libvirt) => {
      await start(session)
      await dies(libvirt, () => session.tryVirsh('snapshot-delete', 's0', '--metadata', '--children-only'))
    })
  })

  it('ours: a revert that deletes what came later forgets one after the other, and the daemon lives', async () => {
    await unlucky(async (session) => {
      await start(session)
      const plan = await does(session, { revert: { to: 's0', later: 'delete', guest: 'shut-off' } })
      expect(plan.how).toBe('by hand')
      expect([...plan.after.snapshots.keys()]).toEqual(['s0'])
      expect((await session.look()).seen.records.size).toBe(1)
    })
  })
})

describe('a revert while no snapshot is current (R8)', () => {
  /** Records that have been written down anew, none of them as the current one. */
  const start = async (session: Session): Promise<void> => {
    for (const name of ['s1', 's2']) await session.taken(name)
    await session.virsh('start')
    await session.write(5, 'r')
    const xmls = await Promise.all(['s1', 's2'].map((name) => session.virsh('snapshot-dumpxml', name)))
    for (const name of ['s1', 's2']) await session.virsh('snapshot-delete', name, '--metadata')
    for (const xml of xmls) {
      const file = `${session.stage.folder}.xml`
      await writeFile(file, xml)
      await session.virsh('snapshot-create', file, '--redefine')
    }
    const { seen } = await session.check()
    expect(seen.current).toBeUndefined()
  }

  it('libvirt: the daemon dies, and the guest is dead', async () => {
    await alone(async (session, libvirt) => {
      await start(session)
      await nextSecond()
      await dies(libvirt, () => session.tryVirsh('snapshot-revert', 's1'))
      expect((await session.virsh('domstate')).trim()).toBe('shut off')
    })
  })

  it('ours: by hand it is done', async () => {
    await alone(async (session) => {
      await start(session)
      expect(reasonOf(await refuses(session, { revert: { to: 's1', how: 'libvirt' } }))).toBe('LibvirtRefuses R8')
      await does(session, { revert: { to: 's1', guest: 'running' } })
      await revertTo(session, 's2')
      await session.check()
    })
  })
})
