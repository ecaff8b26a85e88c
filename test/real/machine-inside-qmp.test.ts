// Snapshots inside the images of a running machine without libvirt, with its memory and without; and what QEMU does where a plan is
// refused.

import { describe, expect, it } from 'vitest'
import type { TakeRequest } from 'backing-chain'
import { jobsOf } from './harness/execute-qmp.js'
import { untilJob } from './harness/forced.js'
import { binary, qemuVersions } from './lab/binaries.js'
import { runOk } from './lab/exec.js'
import { readCells } from './lab/images.js'
import { fields } from './lab/json.js'
import { pathOf } from './machine/qmp-machine.js'
import { remember, remembered } from './machine/qmp-memory.js'
import { expectPath, reasonOf, writeBoth } from './machine/qmp-scenarios.js'
import { onFreeMachine, type Free } from './machine/qmp-session.js'
import { randomOf } from './machine/random.js'

const watched = { watched: true, choose: randomOf(7).below }

const inside: TakeRequest['disks'] = new Map([
  ['vda', { mode: 'internal' }],
  ['vdb', { mode: 'internal' }],
])

const memory = { _tag: 'Internal' } as const

const nodeOf = (free: Free, disk: string): string => {
  const chain = free.machine().disks.get(disk)
  return chain?.images.get(chain.active)?.node?.format ?? ''
}

const statusOf = async (free: Free): Promise<unknown> => fields(await free.qemu().qmp.ask('query-status'))['status']

/** What a cell of both disks is, on the disk: loading has written everything out. */
const cellOfBoth = async (free: Free, cell: number, vda = 'vda.qcow2'): Promise<ReadonlyArray<string>> => {
  const read = (name: string): Promise<string> =>
    readCells(`${free.home.images}/${name}`, 'qcow2', { version: free.home.version, share: 'force' })
  const both = await Promise.all([vda, 'vdb.qcow2'].map(read))
  return both.map((cells) => cells.charAt(cell))
}

/** A job of a whole machine, made by force; gives back its error, and clears it. */
const forced = async (free: Free, command: string, args: object): Promise<string | undefined> => {
  const { qmp } = free.qemu()
  await qmp.ask(command, { 'job-id': 'forced', ...args })
  for (;;) {
    const job = (await jobsOf(qmp)).find(({ id }) => id === 'forced')
    if (job?.status !== 'concluded') continue
    await qmp.ask('job-dismiss', { id: 'forced' })
    return job.error
  }
}

const addBitmap = (free: Free, disk: string): Promise<unknown> =>
  free.qemu().qmp.ask('block-dirty-bitmap-add', { node: nodeOf(free, disk), name: 'b' })

describe.each(qemuVersions)('inside images, through QMP, QEMU %s', (version) => {
  const on = (act: (free: Free) => Promise<void>) => () => onFreeMachine(version, act)

  it(
    'both disks at once, and deletes in any order, running and paused',
    on(async (free) => {
      await free.start()
      for (const [at, name] of ['s1', 's2', 's3'].entries()) {
        await writeBoth(free, at, 'x')
        const plan = await free.does({ take: { name, disks: inside } }, watched)
        expect(plan.steps.map(({ call }) => (call._tag === 'Qmp' ? call.command.execute : ''))).toEqual(['transaction'])
      }
      await writeBoth(free, 4, 'y')
      await free.does({ delete: { snapshots: ['s2'] } }, watched)
      await free.pause()
      await free.does({ take: { name: 's4', disks: inside, quiesce: 'require' } }, watched)
      await free.does({ delete: { snapshots: ['s1', 's4'] } }, watched)
      await free.stop()
      await free.does({ revert: { to: 's3', present: 'discard' } }, watched)
    }),
  )

  it(
    'one disk inside and one in an overlay: one point in time, while the guest writes',
    on(async (free) => {
      await free.start()
      for (const [name, writes] of [
        ['s1', 11],
        ['s2', 12],
        ['s3', 13],
      ] as const)
        await free.does({ take: { name, disks: new Map([['vda', { mode: 'internal' }]]) } }, { writes })
      expectPath(free, 'vda', ['vda.qcow2'])
      expectPath(free, 'vdb', ['vdb.qcow2', 'vdb.s1', 'vdb.s2', 'vdb.s3'])
      await free.does({ delete: { snapshots: ['s1', 's2'] } }, { ...watched, writes: 14 })
      expectPath(free, 'vdb', ['vdb.qcow2', 'vdb.s3'])
    }),
  )

  it(
    'with memory: saved while the guest writes, loaded running and paused, deleted',
    on(async (free) => {
      await free.start()
      await remember(free.qemu(), 17)
      await free.does({ take: { name: 's1', disks: inside, memory } }, { writes: 21 })
      await remember(free.qemu(), 34)
      await writeBoth(free, 5, 'y')
      await free.pause()
      const saved = await free.does({ take: { name: 's2', disks: inside, memory } }, watched)
      expect([saved.after.snapshots.get('s2')?.state, saved.consistency]).toEqual(['paused', 'memory'])
      await free.resume()
      await remember(free.qemu(), 51)
      await writeBoth(free, 6, 'z')
      const seen: unknown[] = []
      for (const [to, guest] of [
        ['s1', 'as taken'],
        ['s2', 'as taken'],
        ['s1', 'running'],
        ['s1', 'paused'],
        ['s2', 'paused'],
        ['s2', 'running'],
      ] as const) {
        await free.does({ revert: { to, guest, present: 'discard' } }, watched)
        seen.push([await remembered(free.qemu()), await statusOf(free)])
      }
      expect(seen).toEqual([
        [17, 'running'],
        [34, 'paused'],
        [17, 'running'],
        [17, 'paused'],
        [34, 'paused'],
        [34, 'running'],
      ])
      await free.does({ revert: { to: 's1', present: 'discard', later: 'delete' } }, watched)
      expect(Array.from(free.machine().snapshots.keys())).toEqual(['s1'])
      await free.stop()
      await free.start()
      await free.does({ revert: { to: 's1', present: 'discard' } }, watched)
      expect(await remembered(free.qemu())).toBe(17)
      await free.does({ delete: { snapshots: ['s1'] } }, watched)
    }),
  )

  it(
    'with memory, and shut off the disks alone',
    on(async (free) => {
      await free.start()
      await free.does({ take: { name: 's1', disks: inside, memory } }, watched)
      await writeBoth(free, 5, 'y')
      await free.stop()
      await free.does({ revert: { to: 's1', present: 'discard', guest: 'shut-off' } }, watched)
    }),
  )

  it(
    'in overlays; what is below an overlay stays, and QEMU will not have it',
    on(async (free) => {
      await free.start()
      await free.does({ take: { name: 's1', disks: inside } }, watched)
      await free.does({ take: { name: 's2' } }, watched)
      await free.does({ take: { name: 's3', disks: inside, memory } }, watched)
      expect(reasonOf(await free.refuses({ delete: { snapshots: ['s1'] } }))).toBe('DiskRefused NotThisWay')
      const { qmp } = free.qemu()
      const below = free.machine().disks.get('vda')?.images.get('vda.qcow2')?.node?.format
      for (const command of ['blockdev-snapshot-delete-internal-sync', 'blockdev-snapshot-internal-sync'])
        await expect(qmp.ask(command, { device: below, name: 's1' })).rejects.toThrow('Need a root block node')
      await free.does({ delete: { snapshots: ['s3'] } }, watched)
      await free.stop()
      await free.does({ delete: { snapshots: ['s1'] } }, watched)
    }),
  )

  it(
    'an external one, and one inside its overlay or below it, deleted together',
    on(async (free) => {
      await free.start()
      await free.does({ take: { name: 's1' } })
      await writeBoth(free, 3, 'x')
      await free.does({ take: { name: 's2', disks: inside } })
      await writeBoth(free, 4, 'y')
      expect(reasonOf(await free.refuses({ delete: { snapshots: ['s1'] } }))).toBe('DiskRefused InternalSnapshotsLost')
      await free.does({ delete: { snapshots: ['s1', 's2'] } }, watched)
      expectPath(free, 'vda', ['vda.qcow2'])
      await free.does({ take: { name: 's3', disks: inside, memory } })
      await free.does({ take: { name: 's4' } })
      await writeBoth(free, 5, 'z')
      await free.does({ delete: { snapshots: ['s3', 's4'] } }, { ...watched, writes: 31 })
      expectPath(free, 'vdb', ['vdb.qcow2'])
      await free.does({ take: { name: 's5', disks: inside } }, watched)
    }),
  )

  it(
    'the disk that an action lays an overlay on is saved before it, or not at all',
    on(async (free) => {
      await free.start()
      const { qmp } = free.qemu()
      const [vda, vdb] = [nodeOf(free, 'vda'), nodeOf(free, 'vdb')]
      const save = { type: 'blockdev-snapshot-internal-sync', data: { device: vda, name: 'm' } }
      const storage = { type: 'blockdev-snapshot-internal-sync', data: { device: `${vdb}-s`, name: 'm' } }
      await expect(qmp.ask('transaction', { actions: [save, storage] })).rejects.toThrow('Need a root block node')
      await free.check()
    }),
  )

  describe('by force, what a plan refuses', () => {
    it(
      'a disk that is left out: silently newer than the memory',
      on(async (free) => {
        await free.start()
        await writeBoth(free, 2, 'x')
        const disks = new Map([['vda', { mode: 'internal' as const }]])
        expect(await free.refuses({ take: { name: 'm', disks, memory } })).toMatchObject({ _tag: 'KindsMixed' })
        const args = { tag: 'm', vmstate: nodeOf(free, 'vda'), devices: [nodeOf(free, 'vda')] }
        expect(await forced(free, 'snapshot-save', args)).toBeUndefined()
        await writeBoth(free, 2, 'y')
        expect(await forced(free, 'snapshot-load', args)).toBeUndefined()
        expect([await statusOf(free), await cellOfBoth(free, 2)]).toEqual(['running', ['x', 'y']])
      }),
    )

    it(
      'a bitmap on the second disk: the first is back already, and the guest is in restore-vm; cont would run it torn',
      on(async (free) => {
        await free.start()
        await writeBoth(free, 2, 'x')
        await free.does({ take: { name: 'm', disks: inside, memory } })
        await writeBoth(free, 2, 'y')
        await addBitmap(free, 'vdb')
        const devices = [nodeOf(free, 'vda'), nodeOf(free, 'vdb')]
        const error = await forced(free, 'snapshot-load', { tag: 'm', vmstate: devices[0], devices })
        expect(error).toBe(`Could not load snapshot 'm' on '${devices[1] ?? ''}': Device has active dirty bitmaps`)
        expect([await statusOf(free), await cellOfBoth(free, 2)]).toEqual(['restore-vm', ['x', 'y']])
        await free.qemu().qmp.ask('cont')
        expect([await statusOf(free), await cellOfBoth(free, 2)]).toEqual(['running', ['x', 'y']])
      }),
    )

    it(
      'a name that one image has: it has two of it then',
      on(async (free) => {
        await free.start()
        await free.does({
          take: {
            name: 'm',
            metadata: 'none',
            disks: new Map([
              ['vda', { mode: 'internal' }],
              ['vdb', { mode: 'no' }],
            ]),
          },
        })
        expect(await free.refuses({ take: { name: 'm', disks: inside, memory } })).toMatchObject({
          _tag: 'SnapshotNameWrong',
          why: 'taken',
        })
        const devices = [nodeOf(free, 'vda'), nodeOf(free, 'vdb')]
        const args = { tag: 'm', vmstate: devices[0], devices }
        expect(await forced(free, 'snapshot-save', args)).toBeUndefined()
        expect(await forced(free, 'snapshot-load', args)).toContain('This is a disk-only snapshot')
        expect(await statusOf(free)).toBe('restore-vm')
      }),
    )

    it(
      'while a copy is under way: 10.0 loads, and the copy is of what was thrown away',
      on(async (free) => {
        await free.start()
        await writeBoth(free, 2, 'x')
        await free.does({ take: { name: 'm', disks: inside, memory } })
        await writeBoth(free, 2, 'y')
        const jobs = new Map([['vda', [{ id: 'j', kind: 'copy' as const, images: ['vda.qcow2'] }]]])
        expect(await free.refuses({ revert: { to: 'm', present: 'discard' } }, { jobs })).toMatchObject({
          _tag: 'JobActive',
        })
        expect(await free.refuses({ take: { name: 'n', disks: inside, memory } }, { jobs })).toMatchObject({
          _tag: 'JobActive',
        })
        const { qmp } = free.qemu()
        const target = `${free.home.images}/copy.qcow2`
        await runOk([binary(version, 'qemu-img'), 'create', '-q', '-f', 'qcow2', target, String(16 * 65536)])
        await qmp.ask('blockdev-add', {
          driver: 'qcow2',
          'node-name': 'copy',
          file: { driver: 'file', filename: target },
        })
        const devices = [nodeOf(free, 'vda'), nodeOf(free, 'vdb')]
        await qmp.ask('blockdev-mirror', { 'job-id': 'j', device: devices[0], target: 'copy', sync: 'full' })
        await untilJob(qmp, 'j', 'ready')
        const needsRoot = qmp.ask('blockdev-snapshot-internal-sync', { device: devices[0], name: 'n' })
        await expect(needsRoot).rejects.toThrow('Need a root block node')
        const error = await forced(free, 'snapshot-load', { tag: 'm', vmstate: devices[0], devices })
        if (version === '7.2') {
          expect(error).toContain('Device has active dirty bitmaps')
          expect(await statusOf(free)).toBe('restore-vm')
          return
        }
        expect([error, await cellOfBoth(free, 2)]).toEqual([undefined, ['x', 'x']])
        await qmp.ask('job-complete', { id: 'j' })
        await qmp.waitEvent(({ event }) => event === 'BLOCK_JOB_COMPLETED')
        expect(await cellOfBoth(free, 2, 'copy.qcow2')).toEqual(['y', 'x'])
      }),
    )

    it(
      'a number for a name: qemu-img applies the snapshot with that number',
      on(async (free) => {
        await free.start()
        await writeBoth(free, 2, 'x')
        await free.does({ take: { name: 'one', disks: inside } })
        await writeBoth(free, 2, 'y')
        expect(await free.refuses({ take: { name: '1', disks: inside } })).toMatchObject({
          _tag: 'SnapshotNameWrong',
          why: 'digits',
        })
        await free.qemu().qmp.ask('blockdev-snapshot-internal-sync', { device: nodeOf(free, 'vda'), name: '1' })
        await free.stop()
        const image = free.machine().disks.get('vda')?.images.get('vda.qcow2')
        const path = image === undefined ? '' : pathOf(image)
        await runOk([binary(version, 'qemu-img'), 'snapshot', '-a', '1', path])
        expect(await cellOfBoth(free, 2)).toEqual(['x', 'y'])
      }),
    )
  })
})
