import { describe, expect, it } from 'vitest'

import type { NewImage } from '../../src/index.js'
import type { TakeDisk, TakeRequest } from '../../src/operation/machine-request.js'

import {
  builtFor,
  expectLaws,
  isThaw,
  linesOf,
  pictures,
  points,
  taken,
  throughLibvirt,
  throughQemuImg,
  throughQmp,
} from './expect-take.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const two: Vm = {
  disks: { vda: 'a[ab--] <- a.1[--c-]^', vdb: 'b[--de] <- b.1[f---]^' },
  snapshots: [{ name: '1', vda: 'a', vdb: 'b' }],
  current: '1',
}

const file = (name: string, more: Partial<NewImage> = {}): TakeDisk => ({
  mode: 'external',
  overlay: { name, location: { _tag: 'File', path: `/images/${name}` }, format: 'qcow2', ...more },
})

const disk = (name: string, path: string): string =>
  `<disk name="${name}" snapshot="external" type="file"><driver type="qcow2"/><source file="${path}"/></disk>`

const created = (inside: string, ...options: ReadonlyArray<string>): string =>
  `printf %s '<domainsnapshot><name>m</name>${inside}</domainsnapshot>' | ${['virsh snapshot-create vm /dev/stdin', ...options].join(' ')}`

const both = `<disks>${disk('vda', '/images/a.m')}${disk('vdb', '/images/b.m')}</disks>`

describe('through libvirt', () => {
  it('one call takes every disk, and each chain is looked at', () => {
    const built = vm(two)
    const plan = taken(built.machine, { name: 'm' })
    expectLaws(plan, built)
    expect(linesOf(plan)).toStrictEqual([
      created(both, '--disk-only', '--atomic'),
      'virsh dumpxml vm',
      'virsh dumpxml vm',
    ])
    expect(plan.steps.map((step) => [step.disk, step.until?._tag])).toStrictEqual([
      [undefined, undefined],
      ['vda', 'ChainIs'],
      ['vdb', 'ChainIs'],
    ])
    expect(pictures(plan.after)).toStrictEqual({ vda: 'a <- a.1 <- a.m^', vdb: 'b <- b.1 <- b.m^' })
    expect(points(plan.after)).toStrictEqual({ '1': { vda: 'a', vdb: 'b' }, m: { vda: 'a.1', vdb: 'b.1' } })
    expect([plan.how, plan.via, plan.consistency]).toStrictEqual(['libvirt', 'libvirt', 'crash'])
    expect(plan.requires).toStrictEqual(['libvirt-external-snapshot'])
    expect(plan.assumes).toStrictEqual([
      { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'NothingAt', path: '/images/a.m' } },
      { _tag: 'OfDisk', disk: 'vdb', assumption: { _tag: 'NothingAt', path: '/images/b.m' } },
    ])
  })

  it('the point in time is in its place from the look at each chain on', () => {
    const { steps } = taken(vm(two).machine, { name: 'm' })
    expect(
      steps.map((step) => Array.from(step.points.get('m') ?? [], ([name, { image }]) => [name, image])),
    ).toStrictEqual([
      [],
      [['vda', 'a.1']],
      [
        ['vda', 'a.1'],
        ['vdb', 'b.1'],
      ],
    ])
  })

  it('where one overlay has a backing string of its own, all are made before and reused', () => {
    const built = vm(two)
    const plan = taken(built.machine, { name: 'm', disks: new Map([['vdb', file('b.new', { header: 'b.1' })]]) })
    expectLaws(plan, built)
    expect(linesOf(plan).slice(0, 3)).toStrictEqual([
      'qemu-img create -f qcow2 -u -F qcow2 -b /images/a.1 /images/a.m 262144',
      'qemu-img create -f qcow2 -u -F qcow2 -b b.1 /images/b.new 262144',
      created(
        `<disks>${disk('vda', '/images/a.m')}${disk('vdb', '/images/b.new')}</disks>`,
        '--disk-only',
        '--reuse-external',
        '--atomic',
      ),
    ])
    expect(plan.steps.map((step) => step.disk)).toStrictEqual(['vda', 'vdb', undefined, 'vda', 'vdb'])
  })

  it('what the caller made before is not made again', () => {
    const before = { made: 'before', header: 'a.1', sizeBytes: 262144 } as const
    const disks = new Map<string, TakeDisk>([
      ['vda', file('a.m', before)],
      ['vdb', { mode: 'no' }],
    ])
    const plan = taken(vm(two).machine, { name: 'm', disks, metadata: 'none' })
    expect(linesOf(plan)).toStrictEqual([
      created(
        `<disks>${disk('vda', '/images/a.m')}<disk name="vdb" snapshot="no"/></disks>`,
        '--no-metadata',
        '--disk-only',
        '--reuse-external',
        '--atomic',
      ),
      'virsh dumpxml vm',
    ])
    expect(plan.after.snapshots).toBe(plan.before.snapshots)
    expect(plan.after.current).toBe('1')
    expect(pictures(plan.after)).toStrictEqual({ vda: 'a <- a.1 <- a.m^', vdb: 'b <- b.1^' })
  })

  it('libvirt freezes and thaws by itself where it has to', () => {
    const plan = taken(vm(two).machine, { name: 'm', quiesce: 'require' })
    expect(linesOf(plan)[0]).toBe(created(both, '--disk-only', '--quiesce', '--atomic'))
    expect([plan.consistency, plan.finally]).toStrictEqual(['quiesced', []])
  })

  it('a freeze that may fail is a call of its own, after what takes time, with a thaw on every way out', () => {
    const built = vm(two)
    const disks = new Map([['vda', file('a.m', { header: 'a.1' })]])
    const plan = taken(built.machine, { name: 'm', disks, quiesce: 'prefer' })
    expectLaws(plan, built)
    expect(linesOf(plan).slice(2)).toStrictEqual([
      'virsh domfsfreeze vm',
      created(both, '--disk-only', '--reuse-external', '--atomic'),
      'virsh domfsthaw vm',
      'virsh dumpxml vm',
      'virsh dumpxml vm',
    ])
    expect(plan.steps.map(({ failure }) => failure)).toStrictEqual([
      undefined,
      undefined,
      'the file systems are not frozen, and the disks are as after a power failure',
      undefined,
      'nothing was frozen, or the agent has gone: writes sleep until it thaws them',
      undefined,
      undefined,
    ])
    expect(plan.finally.map(({ from, step }) => [from, isThaw(step.call), step.failure !== undefined])).toStrictEqual([
      [2, true, true],
    ])
    expect(plan.consistency).toBe('quiesced or crash')
    expect(plan.requires).toStrictEqual(['libvirt-external-snapshot', 'libvirt-freeze'])
  })

  it.each([
    ['paused', { name: 'm', quiesce: 'require' }, 'crash'],
    ['paused', { name: 'm', quiesce: 'prefer' }, 'crash'],
    ['shut-off', { name: 'm', quiesce: 'require' }, 'clean'],
  ] as const)('a guest that is %s needs no freeze: %j', (state, request, consistency) => {
    const plan = taken(vm({ ...two, state }).machine, request)
    expect(linesOf(plan)[0]).toBe(created(both, '--disk-only', '--atomic'))
    expect([plan.consistency, plan.finally.length]).toStrictEqual([consistency, 0])
  })

  it('no freeze is tried where the agent is known to be absent', () => {
    const plan = taken(vm(two).machine, { name: 'm', quiesce: 'prefer' }, { ...throughLibvirt, agent: 'absent' })
    expect(linesOf(plan)).toHaveLength(3)
    expect(plan.consistency).toBe('crash')
  })

  it('memory goes to a file while the guest runs, in the same call', () => {
    const memory = { _tag: 'External', path: '/images/m.mem' } as const
    const plan = taken(vm(two).machine, { name: 'm', memory, quiesce: 'prefer' })
    expect(linesOf(plan)[0]).toBe(
      created(`<memory snapshot="external" file="/images/m.mem"/>${both}`, '--atomic', '--live'),
    )
    expect([plan.consistency, plan.finally.length]).toStrictEqual(['memory', 0])
    expect(plan.requires).toStrictEqual(['libvirt-external-snapshot', 'libvirt-memory-snapshot'])
    expect(plan.assumes).toContainEqual({
      _tag: 'OfDisk',
      disk: 'memory',
      assumption: { _tag: 'NothingAt', path: '/images/m.mem' },
    })
    const snapshot = plan.after.snapshots.get('m')
    expect([snapshot?.state, snapshot?.memory]).toStrictEqual(['running', memory])
  })

  it('memory of a paused guest needs no live migration', () => {
    const memory = { _tag: 'External', path: '/images/m.mem' } as const
    const plan = taken(vm({ ...two, state: 'paused' }).machine, { name: 'm', memory })
    expect(linesOf(plan)[0]).toContain('virsh snapshot-create vm /dev/stdin --atomic')
    expect(linesOf(plan)[0]).not.toContain('--live')
    expect(plan.after.snapshots.get('m')?.state).toBe('paused')
  })

  it('memory alone: every disk is left out', () => {
    const built = vm(two)
    const disks = new Map([
      ['vda', { mode: 'no' }],
      ['vdb', { mode: 'no' }],
    ] as const)
    const plan = taken(built.machine, { name: 'm', disks, memory: { _tag: 'External', path: '/images/m.mem' } })
    expectLaws(plan, built)
    expect(linesOf(plan)).toStrictEqual([
      created(
        '<memory snapshot="external" file="/images/m.mem"/><disks><disk name="vda" snapshot="no"/><disk name="vdb" snapshot="no"/></disks>',
        '--atomic',
        '--live',
      ),
    ])
    expect(plan.requires).toStrictEqual(['libvirt-memory-snapshot'])
  })

  it('an internal system checkpoint has every disk and the memory inside', () => {
    const built = vm(two)
    const inside = new Map([
      ['vda', { mode: 'internal' }],
      ['vdb', { mode: 'internal' }],
    ] as const)
    const plan = taken(built.machine, { name: 'm', disks: inside, memory: { _tag: 'Internal' } })
    expectLaws(plan, built)
    expect(linesOf(plan)).toStrictEqual([
      created(
        '<memory snapshot="internal"/><disks><disk name="vda" snapshot="internal"/><disk name="vdb" snapshot="internal"/></disks>',
      ),
    ])
    expect(plan.consistency).toBe('memory')
    expect(points(plan.after)['m']).toStrictEqual({ vda: 'a.1', vdb: 'b.1' })
    expect(pictures(plan.after)).toStrictEqual(pictures(plan.before))
    expect(plan.after.disks.get('vda')?.images.get('a.1')?.internalSnapshots).toStrictEqual([
      { id: '1', name: 'm', vmStateBytes: 1 },
    ])
  })

  it('shut off, external: the same call, and the headers are looked at', () => {
    const built = vm({ ...two, state: 'shut-off' })
    const plan = taken(built.machine, { name: 'm' })
    expectLaws(plan, built)
    expect(linesOf(plan)).toStrictEqual([
      created(both, '--disk-only', '--atomic'),
      'qemu-img info --backing-chain --output=json /images/a.m',
      'qemu-img info --backing-chain --output=json /images/b.m',
    ])
    expect(plan.assumes).toStrictEqual([
      { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'NothingAt', path: '/images/a.m' } },
      { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'Closed', images: ['a.1'] } },
      { _tag: 'OfDisk', disk: 'vdb', assumption: { _tag: 'NothingAt', path: '/images/b.m' } },
      { _tag: 'OfDisk', disk: 'vdb', assumption: { _tag: 'Closed', images: ['b.1'] } },
      { _tag: 'NoManagedSave', domain: 'vm' },
    ])
    const looked = taken(built.machine, { name: 'm' }, { ...throughLibvirt, managedSave: 'none' })
    expect(looked.assumes.map(({ _tag }) => _tag)).not.toContain('NoManagedSave')
  })

  it('shut off, internal: one call without flags', () => {
    const built = vm({ ...two, state: 'shut-off' })
    const disks = new Map([
      ['vda', { mode: 'internal' }],
      ['vdb', { mode: 'internal' }],
    ] as const)
    const plan = taken(built.machine, { name: 'm', disks })
    expectLaws(plan, built)
    expect(linesOf(plan)).toStrictEqual([
      created('<disks><disk name="vda" snapshot="internal"/><disk name="vdb" snapshot="internal"/></disks>'),
    ])
    expect(plan.assumes).toContainEqual({
      _tag: 'OfDisk',
      disk: 'vda',
      assumption: { _tag: 'Closed', images: ['a.1'] },
    })
  })

  it('a manual disk leaves the guest paused, for whoever saves it', () => {
    const built = vm(two)
    const plan = taken(built.machine, { name: 'm', disks: new Map([['vdb', { mode: 'manual' }]]) })
    expectLaws(plan, built)
    expect(linesOf(plan)).toStrictEqual([
      created(
        `<disks>${disk('vda', '/images/a.m')}<disk name="vdb" snapshot="manual"/></disks>`,
        '--disk-only',
        '--atomic',
      ),
      'virsh dumpxml vm',
    ])
    expect([plan.before.state, plan.after.state]).toStrictEqual(['running', 'paused'])
    expect(plan.requires).toStrictEqual(['libvirt-external-snapshot', 'libvirt-manual-snapshot'])
    expect(plan.steps[0]?.why).toContain('leaves the guest paused')
  })
})

const nodes = (name: string): Partial<NewImage> => ({ nodes: { format: `${name}-format`, storage: `${name}-storage` } })

const commands = (request: TakeRequest, of: Vm = two): ReadonlyArray<unknown> =>
  taken(builtFor(throughQmp, of).machine, request, throughQmp).steps.map((step) => [
    step.disk ?? '',
    step.call._tag === 'Qmp' || step.call._tag === 'Agent' ? step.call.command : step.call,
  ])

describe('over QMP', () => {
  const before = { made: 'before', sizeBytes: 262144 } as const
  const made = new Map([
    ['vda', file('a.m', { ...before, header: '/images/a.1', ...nodes('a.m') })],
    ['vdb', file('b.m', { ...before, header: '/images/b.1', ...nodes('b.m') })],
  ])
  const opened = (target: string, name: string): ReadonlyArray<unknown> => [
    [
      target,
      {
        execute: 'blockdev-add',
        arguments: {
          driver: 'file',
          'node-name': `${name}-storage`,
          filename: `/images/${name}`,
          'auto-read-only': true,
        },
      },
    ],
    [
      target,
      {
        execute: 'blockdev-add',
        arguments: { driver: 'qcow2', 'node-name': `${name}-format`, file: `${name}-storage`, backing: null },
      },
    ],
  ]
  const transaction = [
    '',
    {
      execute: 'transaction',
      arguments: {
        actions: [
          { type: 'blockdev-snapshot', data: { node: 'a.1-format', overlay: 'a.m-format' } },
          { type: 'blockdev-snapshot', data: { node: 'b.1-format', overlay: 'b.m-format' } },
        ],
      },
    },
  ]

  it('one transaction takes every disk, between a freeze and a thaw', () => {
    expect(commands({ name: 'm', disks: made, quiesce: 'require' })).toStrictEqual([
      ...opened('vda', 'a.m'),
      ...opened('vdb', 'b.m'),
      ['', { execute: 'guest-fsfreeze-freeze' }],
      transaction,
      ['', { execute: 'guest-fsfreeze-thaw' }],
      ['vda', { execute: 'query-block' }],
      ['vdb', { execute: 'query-block' }],
    ])
  })

  it('a freeze that has to be ends the plan where it fails, and the thaw is still done', () => {
    const built = builtFor(throughQmp, two)
    const plan = taken(built.machine, { name: 'm', disks: made, quiesce: 'require' }, throughQmp)
    expectLaws(plan, built)
    expect(plan.steps.some(({ failure }) => failure !== undefined)).toBe(false)
    expect(plan.finally.map(({ from, step }) => [from, isThaw(step.call)])).toStrictEqual([[4, true]])
    expect([plan.how, plan.consistency, plan.requires]).toStrictEqual([
      'by hand',
      'quiesced',
      ['qemu-blockdev-snapshot', 'qemu-blockdev'],
    ])
  })

  it('one that need not be may fail', () => {
    const built = builtFor(throughQmp, two)
    const plan = taken(built.machine, { name: 'm', disks: made, quiesce: 'prefer' }, throughQmp)
    expectLaws(plan, built)
    expect(plan.steps.filter(({ failure }) => failure !== undefined)).toHaveLength(2)
    expect(plan.consistency).toBe('quiesced or crash')
  })

  it('overlays are made first, each in the lane of its disk', () => {
    const built = builtFor(throughQmp, two)
    const plan = taken(built.machine, { name: 'm' }, throughQmp)
    expectLaws(plan, built)
    const made6 = ['blockdev-create', 'job-dismiss', 'blockdev-add', 'blockdev-create', 'job-dismiss', 'blockdev-add']
    expect(
      plan.steps.map(({ call, disk: lane }) => [lane, call._tag === 'Qmp' ? call.command.execute : '']),
    ).toStrictEqual([
      ...made6.map((execute) => ['vda', execute]),
      ...made6.map((execute) => ['vdb', execute]),
      [undefined, 'transaction'],
      ['vda', 'query-block'],
      ['vdb', 'query-block'],
    ])
    expect(plan.assumes.filter(({ _tag }) => _tag === 'OfDisk')).toContainEqual({
      _tag: 'OfDisk',
      disk: 'vdb',
      assumption: { _tag: 'StartsWith', image: 'b.m', path: '/images/b.m', from: 15 },
    })
    expect(plan.after.snapshots.get('m')?.recorded).toBeUndefined()
  })

  it.each(['running', 'paused'] as const)(
    'a manual disk has a %s guest stopped before the transaction, and left so',
    (state) => {
      const disks = new Map<string, TakeDisk>([...made, ['vdb', { mode: 'manual' }]])
      const executed = commands({ name: 'm', disks }, { ...two, state })
      expect(executed.slice(2)).toStrictEqual([
        ['', { execute: 'stop' }],
        [
          '',
          {
            execute: 'transaction',
            arguments: {
              actions: [{ type: 'blockdev-snapshot', data: { node: 'a.1-format', overlay: 'a.m-format' } }],
            },
          },
        ],
        ['vda', { execute: 'query-block' }],
      ])
      expect(taken(builtFor(throughQmp, two).machine, { name: 'm', disks }, throughQmp).after.state).toBe('paused')
    },
  )
})

describe('with qemu-img', () => {
  it('each disk has its own steps', () => {
    const built = builtFor(throughQemuImg, two)
    const plan = taken(built.machine, { name: 'm' }, throughQemuImg)
    expectLaws(plan, built)
    expect(linesOf(plan)).toStrictEqual([
      'qemu-img create -f qcow2 -F qcow2 -b /images/a.1 /images/a.m 262144',
      'qemu-img info --backing-chain --output=json /images/a.m',
      'qemu-img create -f qcow2 -F qcow2 -b /images/b.1 /images/b.m 262144',
      'qemu-img info --backing-chain --output=json /images/b.m',
    ])
    expect(plan.steps.map((step) => step.disk)).toStrictEqual(['vda', 'vda', 'vdb', 'vdb'])
    expect([plan.how, plan.consistency]).toStrictEqual(['by hand', 'clean'])
    expect(plan.after.snapshots.get('m')?.state).toBe('shutoff')
  })

  it('some disks inside, some in overlays, some left out', () => {
    const built = builtFor(throughQemuImg, { ...two, disks: { ...two.disks, vdc: 'c^' } })
    const disks = new Map([
      ['vdb', { mode: 'internal' }],
      ['vdc', { mode: 'no' }],
    ] as const)
    const plan = taken(built.machine, { name: 'm', disks }, throughQemuImg)
    expectLaws(plan, built)
    expect(linesOf(plan)).toStrictEqual([
      'qemu-img create -f qcow2 -F qcow2 -b /images/a.1 /images/a.m 262144',
      'qemu-img info --backing-chain --output=json /images/a.m',
      'qemu-img snapshot -c m /images/b.1',
    ])
    expect(points(plan.after)['m']).toStrictEqual({ vda: 'a.1', vdb: 'b.1' })
  })
})
