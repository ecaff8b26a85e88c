// Snapshots of a shut-off machine with two disks, without libvirt: with qemu-img. After each the guest runs again.

import { describe, expect, it } from 'vitest'
import type { DeleteRequest, RevertRequest } from 'backing-chain'
import { qemuVersions } from './lab/binaries.js'
import { expectPath, fork, reasonOf, taken, three, unrecorded, writeBoth } from './machine/qmp-scenarios.js'
import { onFreeMachine, type Free } from './machine/qmp-session.js'
import { randomOf } from './machine/random.js'
import { targets } from './machine/stage.js'

const directions = ['commit', 'pull', 'auto'] as const

/** Looks after each step, with the lanes mixed. */
const watched = { watched: true, choose: randomOf(20261126).below }

const deleted = async (free: Free, request: DeleteRequest): Promise<void> => {
  await free.does({ delete: request }, watched)
}

const reverted = async (free: Free, request: RevertRequest): Promise<void> => {
  await free.does({ revert: request }, watched)
}

/** The guest runs, and what was written down of its disks is still so. */
const runsOn = async (free: Free, name = 's8'): Promise<void> => {
  await free.start()
  await taken(free, name)
  await free.stop()
  await free.check()
}

const inPlace: RevertRequest['overlays'] = new Map([
  ['vda', 'in place'],
  ['vdb', 'in place'],
])

describe.each(qemuVersions)('with qemu-img, QEMU %s', (version) => {
  const on = (begin: (free: Free) => Promise<void>, act: (free: Free) => Promise<void>) => () =>
    onFreeMachine(version, async (free) => {
      await begin(free)
      await free.stop()
      await act(free)
    })
  const nothing = (): Promise<void> => Promise.resolve()

  it(
    'takes three, of both disks and of one',
    on(nothing, async (free) => {
      const plan = await free.does({ take: { name: 's1' } }, watched)
      expect(plan.consistency).toBe('clean')
      await free.does({ take: { name: 's2', disks: new Map([['vda', { mode: 'no' }]]) } }, watched)
      await free.does({ take: { name: 's3', quiesce: 'require' } }, watched)
      expectPath(free, 'vda', ['vda.qcow2', 'vda.s1', 'vda.s3'])
      expectPath(free, 'vdb', ['vdb.qcow2', 'vdb.s1', 'vdb.s2', 'vdb.s3'])
      await runsOn(free)
    }),
  )

  describe('inside the images', () => {
    const inside = { mode: 'internal' } as const

    it(
      'takes, goes back and deletes',
      on(nothing, async (free) => {
        const disks = new Map(targets.map((target) => [target, inside]))
        await free.does({ take: { name: 's1', disks } }, watched)
        await free.start()
        await writeBoth(free, 2, 'x')
        await free.stop()
        expect(reasonOf(await free.refuses({ revert: { to: 's1' } }))).toBe('PointsLost')
        await reverted(free, { to: 's1', present: 'discard' })
        await runsOn(free, 's3')
        await deleted(free, { snapshots: ['s1'] })
        await runsOn(free, 's4')
      }),
    )

    it(
      'of one disk, with the other frozen',
      on(nothing, async (free) => {
        await free.does({ take: { name: 's1', disks: new Map([['vda', inside]]) } }, watched)
        await runsOn(free, 's2')
        await deleted(free, { snapshots: ['s2'] })
        await runsOn(free, 's3')
        await deleted(free, { snapshots: ['s1', 's3'] })
        await runsOn(free, 's4')
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
        await free.stop()
        await deleted(free, { snapshots, direction, leftovers: direction === 'auto' ? 'remove' : 'keep' })
        await runsOn(free)
      }),
    )
  })

  describe('a fork', () => {
    it.each([
      ['what both branches read', ['s1'], 'auto'],
      ['what both branches read, up into both', ['s1'], 'pull'],
      ['the middle of the other branch', ['s2'], 'commit'],
      ['the end of the other branch', ['s3'], 'auto'],
      ['one of each', ['s2', 's4'], 'auto'],
      ['all of it', ['s1', 's2', 's3', 's4'], 'auto'],
    ] as const)('delete %s', (_, snapshots, direction) =>
      onFreeMachine(version, async (free) => {
        await fork(free)
        await free.stop()
        await deleted(free, { snapshots, direction })
        await runsOn(free)
      }),
    )

    it(
      'delete the other branch with what is tied to nothing',
      on(fork, async (free) => {
        await deleted(free, { snapshots: ['s2', 's3'], untied: 'remove' })
        await runsOn(free)
      }),
    )

    it(
      'back to the other branch, and to and fro',
      on(fork, async (free) => {
        await reverted(free, { to: 's3' })
        await runsOn(free)
        await reverted(free, { to: 's4' })
        await reverted(free, { to: 's8' })
        await runsOn(free, 's9')
      }),
    )
  })

  describe('revert', () => {
    it.each([
      ['the present is kept', { to: 's2' }],
      ['the present goes', { to: 's2', present: 'discard' }],
      ['in place', { to: 's2', present: 'discard', overlays: inPlace }],
      ['what came after goes', { to: 's1', later: 'delete' }],
      ['what came after goes, and the present', { to: 's1', later: 'delete', present: 'discard' }],
      ['what came after goes, in place', { to: 's1', later: 'delete', present: 'discard', overlays: inPlace }],
      ['to the last', { to: 's3', present: 'discard' }],
    ] as const)('%s', (_, request) =>
      onFreeMachine(version, async (free) => {
        await three(free)
        await free.stop()
        await reverted(free, request)
        await runsOn(free)
      }),
    )

    it(
      'to one of a single disk: the other stays as it is',
      on(nothing, async (free) => {
        await free.start()
        await writeBoth(free, 2, 'x')
        await free.does({ take: { name: 's1', disks: new Map([['vdb', { mode: 'no' }]]) } })
        await writeBoth(free, 2, 'y')
        await free.stop()
        await reverted(free, { to: 's1' })
        await runsOn(free)
      }),
    )

    it(
      'in place without giving up the present: refused',
      on(three, async (free) => {
        expect(reasonOf(await free.refuses({ revert: { to: 's2', overlays: inPlace } }))).toBe('PointsLost')
      }),
    )

    it(
      'with the guest running: refused',
      on(three, async (free) => {
        await free.start()
        expect(reasonOf(await free.refuses({ revert: { to: 's2' } }))).toBe('GuestStateWrong')
      }),
    )
  })

  it(
    'changes one chain: records are carried',
    on(unrecorded, async (free) => {
      const change = { disk: 'vda', commit: { top: 'vda.n1', base: 'vda.qcow2', leftovers: 'remove' } } as const
      expect(reasonOf(await free.refuses({ change }))).toBe('SnapshotsInvalidated')
      await free.does({ change: { ...change, metadata: 'carry' } }, watched)
      await free.does({ change: { disk: 'vdb', pull: { into: 'vdb.s1' } } }, watched)
      await runsOn(free)
    }),
  )
})
