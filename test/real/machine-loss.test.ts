// What libvirt 11.3 loses: each shown by really doing it with virsh, and then by what we do from an equal start.

import { readdir, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { changeChain, deleteSnapshots, forget, take } from 'backing-chain'
import type { Machine } from 'backing-chain'
import { right } from './harness/tree.js'
import { cellsAt } from './machine/bytes.js'
import { labForAll } from './machine/lab.js'
import { does, reasonOf, refuses } from './machine/plans.js'
import { afterRevert, afterTake, inSession, machineHost, nextSecond, without, type Session } from './machine/session.js'
import { targets } from './machine/stage.js'

const lab = labForAll()

const running = (act: (session: Session) => Promise<void>): Promise<void> => inSession(lab, 'running', act)

const reads = (session: Session, file: string): Promise<string> =>
  cellsAt({ path: session.path(file), format: 'qcow2' })

const gone = /^cannot be read: .*No such file/

const revert = async (session: Session, to: string): Promise<void> => {
  await nextSecond()
  await session.virsh('snapshot-revert', to, '--running')
  session.note((of) => afterRevert(of, to))
}

const remove = async (session: Session, name: string): Promise<void> => {
  await session.virsh('snapshot-delete', name)
  session.note((of) => without(of, [name]))
}

describe('a fork snapshot that is current again (FACTS B09)', () => {
  /** Three snapshots, back to the second, a fourth from there, which is deleted again. */
  const start = async (session: Session): Promise<void> => {
    for (const name of ['s1', 's2', 's3']) await session.taken(name)
    await session.write(14, 'p')
    await revert(session, 's2')
    await session.taken('s4')
  }

  it("libvirt: reverting to the other branch unlinks that branch's point in time", async () => {
    await running(async (session) => {
      await start(session)
      await remove(session, 's4')
      await session.check()
      await nextSecond()
      await session.tryVirsh('snapshot-revert', 's3', '--running')
      expect(await reads(session, 'vda.s2')).toMatch(gone)
      expect(await reads(session, 'vdb.s2')).toMatch(gone)
    })
  })

  it('ours: the deletion and the revert keep it, and the way through libvirt is refused', async () => {
    await running(async (session) => {
      await start(session)
      await remove(session, 's4')
      expect(reasonOf(await refuses(session, { revert: { to: 's3', how: 'libvirt' } }))).toBe('LibvirtLoses')
      await does(session, { revert: { to: 's3', guest: 'running' } })
    })
    await running(async (session) => {
      await start(session)
      await does(session, { delete: { snapshots: ['s4'] } })
      await does(session, { revert: { to: 's3', guest: 'running' } })
      await does(session, { revert: { to: 's2', guest: 'running' } })
    })
  })
})

describe('an internal snapshot inside the overlay of an external one (FACTS X04)', () => {
  it('libvirt: deleting the external one unlinks the internal one', async () => {
    await inSession(lab, 'shut-off', async (session) => {
      await session.taken('s1')
      await session.virsh('snapshot-create-as', 'i1')
      const inside = { path: session.path('vda.s1'), format: 'qcow2', inside: 'i1' }
      expect(await cellsAt(inside)).toBe(session.expected().guest.get('vda'))
      await session.virsh('snapshot-delete', 's1')
      expect(await cellsAt(inside)).toMatch(gone)
      expect((await session.virsh('snapshot-list', '--name')).trim()).toBe('i1')
    })
  })

  it.each(['libvirt', 'by hand', 'auto'] as const)('ours, %s: refused, and it stays', async (how) => {
    await inSession(lab, 'shut-off', async (session) => {
      await session.taken('s1')
      await session.virsh('snapshot-create-as', 'i1')
      session.note((of) => afterTake(of, 'i1'))
      const refusal = await refuses(session, { delete: { snapshots: ['s1'], how } })
      const reason = how === 'libvirt' ? 'LibvirtLoses' : 'DiskRefused InternalSnapshotsLost'
      expect(reasonOf(refusal)).toBe(reason)
      await session.check()
    })
  })
})

describe('a revert after a full pull (FACTS B13)', () => {
  it('libvirt: the overlay that alone holds what the guest wrote is unlinked', async () => {
    await running(async (session) => {
      await session.taken('s1')
      await session.write(14, 'p')
      await session.virsh('blockpull', 'vda', '--wait')
      const active = await reads(session, 'vda.s1')
      expect(active).toHaveLength(16)
      await revert(session, 's1')
      expect(await reads(session, 'vda.s1')).toMatch(gone)
    })
  })

  it('ours: what the guest wrote stays beside the chain, and the way through libvirt is refused', async () => {
    await running(async (session) => {
      await session.taken('s1')
      await session.write(14, 'p')
      await session.virsh('blockpull', 'vda', '--wait')
      const held = session.expected().guest.get('vda')
      expect(reasonOf(await refuses(session, { revert: { to: 's1', how: 'libvirt' } }))).toBe('LibvirtLoses')
      await does(session, { revert: { to: 's1', guest: 'running' } })
      expect(await reads(session, 'vda.s1')).toBe(held)
    })
  })
})

describe('a disk that was detached since (FACTS U09)', () => {
  it('libvirt: a revert brings it back, and undoes every other change of the definition', async () => {
    await running(async (session) => {
      await session.taken('s1')
      await session
        .virsh('detach-disk', 'vdb', '--config', '--live')
        .catch(() => session.virsh('detach-disk', 'vdb', '--config'))
      expect(await session.virsh('dumpxml', '--inactive')).not.toContain("dev='vdb'")
      await session.virsh('setmaxmem', '65536', '--config')
      await revert(session, 's1')
      const definition = await session.virsh('dumpxml', '--inactive')
      expect(definition).toContain("dev='vdb'")
      expect(definition).not.toContain('65536')
    })
  })

  it('ours: a change of the definition stays', async () => {
    await running(async (session) => {
      await session.taken('s1')
      await session.virsh('setmaxmem', '65536', '--config')
      await does(session, { revert: { to: 's1', guest: 'running' } })
      expect(await session.virsh('dumpxml', '--inactive')).toContain('65536')
    })
  })
})

describe('a disk that was left out (FACTS W03)', () => {
  it('libvirt: a revert puts a new overlay on it all the same', async () => {
    await running(async (session) => {
      await session.taken('s1', '--diskspec', 'vdb,snapshot=no')
      await session.writeOne('vdb', 14, 'q')
      await nextSecond()
      await session.virsh('snapshot-revert', 's1', '--running')
      const { seen } = await session.look()
      const overlays = Array.from(seen.files.keys()).filter((path) => /vdb\.\d+$/.test(path))
      expect(overlays).toHaveLength(1)
    })
  })

  it('ours: it goes on as it is, and the way through libvirt is refused', async () => {
    await running(async (session) => {
      const disks = new Map([['vdb', { mode: 'no' as const }]])
      await does(session, { take: { name: 's1', disks } })
      await session.writeOne('vdb', 14, 'q')
      expect(reasonOf(await refuses(session, { revert: { to: 's1', how: 'libvirt', present: 'discard' } }))).toBe(
        'LibvirtDiffers',
      )
      const { after } = await does(session, { revert: { to: 's1', guest: 'running' } })
      expect(after.disks.get('vdb')?.active).toBe(session.path('vdb.qcow2'))
    })
  })
})

describe('two reverts within one second (FACTS W09)', () => {
  it('libvirt: the second one fails, and the guest that ran is dead', async () => {
    await running(async (session) => {
      await session.taken('s1')
      // Files of the name that another revert would have given its overlays, whatever second this one falls into.
      const now = Math.floor(Date.now() / 1000)
      for (let second = now; second < now + 30; second++)
        await writeFile(session.path(`vda.${String(second)}`), 'the overlay of another revert')
      const failed = await session.tryVirsh('snapshot-revert', 's1', '--running')
      expect(failed.stderr).toMatch(/external snapshot file for disk vda already exists and is not a block device/)
      expect((await session.virsh('domstate')).trim()).toBe('shut off')
    })
  })

  it('ours: names are not made of the time', async () => {
    await running(async (session) => {
      await session.taken('s1')
      await does(session, { revert: { to: 's1', guest: 'running' } })
      await does(session, { revert: { to: 's1', guest: 'running' } })
      expect((await readdir(session.stage.folder)).filter((name) => /\.\d{9,}$/.test(name))).toEqual([])
    })
  })
})

describe('a point in time whose file is gone (FACTS W04)', () => {
  /** Two snapshots, and the file that the record of the second one names is committed away behind its back. */
  const manually = async (session: Session): Promise<void> => {
    for (const name of ['s1', 's2']) await session.taken(name)
    for (const disk of targets) {
      const [top, base] = [session.path(`${disk}.s1`), session.path(`${disk}.qcow2`)]
      await session.virsh('blockcommit', disk, '--top', top, '--base', base, '--delete', '--wait')
    }
  }

  it('libvirt: a revert kills the guest before it finds out', async () => {
    await running(async (session) => {
      await manually(session)
      const failed = await session.tryVirsh('snapshot-revert', 's2', '--running')
      expect(failed.stderr).toMatch(/is not a regular file; refusing to generate external snapshot name/)
      expect((await session.virsh('domstate', '--reason')).trim()).toBe('shut off (from snapshot)')
    })
  })

  it('ours: refused, and the guest runs on', async () => {
    await running(async (session) => {
      await manually(session)
      for (const how of ['libvirt', 'auto'] as const)
        expect(reasonOf(await refuses(session, { revert: { to: 's2', how } }))).toBe('PointGone')
      expect((await session.virsh('domstate')).trim()).toBe('running')
    })
  })
})

describe('undefining a running machine (FACTS U04)', () => {
  /** Without the first snapshot, whose point in time a commit would write over. */
  const forgets = (machine: Machine): Machine => right(forget(machine, { snapshots: ['s1'] }, machineHost)).after

  it('libvirt: every record goes when the guest stops, and every file stays', async () => {
    await running(async (session) => {
      for (const name of ['s1', 's2']) await session.taken(name)
      const definition = await session.virsh('dumpxml', '--inactive')
      await session.virsh('undefine')
      expect((await session.virsh('snapshot-list', '--name')).trim().split('\n').sort()).toEqual(['s1', 's2'])
      await session.virsh('destroy')
      await lab.libvirt.define(definition)
      expect((await session.virsh('snapshot-list', '--name')).trim()).toBe('')
      expect(await readdir(session.stage.folder)).toEqual(expect.arrayContaining(['vda.s1', 'vda.s2', 'vda.qcow2']))
    })
  })

  it('ours: there is no such plan, and each that leaves records of such a machine says that they end', async () => {
    await running(async (session) => {
      for (const name of ['s1', 's2']) await session.taken(name)
      await session.virsh('undefine')
      const { machine } = await session.look()
      const disk = 'vda'
      const [top, base] = [session.path('vda.s1'), session.path('vda.qcow2')]
      const plans = [
        take(machine, { name: 's3' }, machineHost),
        deleteSnapshots(machine, { snapshots: ['s1'] }, machineHost),
        deleteSnapshots(machine, { snapshots: ['s2'], how: 'by hand' }, machineHost),
        changeChain(forgets(machine), { disk, commit: { top, base }, metadata: 'carry' }, machineHost),
      ]
      for (const plan of plans)
        expect(right(plan).assumes).toContainEqual({ _tag: 'RecordsEnd', domain: session.stage.domain })
    })
  })
})
