// Snapshots below QEMU, and bases on block devices: btrfs and reflinks for real, logical volumes by loop devices and by their commands.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  capabilitiesOfVersions,
  changeChain,
  chain,
  commit,
  commitRoom,
  deleteCopies,
  deleteSnapshots,
  explainMachineRefusal,
  extendVolume,
  machine,
  revertToCopies,
  snapshotAtLevel,
} from 'backing-chain'
import type {
  Call,
  Chain,
  CommitRoom,
  ImageDescription,
  LevelRequest,
  Machine,
  MachineHost,
  MachinePlan,
  StorageLevel,
} from 'backing-chain'
import { decodeLogicalVolumes } from 'backing-chain/codec'
import * as E from 'fp-ts/lib/Either.js'
import { expect, it } from 'vitest'
import { qemuImgHost } from './harness/execute-qemu-img.js'
import { factsOf } from './harness/room.js'
import { onLoops } from './harness/on-loops.js'
import { execute, type Host } from './harness/steps.js'
import { right } from './harness/tree.js'
import { binary, qemuVersions, type QemuVersion } from './lab/binaries.js'
import { run, runOk } from './lab/exec.js'
import { createImage, readCells } from './lab/images.js'
import { withBtrfs, withLoop, type Loop } from './lab/loop.js'
import { startQemu } from './lab/qemu.js'
import { executeMachine } from './machine/execute.js'
import { freeHost, noAgent } from './machine/qmp-host.js'
import { deviceOf, inState, powerOn, shutOff, type Home } from './machine/qmp-machine.js'
import { guestWrites } from './machine/qmp-writer.js'

const cells = 16
const sizeBytes = cells * 65_536

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2' })
const hostFor = (of: Machine): MachineHost => ({ via: of.state === 'shut-off' ? 'qemu-img' : 'qmp', capabilities })

/** A host that also runs the programs of a plan. */
const withPrograms = (host: Host): Host => ({
  ...host,
  call: (call: Call) => (call._tag === 'Host' ? runOk(call.argv) : host.call(call)),
})

const image = (folder: string, name: string): ImageDescription => ({
  ...{ name, format: 'qcow2' as const, sizeBytes, clusterBytes: 65_536, otherReaders: [] },
  location: { _tag: 'File', path: join(folder, name) },
})

/** vda is an overlay whose backing string is relative, vdb one image. */
const newMachine = async (folder: string, version: QemuVersion): Promise<Machine> => {
  const plain = { format: 'qcow2', sizeBytes } as const
  await createImage({ ...plain, path: join(folder, 'a'), cells: 'aaaa' }, version)
  const backing = { header: 'a', format: 'qcow2' }
  await createImage({ ...plain, path: join(folder, 'a.1'), cells: '-b', backing }, version)
  await createImage({ ...plain, path: join(folder, 'b'), cells: 'cc' }, version)
  const over = { image: 'a', header: 'a', format: 'qcow2' } as const
  const vda = right(chain('vda', [image(folder, 'a'), { ...image(folder, 'a.1'), backing: over }], 'a.1'))
  const vdb = right(chain('vdb', [image(folder, 'b')], 'b'))
  return right(machine({ name: 'vm', state: 'shut-off', disks: [vda, vdb] }))
}

const cellsOf = (text: string): string => text.padEnd(cells, '0')

interface Place {
  readonly home: Home
  readonly subvolume: string
  readonly snapshots: string
}

/** Does something with a subvolume of a new btrfs. */
const inSubvolume = (version: QemuVersion, act: (place: Place) => Promise<void>): Promise<void> =>
  withBtrfs(async (folder) => {
    const [subvolume, snapshots] = [join(folder, 'vm'), join(folder, 'snapshots')]
    await runOk(['btrfs', 'subvolume', 'create', subvolume])
    await mkdir(snapshots)
    await act({ home: { version, folder, images: subvolume }, subvolume, snapshots })
  })

const inFolder = async (act: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-s-'))
  try {
    await act(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const levelOf = (kind: 'Btrfs' | 'Reflink', { subvolume, snapshots }: Place): StorageLevel =>
  kind === 'Btrfs' ? { _tag: kind, subvolume, snapshots } : { _tag: kind }

const requestOf = (level: StorageLevel): LevelRequest => ({
  name: 'monday',
  prefer: [level._tag],
  levels: new Map([
    ['vda', [level]],
    ['vdb', [level]],
  ]),
})

const planned = <A>(of: E.Either<Parameters<typeof explainMachineRefusal>[0], A>): A => {
  if (E.isLeft(of)) throw new Error(explainMachineRefusal(of.left))
  return of.right
}

/** The steps of a plan but those that have the guest stand or go on. */
const withoutPause = ({ steps }: MachinePlan): MachinePlan['steps'] =>
  steps.filter(({ call }) => call._tag !== 'Qmp' || !['stop', 'cont'].includes(call.command.execute))

const status = (reply: unknown): string => JSON.stringify(reply)

onLoops('below QEMU', () => {
  const kinds = ['Btrfs', 'Reflink'] as const
  const all = qemuVersions.flatMap((version) => kinds.map((kind) => [version, kind] as const))

  it.each(all)('QEMU %s: %s takes, keeps and brings back what the guest had written', (version, kind) =>
    inSubvolume(version, async (place) => {
      const off = await newMachine(place.subvolume, version)
      const { qemu, machine: on } = await powerOn(place.home, off, 'running')
      const host = withPrograms(freeHost({ version, qemu, agent: noAgent }))
      // Not flushed: a copy beside QEMU would not have it.
      await guestWrites(qemu, { target: 'vda', cell: 5, value: 'x' })
      await guestWrites(qemu, { target: 'vdb', cell: 6, value: 'y' })
      const level = planned(snapshotAtLevel(on, requestOf(levelOf(kind, place)), hostFor(on)))
      await executeMachine(level.plan, host)
      expect(status(await qemu.qmp.ask('query-status'))).toContain('"running"')
      await guestWrites(qemu, { target: 'vda', cell: 5, value: 'z' })
      await guestWrites(qemu, { target: 'vdb', cell: 0, value: 'z' })
      const [a, b] = level.copies.map(({ path = '' }) => path)
      const then = { vda: cellsOf('abaa0x'), vdb: cellsOf('cc0000y') }
      expect(await readCells(a ?? '', 'qcow2', { version })).toBe(then.vda)
      expect(await readCells(b ?? '', 'qcow2', { version })).toBe(then.vdb)
      expect((await run([binary(version, 'qemu-img'), 'check', b ?? ''])).code).toBe(0)
      await qemu.quit()
      const down = shutOff(level.plan.after)
      const bare = withPrograms(qemuImgHost(version))
      const back = planned(revertToCopies(down, { copies: level.copies, present: { keep: 'tuesday' } }, hostFor(down)))
      await executeMachine(back, bare)
      expect(await readCells(join(place.subvolume, 'a.1'), 'qcow2', { version })).toBe(then.vda)
      expect(await readCells(join(place.subvolume, 'b'), 'qcow2', { version })).toBe(then.vdb)
      const aside = kind === 'Btrfs' ? `${place.subvolume}.tuesday/b` : join(place.subvolume, 'b.tuesday')
      expect(await readCells(aside, 'qcow2', { version })).toBe(cellsOf('zc0000y'))
      // The copy has not been used up, and the disk can be written again.
      const again = await powerOn(place.home, shutOff(back.after), 'running')
      await guestWrites(again.qemu, { target: 'vda', cell: 7, value: 'w' })
      await again.qemu.quit()
      expect(await readCells(a ?? '', 'qcow2', { version })).toBe(then.vda)
      await executeMachine(planned(deleteCopies(down, level, hostFor(down))), bare)
      expect((await run(['ls', a ?? ''])).code).not.toBe(0)
    }),
  )

  it.each(qemuVersions)(
    'QEMU %s: a copy has bitmaps in use, also those that did not record, and loses them',
    (version) =>
      inSubvolume(version, async (place) => {
        const off = await newMachine(place.subvolume, version)
        const states = { recorded: 'recording', stopped: 'disabled' } as const
        const bitmaps = Object.entries(states).map(([name, state]) => ({ name, state, granularityBytes: 65_536 }))
        for (const { name, state } of bitmaps)
          await runOk([
            ...[binary(version, 'qemu-img'), 'bitmap', '--add', ...(state === 'disabled' ? ['--disable'] : [])],
            ...[join(place.subvolume, 'b'), name],
          ])
        const { qemu } = await powerOn(place.home, off, 'running')
        try {
          const vdb = right(chain('vdb', [{ ...image(place.subvolume, 'b'), bitmaps }], 'b'))
          const known = right(machine({ name: 'vm', state: 'running', disks: [vdb] }))
          const asked = requestOf({ _tag: 'Reflink' })
          const request = { ...asked, levels: new Map([...asked.levels].slice(1)) }
          const level = planned(snapshotAtLevel(known, request, hostFor(known)))
          await executeMachine(level.plan, withPrograms(freeHost({ version, qemu, agent: noAgent })))
          const [copy] = level.copies
          const { stdout } = await run([binary(version, 'qemu-img'), 'info', '--output=json', copy?.path ?? ''])
          const used = Array.from(stdout.matchAll(/"in-use"/g)).length
          expect(copy?.losesBitmaps).toEqual(['recorded', 'stopped'])
          expect(used).toBe(2)
        } finally {
          await qemu.quit()
        }
      }),
  )

  it.each(qemuVersions)('QEMU %s: without the pause the copy lacks what the guest has written', (version) =>
    inSubvolume(version, async (place) => {
      const off = await newMachine(place.subvolume, version)
      const { qemu, machine: on } = await powerOn(place.home, off, 'running')
      await guestWrites(qemu, { target: 'vdb', cell: 6, value: 'y' })
      const level = planned(snapshotAtLevel(on, requestOf(levelOf('Btrfs', place)), hostFor(on)))
      const hasty = { ...level.plan, steps: level.plan.steps.filter(({ call }) => call._tag === 'Host'), finally: [] }
      await executeMachine(hasty, withPrograms(freeHost({ version, qemu, agent: noAgent })))
      expect(await readCells(level.copies[1]?.path ?? '', 'qcow2', { version })).toBe(cellsOf('cc'))
      await qemu.quit()
    }),
  )

  it.each(qemuVersions)(
    'QEMU %s: a pull that ends while the guest stands is in no copy before the next stop',
    (version) =>
      inSubvolume(version, async (place) => {
        const off = await newMachine(place.subvolume, version)
        const { qemu, machine: on } = await powerOn(place.home, off, 'running')
        const host = withPrograms(freeHost({ version, qemu, agent: noAgent }))
        await qemu.qmp.ask('stop')
        const pull = planned(changeChain(inState(on, 'paused'), { disk: 'vda', pull: { into: 'a.1' } }, hostFor(on)))
        await executeMachine({ ...pull, steps: withoutPause(pull) }, host)
        const copiedBy = async (name: string, steps: (plan: MachinePlan) => MachinePlan['steps']): Promise<string> => {
          const request = { ...requestOf(levelOf('Btrfs', place)), name }
          const level = planned(snapshotAtLevel(pull.after, request, hostFor(on)))
          await executeMachine({ ...level.plan, steps: steps(level.plan) }, host)
          return readCells(level.copies[0]?.path ?? '', 'qcow2', { version })
        }
        expect(await copiedBy('hasty', withoutPause)).toBe(cellsOf('0b'))
        expect(await copiedBy('monday', ({ steps }) => steps)).toBe(cellsOf('abaa'))
        expect(status(await qemu.qmp.ask('query-status'))).toContain('"paused"')
        await qemu.quit()
      }),
  )

  it.each(all)('QEMU %s: %s keeps a sibling, and brings back what has been removed since', (version, kind) =>
    inSubvolume(version, async (place) => {
      const folder = place.subvolume
      const off = await newMachine(folder, version)
      const backing = { header: 'a', format: 'qcow2' }
      await createImage({ format: 'qcow2', sizeBytes, path: join(folder, 'x'), cells: '--x', backing }, version)
      const over = { backing: { image: 'a', header: 'a', format: 'qcow2' } } as const
      const branches = ['a.1', 'x'].map((name) => ({ ...image(folder, name), ...over }))
      const vdb = off.disks.get('vdb')
      if (vdb === undefined) throw new Error('no second disk')
      const snapshots = [{ name: 's', creationTime: '7', disks: [['vda', { mode: 'external', frozen: 'x' }] as const] }]
      const branched = right(chain('vda', [image(folder, 'a'), ...branches], 'a.1'))
      const of = right(machine({ name: 'vm', state: 'shut-off', disks: [branched, vdb], snapshots }))
      const bare = withPrograms(qemuImgHost(version))
      const level = planned(snapshotAtLevel(of, requestOf(levelOf(kind, place)), hostFor(of)))
      await executeMachine(level.plan, bare)
      const write = [binary(version, 'qemu-io'), '-c', 'write -q -P 122 0 64k', join(folder, 'a.1')] as const
      const sees = (name: string): Promise<string> => readCells(join(folder, name), 'qcow2', { version })
      await runOk(write)
      const back = (from: Machine): MachinePlan =>
        planned(
          revertToCopies(
            from,
            { copies: level.copies, present: { keep: `p${String(from.snapshots.size)}` } },
            hostFor(from),
          ),
        )
      const once = back(level.plan.after)
      await executeMachine(once, bare)
      expect(await Promise.all(['a.1', 'x'].map(sees))).toStrictEqual([cellsOf('abaa'), cellsOf('aaxa')])
      await runOk(write)
      const gone = planned(deleteSnapshots(once.after, { snapshots: ['s'] }, hostFor(of)))
      await executeMachine(gone, bare)
      expect((await run(['ls', join(folder, 'x')])).code).not.toBe(0)
      const twice = back(gone.after)
      await executeMachine(twice, bare)
      expect(await sees('a.1')).toBe(cellsOf('abaa'))
      const isThere = (await run(['ls', join(folder, 'x')])).code === 0
      expect([isThere, twice.after.disks.get('vda')?.images.has('x')]).toStrictEqual([
        kind === 'Btrfs',
        kind === 'Btrfs',
      ])
    }),
  )

  it('fails where an image is in a subvolume inside the subvolume, which has no snapshot', () =>
    inSubvolume('10.0', async (place) => {
      const off = await newMachine(place.subvolume, '10.0')
      await runOk(['btrfs', 'subvolume', 'create', join(place.subvolume, 'deep')])
      await runOk(['mv', join(place.subvolume, 'b'), join(place.subvolume, 'deep')])
      const [vda] = off.disks.values()
      if (vda === undefined) throw new Error('no disk')
      const vdb = right(chain('vdb', [image(join(place.subvolume, 'deep'), 'b')], 'b'))
      const of = right(machine({ name: 'vm', state: 'shut-off', disks: [vda, vdb] }))
      const { plan } = planned(snapshotAtLevel(of, requestOf(levelOf('Btrfs', place)), hostFor(of)))
      const ran = executeMachine(plan, withPrograms(qemuImgHost('10.0')))
      await expect(ran).rejects.toThrow('No such file or directory')
    }))

  it.each(kinds)('changes nothing where a copy is no more: %s', (kind) =>
    inSubvolume('10.0', async (place) => {
      const of = await newMachine(place.subvolume, '10.0')
      const bare = withPrograms(qemuImgHost('10.0'))
      const level = planned(snapshotAtLevel(of, requestOf(levelOf(kind, place)), hostFor(of)))
      await executeMachine(level.plan, bare)
      const { after } = level.plan
      const [, second] = level.copies
      if (kind === 'Reflink') await runOk(['rm', second?.path ?? ''])
      else await executeMachine(planned(deleteCopies(after, level, hostFor(of))), bare)
      const back = planned(revertToCopies(after, { copies: level.copies, present: { keep: 'p' } }, hostFor(of)))
      await expect(executeMachine(back, bare)).rejects.toThrow()
      for (const [name, cells] of [
        ['a.1', 'abaa'],
        ['b', 'cc'],
      ] as const)
        expect(await readCells(join(place.subvolume, name), 'qcow2')).toBe(cellsOf(cells))
      expect((await run(['ls', join(place.subvolume, 'a.1.p')])).code).not.toBe(0)
    }),
  )

  it('lets the guest go on where the snapshot fails', () =>
    inSubvolume('10.0', async (place) => {
      const off = await newMachine(place.subvolume, '10.0')
      const { qemu, machine: on } = await powerOn(place.home, off, 'running')
      const absent = {
        _tag: 'Btrfs',
        subvolume: place.subvolume,
        snapshots: join(place.home.folder, 'absent'),
      } as const
      const { plan } = planned(snapshotAtLevel(on, requestOf(absent), hostFor(on)))
      await expect(
        executeMachine(plan, withPrograms(freeHost({ version: '10.0', qemu, agent: noAgent }))),
      ).rejects.toThrow()
      expect(status(await qemu.qmp.ask('query-status'))).toContain('"running"')
      await qemu.quit()
    }))
})

it.each(qemuVersions)('QEMU %s: stop says nothing where it cannot write out, and a snapshot inside does', (version) =>
  inFolder(async (folder) => {
    const path = join(folder, 'a')
    await createImage({ path, format: 'qcow2', sizeBytes, cells: 'a' }, version)
    const full = { event: 'l2_update', errno: 28, once: false }
    const blockdevs = [
      { driver: 'file', 'node-name': 'file', filename: path },
      { driver: 'blkdebug', 'node-name': 'full', image: 'file', 'inject-error': [full] },
      { driver: 'qcow2', 'node-name': 'node', file: 'full' },
    ]
    const devices = [{ id: deviceOf('vda'), node: 'node' }]
    const qemu = await startQemu({ version, folder, blockdevs, devices, guest: 'running' })
    await guestWrites(qemu, { target: 'vda', cell: 1, value: 'x' })
    expect(await qemu.qmp.ask('stop')).toStrictEqual({})
    await runOk(['cp', '--', path, join(folder, 'copy')])
    expect(await readCells(join(folder, 'copy'), 'qcow2', { version })).toBe(cellsOf('a'))
    const inside = qemu.qmp.ask('blockdev-snapshot-internal-sync', { device: 'node', name: 's' })
    await expect(inside).rejects.toThrow('No space left on device')
    await qemu.kill()
  }),
)

interface Based {
  readonly of: Chain
  readonly room: CommitRoom
  readonly measured: number
}

const snapshotInside = async (loop: Loop, version: QemuVersion): Promise<void> => {
  const tool = (name: 'qemu-img' | 'qemu-io') => binary(version, name)
  await runOk([tool('qemu-img'), 'snapshot', '-c', 's', loop.device])
}

/** A qcow2 base on a device, an overlay over it, and what the library says of a commit. */
const based = async (loop: Loop, version: QemuVersion, inside: 'snapshot' | 'none'): Promise<Based> => {
  const bytes = 64 * 1_048_576
  const tool = binary(version, 'qemu-img')
  const write = async (path: string, ...commands: ReadonlyArray<string>): Promise<void> => {
    await runOk([binary(version, 'qemu-io'), ...commands.flatMap((one) => ['-c', one]), path])
  }
  await runOk([tool, 'create', '-q', '-f', 'qcow2', loop.device, String(bytes)])
  await write(loop.device, 'write -q -P 1 0 8M')
  if (inside === 'snapshot') await snapshotInside(loop, version)
  const over = `${loop.file}.top`
  await runOk([tool, 'create', '-q', '-f', 'qcow2', '-b', loop.device, '-F', 'qcow2', over])
  await write(over, 'write -q -P 2 16M 4M', 'write -q -P 3 0 1M')
  const common = { format: 'qcow2', sizeBytes: bytes, clusterBytes: 65_536, otherReaders: [] } as const
  const snapshots = inside === 'none' ? [] : [{ id: '1', name: 's', vmStateBytes: 0 }]
  const base = {
    ...common,
    name: 'base',
    location: { _tag: 'BlockDevice', path: loop.device },
    internalSnapshots: snapshots,
  } as const
  const backing = { image: 'base', header: loop.device, format: 'qcow2' } as const
  const top = { ...common, name: 'top', location: { _tag: 'File', path: over }, backing } as const
  const of = right(chain('vda', [base, top], 'top'))
  const asked = { top: 'top', base: 'base' }
  const facts = await factsOf(of, asked, { version })
  if (facts === undefined) throw new Error('a qcow2 base has to be asked about')
  return { of, room: right(commitRoom(of, asked, facts)), measured: facts.top.requiredBytes }
}

const commits = async ({ of }: Based, version: QemuVersion): Promise<string> => {
  const host = { via: 'qemu-img', guest: 'shut-off', capabilities } as const
  const plan = right(commit(of, { top: 'top', base: 'base', end: 'pivot' }, host))
  try {
    await execute(plan, qemuImgHost(version))
    return 'done'
  } catch (error) {
    return String(error)
  }
}

onLoops('a base on a device', () => {
  it.each(qemuVersions)('QEMU %s: fits as predicted, to the byte, and not with a cluster less', async (version) => {
    for (const less of [65_536, 0])
      await withLoop(67_108_864, async (loop) => {
        const one = await based(loop, version, 'none')
        await loop.resize(one.room.leastBytes - less)
        const ended = await commits(one, version)
        if (less === 0) expect(ended).toBe('done')
        else expect(ended).toContain('No space left on device')
        if (less === 0) return
        // Half done: the overlay is whole, and with more room it goes on.
        await loop.resize(one.room.sizeBytes)
        expect(await commits(one, version)).toBe('done')
      })
  })

  it.each(qemuVersions)(
    'QEMU %s: with a snapshot in it what is measured is too small, and what is said is not',
    async (version) => {
      for (const enough of ['measured', 'said'] as const)
        await withLoop(67_108_864, async (loop) => {
          const one = await based(loop, version, 'snapshot')
          expect(one.room.mostBytes).toBeGreaterThan(one.measured)
          await loop.resize(enough === 'said' ? one.room.mostBytes : one.measured)
          const ended = await commits(one, version)
          if (enough === 'said') expect(ended).toBe('done')
          else expect(ended).toContain('No space left on device')
        })
    },
  )
})

/** What LVM says of a command where it can only look at its own records: this kernel may have no device-mapper. */
const lvm = (call: Pick<Call & { readonly _tag: 'Host' }, 'argv'>) =>
  run([...call.argv, '--driverloaded', 'n'], { env: { LVM_SUPPRESS_FD_WARNINGS: '1' } })

onLoops('LVM, as far as its records go', () => {
  const volume = { _tag: 'Lvm', group: 'bctest', volume: 'base', kind: { thickBytes: 8_388_608 } } as const
  const location = { _tag: 'BlockDevice', path: '/dev/bctest/base' } as const
  const disk = right(chain('vda', [{ name: 'b', format: 'raw', sizeBytes: 8_388_608, location }], 'b'))
  const off = right(machine({ name: 'vm', state: 'shut-off', disks: [disk] }))
  const level = planned(
    snapshotAtLevel(off, { name: 'monday', prefer: ['Lvm'], levels: new Map([['vda', [volume]]]) }, hostFor(off)),
  )

  it('takes the arguments of every command of a plan', () =>
    withLoop(67_108_864, async ({ device }) => {
      const ask = (...argv: ReadonlyArray<string>) =>
        runOk([...argv, '--driverloaded', 'n'], { env: { LVM_SUPPRESS_FD_WARNINGS: '1' } })
      await ask('pvcreate', '-q', device)
      await ask('vgcreate', 'bctest', device)
      try {
        await ask('lvcreate', '-an', '-Zn', '-Wn', '-L', '8M', '-n', 'base', 'bctest')
        const said: Array<string> = []
        const { copies } = level
        const { after } = level.plan
        const back = planned(revertToCopies(after, { copies, present: 'discard' }, hostFor(after)))
        const gone = planned(deleteCopies(after, { copies }, hostFor(after)))
        for (const { call } of [...level.plan.steps, ...back.steps, ...gone.steps]) {
          if (call._tag !== 'Host') throw new Error('only programs of the host are run')
          const { code, stderr } = await lvm(call)
          said.push(`${call.argv[0]} ${String(code)} ${stderr.trim().split('\n').at(-1)?.trim() ?? ''}`)
        }
        const unknown = 'Failed to find logical volume "bctest/base.monday"'
        const warning = 'WARNING: Activation disabled. No device-mapper interaction will be attempted.'
        expect(said).toStrictEqual([
          `lvcreate 5 Can't create snapshot without using device-mapper kernel driver.`,
          `lvs 5 ${unknown}`,
          `lvs 5 ${unknown}`,
          `lvchange 0 ${warning}`,
          `lvconvert 5 ${unknown}`,
          `lvchange 0 ${warning}`,
          `lvs 0 ${warning}`,
          `lvremove 5 ${unknown}`,
        ])
        const extend = extendVolume(volume, 12_582_912)
        if (extend._tag !== 'Host') throw new Error('a program of the host')
        expect((await lvm(extend)).code).toBe(0)
        const looked = await lvm({
          argv: [
            'lvs',
            '--reportformat',
            'json',
            '--units',
            'b',
            '--nosuffix',
            '--options',
            'lv_name,lv_size,origin,lv_attr,snap_percent',
            'bctest/base',
          ],
        })
        expect(right(decodeLogicalVolumes(looked.stdout))).toStrictEqual([
          { name: 'base', sizeBytes: 12_582_912, origin: undefined, usedPercent: undefined, validity: 'valid' },
        ])
      } finally {
        await ask('vgremove', '-f', 'bctest')
        await ask('pvremove', device)
      }
    }))
})
