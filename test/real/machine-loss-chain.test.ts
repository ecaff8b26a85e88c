// What libvirt 11.3 loses because it goes by its records alone: shown with virsh, and then what we do from an equal start.

import { describe, expect, it } from 'vitest'
import { runOk } from './lab/exec.js'
import { cellsAt, handOver } from './machine/bytes.js'
import { labForAll } from './machine/lab.js'
import { machineOf } from './machine/machine-of.js'
import { does, expectRefusedByLibvirt, reasonOf, refuses, type Asked } from './machine/plans.js'
import { revertTo } from './machine/scenarios.js'
import { afterTake, inSession, type Looked, type Session } from './machine/session.js'
import { targets } from './machine/stage.js'

const lab = labForAll()

const running = (act: (session: Session) => Promise<void>): Promise<void> => inSession(lab, 'running', act)
const off = (act: (session: Session) => Promise<void>): Promise<void> => inSession(lab, 'shut-off', act)

const reads = (session: Session, file: string): Promise<string> =>
  cellsAt({ path: session.path(file), format: 'qcow2' })

const gone = /^cannot be read: .*No such file/

const hows = ['libvirt', 'by hand', 'auto'] as const

const reasons = async (
  session: Session,
  asked: (how: (typeof hows)[number]) => Asked,
): Promise<ReadonlyArray<string>> => {
  const found: string[] = []
  for (const how of hows) found.push(`${how}: ${reasonOf(await refuses(session, asked(how)))}`)
  return found
}

describe('an image in which two snapshots have a disk, since one of them left it out (S1)', () => {
  /** `s2` leaves out vdb, so that the guest, back at `s2`, reads the image in which `s3` has it. */
  const start = async (session: Session): Promise<void> => {
    await session.taken('s1')
    await session.taken('s2', '--diskspec', 'vdb,snapshot=no')
    session.note((of) => afterTake(of, 's2', ['vda']))
    await session.taken('s3')
    await revertTo(session, 's2')
    await session.check()
  }

  it('libvirt: deleting the later one unlinks what the guest reads', async () => {
    await running(async (session) => {
      await start(session)
      await session.virsh('snapshot-delete', 's3')
      expect(await reads(session, 'vdb.s1')).toMatch(gone)
      await session.virsh('destroy')
      const again = await session.tryVirsh('start')
      expect(again.stderr).toMatch(/vdb\.s1.*No such file/)
    })
  })

  it('ours: it stays, and the way through libvirt is refused', async () => {
    await running(async (session) => {
      await start(session)
      const refusal = await refuses(session, { delete: { snapshots: ['s3'], how: 'libvirt' } })
      expect(reasonOf(refusal)).toBe('LibvirtLoses')
      const plan = await does(session, { delete: { snapshots: ['s3'] } })
      expect(plan.how).toBe('by hand')
      expect(await reads(session, 'vdb.s1')).toBe(session.expected().guest.get('vdb'))
      await session.virsh('destroy')
      await session.virsh('start')
      await session.check()
    })
  })
})

describe('an overlay that libvirt does not know (FACTS T08)', () => {
  /** A backup lies on the image that holds `s2`; gives back what it shows. */
  const start = async (session: Session): Promise<string> => {
    for (const name of ['s1', 's2']) await session.taken(name)
    await session.write(14, 'p')
    const [backup, frozen] = [session.path('vda.backup'), session.path('vda.s1')]
    await runOk(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', frozen, '-F', 'qcow2', '-u', backup, '1M'])
    await handOver(backup)
    return session.expected().snapshots.get('s2')?.get('vda') ?? ''
  }

  const looked = async (session: Session): Promise<Looked> => {
    const { seen } = await session.look()
    return { seen, machine: machineOf(seen, new Map([['vda', session.path('vda.backup')]])) }
  }

  it('libvirt: deleting the snapshot writes into the image that it lies on', async () => {
    await running(async (session) => {
      const shown = await start(session)
      expect(await reads(session, 'vda.backup')).toBe(shown)
      await session.virsh('snapshot-delete', 's2')
      await session.look()
      expect(await reads(session, 'vda.backup')).not.toBe(shown)
    })
  })

  it('ours: a commit is refused, and otherwise everything is pulled into each that reads it', async () => {
    await running(async (session) => {
      const shown = await start(session)
      const at = await looked(session)
      const refused = async (request: object): Promise<string> =>
        reasonOf(await refuses(session, { delete: { snapshots: ['s2'], ...request } }, at))
      expect(await refused({ how: 'libvirt' })).toBe('LibvirtLoses')
      expect(await refused({ how: 'by hand', direction: 'commit' })).toBe('DiskRefused ImageShared')
      await does(session, { delete: { snapshots: ['s2'] } }, { looked: at, points: 'after each step' })
      expect(await reads(session, 'vda.backup')).toBe(shown)
      await session.check()
    })
  })
})

describe('an external snapshot over an internal one (FACTS T06)', () => {
  const start = async (session: Session): Promise<void> => {
    await session.virsh('snapshot-create-as', 'i1')
    session.note((of) => afterTake(of, 'i1'))
    await session.virsh('start')
    await session.write(5, 'y')
    await session.virsh('destroy')
    await session.taken('s1')
    await session.check()
  }

  it('libvirt: reverting to the internal one writes over the external one', async () => {
    await off(async (session) => {
      await start(session)
      const held = session.expected().snapshots.get('s1')?.get('vda')
      expect(await reads(session, 'vda.qcow2')).toBe(held)
      await session.virsh('snapshot-revert', 'i1')
      expect(await reads(session, 'vda.qcow2')).toBe(session.expected().snapshots.get('i1')?.get('vda'))
      expect(await reads(session, 'vda.qcow2')).not.toBe(held)
      expect((await session.virsh('snapshot-list', '--name')).trim().split('\n').sort()).toEqual(['i1', 's1'])
    })
  })

  it('ours: refused, and both stay', async () => {
    await off(async (session) => {
      await start(session)
      expect(
        await reasons(session, (how) => ({ revert: { to: 'i1', how, definition: 'as taken', present: 'discard' } })),
      ).toEqual(['libvirt: LibvirtLoses', 'by hand: PointsLost', 'auto: PointsLost'])
      await session.check()
    })
  })
})

describe('an internal snapshot of an image that has a dirty bitmap since (FACTS K07, K04)', () => {
  /** Nobody but QEMU itself writes a bitmap while the guest runs, so it is off meanwhile. */
  const withBitmap = async (session: Session): Promise<void> => {
    await session.virsh('snapshot-create-as', 'i1')
    session.note((of) => afterTake(of, 'i1'))
    if ((await session.virsh('domstate')).trim() === 'running') await session.virsh('destroy')
    for (const disk of targets) await runOk(['qemu-img', 'bitmap', '--add', session.path(`${disk}.qcow2`), 'b'])
  }

  const refusedByLibvirt = async (session: Session): Promise<void> => {
    const refusal = await refuses(session, { revert: { to: 'i1', how: 'libvirt', present: 'discard' } })
    expect(reasonOf(refusal)).toBe('LibvirtRefuses R7')
    await expectRefusedByLibvirt(session, refusal)
  }

  it('libvirt: reverting with the guest running kills it, and fails then', async () => {
    await running(async (session) => {
      await withBitmap(session)
      await session.virsh('start')
      await refusedByLibvirt(session)
      expect((await session.virsh('domstate')).trim()).toBe('shut off')
    })
  })

  it('libvirt: reverting with the guest shut off fails, and libvirt does not know why', async () => {
    await off(async (session) => {
      await withBitmap(session)
      await refusedByLibvirt(session)
    })
  })

  it.each(['running', 'shut-off'] as const)('ours, %s: refused, and nothing happens', async (guest) => {
    await inSession(lab, guest, async (session) => {
      await withBitmap(session)
      if (guest === 'running') await session.virsh('start')
      const state = await session.virsh('domstate')
      expect(await reasons(session, (how) => ({ revert: { to: 'i1', how, present: 'discard' } }))).toEqual([
        'libvirt: LibvirtRefuses R7',
        ...(guest === 'running'
          ? ['by hand: NotThisWay', 'auto: LibvirtRefuses R7']
          : ['by hand: DiskRefused NotThisWay', 'auto: DiskRefused NotThisWay']),
      ])
      expect(await session.virsh('domstate')).toBe(state)
    })
  })
})
