// Snapshots taken on a libvirt domain with two disks.

import { deleteCopies, locationString, snapshotAtLevel } from 'backing-chain'
import type { LevelRequest, MachineHost, StorageLevel } from 'backing-chain'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import type { TakeRequest } from '../../src/operation/machine-request.js'
import type { Host } from './harness/steps.js'
import { right } from './harness/tree.js'
import { runOk } from './lab/exec.js'
import { readCells } from './lab/images.js'
import { compareMachine } from './machine/compare.js'
import { executeMachine } from './machine/execute.js'
import { afterTake } from './machine/expected.js'
import { labForAll } from './machine/lab.js'
import { observe } from './machine/observe.js'
import { does } from './machine/plans.js'
import { inSession, machineHost } from './machine/session.js'
import type { Session } from './machine/session.js'
import { cellCount } from './machine/stage.js'

const lab = labForAll()

describe.each(['running', 'shut-off'] as const)('%s', (guest) => {
  it('three, of both disks', async () => {
    await inSession(lab, guest, async (session) => {
      for (const name of ['s1', 's2', 's3']) {
        if (guest === 'running') await session.write(2, name.charAt(1))
        const plan = await does(session, { take: { name, description: `the ${name} & <more>` } })
        expect(plan.consistency).toBe(guest === 'running' ? 'crash' : 'clean')
      }
    })
  })

  it('one of one disk', async () => {
    await inSession(lab, guest, async (session) => {
      const disks: TakeRequest['disks'] = new Map([['vdb', { mode: 'no' }]])
      await does(session, { take: { name: 's1', disks } })
      await does(session, { take: { name: 's2' } })
    })
  })

  it('one whose overlays are named by the caller', async () => {
    await inSession(lab, guest, async (session) => {
      const overlay = (name: string) =>
        ({ name, format: 'qcow2', location: { _tag: 'File', path: session.path(name) } }) as const
      const disks: TakeRequest['disks'] = new Map([['vda', { mode: 'external', overlay: overlay('here.qcow2') }]])
      await does(session, { take: { name: 's1', disks } })
    })
  })

  it('one without a record, and one over it', async () => {
    await inSession(lab, guest, async (session) => {
      await does(session, { take: { name: 's1', metadata: 'none' } })
      await does(session, { take: { name: 's2' } })
    })
  })
})

it('shut off, inside the images', async () => {
  await inSession(lab, 'shut-off', async (session) => {
    const disks: TakeRequest['disks'] = new Map([
      ['vda', { mode: 'internal' }],
      ['vdb', { mode: 'internal' }],
    ])
    await does(session, { take: { name: 'i1', disks } })
    await does(session, { take: { name: 's1' } })
  })
})

it('running, with the memory in a file', async () => {
  await inSession(lab, 'running', async (session) => {
    await session.write(2, 'm')
    const memory = { _tag: 'External', path: session.path('s1.memory') } as const
    const plan = await does(session, { take: { name: 's1', memory } })
    expect(plan.consistency).toBe('memory')
    await does(session, { delete: { snapshots: ['s1'] } })
  })
})

it('running, with the memory inside the images', async () => {
  await inSession(lab, 'running', async (session) => {
    await session.write(2, 'm')
    const disks: TakeRequest['disks'] = new Map([
      ['vda', { mode: 'internal' }],
      ['vdb', { mode: 'internal' }],
    ])
    await does(session, { take: { name: 'i1', disks, memory: { _tag: 'Internal' } } })
    await does(session, { delete: { snapshots: ['i1'] } })
  })
})

it('running, quiesced where an agent answers, and none does', async () => {
  await inSession(lab, 'running', async (session) => {
    const plan = await does(session, { take: { name: 's1', quiesce: 'prefer' } })
    expect(plan.consistency).toBe('quiesced or crash')
  })
})

describe.each(['running', 'shut-off'] as const)('%s, by somebody else', (guest) => {
  it.each(['both disks', 'one disk'] as const)('%s, and one over it by libvirt', async (which) => {
    await inSession(lab, guest, async (session) => {
      await does(session, { take: { name: 's0' } })
      if (guest === 'running') await session.write(2, 'x')
      const { seen, machine } = await session.look()
      const array: StorageLevel = { _tag: 'Other', name: 'array', keeps: 'full copy' }
      const levels = new Map<string, ReadonlyArray<StorageLevel>>([
        ['vda', [array]],
        ['vdb', [which === 'both disks' ? array : { _tag: 'QemuExternal' }]],
      ])
      const request: LevelRequest = {
        name: 's1',
        creationTime: '1795656132',
        levels,
        prefer: ['Other', 'QemuExternal'],
      }
      const { plan, copies } = right(snapshotAtLevel(machine, request, machineHost))
      const handed: Array<string> = []
      const host: Host = {
        ...session.host,
        call: async (call) => {
          if (call._tag !== 'HandOver' || call.task !== 'take')
            return call._tag === 'HandOver' ? undefined : session.host.call(call)
          const state = guest === 'running' ? 'paused' : 'shut off'
          expect((await session.virsh('domstate')).trim()).toBe(state)
          return handed.push(call.path)
        },
      }
      await executeMachine(plan, host)
      expect(handed).toEqual(copies.map(({ image }) => locationString(image.location)))
      const now = await observe(session.stage)
      const account = which === 'both disks' ? session.expected() : afterTake(session.expected(), 's1', ['vdb'])
      await compareMachine({ plan, before: seen, seen: now, expected: account })
      session.note(() => account)
      await does(session, { take: { name: 's2' } })
      if (which === 'one disk') return
      const on = (await session.look()).machine
      await executeMachine(right(deleteCopies(on, { copies }, machineHost)), host)
      expect((await session.look()).machine.snapshots.has('s1')).toBe(false)
    })
  })
})

describe('paused, with a pull that has ended meanwhile', () => {
  const array: StorageLevel = { _tag: 'Other', name: 'array', keeps: 'full copy' }
  const asked = (memory: LevelRequest['memory']): LevelRequest => ({
    name: 's1',
    creationTime: '1795656132',
    levels: new Map([
      ['vda', [array]],
      ['vdb', [array]],
    ]),
    prefer: ['Other'],
    metadata: 'none',
    ...(memory === undefined ? {} : { memory }),
  })

  /** What a copy has of the first disk that is made when the plan says so, and nothing else is asked. */
  const copied = async (session: Session, request: LevelRequest, known: MachineHost): Promise<string> => {
    const { plan } = right(snapshotAtLevel((await session.look()).machine, request, known))
    const to = session.path('copy')
    const call: Host['call'] = async (one) => {
      if (one._tag !== 'HandOver') return session.host.call(one)
      return one.disk === 'vda' ? runOk(['cp', '--', one.path, to]) : undefined
    }
    await executeMachine(plan, { ...session.host, call })
    return readCells(to, 'qcow2')
  }

  it('nothing below QEMU has it all, but where memory is kept', async () => {
    await inSession(lab, 'running', async (session) => {
      await session.write(2, 'x')
      await session.virsh('snapshot-create-as', 's0', '--disk-only', '--no-metadata')
      await session.write(3, 'y')
      await session.virsh('suspend')
      await session.virsh('blockpull', 'vda', '--wait')
      const { machine } = await session.look()
      const refused = E.swap(snapshotAtLevel(machine, asked(undefined), machineHost))
      expect(right(refused)).toMatchObject({ _tag: 'NoLevelFits', passed: [{ why: { _tag: 'HeldBack' } }] })
      const [all, lacking] = ['a0xy'.padEnd(cellCount, '0'), '000y'.padEnd(cellCount, '0')]
      expect(await copied(session, asked(undefined), { ...machineHost, heldBack: 'nothing' })).toBe(lacking)
      // Suspended again it flushes nothing.
      await session.virsh('suspend')
      expect(await copied(session, asked(undefined), { ...machineHost, heldBack: 'nothing' })).toBe(lacking)
      const memory = { _tag: 'External', path: session.path('memory') } as const
      expect(await copied(session, asked(memory), machineHost)).toBe(all)
    })
  })
})
