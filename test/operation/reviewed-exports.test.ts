import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import {
  changeChain,
  deleteCopies,
  deleteSnapshots,
  exportSnapshot,
  forget,
  machine,
  owed,
  pausesOf,
  revertToCopies,
  saveState,
  settle,
  snapshotAtLevel,
  take,
} from '../../src/index.js'
import type { LevelPlan, Machine, MachineHost, MachineRefusal, StorageLevel } from '../../src/index.js'
import { withMachine } from '../../src/model/machine.js'
import { left, right, throughLibvirt, throughQemuImg, throughQmp } from './expect-take.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const off: Vm = { disks: { vda: 'a <- a.1^', vdb: 'b^' }, records: 'none', state: 'shut-off' }
const reflink = { _tag: 'Reflink' } as const
const btrfs = { _tag: 'Btrfs', subvolume: '/images', snapshots: '/snapshots' } as const
const at = (path: string) => ({ location: { _tag: 'File', path } }) as const

const snapped = (
  of: Machine,
  levels: Readonly<Record<string, StorageLevel>>,
  host: MachineHost = throughQemuImg,
): E.Either<MachineRefusal, LevelPlan> =>
  snapshotAtLevel(
    of,
    {
      name: 'monday',
      creationTime: '1',
      prefer: ['Lvm', 'Btrfs', 'Reflink'],
      levels: new Map(Object.entries(levels).map(([disk, level]) => [disk, [level]])),
      ...(host.via === 'qmp' ? { quiesce: 'require' as const } : {}),
    },
    host,
  )

describe('copies that levels have', () => {
  it('two subvolumes whose snapshots would get one name are not taken as one', () => {
    const of = vm({ ...off, disks: { vda: 'a^', vdb: 'b^' }, images: { a: at('/x/vms/a'), b: at('/y/vms/b') } }).machine
    const subvolume = (path: string) => ({ _tag: 'Btrfs', subvolume: path, snapshots: '/snapshots' }) as const
    expect(left(snapped(of, { vda: subvolume('/x/vms'), vdb: subvolume('/y/vms') }))).toMatchObject({
      _tag: 'PathTaken',
      disk: 'vdb',
      path: '/snapshots/vms.monday',
    })
  })

  it('a subvolume with the copies of two disks is not deleted for one of them', () => {
    const { plan, copies } = right(snapped(vm(off).machine, { vda: btrfs, vdb: btrfs }))
    expect(left(deleteCopies(plan.after, { copies: copies.slice(0, 1) }, throughQemuImg))).toMatchObject({
      _tag: 'CopyUnfit',
      disk: 'vdb',
      why: 'same subvolume',
    })
    expect(E.isRight(deleteCopies(plan.after, { copies }, throughQemuImg))).toBe(true)
  })

  it.each([
    ['a file', reflink, 'a.1', '/images/a.1.monday'],
    ['a subvolume', { ...btrfs, subvolume: '/disks' }, 'a.1', '/snapshots/disks.monday/a.1'],
    ['a volume', { _tag: 'Lvm', group: 'vg', volume: 'a', kind: 'thin' } as const, 'a.1', '/dev/mapper/vg-a.monday'],
  ])('a copy that is a disk of the machine by now is neither deleted nor used up: %s', (_, level, name, path) => {
    const device = { _tag: 'BlockDevice', path: '/dev/vg/a' } as const
    const place = { Lvm: { location: device }, Btrfs: at('/disks/a.1'), Reflink: at('/images/a.1') }[level._tag]
    const alone = { ...off, images: { [name]: place } }
    const { plan, copies } = right(snapped(vm({ ...alone, disks: { vda: 'a <- a.1^' } }).machine, { vda: level }))
    const { snapshots } = plan.after
    const since = withMachine(vm({ ...alone, images: { ...alone.images, b: at(path) } }).machine, { snapshots })
    const unfit = { _tag: 'CopyUnfit', disk: 'vda', why: 'in use' }
    expect(left(deleteCopies(since, { copies }, throughQemuImg))).toMatchObject(unfit)
    expect(left(revertToCopies(since, { copies, present: 'discard' }, throughQemuImg))).toMatchObject(unfit)
    expect(E.isRight(deleteCopies(plan.after, { copies }, throughQemuImg))).toBe(true)
    expect(E.isRight(revertToCopies(plan.after, { copies, present: 'discard' }, throughQemuImg))).toBe(true)
  })

  it('a snapshot inside, deleted and taken again, is not replaced by the old one of its name and number', () => {
    const of = vm({ ...off, disks: { vda: 'a^' }, snapshots: [{ name: 'x', vda: 'inside a' }], current: 'x' }).machine
    const { plan, copies } = right(snapped(of, { vda: reflink }))
    const back = (now: Machine) => revertToCopies(now, { copies, present: 'discard' }, throughQemuImg)
    expect(E.isRight(back(plan.after))).toBe(true)
    const without = right(deleteSnapshots(plan.after, { snapshots: ['x'] }, throughQemuImg)).after
    const again = right(take(without, { name: 'x', disks: new Map([['vda', { mode: 'internal' }]]) }, throughQemuImg))
    expect(left(back(again.after))).toMatchObject({
      _tag: 'PointsLost',
      lost: [{ snapshot: 'x', disk: 'vda', image: 'a' }],
    })
  })

  it('a point in time that an image of the subvolume holds since then stays', () => {
    const relative = { backing: { image: 'a' as never, header: 'a', format: 'qcow2' } } as const
    const of = vm({ ...off, disks: { vda: 'a <- a.1^' }, images: { 'a.1': relative } }).machine
    const { plan, copies } = right(snapped(of, { vda: btrfs }))
    const commit = { top: 'a.1', base: 'a', end: 'pivot', leftovers: 'remove' } as const
    const shorter = right(changeChain(plan.after, { disk: 'vda', commit }, throughQemuImg)).after
    const overlay = { name: 'a.1', format: 'qcow2', ...at('/images/a.1') } as const
    const disks = new Map([['vda', { mode: 'external', overlay } as const]])
    const since = right(take(shorter, { name: 'tuesday', disks }, throughQemuImg)).after
    expect(left(revertToCopies(since, { copies, present: 'discard' }, throughQemuImg))).toMatchObject({
      _tag: 'PointsLost',
      lost: [{ snapshot: 'tuesday', disk: 'vda', image: 'a' }],
    })
    const forgotten = right(forget(since, { snapshots: ['tuesday'] }, throughQemuImg)).after
    expect(E.isRight(revertToCopies(forgotten, { copies, present: 'discard' }, throughQemuImg))).toBe(true)
  })

  it.each([
    ['where the next one is made: it would be written over the present by its other name', 'monday.next'],
    ['where the copy is', 'monday'],
  ])('the present is not put aside %s', (_, keep) => {
    const { plan, copies } = right(snapped(vm(off).machine, { vda: reflink, vdb: reflink }))
    expect(left(revertToCopies(plan.after, { copies, present: { keep } }, throughQemuImg))).toMatchObject({
      _tag: 'PathTaken',
      path: `/images/a.1.${keep}`,
    })
  })

  it('what is made on the way back goes over no image', () => {
    const of = vm({ ...off, images: { b: at('/images/a.1.monday.next') } }).machine
    const { plan, copies } = right(snapped(of, { vda: reflink, vdb: reflink }))
    expect(left(revertToCopies(plan.after, { copies, present: 'discard' }, throughQemuImg))).toMatchObject({
      _tag: 'PathTaken',
      path: '/images/a.1.monday.next',
      by: 'b',
    })
  })

  it('a bitmap that QEMU had not stored is of no use when its image comes back', () => {
    const bitmaps = [{ name: 'b0', granularityBytes: 65_536, state: 'recording' }] as const
    const of = vm({ disks: { vda: 'a^' }, records: 'none', nodes: 'monitor', images: { a: { bitmaps } } }).machine
    const { plan, copies } = right(snapped(of, { vda: reflink }, throughQmp))
    const stopped = withMachine(plan.after, { state: 'shut-off' })
    const { after } = right(revertToCopies(stopped, { copies, present: 'discard' }, throughQemuImg))
    expect(after.disks.get('vda')?.images.get('a')?.bitmaps).toMatchObject([{ name: 'b0', state: 'inconsistent' }])
  })

  it('a subvolume is not put aside into itself, however its path is spelt', () => {
    const of = vm({ ...off, disks: { vda: 'a^' } }).machine
    const { plan, copies } = right(snapped(of, { vda: { ...btrfs, subvolume: '/images/' } }))
    const { steps } = right(revertToCopies(plan.after, { copies, present: { keep: 'now' } }, throughQemuImg))
    expect(steps[1]?.call).toMatchObject({ _tag: 'Host', argv: ['mv', '-T', '--', '/images/', '/images.now'] })
  })

  it('frozen file systems wait for the levels as the guest does', () => {
    const of = vm({ ...off, state: 'running', nodes: 'monitor' }).machine
    const [files] = pausesOf(right(snapped(of, { vda: btrfs, vdb: btrfs }, throughQmp)).plan)
    expect([files?.stands, files?.grows.map(({ _tag }) => _tag)]).toStrictEqual([
      'file systems',
      ['FileSystemsWritten', 'DisksFlushed', 'LevelAsked'],
    ])
  })
})

describe('exports', () => {
  const running = vm({ disks: { vda: 'v <- v.1^' } }).machine
  const to = (name: string) => ({
    to: new Map([['vda', { name, format: 'qcow2', ...at(`/backup/${name}`) } as const]]),
  })

  it.each([{ kind: 'managed' }, { kind: 'file', path: '/memory' }] as const)(
    'of a guest whose memory is saved are not clean, wherever that is',
    (place) => {
      const saved = right(saveState(running, { to: place }, throughLibvirt)).after
      expect(right(exportSnapshot(saved, to('x'), throughLibvirt)).consistency).toBe('crash')
      expect(right(snapped(saved, { vda: reflink }, throughLibvirt)).plan.consistency).toBe('crash')
    },
  )

  it('deletions that are owed in images one over the other are counted, though they have one name', () => {
    const owing = (of: Machine, name: string) =>
      exportSnapshot(of, { ...to(name), way: 'saved', mostOwed: 2 }, throughLibvirt)
    const frozen = (of: Machine, name: string) =>
      right(take(of, { name, disks: new Map([['vda', { mode: 'external' }]]) }, throughLibvirt)).after
    const first = frozen(right(owing(running, 'x')).after, 'one')
    const second = frozen(right(owing(first, 'y')).after, 'two')
    expect(owed(second)).toHaveLength(2)
    expect(left(owing(second, 'z'))).toMatchObject({ _tag: 'OwedTooMany', most: 2 })
  })

  it('a debt ends with its image, and does not come back with the names', () => {
    const alone = vm({ disks: { vda: 'v <- v.1^' }, records: 'none', nodes: 'monitor' }).machine
    const inside = { ...to('x'), way: 'inside', removal: 'next stop' } as const
    const owing = withMachine(right(exportSnapshot(alone, inside, throughQmp)).after, { state: 'shut-off' })
    expect(owed(owing)).toHaveLength(1)
    const accept = ['InternalSnapshotsLost'] as const
    const commit = { top: 'v.1', base: 'v', end: 'pivot', leftovers: 'remove', accept } as const
    const shorter = right(changeChain(owing, { disk: 'vda', commit }, throughQemuImg)).after
    const overlay = { name: 'v.1', format: 'qcow2', ...at('/images/v.1') } as const
    const disks = new Map([['vda', { mode: 'external', overlay } as const]])
    const longer = right(take(shorter, { name: 'n', disks }, throughQemuImg)).after
    const own = { name: 'export', metadata: 'none', disks: new Map([['vda', { mode: 'internal' } as const]]) } as const
    const now = right(take(longer, own, throughQemuImg)).after
    expect(now.disks.get('vda')?.images.get('v.1')?.internalSnapshots).toHaveLength(1)
    expect(right(settle(now, 'stopped', throughQemuImg)).steps).toStrictEqual([])
  })

  it('one debt that is there twice is paid once', () => {
    const alone = vm({ disks: { vda: 'v <- v.1^' }, records: 'none', nodes: 'monitor' }).machine
    const inside = { ...to('x'), way: 'inside', removal: 'next stop' } as const
    const { after } = right(exportSnapshot(alone, inside, throughQmp))
    const twice = withMachine(after, { state: 'shut-off', owed: [...after.owed, ...after.owed] })
    expect(right(settle(twice, 'stopped', throughQemuImg)).steps).toHaveLength(1)
  })

  it('what is a point in time by now is deleted by no settlement, whatever was owed under its name', () => {
    const of = vm({ ...off, disks: { vda: 'v^' }, snapshots: [{ name: 'export', vda: 'inside v' }] }).machine
    const made = machine({
      name: 'vm',
      state: 'shut-off',
      disks: of.disks.values(),
      snapshots: of.snapshots.values(),
      owed: [{ disk: 'vda', image: 'v', snapshot: 'export' }],
    })
    if (E.isLeft(made)) throw new Error(JSON.stringify(made.left))
    expect(right(settle(made.right, 'stopped', throughQemuImg)).steps).toStrictEqual([])
  })
})
