// Chains that someone changed by hand, and the records that are put right afterwards.

import { describe, expect, it } from 'vitest'
import { machine, redefine } from 'backing-chain'
import type { Machine, SnapshotDescription } from 'backing-chain'
import { right } from './harness/tree.js'
import { labForAll } from './machine/lab.js'
import { does } from './machine/plans.js'
import { revertTo, three } from './machine/scenarios.js'
import type { Observed } from './machine/observe.js'
import { inSession, machineHost, without, type Session } from './machine/session.js'
import { targets } from './machine/stage.js'

const lab = labForAll()

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

describe('after a manual commit of what was frozen by the first of three', () => {
  /** `s2` is in the base now, and `s1` nowhere any more. */
  const manually = async (session: Session): Promise<void> => {
    await three(session)
    for (const disk of targets) {
      const [top, base] = [session.path(`${disk}.s1`), session.path(`${disk}.qcow2`)]
      await session.virsh('blockcommit', disk, '--top', top, '--base', base, '--delete', '--wait')
    }
    session.note((of) => without(of, ['s1']))
    await does(session, { forget: { snapshots: ['s1'] } }, { looked: await asItIs(session) })
  }

  /** The machine as the one who did it knows it. */
  const asItIs = async (session: Session): Promise<{ seen: Observed; machine: Machine }> => {
    const { seen, machine: found } = await session.look()
    const snapshots = Array.from(found.snapshots.values(), (one): SnapshotDescription => {
      if (one.name === 's1') return { ...one, disks: targets.map((disk) => [disk, { mode: 'external' }]) }
      if (one.name !== 's2') return one
      return {
        ...one,
        disks: targets.map((disk) => [disk, { mode: 'external', frozen: session.path(`${disk}.qcow2`) }]),
      }
    })
    return { seen, machine: right(machine({ ...found, disks: found.disks.values(), snapshots })) }
  }

  /** Has libvirt write down what is so. */
  const mended = async (session: Session): Promise<void> => {
    const { seen, machine: known } = await asItIs(session)
    const plan = right(redefine(known, machineHost))
    await session.run({ plan, before: seen, change: (of) => of })
    const { machine: after } = await session.check()
    expect(right(redefine(after, machineHost)).steps).toEqual([])
  }

  const mend = async (act: (session: Session) => Promise<void>): Promise<void> => {
    await inSession(lab, 'running', async (session) => {
      await manually(session)
      await mended(session)
      await act(session)
    })
  }

  it('libvirt deletes them by records that are redefined', async () => {
    await mend(async (session) => {
      for (const name of ['s2', 's3']) {
        await session.virsh('snapshot-delete', name)
        session.note((of) => without(of, [name]))
        await session.check()
      }
    })
  })

  it('libvirt reverts by records that are redefined, and deletes what it left', async () => {
    await mend(async (session) => {
      await revertTo(session, 's2')
      await session.check()
      await revertTo(session, 's3')
      await session.check()
      await session.virsh('snapshot-delete', 's2')
      session.note((of) => without(of, ['s2']))
      await session.check()
    })
  })
})
