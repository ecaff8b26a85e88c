import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { explainMachine, explainMachineRefusal, pausesOf, shellLine } from '../../src/index.js'
import type {
  Image,
  LevelPlan,
  LevelRequest,
  Machine,
  MachineHost,
  MachineRefusal,
  Opener,
  Snapshot,
  StorageLevel,
} from '../../src/index.js'
import { decodeMachinePlan, encodeMachinePlan } from '../../src/codec/machine-plan-json.js'
import { withImages } from '../../src/model/chain.js'
import { withMachine } from '../../src/model/machine.js'
import { deleteCopies } from '../../src/operation/delete-copies.js'
import { revertToCopies } from '../../src/operation/revert-to-copies.js'
import { snapshotAtLevel } from '../../src/operation/snapshot-at-level.js'
import { endOfMachine, guestViews, machineWorldOf, runMachine } from '../../src/simulate/index.js'
import type { MachineSimStep } from '../../src/simulate/index.js'
import { left, right, throughLibvirt, throughQemuImg, throughQmp } from './expect-take.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const external = { _tag: 'QemuExternal' } as const
const internal = { _tag: 'QemuInternal' } as const
const reflink = { _tag: 'Reflink' } as const
const btrfs = { _tag: 'Btrfs', subvolume: '/images', snapshots: '/snapshots' } as const
const array = { _tag: 'Other', name: 'array', keeps: 'full copy' } as const
const thin = (volume: string): StorageLevel => ({ _tag: 'Lvm', group: 'vg', volume, kind: 'thin' })

const raw = (name: string) => ({ format: 'raw', location: { _tag: 'BlockDevice', path: `/dev/vg/${name}` } }) as const

const free: Vm = { disks: { vda: 'a <- a.1^', vdb: 'b^' }, records: 'none', nodes: 'monitor' }
const onVolume: Vm = { ...free, images: { b: raw('b') } }
const off: Vm = { ...free, state: 'shut-off' }
const managed: Vm = { disks: { vda: 'a <- a.1^', vdb: 'b^' } }

const levels = (vda: ReadonlyArray<StorageLevel>, vdb: ReadonlyArray<StorageLevel>): LevelRequest['levels'] =>
  new Map([
    ['vda', vda],
    ['vdb', vdb],
  ])

const all = ['Lvm', 'Btrfs', 'Reflink', 'Other', 'QemuExternal', 'QemuInternal'] as const

const ask = (
  of: Vm,
  request: Partial<LevelRequest>,
  host: MachineHost = throughQmp,
): E.Either<MachineRefusal, LevelPlan> =>
  snapshotAtLevel(
    vm(of).machine,
    { name: 'now', creationTime: '1', prefer: all, levels: levels([external], [external]), ...request },
    host,
  )

const lines = ({ plan }: Pick<LevelPlan, 'plan'>): ReadonlyArray<string> =>
  plan.steps.map(({ call }) => shellLine(call))

describe('a snapshot at the level preferred', () => {
  it('pauses a guest that runs, and has each disk where the caller wants it', () => {
    const level = right(ask(onVolume, { levels: levels([reflink, external], [thin('b'), external]) }))
    expect(lines(level)).toStrictEqual([
      '{"execute":"stop"}',
      'cp --reflink=always --preserve=mode,ownership -- /images/a.1 /images/a.1.now',
      'sync -- /images/a.1.now',
      'lvcreate --snapshot --setactivationskip n --name b.now vg/b',
      'lvs --reportformat json --units b --nosuffix --options lv_name,lv_size,origin,lv_attr,snap_percent vg/b.now',
      '{"execute":"cont"}',
    ])
    expect(pausesOf(level.plan)).toMatchObject([
      {
        from: 0,
        to: 5,
        grows: [{ _tag: 'DisksFlushed' }, { _tag: 'LevelAsked', disk: 'vda' }, { _tag: 'LevelAsked', disk: 'vdb' }],
      },
    ])
    // Once it has gone on it may stand again, for somebody else or for an error of a disk.
    expect(level.plan.finally.map(({ from, before, step }) => [from, before, shellLine(step.call)])).toStrictEqual([
      [0, 5, '{"execute":"cont"}'],
    ])
    expect(level.passedOver.map(({ disk, level: kind, why }) => [disk, kind, why._tag])).toStrictEqual([
      ['vda', 'Lvm', 'NotOffered'],
      ['vda', 'Btrfs', 'NotOffered'],
    ])
    expect(level.plan.after.snapshots.get('now')?.disks).toStrictEqual(
      new Map([
        ['vda', { mode: 'manual' }],
        ['vdb', { mode: 'manual' }],
      ]),
    )
    expect(level.plan.after.disks.get('vda')?.images.get('a')?.otherReaders).toStrictEqual(['now at /images/a.1.now'])
  })

  it('has a guest go on once: one that stands again afterwards, for somebody else, stays so', () => {
    const { plan } = right(ask(free, { levels: levels([reflink], [reflink]) }))
    const built = vm(free)
    const world = machineWorldOf(built.machine, built.contents)
    if (E.isLeft(world)) throw new Error('no world')
    const stop = { call: { _tag: 'Qmp', command: { execute: 'stop' } } } as const
    const guest = (steps: ReadonlyArray<MachineSimStep>) =>
      endOfMachine(runMachine(world.right, steps, { finally: plan.finally })).worlds.get('vda')?.qemu?.guest
    expect(guest([...plan.steps, stop])).toBe('paused')
    expect(guest([...plan.steps.slice(0, 2), { call: { _tag: 'QemuImg', argv: ['qemu-img', 'info', '/no'] } }])).toBe(
      'running',
    )
  })

  it('freezes file systems around the pause', () => {
    const level = right(ask(free, { levels: levels([btrfs], [btrfs]), quiesce: 'require' }))
    expect(lines(level)).toStrictEqual([
      '{"execute":"guest-fsfreeze-freeze"}',
      '{"execute":"stop"}',
      'btrfs subvolume snapshot -r /images /snapshots/images.now',
      'btrfs subvolume show /snapshots/images.now',
      'sync -- /snapshots/images.now/a /snapshots/images.now/a.1 /snapshots/images.now/b',
      '{"execute":"cont"}',
      '{"execute":"guest-fsfreeze-thaw"}',
    ])
    expect(level.plan.finally.map(({ from, before, step }) => [from, before, shellLine(step.call)])).toStrictEqual([
      [1, 5, '{"execute":"cont"}'],
      [0, undefined, '{"execute":"guest-fsfreeze-thaw"}'],
    ])
    expect(level.plan.consistency).toBe('quiesced')
    expect(level.copies.map(({ path }) => path)).toStrictEqual(['/snapshots/images.now/a.1', '/snapshots/images.now/b'])
  })

  it('takes what QEMU takes while the guest stands still, through libvirt with a record', () => {
    const level = right(ask(managed, { levels: levels([array], [external]) }, throughLibvirt))
    expect(
      level.plan.steps.map(({ call }) => (call._tag === 'Libvirt' ? call.function.call : call._tag)),
    ).toStrictEqual([
      'virDomainSuspend',
      'virDomainSnapshotCreateXML',
      'virDomainGetXMLDesc',
      'HandOver',
      'virDomainResume',
    ])
    expect([level.plan.before.state, level.plan.after.state]).toStrictEqual(['running', 'running'])
    expect(level.plan.after.snapshots.get('now')?.recorded).toBeDefined()
  })

  it('lets libvirt stop a guest whose memory is kept, and go on when the copies are there', () => {
    const memory = { _tag: 'External', path: '/images/memory' } as const
    const level = right(ask(managed, { memory, levels: levels([array], [reflink]) }, throughLibvirt))
    expect(
      level.plan.steps.map(({ call }) => (call._tag === 'Libvirt' ? call.function.call : call._tag)),
    ).toStrictEqual(['virDomainSnapshotCreateXML', 'HandOver', 'Host', 'Host', 'virDomainResume'])
    expect([level.plan.consistency, level.plan.after.state]).toStrictEqual(['memory', 'running'])
    expect(level.plan.finally.map(({ from, before }) => [from, before])).toStrictEqual([[0, 4]])
  })

  it('has libvirt write down what it has not taken, which needs the time', () => {
    const both = { levels: levels([reflink], [reflink]) }
    const level = right(ask(managed, both, throughLibvirt))
    expect(lines(level).at(-1)).toContain('snapshot-create')
    const { creationTime: _, ...timeless } = { name: 'now', prefer: all, creationTime: '1', ...both }
    expect(left(snapshotAtLevel(vm(managed).machine, timeless, throughLibvirt))._tag).toBe('RecordMissing')
    expect(E.isRight(snapshotAtLevel(vm(managed).machine, { ...timeless, metadata: 'none' }, throughLibvirt))).toBe(
      true,
    )
  })

  it('runs no pause where nothing runs, and none where QEMU does all', () => {
    expect(lines(right(ask(off, { levels: levels([btrfs], [btrfs]) }, throughQemuImg)))).toHaveLength(3)
    expect(pausesOf(right(ask(free, {})).plan).map(({ grows }) => grows)).toStrictEqual([[{ _tag: 'RequestsDrained' }]])
  })

  it('says what thick snapshots, copies and places rely on', () => {
    const thick = { _tag: 'Lvm', group: 'vg', volume: 'b', kind: { thickBytes: 8_388_608 } } as const
    const level = right(ask(onVolume, { levels: levels([reflink], [thick]) }))
    expect(lines(level)).toContain('lvcreate --snapshot --size 8388608b --name b.now vg/b')
    expect(level.plan.assumes.map(({ _tag }) => _tag)).toStrictEqual([
      'StoredOn',
      'OfDisk',
      'CopyReads',
      'StoredOn',
      'OfDisk',
      'CopyHolds',
      'WrittenOut',
    ])
    expect(explainMachine(level.plan)).toContain('no more than 8 MiB (8,388,608 bytes) are written')
  })

  it('tells which bitmaps the copy of a running guest loses', () => {
    const granularityBytes = 65_536
    const bitmaps = [
      { name: 'b0', granularityBytes, state: 'recording' },
      { name: 'b1', granularityBytes, state: 'disabled' },
      { name: 'b2', granularityBytes, state: 'inconsistent' },
    ] as const
    const of = { ...free, images: { b: { bitmaps } } }
    const losses = (from: Vm, host: MachineHost) =>
      right(ask(from, { levels: levels([reflink], [reflink]) }, host)).copies.map((one) => one.losesBitmaps)
    expect(losses(of, throughQmp)).toStrictEqual([[], ['b0', 'b1']])
    expect(losses({ ...of, state: 'shut-off' }, throughQemuImg)).toStrictEqual([[], []])
  })
})

describe('a level is passed over', () => {
  const why = (of: Vm, level: StorageLevel, more: Partial<LevelRequest> = {}, host: MachineHost = throughQmp) => {
    const refused = left(ask(of, { levels: levels([level], [external]), ...more }, host))
    return refused._tag === 'NoLevelFits'
      ? refused.passed.filter((one) => one.level === level._tag).map((one) => one.why)
      : refused
  }

  it.each([
    ['another volume', thin('b'), { _tag: 'NotThere', image: 'a.1', wanted: 'the volume vg/b' }],
    ['no name of a volume', { ...thin('b'), group: '-vg' } as StorageLevel, { _tag: 'NameUnfit', name: '-vg' }],
    ['a reserved name', thin('a_tmeta'), { _tag: 'NameUnfit', name: 'a_tmeta' }],
    [
      'no size',
      { _tag: 'Lvm', group: 'vg', volume: 'b', kind: { thickBytes: 0 } } as const,
      { _tag: 'SizeUnfit', sizeBytes: 0 },
    ],
    [
      'another subvolume',
      { ...btrfs, subvolume: '/image' },
      { _tag: 'NotThere', image: 'a.1', wanted: 'the subvolume /image' },
    ],
    [
      'its own snapshots',
      { ...btrfs, snapshots: '/images/.s' },
      { _tag: 'SnapshotsInside', snapshots: '/images/.s', subvolume: '/images' },
    ],
    ['a relative path', { ...btrfs, snapshots: 's' }, { _tag: 'PathNotAbsolute', path: 's' }],
  ] as const)('for %s', (_, level, expected) => {
    expect(why(free, level)).toStrictEqual([expected])
  })

  it('where the guest may not be paused', () => {
    expect(why(free, reflink, { pause: 'never' })).toStrictEqual([{ _tag: 'NeedsPause' }])
    expect(E.isRight(ask(free, { pause: 'never' }))).toBe(true)
    expect(E.isRight(ask(off, { pause: 'never', levels: levels([reflink], [reflink]) }, throughQemuImg))).toBe(true)
  })

  it('where memory is kept in another way', () => {
    expect(why(free, reflink, { memory: { _tag: 'Internal' } })).toStrictEqual([{ _tag: 'KeepsNoMemory' }])
  })

  it('where something is in the place of the copy', () => {
    expect(why(free, reflink, { reserved: ['/images/a.1.now'] })).toStrictEqual([
      { _tag: 'PathTaken', path: '/images/a.1.now', by: 'reserved' },
    ])
  })

  it('where a backing string leads elsewhere from the copy', () => {
    const relative = { backing: { image: 'a' as never, header: 'a', format: 'qcow2' } } as const
    const of = { ...free, images: { 'a.1': relative } }
    expect(why(of, { _tag: 'Reflink', folder: '/copies' })).toStrictEqual([
      { _tag: 'HeaderLeadsAway', image: 'a.1', header: 'a' },
    ])
    const inside = right(ask(of, { levels: levels([btrfs], [btrfs]) })).copies[0]
    expect([inside?.inside, inside?.reads]).toStrictEqual([['a', 'a.1'], []])
  })

  it('where the data of what is copied are in a file of their own', () => {
    const dataFile = { dataFile: { location: { _tag: 'File', path: '/images/data' }, layout: 'raw' } } as const
    const lower = { ...free, images: { a: dataFile } }
    expect(why(lower, btrfs)).toStrictEqual([{ _tag: 'DataFileApart', image: 'a' }])
    expect(why({ ...free, images: { 'a.1': dataFile } }, reflink)).toStrictEqual([
      { _tag: 'DataFileApart', image: 'a.1' },
    ])
    expect(E.isRight(ask(lower, { levels: levels([reflink], [external]) }))).toBe(true)
  })

  it('where a job or somebody else writes', () => {
    const jobs = new Map([['vda', [{ id: 'j', kind: 'commit', images: ['a'] } as const]]])
    expect(why(free, reflink, {}, { ...throughQmp, jobs })).toStrictEqual([
      { _tag: 'JobActive', job: 'j', kind: 'commit' },
    ])
    const by = { _tag: 'Tool', name: 'writer' } as const
    const opened = new Map([['vda', [{ image: 'a.1', by, access: 'write' } as const]]])
    expect(why(free, reflink, {}, { ...throughQmp, opened })).toStrictEqual([
      { _tag: 'WrittenByOther', image: 'a.1', by },
    ])
  })

  it('where libvirt cannot have QEMU write out what it holds back, of a guest that is paused already', () => {
    const paused: Vm = { ...managed, state: 'paused' }
    expect(why(paused, reflink, {}, throughLibvirt)).toStrictEqual([{ _tag: 'HeldBack', image: 'a.1' }])
    const told = right(
      ask(paused, { levels: levels([reflink], [external]) }, { ...throughLibvirt, heldBack: 'nothing' }),
    )
    expect(told.chosen.get('vda')).toStrictEqual(reflink)
    // It is not asked to: it would do nothing.
    expect(lines(told).join()).not.toContain('suspend')
  })

  it('for nothing held back where the guest runs, is off, is raw, keeps memory, or has a monitor', () => {
    const fits = (of: Vm, host: MachineHost, more: Partial<LevelRequest> = {}) =>
      E.isRight(ask(of, { levels: levels([reflink], [reflink]), ...more }, host))
    const paused: Vm = { ...managed, state: 'paused' }
    expect(fits(paused, throughLibvirt)).toBe(false)
    expect(fits(paused, throughLibvirt, { memory: { _tag: 'External', path: '/images/memory' } })).toBe(true)
    expect(fits(managed, throughLibvirt)).toBe(true)
    expect(fits({ ...managed, state: 'shut-off' }, throughLibvirt)).toBe(true)
    const raws = { a: { format: 'raw' }, b: { format: 'raw' } } as const
    expect(fits({ ...paused, disks: { vda: 'a^', vdb: 'b^' }, images: raws }, throughLibvirt)).toBe(true)
    const level = right(ask({ ...free, state: 'paused' }, { levels: levels([reflink], [reflink]) }))
    expect([lines(level)[0], lines(level).at(-1)]).toStrictEqual(['{"execute":"stop"}', 'sync -- /images/b.now'])
    expect(level.plan.assumes.filter(({ _tag }) => _tag === 'WrittenOut')).toStrictEqual([
      { _tag: 'WrittenOut', disk: 'vda', images: ['a.1'] },
      { _tag: 'WrittenOut', disk: 'vdb', images: ['b'] },
    ])
  })

  it('where take refuses, in its words', () => {
    const [refused] = [why(managed, internal, { levels: levels([internal], [internal]) }, throughLibvirt)].flat()
    expect(refused).toMatchObject({ _tag: 'TakeRefuses', refusal: { _tag: 'GuestStateWrong' } })
  })

  it('where nobody prefers it', () => {
    const refused = left(ask(free, { prefer: ['Lvm'] }))
    expect(refused).toMatchObject({
      _tag: 'NoLevelFits',
      disk: 'vda',
      passed: [
        { level: 'Lvm', why: { _tag: 'NotOffered' } },
        { level: 'QemuExternal', why: { _tag: 'NotPreferred' } },
      ],
    })
    expect(explainMachineRefusal(refused).split('\n')).toHaveLength(3)
  })
})

it('refuses what no level could do anything about', () => {
  const tag = (of: Vm, request: Partial<LevelRequest>, host: MachineHost = throughQmp) =>
    left(ask(of, request, host))._tag
  expect(tag(free, { name: '' })).toBe('SnapshotNameWrong')
  expect(tag(free, { leave: ['vdz'] })).toBe('DiskNotFound')
  expect(tag(free, { leave: ['vda', 'vdb'] })).toBe('NothingSelected')
  expect(tag(off, {})).toBe('GuestStateWrong')
  expect(tag(managed, {}, throughQmp)).toBe('NotThisWay')
  expect(tag({ ...managed, state: 'shut-off' }, {}, { ...throughLibvirt, managedSave: 'present' })).toBe(
    'ManagedSavePresent',
  )
  expect(tag(free, { quiesce: 'require' }, { ...throughQmp, agent: 'absent' })).toBe('AgentAbsent')
  const folder = { _tag: 'Reflink', folder: '/copies' } as const
  expect(E.isRight(ask(free, { levels: levels([folder], [folder]) }))).toBe(true)
})

it('is written and read again', () => {
  const thick = { _tag: 'Lvm', group: 'vg', volume: 'b', kind: { thickBytes: 8_388_608 } } as const
  const { plan } = right(ask(onVolume, { levels: levels([array], [thick]) }))
  expect(decodeMachinePlan(JSON.stringify(encodeMachinePlan(plan)))).toStrictEqual(E.right(plan))
  const sh = {
    ...encodeMachinePlan(plan),
    steps: [{ call: { _tag: 'Host', argv: ['sh', '-c', 'x'] }, why: '', points: [] }],
  }
  expect(E.isLeft(decodeMachinePlan(JSON.stringify(sh)))).toBe(true)
})

describe('what levels have', () => {
  const taken = right(ask(off, { levels: levels([reflink], [array]) }, throughQemuImg))
  const { after } = taken.plan

  it('is deleted with the snapshot when nothing else holds it', () => {
    const plan = right(deleteCopies(after, taken, throughQemuImg))
    expect(lines({ plan })).toStrictEqual(['unlink -- /images/a.1.now', '# array delete now of vdb, /images/b'])
    expect(plan.after.snapshots.size).toBe(0)
    const [first] = taken.copies
    const half = right(deleteCopies(after, { copies: first === undefined ? [] : [first] }, throughQemuImg))
    expect(Array.from(half.after.snapshots.keys())).toStrictEqual(['now'])
  })

  it('keeps images from being written that it reads', () => {
    expect(after.disks.get('vda')?.images.get('a')?.otherReaders).toHaveLength(1)
    expect(
      right(deleteCopies(after, taken, throughQemuImg))
        .after.disks.get('vda')
        ?.images.get('a')?.otherReaders,
    ).toEqual([])
  })

  const tag = (
    of: Machine,
    copies: LevelPlan['copies'],
    keep: 'keep' | 'discard' = 'discard',
    host = throughQemuImg,
  ) => {
    const refused = left(revertToCopies(of, { copies, present: keep === 'keep' ? { keep: 'x' } : 'discard' }, host))
    return refused._tag === 'CopyUnfit' ? refused.why : refused._tag
  }

  it('comes back whole, to a guest that is off, on the same chain', () => {
    expect(tag(after, [])).toBe('NothingSelected')
    expect(tag(after, taken.copies.slice(1))).toBe('left out')
    expect(tag(after, [...taken.copies, ...taken.copies])).toBe('other snapshot')
    expect(tag(after, taken.copies, 'keep')).toBe('PointsLost')
    expect(tag(withMachine(after, { state: 'running' }), taken.copies)).toBe('GuestStateWrong')
    const grown = vm({ ...off, disks: { vda: 'a <- a.1 <- a.2^', vdb: 'b^' } }).machine
    expect(tag(withMachine(grown, { snapshots: after.snapshots }), taken.copies)).toBe('another chain')
    const read = vm({ ...off, disks: { vda: 'a <- a.1^ <- a.2', vdb: 'b^' } }).machine
    expect(tag(read, taken.copies)).toBe('overlays')
    const by = { _tag: 'OtherGuest', name: 'x' } as const
    const opened = new Map([['vdb', [{ image: 'b', by, access: 'read' } as const]]])
    expect(tag(after, taken.copies, 'discard', { ...throughQemuImg, opened })).toBe('DiskRefused')
  })

  it('comes back with the present beside it, and in no other folder', () => {
    const files = right(ask(off, { levels: levels([reflink], [reflink]) }, throughQemuImg))
    for (const keep of ['', 'x/y', '/../x', '.x'])
      expect(left(revertToCopies(files.plan.after, { ...files, present: { keep } }, throughQemuImg))).toMatchObject({
        _tag: 'SnapshotNameWrong',
        snapshot: keep,
        why: 'invalid',
      })
  })

  it('comes back under nobody else who reads it', () => {
    const read = right(
      ask(
        { ...off, images: { b: { otherReaders: ['vm2'] } } },
        { levels: levels([reflink], [reflink]) },
        throughQemuImg,
      ),
    )
    expect(left(revertToCopies(read.plan.after, { ...read, present: 'discard' }, throughQemuImg))).toMatchObject({
      _tag: 'DiskRefused',
      disk: 'vdb',
      refusal: { _tag: 'ImageShared', image: 'b', readers: [{ _tag: 'Other', reader: 'vm2' }] },
    })
    const unknown = { ...off, images: { b: { otherReaders: 'unknown' } } } as const
    const level = right(ask(unknown, { levels: levels([reflink], [reflink]) }, throughQemuImg))
    const plan = right(revertToCopies(level.plan.after, { ...level, present: 'discard' }, throughQemuImg))
    expect(plan.assumes).toContainEqual({
      _tag: 'OfDisk',
      disk: 'vdb',
      assumption: { _tag: 'NoOtherReaders', images: ['b'] },
    })
  })

  it('asks everybody to close an image but the guest itself', () => {
    const refusal = (by: Opener) => {
      const opened = new Map([['vdb', [{ image: 'b', by, access: 'read' } as const]]])
      const { copies } = taken
      const refused = left(revertToCopies(after, { copies, present: 'discard' }, { ...throughQemuImg, opened }))
      return refused._tag === 'DiskRefused' ? refused.refusal : refused
    }
    const wanted = { image: 'b', wants: 'write', by: { _tag: 'Tool', name: 'the executor' } }
    const other = { _tag: 'OtherGuest', name: 'x' } as const
    expect(refusal(other)).toMatchObject({ ...wanted, alternatives: [{ _tag: 'CloseFirst', image: 'b', by: other }] })
    expect(refusal({ _tag: 'ThisGuest' })).toMatchObject({ ...wanted, alternatives: [] })
  })

  it('comes back in no subvolume in which something else is', () => {
    const mixed = right(ask(off, { levels: levels([btrfs], [array]) }, throughQemuImg))
    expect(tag(mixed.plan.after, mixed.copies)).toBe('same subvolume')
    const both = right(ask(off, { levels: levels([btrfs], [btrfs]) }, throughQemuImg))
    const since = vm({ ...off, disks: { vda: 'a <- (a.1^, a.9)', vdb: 'b^' } }).machine
    expect(tag(since, both.copies)).toBe('images since')
  })

  it('comes back beside a sibling that it has too, and beside none that may be another one by now', () => {
    const { machine } = vm({
      ...off,
      disks: { vda: 'a <- (a.1^, x)', vdb: 'b^' },
      snapshots: [
        { name: 's0', vda: 'a' },
        { name: 's', parent: 's0', vda: 'x' },
      ],
      current: 's0',
    })
    const sibling = machine.snapshots.get('s')
    if (sibling === undefined) throw new Error('no sibling')
    const changed = (of: Machine, more: Partial<Snapshot>): Machine =>
      withMachine(of, { snapshots: new Map([...of.snapshots, ['s', { ...sibling, ...more }]]) })
    const back = (then: Partial<Snapshot>, now: Partial<Snapshot>) => {
      const asked = { name: 'now', prefer: all, levels: levels([btrfs], [btrfs]) } as const
      const { plan, copies } = right(snapshotAtLevel(changed(machine, then), asked, throughQemuImg))
      return revertToCopies(changed(plan.after, now), { copies, present: 'discard' }, throughQemuImg)
    }
    const [seven, eight, unknown] = [{ creationTime: '7' }, { creationTime: '8' }, { creationTime: undefined }]
    expect(E.isRight(back(seven, seven))).toBe(true)
    const lost = { _tag: 'PointsLost', lost: [{ snapshot: 's', disk: 'vda', image: 'x' }] }
    expect(left(back(seven, eight))).toMatchObject(lost)
    expect(left(back(unknown, unknown))).toMatchObject(lost)
    const inside = { ...seven, disks: new Map([['vda', { mode: 'internal', image: 'x' as never } as const]]) }
    expect(left(back(seven, inside))).toMatchObject(lost)
  })

  it('comes back under no overlay that lies elsewhere', () => {
    const elsewhere = { x: { location: { _tag: 'File', path: '/elsewhere/x' } } } as const
    const of: Vm = { ...off, disks: { vda: 'a <- (a.1^, x)', vdb: 'b^' }, images: elsewhere }
    const relative = { 'a.1': { backing: { image: 'a' as never, header: 'a', format: 'qcow2' } } } as const
    const moved = right(
      ask({ ...of, images: { ...elsewhere, ...relative } }, { levels: levels([btrfs], [btrfs]) }, throughQemuImg),
    )
    expect(tag(moved.plan.after, moved.copies)).toBe('overlays')
    // A copy that reads the image where it is has kept everybody from writing to it.
    const pinned = right(ask(of, { levels: levels([btrfs], [btrfs]) }, throughQemuImg))
    expect(pinned.copies[0]?.reads).toStrictEqual(['a'])
    expect(E.isRight(revertToCopies(pinned.plan.after, { ...pinned, present: 'discard' }, throughQemuImg))).toBe(true)
    const files = right(ask(of, { levels: levels([reflink], [reflink]) }, throughQemuImg))
    expect(E.isRight(revertToCopies(files.plan.after, { ...files, present: 'discard' }, throughQemuImg))).toBe(true)
  })

  it('comes back under no reader elsewhere that has come since, unless what it reads was pinned all along', () => {
    const back = (level: LevelPlan, image: string, otherReaders: Image['otherReaders']) => {
      const chain = level.plan.after.disks.get('vda')
      const now = chain?.images.get(image)
      if (chain === undefined || now === undefined) throw new Error('no image')
      const images = new Map(chain.images).set(now.name, { ...now, otherReaders })
      const disks = new Map(level.plan.after.disks).set('vda', withImages(chain, images))
      const { copies } = level
      return revertToCopies(withMachine(level.plan.after, { disks }), { copies, present: 'discard' }, throughQemuImg)
    }
    const level = right(ask(off, { levels: levels([btrfs], [btrfs]) }, throughQemuImg))
    const overlays = { _tag: 'CopyUnfit', disk: 'vda', why: 'overlays' }
    const shared = { _tag: 'DiskRefused', disk: 'vda', refusal: { _tag: 'ImageShared', image: 'a.1' } }
    expect(left(back(level, 'a', ['/clones/c']))).toMatchObject(overlays)
    expect(left(back(level, 'a.1', ['/clones/c']))).toMatchObject(shared)
    const files = right(ask(off, { levels: levels([reflink], [reflink]) }, throughQemuImg))
    expect(E.isRight(back(files, 'a', ['/clones/c']))).toBe(true)
    expect(left(back(files, 'a.1', ['/clones/c']))).toMatchObject(shared)
    const pinned = right(
      ask(
        { ...off, images: { a: { otherReaders: ['/clones/b'] } } },
        { levels: levels([btrfs], [btrfs]) },
        throughQemuImg,
      ),
    )
    expect(E.isRight(back(pinned, 'a', ['/clones/b', '/clones/c']))).toBe(true)
    expect(left(back(pinned, 'a', ['/clones/c']))).toMatchObject(overlays)
    const whole = { 'a.1': { backing: { image: 'a' as never, header: '/images/a', format: 'qcow2' } } } as const
    const pinning = right(ask({ ...off, images: whole }, { levels: levels([btrfs], [btrfs]) }, throughQemuImg))
    const [own] = pinning.plan.after.disks.get('vda')?.images.get('a')?.otherReaders ?? []
    expect(own).toBe('now at /snapshots/images.now/a.1')
    expect(E.isRight(back(pinning, 'a', [own ?? '', '/clones/c']))).toBe(true)
    expect(left(back(pinning, 'a', ['/clones/c']))).toMatchObject(overlays)
  })

  it('comes back on no image that has been moved away from where the copy reads it', () => {
    const unknown = { a: { otherReaders: 'unknown' } } as const
    const { plan, copies } = right(
      ask({ ...off, images: unknown }, { levels: levels([reflink], [reflink]) }, throughQemuImg),
    )
    const moved = (path: string, header: string): Machine => {
      const chain = plan.after.disks.get('vda')
      const [a, top] = [chain?.images.get('a'), chain?.images.get('a.1')]
      if (chain === undefined || a === undefined || top?.backing === undefined) throw new Error('no image')
      const images = new Map(chain.images)
        .set(a.name, { ...a, location: { _tag: 'File', path } })
        .set(top.name, { ...top, backing: { ...top.backing, header } })
      return withMachine(plan.after, { disks: new Map(plan.after.disks).set('vda', withImages(chain, images)) })
    }
    expect(tag(moved('/elsewhere/a', '/elsewhere/a'), copies)).toBe('another chain')
    expect(
      E.isRight(revertToCopies(moved('/images/a', '../images/a'), { copies, present: 'discard' }, throughQemuImg)),
    ).toBe(true)
  })

  it('comes back over no file that a snapshot or a saved state has in the subvolume since', () => {
    const memory = { _tag: 'External', path: '/images/deep/s.memory' } as const
    const at = (of: Snapshot, more: Partial<Snapshot>): Snapshot => ({ ...of, ...more })
    const { machine } = vm({ ...off, snapshots: [{ name: 's0', vda: 'a' }], current: 's0' })
    const first = machine.snapshots.get('s0')
    if (first === undefined) throw new Error('no snapshot')
    const having = (of: Machine, ...snapshots: ReadonlyArray<Snapshot>): Machine =>
      withMachine(of, { snapshots: new Map([...of.snapshots, ...snapshots.map((one) => [one.name, one] as const)]) })
    const back = (then: Machine, now: (of: Machine) => Machine, level: StorageLevel = btrfs) => {
      const asked = { name: 'now', prefer: all, levels: levels([level], [level]) } as const
      const { plan, copies } = right(snapshotAtLevel(then, asked, throughQemuImg))
      return revertToCopies(now(plan.after), { copies, present: { keep: 'old' } }, throughQemuImg)
    }
    const since = at(first, { name: 's' as never, parent: 's0' as never, memory, disks: new Map() })
    const lost = [{ snapshot: 's', disk: 'memory', image: memory.path }]
    expect(left(back(machine, (of) => having(of, since)))).toMatchObject({ _tag: 'PointsLost', lost })
    expect(E.isRight(back(machine, (of) => having(of, since), reflink))).toBe(true)
    const outside = at(since, { memory: { _tag: 'External', path: '/memory/s' } })
    expect(E.isRight(back(machine, (of) => having(of, outside)))).toBe(true)
    expect(E.isRight(back(having(machine, at(first, { memory })), (of) => of))).toBe(true)
    const dated = at(since, {
      creationTime: '7',
      disks: new Map([['vda', { mode: 'external', frozen: 'a' as never }]]),
    })
    const again = at(dated, { creationTime: '8', disks: new Map() })
    expect(E.isRight(back(having(machine, dated), (of) => of))).toBe(true)
    expect(left(back(having(machine, dated), (of) => having(of, again)))).toMatchObject({ _tag: 'PointsLost', lost })
    const gone = at(since, {
      memory: { _tag: 'None' },
      disks: new Map([['hda', { mode: 'external', frozen: '/images/h' as never }]]),
    })
    expect(left(back(machine, (of) => having(of, gone)))).toMatchObject({
      _tag: 'PointsLost',
      lost: [{ snapshot: 's', disk: 'hda', image: '/images/h' }],
    })
  })

  it('comes back over no saved state in the subvolume, and says of which readers nobody knows', () => {
    const state = (path: string) =>
      ({
        place: { kind: 'file', path },
        guest: 'running',
        definition: { name: 'domain', attributes: {}, children: [] },
        known: 'as printed',
        disks: 'written since',
      }) as const
    const unknown = { a: { otherReaders: 'unknown' } } as const
    const level = right(ask({ ...off, images: unknown }, { levels: levels([btrfs], [btrfs]) }, throughQemuImg))
    const back = (path: string) =>
      revertToCopies(
        withMachine(level.plan.after, { saved: [state(path)] }),
        { ...level, present: 'discard' },
        throughQemuImg,
      )
    const place = { kind: 'file', path: '/images/vm.saved' }
    expect(left(back(place.path))).toMatchObject({
      _tag: 'StateSaved',
      conflicts: [{ path: place.path, change: 'gone' }],
      alternatives: [{ _tag: 'DropState', place }],
    })
    expect(right(back('/saved/vm')).assumes).toContainEqual({
      _tag: 'OfDisk',
      disk: 'vda',
      assumption: { _tag: 'NoOtherReaders', images: ['a'] },
    })
  })

  it('comes back in one rename, with the present under another name', () => {
    const files = right(ask(off, { levels: levels([reflink], [reflink]) }, throughQemuImg))
    const plan = right(
      revertToCopies(files.plan.after, { copies: files.copies, present: { keep: 'old' } }, throughQemuImg),
    )
    // Nothing is touched until all copies are seen to be there.
    expect(lines({ plan })).toStrictEqual([
      'cp --reflink=always --preserve=mode,ownership -- /images/a.1.now /images/a.1.now.next',
      'sync -- /images/a.1.now.next',
      'cp --reflink=always --preserve=mode,ownership -- /images/b.now /images/b.now.next',
      'sync -- /images/b.now.next',
      'link -- /images/a.1 /images/a.1.old',
      'mv -T -- /images/a.1.now.next /images/a.1',
      'link -- /images/b /images/b.old',
      'mv -T -- /images/b.now.next /images/b',
    ])
    expect(plan.steps.map(({ disk }) => disk)).toStrictEqual([
      ...[undefined, undefined, undefined, undefined],
      ...['vda', 'vda', 'vdb', 'vdb'],
    ])
    expect(
      plan.assumes.flatMap((one) =>
        one._tag === 'OfDisk' && one.assumption._tag === 'NothingAt' ? [one.assumption.path] : [],
      ),
    ).toStrictEqual(['/images/a.1.now.next', '/images/a.1.old', '/images/b.now.next', '/images/b.old'])
  })

  it('changes nothing where a copy is no more', () => {
    for (const kind of [reflink, btrfs]) {
      const level = right(ask(off, { levels: levels([kind], [kind]) }, throughQemuImg))
      const built = vm(off)
      const world = machineWorldOf(built.machine, built.contents, { subvolumes: ['/images'] })
      if (E.isLeft(world)) throw new Error('no world')
      const took = endOfMachine(runMachine(world.right, level.plan.steps))
      const gone = right(deleteCopies(level.plan.after, level, throughQemuImg))
      const without = endOfMachine(runMachine(took, gone.steps))
      const back = right(revertToCopies(gone.after, { ...level, present: { keep: 'old' } }, throughQemuImg))
      const trace = runMachine(without, back.steps)
      expect(trace.fault).toBeDefined()
      expect(guestViews(endOfMachine(trace))).toStrictEqual(guestViews(without))
    }
  })

  it('fails where an image is in a subvolume inside the subvolume, which has no snapshot', () => {
    const deep = { a: { location: { _tag: 'File', path: '/images/deep/a' } } } as const
    const built = vm({
      ...off,
      images: { ...deep, 'a.1': { backing: { image: 'a' as never, header: 'deep/a', format: 'qcow2' } } },
    })
    const level = right(
      snapshotAtLevel(built.machine, { name: 'now', prefer: all, levels: levels([btrfs], [btrfs]) }, throughQemuImg),
    )
    expect(level.copies[0]?.reads).toStrictEqual([])
    const ran = (...subvolumes: ReadonlyArray<string>) => {
      const world = machineWorldOf(built.machine, built.contents, { subvolumes })
      return E.isRight(world) ? runMachine(world.right, level.plan.steps).fault : world.left
    }
    expect(ran('/images')).toBeUndefined()
    expect(ran('/images', '/images/deep')).toMatchObject({ step: 2, fault: { _tag: 'Refused', by: 'host' } })
  })
})
