// Snapshots inside the images of a guest that runs, through its monitor: the calls, and what is refused in which words.

import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions } from '../../src/index.js'
import type {
  DeleteRequest,
  MachineHost,
  MachinePlan,
  MachineRefusal,
  RevertRequest,
  TakeRequest,
} from '../../src/index.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { revert } from '../../src/operation/revert.js'
import { take } from '../../src/operation/take.js'
import { checkMachinePlan } from '../../src/plan/check-machine.js'
import * as E from 'fp-ts/lib/Either.js'

import { builtFor, throughLibvirt, throughQemuImg, throughQmp } from './expect-take.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const two: Vm = { disks: { vda: 'a <- a.1^', vdb: 'b^' } }

const inside: TakeRequest['disks'] = new Map([
  ['vda', { mode: 'internal' }],
  ['vdb', { mode: 'internal' }],
])

const memory = { _tag: 'Internal' } as const

type Asked = { readonly take: TakeRequest } | { readonly delete: DeleteRequest } | { readonly revert: RevertRequest }

const asked = (of: Vm, request: Asked, host: MachineHost = throughQmp): E.Either<MachineRefusal, MachinePlan> => {
  const { machine } = builtFor(host, of)
  if ('take' in request) return take(machine, request.take, host)
  return 'delete' in request ? deleteSnapshots(machine, request.delete, host) : revert(machine, request.revert, host)
}

const planned = (of: Vm, request: Asked, host?: MachineHost): MachinePlan => {
  const plan = asked(of, request, host)
  if (E.isLeft(plan)) throw new Error(JSON.stringify(plan.left))
  expect(checkMachinePlan(plan.right)).toStrictEqual([])
  return plan.right
}

const refused = (of: Vm, request: Asked, host?: MachineHost): MachineRefusal => {
  const plan = asked(of, request, host)
  if (E.isRight(plan)) throw new Error('there is a plan')
  return plan.left
}

const commands = ({ steps }: MachinePlan): ReadonlyArray<unknown> =>
  steps.map(({ call, disk }) => [disk ?? 'all', call._tag === 'Qmp' ? call.command : call])

const whyOf = (refusal: MachineRefusal): string => {
  const facts = refusal._tag === 'DiskRefused' ? refusal.refusal : refusal
  return `${refusal._tag}${refusal._tag === 'DiskRefused' ? ` ${facts._tag}` : ''}: ${'why' in facts ? facts.why : ''}`
}

const job = (kind: 'commit' | 'pull' | 'copy' | 'backup', disk = 'vdb'): MachineHost => ({
  ...throughQmp,
  jobs: new Map([[disk, [{ id: 'j', kind, images: ['b'] }]]]),
})

/** `m` was taken with memory, `d` without. */
const saved: Vm = {
  ...two,
  snapshots: [
    { name: 'm', vda: 'inside a.1', vdb: 'inside b', memory, state: 'running' },
    { name: 'd', parent: 'm', vda: 'inside a.1', vdb: 'inside b' },
  ],
  current: 'd',
}

const discard = { to: 'm', present: 'discard' } as const

const query = ['query-block']
const names = (plan: MachinePlan): ReadonlyArray<string> =>
  plan.steps.map(({ call }) => (call._tag === 'Qmp' ? call.command.execute : call._tag))

describe('take', () => {
  it('every disk in one transaction, and nothing else', () => {
    const plan = planned(two, { take: { name: 'm', disks: inside } })
    const save = (device: string) => ({ type: 'blockdev-snapshot-internal-sync', data: { device, name: 'm' } })
    expect(commands(plan)).toStrictEqual([
      ['all', { execute: 'transaction', arguments: { actions: [save('a.1-format'), save('b-format')] } }],
    ])
    expect(plan.requires).toStrictEqual(['qemu-blockdev', 'qemu-internal-snapshot'])
    expect([plan.consistency, plan.after.snapshots.get('m')?.state]).toStrictEqual(['crash', 'disk-snapshot'])
    expect([...(plan.steps[0]?.points.get('m')?.keys() ?? [])]).toStrictEqual(['vda', 'vdb'])
  })

  it('one inside and one in an overlay in one transaction, what is inside first; file systems are frozen for it', () => {
    const disks = new Map([['vdb', { mode: 'internal' as const }]])
    const plan = planned(two, { take: { name: 'm', disks, quiesce: 'require' } })
    const transactions = plan.steps.flatMap(({ call }) =>
      call._tag === 'Qmp' && call.command.execute === 'transaction' ? [call.command.arguments.actions] : [],
    )
    expect(transactions.map((actions) => actions.map(({ type }) => type))).toStrictEqual([
      ['blockdev-snapshot-internal-sync', 'blockdev-snapshot'],
    ])
    expect(plan.consistency).toBe('quiesced')
    expect(names(plan).slice(-4)).toStrictEqual(['Agent', 'transaction', 'Agent', 'query-block'])
    expect(planned(two, { take: { name: 'm', disks: inside, quiesce: 'require' } }).consistency).toBe('quiesced')
  })

  it('with memory: one job, which is dismissed also where it fails; no stop and no cont', () => {
    const plan = planned(two, { take: { name: 'm', disks: inside, memory } })
    const args = { 'job-id': 'save-e80c2a4c', tag: 'm', vmstate: 'a.1-format', devices: ['a.1-format', 'b-format'] }
    const id = plan.steps.flatMap(({ call }) =>
      call._tag === 'Qmp' && call.command.execute === 'snapshot-save' ? [call.command.arguments['job-id']] : [],
    )[0]
    expect(commands(plan)).toStrictEqual([
      ['all', { execute: 'snapshot-save', arguments: { ...args, 'job-id': id } }],
      ['all', { execute: 'job-dismiss', arguments: { id } }],
    ])
    expect(plan.steps[0]?.until).toStrictEqual({ _tag: 'QmpJob', job: id, status: 'concluded' })
    expect(plan.finally.map(({ from, step }) => [from, step.call, step.failure !== undefined])).toStrictEqual([
      [0, { _tag: 'Qmp', command: { execute: 'job-dismiss', arguments: { id } } }, true],
    ])
    expect([plan.consistency, plan.after.snapshots.get('m')?.state]).toStrictEqual(['memory', 'running'])
    expect(plan.requires).toStrictEqual(['qemu-blockdev', 'qemu-save-snapshot'])
    expect(plan.assumes).toContainEqual({ _tag: 'NoOtherDisks' })
    const states = Array.from(plan.after.disks.values(), ({ images, active }) =>
      images.get(active)?.internalSnapshots.map(({ id: number, vmStateBytes }) => [number, vmStateBytes]),
    )
    expect(states).toStrictEqual([[['1', 1]], [['1', 0]]])
    const paused = planned({ ...two, state: 'paused' }, { take: { name: 'm', disks: inside, memory } })
    expect([paused.after.state, paused.after.snapshots.get('m')?.state, names(paused)]).toStrictEqual([
      'paused',
      'paused',
      ['snapshot-save', 'job-dismiss'],
    ])
  })

  it.each(['no', 'manual', 'external'] as const)('with memory: KindsMixed where a disk is %s', (mode) => {
    const disks = new Map([...(inside ?? []), ['vdb', { mode }] as const])
    expect(whyOf(refused(two, { take: { name: 'm', disks, memory } }))).toBe(
      'KindsMixed: QEMU minds no disk that is left out of a snapshot with memory, as vdb would be',
    )
  })

  it('with memory: a raw disk can neither be in it nor be left out', () => {
    const raw: Vm = { ...two, images: { b: { format: 'raw' } } }
    expect(whyOf(refused(raw, { take: { name: 'm', disks: inside, memory } }))).toBe(
      'NotThisWay: vdb is raw, and only qcow2 has internal snapshots',
    )
    const disks = new Map([...(inside ?? []), ['vdb', { mode: 'no' as const }] as const])
    expect(refused(raw, { take: { name: 'm', disks, memory } })._tag).toBe('KindsMixed')
    expect(names(planned(raw, { take: { name: 'm', disks } }))).toStrictEqual(['transaction'])
  })

  it.each([throughQmp, throughQemuImg, throughLibvirt])('an image that QEMU could not save in: %#', (host) => {
    const dataFile = { location: { _tag: 'File', path: '/images/b.data' }, layout: 'raw' } as const
    const of: Vm = { ...two, state: 'shut-off', images: { b: { dataFile } } }
    const at: Vm = host.via === 'qmp' ? { ...of, state: 'running' } : of
    expect(whyOf(refused(at, { take: { name: 'm', disks: inside } }, host))).toBe(
      'NotThisWay: "b" has a data file of its own, and nothing is saved inside it',
    )
  })

  it.each([throughQmp, throughQemuImg, throughLibvirt])('a number for a name, wherever it is inside: %#', (host) => {
    const of: Vm = host.via === 'qmp' ? two : { ...two, state: 'shut-off' }
    expect(refused(of, { take: { name: '17', disks: inside } }, host)).toMatchObject({
      _tag: 'SnapshotNameWrong',
      why: 'digits',
    })
    expect(E.isRight(asked(of, { take: { name: '17' } }, host))).toBe(true)
    expect(E.isRight(asked(of, { take: { name: '17a', disks: inside } }, host))).toBe(true)
  })

  it('a name that one of the images has inside: QEMU minds only where all have it', () => {
    const internalSnapshots = [{ id: '4', name: 'm', vmStateBytes: 0 }]
    const of: Vm = { ...two, images: { b: { internalSnapshots } } }
    for (const more of [{}, { memory }, { metadata: 'none' as const }])
      expect(refused(of, { take: { name: 'm', disks: inside, ...more } })).toMatchObject({
        _tag: 'SnapshotNameWrong',
        why: 'taken',
      })
  })

  it('where the image is not the root of its disk', () => {
    const node = { format: 'n', storage: 'n-s', owner: 'monitor', filters: ['throttle'] } as const
    const filtered: Vm = { ...two, images: { b: { node } } }
    expect(whyOf(refused(filtered, { take: { name: 'm', disks: inside } }))).toBe(
      'DiskRefused FilterAbove: QEMU works inside the root of a disk, and a filter would be that',
    )
    const orphan: Vm = {
      ...two,
      disks: { vda: 'a <- a.1^', vdb: 'b^ <- b.1' },
      images: { 'b.1': { node: { ...node, filters: [] } } },
    }
    expect(whyOf(refused(orphan, { take: { name: 'm', disks: inside } }))).toBe(
      'DiskRefused NotThisWay: QEMU still has "b.1" open over "b": close it',
    )
    const unknown: Vm = { ...two, images: { b: { node: undefined } } }
    expect(whyOf(refused(unknown, { take: { name: 'm', disks: inside } }))).toBe('DiskRefused NodeUnknown: ')
  })

  it.each(['commit', 'pull', 'copy', 'backup'] as const)('JobActive beside a %s', (kind) => {
    expect(refused(two, { take: { name: 'm', disks: inside } }, job(kind))._tag).toBe('JobActive')
    expect(refused(two, { take: { name: 'm', disks: inside, memory } }, job(kind, 'vdc'))._tag).toBe('JobActive')
    const one = new Map([...(inside ?? []), ['vdb', { mode: 'no' as const }] as const])
    expect(names(planned(two, { take: { name: 'm', disks: one } }, job(kind)))).toStrictEqual(['transaction'])
  })

  it('JobActive beside a pull that leaves the active image alone, which an overlay does not mind', () => {
    const jobs = new Map([['vda', [{ id: 'j', kind: 'pull' as const, images: ['a'] }]]])
    expect(refused(two, { take: { name: 'm', disks: inside } }, { ...throughQmp, jobs })._tag).toBe('JobActive')
    expect(names(planned(two, { take: { name: 'm' } }, { ...throughQmp, jobs }))).toContain('transaction')
  })

  it('CapabilityMissing', () => {
    const old: MachineHost = { via: 'qmp', capabilities: capabilitiesOfVersions({ qemu: '5.2' }) }
    expect(names(planned(two, { take: { name: 'm', disks: inside } }, old))).toStrictEqual(['transaction'])
    expect(refused(two, { take: { name: 'm', disks: inside, memory } }, old)).toMatchObject({
      _tag: 'CapabilityMissing',
      missing: [{ feature: 'qemu-save-snapshot', since: '6.0' }],
    })
    expect(refused(saved, { revert: discard }, old)).toMatchObject({
      missing: [{ feature: 'qemu-load-snapshot', since: '6.0' }],
    })
  })

  it('libvirt makes a job of the name', () => {
    const name = 'ü b'
    expect(whyOf(refused(two, { take: { name, disks: inside, memory } }, throughLibvirt))).toBe(
      'NotThisWay: libvirt makes the id of a job of the name: letters, digits, ".", "_" and "-" only',
    )
    const odd: Vm = {
      ...two,
      snapshots: [{ name, vda: 'inside a.1', vdb: 'inside b', memory, state: 'running' }],
      current: name,
    }
    const deletion = { delete: { snapshots: [name] } }
    expect(whyOf(refused(odd, deletion, throughLibvirt))).toContain(
      'NotThisWay: libvirt makes the id of a job of the name',
    )
    expect(E.isRight(asked({ ...odd, state: 'shut-off' }, deletion, throughLibvirt))).toBe(true)
    expect(names(planned(odd, deletion))).toHaveLength(2)
    expect(names(planned(two, { take: { name, disks: inside, memory } }))).toStrictEqual([
      'snapshot-save',
      'job-dismiss',
    ])
    expect(E.isRight(asked({ ...two, state: 'shut-off' }, { take: { name, disks: inside } }, throughLibvirt))).toBe(
      true,
    )
  })
})

describe('delete', () => {
  it.each(['running', 'paused'] as const)('by id and name, each in the lane of its disk, %s', (state) => {
    const plan = planned({ ...saved, state }, { delete: { snapshots: ['m'] } })
    const gone = (device: string) => ({
      execute: 'blockdev-snapshot-delete-internal-sync',
      arguments: { device, id: '1', name: 'm' },
    })
    expect(commands(plan)).toStrictEqual([
      ['vda', gone('a.1-format')],
      ['vdb', gone('b-format')],
    ])
    expect(plan.requires).toStrictEqual(['qemu-delete-internal-snapshot', 'qemu-blockdev'])
    expect(plan.steps.map(({ points }) => [...(points.get('m')?.keys() ?? [])])).toStrictEqual([['vdb'], []])
  })

  it('out of an image that rests, with qemu-img; not of one below', () => {
    const of: Vm = {
      disks: { vda: 'a <- (a.1^, a.2)' },
      snapshots: [
        { name: 'i', vda: 'inside a.2' },
        { name: 'j', parent: 'i', vda: 'inside a' },
      ],
      images: { 'a.2': { node: undefined } },
      current: 'j',
    }
    const plan = planned(of, { delete: { snapshots: ['i'] } })
    expect(commands(plan)).toStrictEqual([
      ['vda', { _tag: 'QemuImg', argv: ['qemu-img', 'snapshot', '-d', 'i', '/images/a.2'] }],
    ])
    expect(plan.requires).toStrictEqual([])
    const refusal = refused(of, { delete: { snapshots: ['j'] } })
    expect(whyOf(refusal)).toBe(
      'DiskRefused NotThisWay: QEMU works inside active images alone, and "a" is not the one that the guest writes to',
    )
    expect(refusal._tag === 'DiskRefused' ? refusal.refusal.alternatives : []).toStrictEqual([
      { _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] },
    ])
  })

  it('beside an external one: the chain first, then what is inside its new active image', () => {
    const of: Vm = {
      disks: { vda: 'a <- a.1^' },
      snapshots: [
        { name: 'i', vda: 'inside a' },
        { name: 's', parent: 'i', vda: 'a' },
      ],
      current: 's',
    }
    expect(refused(of, { delete: { snapshots: ['i'] } })._tag).toBe('DiskRefused')
    const plan = planned(of, { delete: { snapshots: ['i', 's'] } })
    const calls = names(plan)
    const [closed, gone] = ['blockdev-del', 'blockdev-snapshot-delete-internal-sync'].map((name) => calls.indexOf(name))
    expect(calls.filter((name) => name === 'block-commit')).toHaveLength(1)
    expect(gone).toBeGreaterThan(closed ?? 0)
    expect(calls.at(-1)).toBe('Files')
  })

  it('what is inside an image that goes with it goes first, running and shut off', () => {
    const of: Vm = {
      disks: { vda: 'a <- a.1^' },
      snapshots: [
        { name: 's', vda: 'a' },
        { name: 'i', parent: 's', vda: 'inside a.1' },
      ],
      current: 'i',
    }
    expect(refused(of, { delete: { snapshots: ['s'] } })._tag).toBe('DiskRefused')
    const plan = planned(of, { delete: { snapshots: ['s', 'i'] } })
    expect(names(plan).slice(0, 2)).toStrictEqual(['blockdev-snapshot-delete-internal-sync', 'block-commit'])
    const off = planned(of, { delete: { snapshots: ['s', 'i'] } }, throughQemuImg)
    expect(off.steps.slice(0, 2).map(({ call }) => (call._tag === 'QemuImg' ? call.argv[1] : ''))).toStrictEqual([
      'snapshot',
      'commit',
    ])
  })

  it('CapabilityMissing, and one of two of a name', () => {
    const old: MachineHost = { via: 'qmp', capabilities: capabilitiesOfVersions({ qemu: '1.6' }) }
    expect(refused(saved, { delete: { snapshots: ['m'] } }, old)).toMatchObject({ _tag: 'CapabilityMissing' })
    const internalSnapshots = ['m', 'm', 'd'].map((name, at) => ({ id: String(at + 1), name, vmStateBytes: 0 }))
    const twice: Vm = { ...saved, images: { b: { internalSnapshots } } }
    expect(refused(twice, { delete: { snapshots: ['m'] } })._tag).toBe('DiskRefused')
  })
})

describe('revert', () => {
  it('loads the memory with every disk, and looks', () => {
    const plan = planned(saved, { revert: discard })
    const id = plan.steps.flatMap(({ call }) =>
      call._tag === 'Qmp' && call.command.execute === 'snapshot-load' ? [call.command.arguments['job-id']] : [],
    )[0]
    const args = { 'job-id': id, tag: 'm', vmstate: 'a.1-format', devices: ['a.1-format', 'b-format'] }
    expect(commands(plan)).toStrictEqual([
      ['all', { execute: 'snapshot-load', arguments: args }],
      ['all', { execute: 'job-dismiss', arguments: { id } }],
      ['vda', { execute: 'query-block' }],
      ['vdb', { execute: 'query-block' }],
    ])
    expect(plan.steps[0]?.why).toContain('restore-vm')
    expect(plan.finally.map(({ step: { call } }) => call)).toStrictEqual([
      { _tag: 'Qmp', command: { execute: 'job-dismiss', arguments: { id } } },
    ])
    expect(plan.requires).toStrictEqual(['qemu-load-snapshot', 'qemu-blockdev'])
    expect([plan.how, plan.after.state, plan.after.current]).toStrictEqual(['by hand', 'running', 'm'])
    expect(plan.assumes).toStrictEqual([
      { _tag: 'NoOtherDisks' },
      { _tag: 'SameDevices', snapshot: 'm' },
      { _tag: 'SizesAsTaken', snapshot: 'm', disks: ['vda', 'vdb'] },
    ])
    expect(plan.after.disks.get('vda')?.images.get('a.1')?.node?.format).toBe('a.1-format')
  })

  it.each([
    ['running', 'running', ['snapshot-load', 'job-dismiss']],
    ['running', 'paused', ['stop', 'snapshot-load', 'job-dismiss']],
    ['paused', 'running', ['snapshot-load', 'job-dismiss', 'cont']],
    ['paused', 'paused', ['snapshot-load', 'job-dismiss']],
  ] as const)('of a guest that is %s, which shall be %s', (state, guest, calls) => {
    const plan = planned({ ...saved, state }, { revert: { ...discard, guest } })
    expect(names(plan)).toStrictEqual([...calls, ...query, ...query])
    expect(plan.after.state).toBe(guest)
  })

  it('the state is the one that the snapshot was taken in, if nothing is said', () => {
    const paused: Vm = {
      ...saved,
      snapshots: [{ name: 'm', vda: 'inside a.1', vdb: 'inside b', memory, state: 'paused' }],
      current: 'm',
    }
    expect(planned(paused, { revert: discard }).after.state).toBe('paused')
  })

  it('the memory is where an image says that it is', () => {
    const internalSnapshots = (vmStateBytes: number) => [{ id: '1', name: 'm', vmStateBytes }]
    const at = (a: number, b: number): Vm => ({
      ...saved,
      images: { 'a.1': { internalSnapshots: internalSnapshots(a) }, b: { internalSnapshots: internalSnapshots(b) } },
      snapshots: (saved.snapshots ?? []).slice(0, 1),
      current: 'm',
    })
    expect(JSON.stringify(commands(planned(at(0, 700), { revert: discard })))).toContain('"vmstate":"b-format"')
    expect(JSON.stringify(commands(planned(at(700, 0), { revert: discard })))).toContain('"vmstate":"a.1-format"')
    expect(whyOf(refused(at(7, 7), { revert: discard }))).toBe('NotThisWay: several disks have the memory of it inside')
  })

  it('what came after goes from inside when it is back', () => {
    const plan = planned(saved, { revert: { ...discard, later: 'delete' } })
    expect(names(plan)).toStrictEqual([
      'snapshot-load',
      'job-dismiss',
      ...query,
      ...query,
      'blockdev-snapshot-delete-internal-sync',
      'blockdev-snapshot-delete-internal-sync',
    ])
    expect(plan.steps.map(({ points }) => points.has('d'))).toStrictEqual([true, false, false, false, false, false])
    expect(plan.requires).toContain('qemu-delete-internal-snapshot')
    const filed: Vm = {
      ...saved,
      snapshots: [
        ...(saved.snapshots ?? []),
        { name: 'f', parent: 'd', vda: 'a', memory: { _tag: 'External', path: '/images/f.mem' } },
      ],
    }
    const refusal = refused(filed, { revert: { ...discard, later: 'delete' } })
    expect(whyOf(refusal)).toBe(
      'NotThisWay: snapshots that come after have images or files of their own, which go in a plan of their own',
    )
    expect(refusal.alternatives).toStrictEqual([{ _tag: 'DeleteFirst', snapshots: ['d', 'f'] }])
  })

  it('GuestStateWrong without its memory, or where the guest shall be off', () => {
    const off = [{ _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] }]
    for (const request of [
      { to: 'd', present: 'discard' },
      { ...discard, guest: 'shut-off' },
      { to: 'd', guest: 'running' },
    ] as const)
      expect(refused(saved, { revert: request })).toMatchObject({ _tag: 'GuestStateWrong', alternatives: off })
  })

  it('PointsLost unless the present is discarded', () => {
    expect(refused(saved, { revert: { to: 'm' } })).toMatchObject({
      _tag: 'PointsLost',
      lost: [{ snapshot: undefined, disk: 'vda', image: 'a.1' }],
      alternatives: [{ _tag: 'TakeFirst' }],
    })
  })

  it('PointGone where a disk is not in it', () => {
    const later: Vm = { ...saved, disks: { ...saved.disks, vdc: 'c^' } }
    expect(refused(later, { revert: discard })).toMatchObject({ _tag: 'PointGone', disks: ['vdc'], why: 'left out' })
    const left: Vm = { ...two, snapshots: [{ name: 'm', vda: 'inside a.1', vdb: 'no', memory, state: 'running' }] }
    expect(refused(left, { revert: discard })).toMatchObject({ _tag: 'PointGone', disks: ['vdb'], why: 'left out' })
  })

  it('a bitmap on any disk, before anything is loaded', () => {
    const bitmaps = [{ name: 'x', granularityBytes: 65536, state: 'disabled' }] as const
    expect(whyOf(refused({ ...saved, images: { b: { bitmaps } } }, { revert: discard }))).toBe(
      'DiskRefused NotThisWay: QEMU loads no internal snapshot into an image that has dirty bitmaps',
    )
  })

  it('JobActive beside any job, on any disk', () => {
    for (const kind of ['commit', 'pull', 'copy', 'backup'] as const)
      for (const disk of ['vda', 'vdz'])
        expect(refused(saved, { revert: discard }, job(kind, disk))._tag).toBe('JobActive')
  })

  it('where the image is not the root, or not the active one', () => {
    const node = { format: 'n', storage: 'n-s', owner: 'monitor', filters: ['throttle'] } as const
    expect(whyOf(refused({ ...saved, images: { b: { node } } }, { revert: discard }))).toContain(
      'DiskRefused FilterAbove',
    )
    const laid: Vm = { ...saved, disks: { vda: 'a <- a.1^', vdb: 'b <- b.1^' } }
    expect(refused(laid, { revert: discard })).toMatchObject({
      _tag: 'PointsLost',
      why: 'what lies above the image would show something else',
    })
  })

  it('NotThisWay through libvirt, or with its definition', () => {
    expect(whyOf(refused(saved, { revert: { ...discard, how: 'libvirt' } }))).toBe(
      'NotThisWay: this is done without libvirt',
    )
    expect(whyOf(refused(saved, { revert: { ...discard, definition: 'as taken' } }))).toBe(
      'NotThisWay: only libvirt knows of a definition of the guest',
    )
    const managed = vm({ ...saved, nodes: 'monitor' })
    const found = revert(managed.machine, discard, throughQmp)
    expect(E.isLeft(found) ? whyOf(found.left) : '').toContain('libvirt manages this machine')
  })
})
