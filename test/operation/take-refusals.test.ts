import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions } from '../../src/index.js'
import type { Image } from '../../src/model/image.js'
import type { Machine } from '../../src/model/machine.js'
import { withMachine } from '../../src/model/machine.js'
import { withChildren } from '../../src/model/record.js'
import { element } from '../../src/model/xml.js'
import type { XmlElement } from '../../src/model/xml.js'
import type { TakeDisk, TakeRequest } from '../../src/operation/machine-request.js'
import type { NewImage } from '../../src/operation/request.js'
import type { MachineHost } from '../../src/plan/machine-host.js'
import type { MachineRefusal } from '../../src/plan/machine-refusal.js'

import { builtFor, refusedTake, taken, throughLibvirt, throughQemuImg, throughQmp } from './expect-take.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const two: Vm = {
  disks: { vda: 'a <- a.1^', vdb: 'b <- b.1^' },
  snapshots: [{ name: '1', vda: 'a', vdb: 'b' }],
  current: '1',
}
const off: Vm = { ...two, state: 'shut-off' }
const memory = { _tag: 'External', path: '/images/m.mem' } as const

const facts = ({ alternatives: _, ...rest }: MachineRefusal): object => rest

const refusal = (request: TakeRequest, of: Vm = two, host: MachineHost = throughLibvirt): MachineRefusal =>
  refusedTake(builtFor(host, of).machine, request, host)

const modes = (vda: TakeDisk['mode'], vdb: TakeDisk['mode']): ReadonlyMap<string, TakeDisk> =>
  new Map([
    ['vda', { mode: vda }],
    ['vdb', { mode: vdb }],
  ])

const overlay = (path: string, more: Partial<NewImage> = {}): TakeDisk => ({
  mode: 'external',
  overlay: { name: path, location: { _tag: 'File', path }, format: 'qcow2', ...more },
})

describe('the name', () => {
  it.each(['', '.hidden', 'a/b', 'bell\u0007'])('%j is none', (name) => {
    expect(facts(refusal({ name }))).toStrictEqual({ _tag: 'SnapshotNameWrong', snapshot: name, why: 'invalid' })
  })

  it('another snapshot has it', () => {
    expect(refusal({ name: '1' })).toStrictEqual({
      _tag: 'SnapshotNameWrong',
      snapshot: '1',
      why: 'taken',
      alternatives: [{ _tag: 'UseAnotherName', taken: ['1'] }],
    })
  })

  it('without a record it may be the name of another, if no path is', () => {
    const plan = taken(vm(two).machine, {
      name: '1',
      metadata: 'none',
      disks: new Map([
        ['vda', overlay('/images/x')],
        ['vdb', { mode: 'no' }],
      ]),
    })
    expect(plan.after.snapshots.size).toBe(1)
  })

  it('an image has an internal snapshot of that name', () => {
    const of: Vm = { ...off, images: { 'b.1': { internalSnapshots: [{ id: '1', name: 'm', vmStateBytes: 0 }] } } }
    const request = { name: 'm', metadata: 'none', disks: modes('internal', 'internal') } as const
    expect(facts(refusal(request, of))).toStrictEqual({ _tag: 'SnapshotNameWrong', snapshot: 'm', why: 'taken' })
  })
})

describe('the disks', () => {
  it('there is no such disk', () => {
    expect(facts(refusal({ name: 'm', disks: new Map([['vdx', { mode: 'no' }]]) }))).toStrictEqual({
      _tag: 'DiskNotFound',
      disk: 'vdx',
    })
  })

  it.each([modes('no', 'no'), modes('manual', 'no'), modes('manual', 'manual')])('none is saved', (disks) => {
    expect(facts(refusal({ name: 'm', disks }))).toStrictEqual({ _tag: 'NothingSelected' })
  })

  it.each([
    [two, { name: 'm', disks: modes('internal', 'internal'), memory }, 'the memory is in a file'],
    [two, { name: 'm', memory: { _tag: 'Internal' } }, 'there is none'],
    [off, { name: 'm', disks: modes('internal', 'external') }, 'not so vdb'],
    [off, { name: 'm', disks: modes('manual', 'internal') }, 'not so vda'],
    [off, { name: 'm', disks: modes('internal', 'no') }, 'as vdb would be'],
    [two, { name: 'm', disks: modes('internal', 'no'), memory: { _tag: 'Internal' } }, 'as vdb would be'],
  ] as const)('libvirt does not mix kinds: %#', (of, request, why) => {
    const found = refusal(request, of)
    expect(found._tag).toBe('KindsMixed')
    expect('why' in found ? found.why : '').toContain(why)
  })

  const withDisk = (disk: XmlElement): Machine => {
    const { machine } = vm(off)
    const persistent = machine.definitions?.persistent
    const more =
      persistent &&
      withChildren(persistent, 'devices', (devices) => ({ ...devices, children: [...devices.children, disk] }))
    return withMachine(machine, { definitions: { live: undefined, persistent: more } })
  }
  const target = element('target', { dev: 'vdz' })
  const source = element('source', { file: '/images/z' })

  it('a disk that only libvirt knows counts, if it has an image that can be written', () => {
    const request = { name: 'm', disks: modes('internal', 'internal') }
    const plain = element('disk', { type: 'file' }, [source, target])
    expect(facts(refusedTake(withDisk(plain), request))).toStrictEqual({
      _tag: 'KindsMixed',
      why: 'libvirt leaves no disk out of an internal snapshot, as vdz would be',
    })
    const readonly = element('disk', { type: 'file' }, [source, target, element('readonly')])
    const empty = element('disk', { type: 'file', device: 'cdrom' }, [target])
    for (const disk of [readonly, empty]) expect(taken(withDisk(disk), request).steps).toHaveLength(1)
  })
})

describe('the way', () => {
  it('each dialect has its states', () => {
    const at = (host: MachineHost, state: Machine['state']): MachineRefusal =>
      refusedTake(vm({ ...two, state, records: 'none' }).machine, { name: 'm' }, host)
    expect(at(throughQmp, 'shut-off')).toStrictEqual({
      _tag: 'GuestStateWrong',
      via: 'qmp',
      guest: 'shut-off',
      needs: ['running', 'paused'],
      alternatives: [{ _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] }],
    })
    expect(at(throughQemuImg, 'paused')).toStrictEqual({
      _tag: 'GuestStateWrong',
      via: 'qemu-img',
      guest: 'paused',
      needs: ['shut-off'],
      alternatives: [{ _tag: 'Via', via: 'qmp', guest: ['running', 'paused'] }],
    })
  })

  it('a guest that is shut off has no memory', () => {
    expect(facts(refusal({ name: 'm', memory }, off))).toStrictEqual({
      _tag: 'GuestStateWrong',
      via: 'libvirt',
      guest: 'shut-off',
      needs: ['running', 'paused'],
    })
  })

  it('libvirt saves no disks inside their images while the guest runs, unless the memory goes there too', () => {
    expect(refusal({ name: 'm', disks: modes('internal', 'internal') })).toStrictEqual({
      _tag: 'GuestStateWrong',
      via: 'libvirt',
      guest: 'running',
      needs: ['shut-off'],
      alternatives: [{ _tag: 'Via', via: 'libvirt', guest: ['shut-off'] }],
    })
  })

  it.each([throughQmp, throughQemuImg])('nobody else changes what libvirt manages', (host) => {
    const state = host === throughQmp ? 'running' : 'shut-off'
    expect(refusedTake(vm({ ...two, state, nodes: 'monitor' }).machine, { name: 'm' }, host)).toStrictEqual({
      _tag: 'NotThisWay',
      via: host.via,
      why: 'libvirt manages the machine, and would not know of the new images',
      alternatives: [{ _tag: 'Via', via: 'libvirt', guest: ['running', 'paused', 'shut-off'] }],
    })
  })

  it('libvirt is asked for nothing where nobody knows its definitions', () => {
    const found = refusedTake(vm({ ...two, records: 'none' }).machine, { name: 'm' })
    expect([found._tag, 'why' in found ? found.why : '']).toStrictEqual([
      'NotThisWay',
      'the definitions of the machine are not given: libvirt would snapshot disks that nobody names',
    ])
  })

  it.each([
    [throughQmp, two, { name: 'm', memory }, 'saves no memory to a file through the monitor'],
    [throughLibvirt, two, { name: 'm', memory, quiesce: 'require' }, 'kept with its file systems frozen'],
    [throughLibvirt, two, { name: 'm', disks: modes('external', 'manual'), quiesce: 'require' }, 'cannot thaw'],
    [throughLibvirt, two, { name: 'm', memory: { _tag: 'External', path: 'm.mem' } }, '"m.mem", is not absolute'],
  ] as const)('what a dialect cannot do: %#', (host, of, request, why) => {
    const found = refusal(request, of, host)
    expect([found._tag, 'why' in found ? found.why : '']).toStrictEqual(['NotThisWay', expect.stringContaining(why)])
  })

  const image = (change: Partial<Image>): Vm => ({ ...off, images: { 'a.1': change } })

  it.each([
    [image({ format: 'qed' }), 'vda is qed, and only qcow2 has internal snapshots'],
    [image({ encryption: 'luks' }), 'vda is encrypted, and qemu-img would have to be given its secret'],
  ])('what an image cannot hold: %#', (of, why) => {
    const found = refusal({ name: 'm', disks: modes('internal', 'internal') }, of, throughQemuImg)
    expect(facts(found)).toStrictEqual({ _tag: 'NotThisWay', via: 'qemu-img', why })
  })

  it('the path of an overlay is derived from a file, and from nothing else', () => {
    const of: Vm = { ...two, images: { 'b.1': { location: { _tag: 'BlockDevice', path: '/dev/vg/b' } } } }
    expect(facts(refusal({ name: 'm' }, of))).toStrictEqual({
      _tag: 'NotThisWay',
      via: 'libvirt',
      why: 'vdb is in no file, and the path of an overlay cannot be derived from it',
    })
  })
})

describe('the host', () => {
  const old = (libvirt: string): MachineHost => ({
    ...throughLibvirt,
    capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt }),
  })

  it.each([
    ['0.9.10', { name: 'm' }, ['libvirt-external-snapshot']],
    ['1.0.0', { name: 'm', memory }, ['libvirt-memory-snapshot']],
    ['1.2.4', { name: 'm', quiesce: 'prefer' }, ['libvirt-freeze']],
    ['8.1.0', { name: 'm', disks: modes('external', 'manual') }, ['libvirt-manual-snapshot']],
  ] as const)('libvirt %s lacks what %j needs', (libvirt, request, missing) => {
    const found = refusal(request, two, old(libvirt))
    expect(found._tag === 'CapabilityMissing' ? found.missing.map(({ feature }) => feature) : found).toStrictEqual(
      missing,
    )
  })

  it('QEMU 2.12 has no blockdev-create, and needs none for what is there', () => {
    const host: MachineHost = { ...throughQmp, capabilities: capabilitiesOfVersions({ qemu: '2.12' }) }
    const found = refusal({ name: 'm' }, two, host)
    expect(found._tag === 'CapabilityMissing' ? found.missing.map(({ feature }) => feature) : found).toStrictEqual([
      'qemu-blockdev-create',
    ])
    const before = { made: 'before', sizeBytes: 262144 } as const
    const disks = new Map([
      ['vda', overlay('/images/x', { ...before, header: 'a.1' })],
      ['vdb', overlay('/images/y', { ...before, header: 'b.1' })],
    ])
    expect(taken(builtFor(host, two).machine, { name: 'm', disks }, host).requires).not.toContain(
      'qemu-blockdev-create',
    )
  })

  const busy = (host: MachineHost, kind: 'pull' | 'copy' | 'backup', images: ReadonlyArray<string>): MachineHost => ({
    ...host,
    jobs: new Map([['vdb', [{ id: 'j', kind, images }]]]),
  })

  it('libvirt minds any job on a disk that is not left out', () => {
    expect(facts(refusal({ name: 'm' }, two, busy(throughLibvirt, 'pull', ['b'])))).toStrictEqual({
      _tag: 'JobActive',
      disk: 'vdb',
      job: 'j',
      kind: 'pull',
    })
    const manual = { name: 'm', disks: modes('external', 'manual') }
    expect(refusal(manual, two, busy(throughLibvirt, 'copy', ['b.1']))._tag).toBe('JobActive')
    const left = { name: 'm', disks: modes('external', 'no') }
    expect(taken(vm(two).machine, left, busy(throughLibvirt, 'copy', ['b.1'])).steps).toHaveLength(2)
    expect(refusal({ ...left, memory }, two, busy(throughLibvirt, 'copy', ['b.1']))._tag).toBe('JobActive')
    expect(refusal(left, two, busy(throughLibvirt, 'backup', ['b.1']))._tag).toBe('JobActive')
  })

  it('QEMU minds a job that has the root of a disk, or works on what is active', () => {
    const { machine } = builtFor(throughQmp, two)
    expect(taken(machine, { name: 'm' }, busy(throughQmp, 'pull', ['b'])).via).toBe('qmp')
    expect(refusal({ name: 'm' }, two, busy(throughQmp, 'pull', ['b.1']))._tag).toBe('JobActive')
    expect(refusal({ name: 'm' }, two, busy(throughQmp, 'copy', ['b.1']))._tag).toBe('JobActive')
  })

  it('a saved state would be resumed on the old images', () => {
    expect(facts(refusal({ name: 'm' }, off, { ...throughLibvirt, managedSave: 'present' }))).toStrictEqual({
      _tag: 'ManagedSavePresent',
      domain: 'vm',
    })
  })

  it.each([throughLibvirt, throughQmp])('the agent that has to freeze is absent', (host) => {
    expect(refusal({ name: 'm', quiesce: 'require' }, two, { ...host, agent: 'absent' })).toStrictEqual({
      _tag: 'AgentAbsent',
      alternatives: [
        { _tag: 'Quiesce', quiesce: 'prefer' },
        { _tag: 'Quiesce', quiesce: 'no' },
      ],
    })
  })
})

describe('paths never collide', () => {
  const path = (request: TakeRequest, of: Vm = two): object => facts(refusal(request, of))

  it.each([
    ['/images/b', 'b', 'an image of another disk'],
    ['/images/../images/a', 'a', 'another spelling'],
  ])('%s is %s: %s', (wanted, by) => {
    expect(path({ name: 'm', disks: new Map([['vda', overlay(wanted)]]) })).toStrictEqual({
      _tag: 'PathTaken',
      disk: 'vda',
      path: wanted,
      by,
    })
  })

  it('a derived one is refused, since libvirt would choose no other', () => {
    const of: Vm = { disks: { vda: 'disk <- disk.1^; disk.m' } }
    const found = refusal({ name: 'm' }, of)
    expect(found).toStrictEqual({
      _tag: 'PathTaken',
      disk: 'vda',
      path: '/images/disk.m',
      by: 'disk.m',
      alternatives: [{ _tag: 'UseAnotherName', taken: ['/images/disk', '/images/disk.1', '/images/disk.m'] }],
    })
  })

  it('the suffix that a snapshot is named after is the active image itself', () => {
    expect(path({ name: 'qcow2' }, { disks: { vda: 'disk.qcow2^' } })).toMatchObject({ by: 'disk.qcow2' })
  })

  it('two disks with equal stems', () => {
    expect(path({ name: 'm' }, { disks: { vda: 'disk.a^', vdb: 'disk.b^' } })).toStrictEqual({
      _tag: 'PathTaken',
      disk: 'vdb',
      path: '/images/disk.m',
      by: 'the new image of vda',
    })
  })

  it('the memory of the snapshot, and of another', () => {
    expect(path({ name: 'm', memory: { _tag: 'External', path: '/images/a.m' } })).toStrictEqual({
      _tag: 'PathTaken',
      disk: 'memory',
      path: '/images/a.m',
      by: 'the new image of vda',
    })
    const other: Vm = { disks: { vda: 'a <- a.1^' }, snapshots: [{ name: '1', vda: 'a', state: 'running', memory }] }
    expect(path({ name: 'm', memory }, other)).toMatchObject({ disk: 'memory', by: 'the memory of snapshot 1' })
  })

  const named = (record: object): Vm => ({
    disks: { vda: 'a <- a.1^' },
    snapshots: [{ name: '1', vda: 'a', record }],
    current: '1',
  })

  it.each([
    ['its overlays', named({ disks: { vda: 'a.m' } })],
    ['the overlays of a revert', named({ revertDisks: { vda: 'a.m' } })],
    ['the source of its definition', named({ domain: { vda: 'a.m' } })],
    ['what is stored below that', named({ domain: { vda: 'a.m <- a' } })],
  ])('what the record of a snapshot names, though no image is there: %s', (_, of) => {
    expect(path({ name: 'm' }, of)).toStrictEqual({
      _tag: 'PathTaken',
      disk: 'vda',
      path: '/images/a.m',
      by: 'snapshot 1',
    })
  })

  it('what a backing string leads to', () => {
    const of: Vm = {
      ...two,
      images: { 'a.1': { backing: { image: 'a', header: 'a.m', format: 'qcow2' } as NonNullable<Image['backing']> } },
    }
    expect(path({ name: 'm' }, of)).toMatchObject({ by: 'the backing string of a.1' })
  })

  it('what the persistent definition names while another one is live', () => {
    const { machine } = vm(two)
    const { live, persistent } = machine.definitions ?? {}
    const other =
      persistent &&
      withChildren(persistent, 'devices', (devices) =>
        withChildren(devices, 'disk', (disk) =>
          withChildren(disk, 'source', () => element('source', { file: '/images/a.m' })),
        ),
      )
    const changed = withMachine(machine, { definitions: { live, persistent: other } })
    expect(facts(refusedTake(changed, { name: 'm' }))).toMatchObject({ by: 'the persistent definition' })
  })

  it('what is reserved', () => {
    expect(path({ name: 'm', reserved: ['/images/b.m'] })).toStrictEqual({
      _tag: 'PathTaken',
      disk: 'vdb',
      path: '/images/b.m',
      by: 'reserved',
    })
  })
})

describe('one disk', () => {
  it('what addOverlay refuses of it', () => {
    const disks = new Map([['vdb', overlay('/images/x', { made: 'before', sizeBytes: 512, header: 'b.1' })]])
    expect(facts(refusal({ name: 'm', disks }))).toStrictEqual({
      _tag: 'DiskRefused',
      disk: 'vdb',
      refusal: {
        _tag: 'DestinationWrong',
        name: '/images/x',
        why: 'size',
        detail: "it has 512 bytes and the guest's disk has 262144",
        alternatives: [],
      },
    })
  })

  it('an encrypted one goes on in plaintext only with leave', () => {
    const of: Vm = { ...two, images: { 'a.1': { encryption: 'luks' } } }
    expect(refusal({ name: 'm' }, of)).toMatchObject({ _tag: 'DiskRefused', refusal: { _tag: 'PlaintextLeak' } })
    expect(taken(vm(of).machine, { name: 'm', accept: ['PlaintextLeak'] }).operation).toBe('take')
  })

  it('bitmaps of a libvirt domain that is shut off: checkpoints forbid it, and others stop following', () => {
    const bitmaps = [{ name: 'c1', granularityBytes: 65536, state: 'recording' }] as const
    const of: Vm = { ...off, images: { 'a.1': { bitmaps } } }
    expect(facts(refusal({ name: 'm' }, of))).toStrictEqual({
      _tag: 'DiskRefused',
      disk: 'vda',
      refusal: {
        _tag: 'BitmapsLost',
        lost: [{ image: 'a.1', bitmaps: ['c1'] }],
        alternatives: [{ _tag: 'Accept', tag: 'BitmapsLost' }],
      },
    })
    expect(taken(vm(of).machine, { name: 'm', accept: ['BitmapsLost'] }).assumes).toContainEqual({
      _tag: 'OfDisk',
      disk: 'vda',
      assumption: { _tag: 'BitmapsStop', image: 'a.1', bitmaps: ['c1'] },
    })
    expect(taken(vm({ ...of, state: 'running' }).machine, { name: 'm' }).assumes).toHaveLength(2)
  })

  it('a node name is the name of one node in the whole QEMU', () => {
    const nodes = (format: string, storage: string) => ({ nodes: { format, storage } })
    const { machine } = builtFor(throughQmp, two)
    const disks = (b: object) =>
      new Map([
        ['vda', overlay('/images/x', nodes('x-format', 'x-storage'))],
        ['vdb', overlay('/images/y', b)],
      ])
    const name = { _tag: 'NameTaken', by: 'node' }
    for (const [format, storage, node] of [
      ['a.1-format', 'y', 'a.1-format'],
      ['y', 'x-format', 'x-format'],
    ] as const)
      expect(refusedTake(machine, { name: 'm', disks: disks(nodes(format, storage)) }, throughQmp)).toMatchObject({
        _tag: 'DiskRefused',
        disk: 'vdb',
        refusal: { ...name, name: node },
      })
    expect(taken(machine, { name: 'm', disks: disks(nodes('y', 'z')) }, throughQmp).via).toBe('qmp')
  })
})

it('refusals are asked for in the order of the docstring', () => {
  const disks = new Map<string, TakeDisk>([
    ['vda', { mode: 'internal' }],
    ['vdx', { mode: 'no' }],
  ])
  const known = new Map(Array.from(disks).slice(0, 1))
  const absent: MachineHost = { ...throughLibvirt, agent: 'absent', managedSave: 'present' }
  const tags = [
    refusal({ name: '', disks }),
    refusal({ name: 'm', disks }),
    refusal({ name: 'm', disks: modes('no', 'manual') }, two, absent),
    refusal({ name: 'm', disks: known, memory, quiesce: 'require' }, two, absent),
    refusal({ name: 'm', disks: modes('internal', 'internal'), quiesce: 'require' }, two, absent),
    refusal({ name: 'm', memory, quiesce: 'require', reserved: ['/images/a.m'] }, two, absent),
    refusal({ name: 'm', quiesce: 'require', reserved: ['/images/a.m'] }, two, {
      ...absent,
      capabilities: capabilitiesOfVersions({}),
      jobs: new Map([['vda', [{ id: 'j', kind: 'pull', images: [] }]]]),
    }),
    refusal({ name: 'm', quiesce: 'require', reserved: ['/images/a.m'] }, two, {
      ...absent,
      jobs: new Map([['vda', [{ id: 'j', kind: 'pull', images: [] }]]]),
    }),
    refusal({ name: 'm', reserved: ['/images/a.m'] }, off, absent),
    refusal({ name: 'm', quiesce: 'require', reserved: ['/images/a.m'] }, two, absent),
    refusal({ name: 'm', disks: new Map([['vda', overlay('/images/a', { made: 'before' })]]) }),
    refusal({ name: 'm', disks: new Map([['vda', overlay('/images/x', { made: 'before' })]]) }),
  ].map(({ _tag }) => _tag)
  expect(tags).toStrictEqual([
    'SnapshotNameWrong',
    'DiskNotFound',
    'NothingSelected',
    'KindsMixed',
    'GuestStateWrong',
    'NotThisWay',
    'CapabilityMissing',
    'JobActive',
    'ManagedSavePresent',
    'AgentAbsent',
    'PathTaken',
    'DiskRefused',
  ])
})
