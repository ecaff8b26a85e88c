// Snapshots of a running machine with two disks, without libvirt: through its monitor, and with qemu-img beside it.

import { describe, expect, it } from 'vitest'
import type { DeleteRequest } from 'backing-chain'
import { qemuVersions } from './lab/binaries.js'
import { expectPath, fork, reasonOf, taken, three, unrecorded, writeBoth } from './machine/qmp-scenarios.js'
import { onFreeMachine, type Free } from './machine/qmp-session.js'
import { walk } from './machine/qmp-walk.js'
import { randomOf } from './machine/random.js'

const seed = Number(process.env['BC_SEED'] ?? 20261126)
const steps = Number(process.env['BC_WALK'] ?? 60)

const directions = ['commit', 'pull', 'auto'] as const

/** Looks after each step, with the lanes mixed. */
const watched = { watched: true, choose: randomOf(seed).below }

const deleted = async (free: Free, request: DeleteRequest): Promise<void> => {
  await free.does({ delete: request }, watched)
}

describe.each(qemuVersions)('through QMP, QEMU %s', (version) => {
  const on = (act: (free: Free) => Promise<void>) => () => onFreeMachine(version, act)

  describe('take', () => {
    it(
      'three, of both disks and of one',
      on(async (free) => {
        await free.start()
        await writeBoth(free, 2, 'x')
        const plan = await free.does({ take: { name: 's1' } }, watched)
        expect(plan.consistency).toBe('crash')
        await writeBoth(free, 2, 'y')
        await free.does({ take: { name: 's2', disks: new Map([['vdb', { mode: 'no' }]]) } }, watched)
        await writeBoth(free, 2, 'z')
        await free.does({ take: { name: 's3' } }, watched)
        expectPath(free, 'vda', ['vda.qcow2', 'vda.s1', 'vda.s2', 'vda.s3'])
        expectPath(free, 'vdb', ['vdb.qcow2', 'vdb.s1', 'vdb.s3'])
      }),
    )

    it(
      'while the guest writes to both disks: both are frozen between the same two writes',
      on(async (free) => {
        await free.start()
        for (const name of ['s1', 's2', 's3']) await free.does({ take: { name } }, { writes: seed })
      }),
    )

    it(
      'of a guest that never ran, and of one that is paused',
      on(async (free) => {
        await free.start('paused')
        await free.does({ take: { name: 's1' } }, watched)
        await free.resume()
        await writeBoth(free, 2, 'x')
        await free.pause()
        await free.does({ take: { name: 's2', quiesce: 'require' } }, watched)
      }),
    )
  })

  it(
    'takes one disk and leaves the other to somebody else, for whom the guest stays paused',
    on(async (free) => {
      await free.start()
      await writeBoth(free, 2, 'x')
      await free.does({ take: { name: 's1', disks: new Map([['vdb', { mode: 'manual' }]]) } }, watched)
      expect(free.machine().state).toBe('paused')
      await free.resume()
      await taken(free, 's2')
      await deleted(free, { snapshots: ['s1'] })
    }),
  )

  describe('quiesce', () => {
    const calls: string[] = []
    const answers = (command: string): Promise<unknown> => {
      calls.push(command)
      return Promise.resolve(1)
    }
    const silent = (command: string): Promise<unknown> => {
      calls.push(command)
      return Promise.reject(new Error('the agent does not answer'))
    }
    const started = (act: (free: Free) => Promise<void>) =>
      on(async (free) => {
        calls.splice(0)
        await free.start()
        await writeBoth(free, 2, 'x')
        await act(free)
      })
    const [freeze, thaw] = ['guest-fsfreeze-freeze', 'guest-fsfreeze-thaw']

    it(
      'required, with an agent: frozen, and thawed at least once',
      started(async (free) => {
        const plan = await free.does({ take: { name: 's1', quiesce: 'require' } }, { ...watched, agent: answers })
        expect(plan.consistency).toBe('quiesced')
        expect(calls).toEqual([freeze, thaw, thaw])
      }),
    )

    it(
      'preferred, with none: the plan goes on without',
      started(async (free) => {
        const plan = await free.does({ take: { name: 's1', quiesce: 'prefer' } }, { ...watched, agent: silent })
        expect(plan.consistency).toBe('quiesced or crash')
        expect(calls[0]).toBe(freeze)
      }),
    )

    it(
      'required, with none: the plan ends before the disks are frozen, and thaws',
      started(async (free) => {
        const before = free.machine()
        const ended = free.does({ take: { name: 's1', quiesce: 'require' } }, { agent: silent })
        await expect(ended).rejects.toThrow('the agent does not answer')
        expect(calls).toEqual([freeze, thaw])
        expect(free.machine()).toBe(before)
        await free.stop()
        await free.check()
      }),
    )

    it(
      'required, and QEMU refuses the transaction: thawed',
      started(async (free) => {
        const agent = async (command: string): Promise<unknown> => {
          if (command === freeze) await free.dropUnused()
          return answers(command)
        }
        const ended = free.does({ take: { name: 's1', quiesce: 'require' } }, { agent })
        await expect(ended).rejects.toThrow(/transaction/)
        expect(calls).toEqual([freeze, thaw])
        await free.check()
      }),
    )

    it(
      'where somebody has looked and there is none: refused, or not tried',
      started(async (free) => {
        const host = { agent: 'absent' } as const
        expect(await free.refuses({ take: { name: 's1', quiesce: 'require' } }, host)).toMatchObject({
          _tag: 'AgentAbsent',
        })
        const plan = await free.does({ take: { name: 's1', quiesce: 'prefer' } }, { host, agent: silent })
        expect([plan.consistency, calls]).toEqual(['crash', []])
      }),
    )
  })

  describe.each([
    ['the first', ['s1']],
    ['the middle one', ['s2']],
    ['the last', ['s3']],
    ['all', ['s1', 's2', 's3']],
  ] as const)('delete %s of three', (_, snapshots) => {
    it.each(directions)('%s', (direction) =>
      onFreeMachine(version, async (free) => {
        await three(free)
        const leftovers = direction === 'auto' ? 'remove' : 'keep'
        await deleted(free, { snapshots, direction, leftovers })
        await taken(free, 's7')
        await free.stop()
        await free.check()
      }),
    )
  })

  it(
    'deletes one after the other while the guest writes',
    on(async (free) => {
      await three(free)
      for (const name of ['s2', 's1', 's3']) await free.does({ delete: { snapshots: [name] } }, { writes: seed })
    }),
  )

  it(
    'deletes step by step while the guest writes',
    on(async (free) => {
      await three(free)
      await free.does({ delete: { snapshots: ['s1', 's3'] } }, { ...watched, writes: seed })
    }),
  )

  it(
    'deletes with the guest paused',
    on(async (free) => {
      await three(free)
      await free.pause()
      await deleted(free, { snapshots: ['s1'], direction: 'pull' })
      await deleted(free, { snapshots: ['s3'] })
      await free.resume()
      await taken(free, 's5')
    }),
  )

  describe('a fork, one branch of which the guest runs on', () => {
    it.each([
      ['what both branches read', ['s1'], 'auto'],
      ['what both branches read, up into both', ['s1'], 'pull'],
      ['the middle of the other branch', ['s2'], 'auto'],
      ['the middle of the other branch, up', ['s2'], 'pull'],
      ['the end of the other branch', ['s3'], 'auto'],
      ['the end of this branch', ['s4'], 'auto'],
      ['one of each', ['s2', 's4'], 'auto'],
      ['all of it', ['s1', 's2', 's3', 's4'], 'auto'],
    ] as const)('delete %s', (_, snapshots, direction) =>
      onFreeMachine(version, async (free) => {
        await fork(free)
        await deleted(free, { snapshots, direction })
        await taken(free, 's7')
        await free.stop()
        await free.check()
      }),
    )

    it(
      'delete what is tied to nothing with it',
      on(async (free) => {
        await fork(free)
        const sizes = () => Array.from(free.machine().disks.values(), ({ images }) => images.size)
        await deleted(free, { snapshots: ['s2'], untied: 'remove' })
        expect(sizes()).toEqual([4, 4])
        await deleted(free, { snapshots: ['s3'], untied: 'remove' })
        expect(sizes()).toEqual([3, 3])
      }),
    )

    it(
      'down into what both read is refused',
      on(async (free) => {
        await fork(free)
        const refusal = await free.refuses({ delete: { snapshots: ['s1'], direction: 'commit' } })
        expect(reasonOf(refusal)).toBe('DiskRefused ImageShared')
      }),
    )
  })

  describe('change one chain', () => {
    it(
      'down, under a snapshot: refused, or carried',
      on(async (free) => {
        await unrecorded(free)
        const change = { disk: 'vda', commit: { top: 'vda.n1', base: 'vda.qcow2', leftovers: 'remove' } } as const
        expect(await free.refuses({ change })).toMatchObject({ _tag: 'SnapshotsInvalidated', snapshots: ['s1'] })
        await free.does({ change: { ...change, metadata: 'carry' } }, watched)
        expectPath(free, 'vda', ['vda.qcow2', 'vda.s1'])
        expect(free.machine().snapshots.get('s1')?.disks.get('vda')).toEqual({ mode: 'external', frozen: 'vda.qcow2' })
      }),
    )

    it(
      'up, while the guest writes',
      on(async (free) => {
        await unrecorded(free)
        const change = { disk: 'vdb', pull: { into: 'vdb.n1' } } as const
        await free.does({ change }, { ...watched, writes: seed })
        expectPath(free, 'vdb', ['vdb.n1', 'vdb.s1'])
      }),
    )

    it(
      'over a point in time: refused',
      on(async (free) => {
        await unrecorded(free)
        const commit = { top: 'vda.s1', base: 'vda.n1', end: 'pivot' } as const
        const refusal = await free.refuses({ change: { disk: 'vda', commit, metadata: 'carry' } })
        expect(reasonOf(refusal)).toBe('DiskRefused PointInTimeLost')
      }),
    )

    it(
      'with the guest paused',
      on(async (free) => {
        await unrecorded(free)
        await free.pause()
        const commit = { top: 'vda.n1', base: 'vda.qcow2' } as const
        await free.does({ change: { disk: 'vda', commit, metadata: 'carry' } }, watched)
        await free.does({ change: { disk: 'vdb', pull: { into: 'vdb.s1', base: 'vdb.n1' } } }, watched)
      }),
    )
  })

  it(`at random, BC_SEED=${String(seed)} BC_WALK=${String(steps)}`, async () => {
    const counts = await walk(version, { seed, steps })
    const planned = Array.from(counts).flatMap(([what, count]) => (what.includes(':') ? [] : [count]))
    expect(planned.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(steps / 3)
  })
})
