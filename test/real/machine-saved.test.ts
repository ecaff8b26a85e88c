// Guests whose memory is saved: saving, restoring, what libvirt does to their disks meanwhile, and a state that follows the disks.

import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import * as E from 'fp-ts/lib/Either.js'
import {
  changeChain,
  checkMachinePlan,
  deleteSnapshots,
  dropState,
  renameImage,
  restoreState,
  saveState,
  take,
} from 'backing-chain'
import type { Machine, MachinePlan, MachineRefusal, SavedPlace } from 'backing-chain'
import { withMachine } from '../../src/model/machine.js'
import { right } from './harness/tree.js'
import { runOk } from './lab/exec.js'
import { labForAll } from './machine/lab.js'
import { does } from './machine/plans.js'
import { withStates } from './machine/saved.js'
import { inSession, machineHost, without, type Looked, type Session } from './machine/session.js'
import { targets } from './machine/stage.js'

const lab = labForAll()

const managed: SavedPlace = { kind: 'managed' }

/** A file among the machine's images. */
const inFile = ({ path }: Session, name: string): SavedPlace => ({ kind: 'file', path: path(`saved.${name}`) })

const planned = (of: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  const plan = right(of)
  expect(checkMachinePlan(plan)).toEqual([])
  return plan
}

const tagOf = (of: E.Either<MachineRefusal, MachinePlan>): string => (E.isLeft(of) ? of.left._tag : 'planned')

/** Saves the memory by a plan; the machine then, with the state as libvirt prints it. */
const saved = async (session: Session, to: SavedPlace): Promise<Looked> => {
  const { machine, seen } = await session.look()
  const plan = planned(saveState(machine, { to }, machineHost))
  await session.run({ plan, before: seen, change: (of) => of })
  expect(await session.virsh('domstate', '--reason')).toContain('shut off (saved)')
  return again(session, plan.after)
}

/** The machine as it is, with the states that libvirt has printed anew. */
const again = async (session: Session, of: Machine): Promise<Looked> =>
  withStates(session, await session.look(), of.saved)

const restored = async (session: Session, { machine, seen }: Looked, from: SavedPlace): Promise<Machine> => {
  const plan = planned(restoreState(machine, { from }, machineHost))
  await session.run({ plan, before: seen, change: (of) => of })
  expect(await session.virsh('domstate', '--reason')).toMatch(/running \((restored|unpaused)\)/)
  return plan.after
}

const isSaved = async ({ virsh }: Session): Promise<boolean> => /^Managed save: +yes$/m.test(await virsh('dominfo'))

const running = (act: (session: Session) => Promise<void>): Promise<void> => inSession(lab, 'running', act)

const two = async (session: Session): Promise<void> => {
  await session.write(1, 'x')
  await session.taken('s1')
  await session.taken('s2')
  await session.write(3, 'y')
}

const liveSource = async ({ virsh }: Session, target: string): Promise<string> =>
  (await virsh('domblklist')).split('\n').find((line) => line.trim().startsWith(target)) ?? ''

describe('saving and restoring', () => {
  it('a managed state is used up, and everything reads as it did', async () => {
    await running(async (session) => {
      await two(session)
      const after = await restored(session, await saved(session, managed), managed)
      expect(after.saved).toEqual([])
      expect(await isSaved(session)).toBe(false)
      await session.write(5, 'z')
      await session.check()
    })
  })

  it('of a guest that is paused', async () => {
    await running(async (session) => {
      await session.taken('s1')
      await session.virsh('suspend')
      const looked = await saved(session, managed)
      const { machine } = looked
      const plan = planned(restoreState(machine, { from: managed }, machineHost))
      await session.run({ plan, before: looked.seen, change: (of) => of })
      expect((await session.virsh('domstate')).trim()).toBe('paused')
      const off = await saved(session, managed)
      const resumed = planned(restoreState(off.machine, { from: managed, guest: 'running' }, machineHost))
      expect(resumed.steps).toHaveLength(2)
      await session.run({ plan: resumed, before: off.seen, change: (of) => of })
      await session.check()
    })
  })

  it('a file stays, and libvirt restores it again over what the guest has written since', async () => {
    await running(async (session) => {
      await two(session)
      const place = inFile(session, 'memory')
      const after = await restored(session, await saved(session, place), place)
      expect(after.saved.map(({ disks }) => disks)).toEqual(['written since'])
      await session.write(5, 'z')
      await session.virsh('destroy')
      const { machine } = await session.look()
      const later = withMachine(machine, { saved: after.saved })
      expect(tagOf(restoreState(later, { from: place }, machineHost))).toBe('StateUnfit')
      await session.stage.libvirt.ask('restore', place.kind === 'file' ? place.path : '')
      expect(await session.virsh('domstate', '--reason')).toContain('running (restored)')
      await session.virsh('destroy')
      const { seen } = await session.look()
      const drop = planned(dropState(later, { place }, machineHost))
      await session.run({ plan: drop, before: seen, change: (of) => of })
    })
  })

  it('a managed state is dropped, and the guest boots', async () => {
    await running(async (session) => {
      await two(session)
      const { machine, seen } = await saved(session, managed)
      const plan = planned(dropState(machine, { place: managed }, machineHost))
      await session.run({ plan, before: seen, change: (of) => of })
      expect(await isSaved(session)).toBe(false)
      await session.virsh('start')
      expect(await session.virsh('domstate', '--reason')).toContain('running (booted)')
    })
  })
})

describe('what libvirt does meanwhile, and this library does not', () => {
  it('it saves the memory over a disk of the guest', async () => {
    await running(async (session) => {
      const { machine } = await session.look()
      const path = session.path('vdb.qcow2')
      expect(tagOf(saveState(machine, { to: { kind: 'file', path } }, machineHost))).toBe('PathTaken')
      await session.virsh('save', path)
      expect((await readFile(path)).subarray(0, 16).toString('latin1')).toContain('LibvirtQemudSave')
    })
  })

  it('it takes a snapshot, and the guest goes on writing to what holds it', async () => {
    await running(async (session) => {
      await two(session)
      const { machine } = await saved(session, managed)
      const refused = take(machine, { name: 's3' }, machineHost)
      expect(tagOf(refused)).toBe('StateSaved')
      await session.virsh('snapshot-create-as', 's3', '--disk-only')
      expect(await session.virsh('domblklist', '--inactive')).toContain(session.path('vda.s3'))
      await session.virsh('start')
      expect(await session.virsh('domstate', '--reason')).toContain('running (restored)')
      expect(await liveSource(session, 'vda')).toContain(session.path('vda.s2'))
    })
  })

  it('it resumes on a disk that has been grown or shrunk since', async () => {
    for (const [size, format] of [
      ['2M', []],
      ['512K', ['--shrink']],
    ] as const)
      await running(async (session) => {
        await two(session)
        const { machine, seen } = await session.look()
        const plan = planned(saveState(machine, { to: managed }, machineHost))
        await session.run({ plan, before: seen, change: (of) => of })
        await runOk(['qemu-img', 'resize', '-q', '-f', 'qcow2', ...format, session.path('vda.s2'), size])
        const now = withMachine((await session.look()).machine, { saved: plan.after.saved })
        const path = session.path('vda.s2')
        expect(restoreState(now, { from: managed }, machineHost)).toMatchObject({
          left: { _tag: 'StateUnfit', conflicts: [{ disk: 'vda', path, change: 'resized' }] },
        })
        await session.virsh('start')
        expect(await session.virsh('domstate', '--reason')).toContain('running (restored)')
      })
  })

  it('it restores a file beside a managed state, which the next start resumes', async () => {
    await running(async (session) => {
      await two(session)
      const place = inFile(session, 'memory')
      const { saved: states } = (await saved(session, place)).machine
      await session.virsh('start')
      await session.write(5, 'z')
      const { machine } = await saved(session, managed)
      for (const disks of ['as saved', 'written since'] as const) {
        const both = withMachine(machine, { saved: [...machine.saved, ...states.map((one) => ({ ...one, disks }))] })
        const tag = disks === 'as saved' ? 'ManagedSavePresent' : 'StateUnfit'
        expect(tagOf(restoreState(both, { from: place }, machineHost))).toBe(tag)
      }
      await session.stage.libvirt.ask('restore', place.kind === 'file' ? place.path : '')
      expect(await session.virsh('domstate', '--reason')).toContain('running (restored)')
      expect(await isSaved(session)).toBe(true)
      await session.virsh('destroy')
      await session.virsh('start')
      expect(await session.virsh('domstate', '--reason')).toContain('running (restored)')
      expect(await isSaved(session)).toBe(false)
    })
  })

  it('an internal snapshot of the images as they are is no harm', async () => {
    await inSession(lab, 'running', async (session) => {
      await session.write(1, 'x')
      const looked = await saved(session, managed)
      const disks = new Map(targets.map((target) => [target, { mode: 'internal' as const }]))
      const plan = planned(take(looked.machine, { name: 'i1', disks }, machineHost))
      expect(plan.assumes.map(({ _tag }) => _tag)).not.toContain('NoManagedSave')
      await session.run({
        plan,
        before: looked.seen,
        change: (of) => ({ ...of, snapshots: new Map(of.snapshots).set('i1', of.guest) }),
      })
      await restored(session, await again(session, plan.after), managed)
      await session.check()
    })
  })

  it('it deletes what the state needs, and the guest does not start', async () => {
    for (const name of ['s1', 's2'])
      await running(async (session) => {
        await two(session)
        const { machine } = await saved(session, managed)
        for (const how of ['libvirt', 'by hand', 'auto'] as const)
          expect(tagOf(deleteSnapshots(machine, { snapshots: [name], how }, machineHost))).toBe('StateSaved')
        await session.virsh('snapshot-delete', name)
        expect((await session.tryVirsh('start')).stderr).toMatch(/Cannot access (backing|storage) file/)
        expect(await isSaved(session)).toBe(true)
      })
  })
})

describe('a saved state that follows the disks', () => {
  const places = (session: Session): ReadonlyArray<SavedPlace> => [managed, inFile(session, 'memory')]

  it.each([[['s1']], [['s2']], [['s1', 's2']]])('while %s are deleted', async (names) => {
    for (const at of [0, 1])
      await running(async (session) => {
        const place = places(session)[at] ?? managed
        await two(session)
        const { machine, seen } = await saved(session, place)
        const plan = planned(deleteSnapshots(machine, { snapshots: names, saved: 'repoint' }, machineHost))
        expect(plan.how).toBe('by hand')
        await session.run({ plan, before: seen, change: (of) => without(of, names) })
        await restored(session, await again(session, plan.after), place)
        await session.write(6, 'w')
        await session.check()
      })
  })

  it('while a chain is made shorter', async () => {
    await running(async (session) => {
      await two(session)
      const { machine, seen } = await saved(session, managed)
      const request = {
        disk: 'vda',
        metadata: 'carry',
        saved: 'repoint',
        pull: { into: machine.disks.get('vda')?.active ?? '', leftovers: 'keep' },
      } as const
      const plan = planned(changeChain(machine, request, machineHost))
      await session.run({ plan, before: seen, change: (of) => of })
      await restored(session, await again(session, plan.after), managed)
      await session.check()
    })
  })

  it.each(['the active image', 'the image below'])('while %s gets another path', async (which) => {
    for (const at of [0, 1])
      await running(async (session) => {
        const place = places(session)[at] ?? managed
        await two(session)
        const { machine, seen } = await saved(session, place)
        const image = which === 'the active image' ? (machine.disks.get('vda')?.active ?? '') : session.path('vda.s1')
        const to = session.path('vda.new')
        const request = { disk: 'vda', image, to, name: to, saved: 'repoint' } as const
        const plan = planned(renameImage(machine, request, machineHost))
        await session.run({ plan, before: seen, change: (of) => of })
        await restored(session, await again(session, plan.after), place)
        await session.write(6, 'w')
        await session.check()
      })
  })

  it('only from what libvirt has printed itself', async () => {
    await running(async (session) => {
      await two(session)
      const { machine } = await saved(session, managed)
      const foreseen = withMachine(machine, { saved: machine.saved.map((one) => ({ ...one, known: 'foreseen' })) })
      const request = { snapshots: ['s1'], saved: 'repoint' } as const
      expect(tagOf(deleteSnapshots(foreseen, request, machineHost))).toBe('NotThisWay')
    })
  })
})

describe('an external system checkpoint', () => {
  it('pins what it froze: the deletion beside it moves that, and the memory is loaded on what reads the same', async () => {
    await running(async (session) => {
      await session.write(1, 'x')
      await session.taken('s1')
      await session.write(2, 'y')
      const memory = { _tag: 'External', path: session.path('m1.memory') } as const
      await does(session, { take: { name: 'm1', memory } })
      await session.write(3, 'z')
      await session.taken('s2')
      await session.write(4, 'w')
      const plan = await does(session, { delete: { snapshots: ['s1'], how: 'by hand' } })
      const frozen = (of: Machine): unknown => of.snapshots.get('m1')?.disks.get('vda')
      expect(frozen(plan.after)).not.toEqual(frozen(plan.before))
      const back = await does(session, { revert: { to: 'm1', present: 'discard' } })
      expect([back.how, back.after.state]).toEqual(['libvirt', 'running'])
    })
  })
})
