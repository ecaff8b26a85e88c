import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import {
  capabilitiesOfVersions,
  checkMachinePlan,
  explainMachineRefusal,
  exportSnapshot,
  extractSnapshot,
  pausesOf,
} from '../../src/index.js'
import type { ExportRequest, Machine, MachineHost, MachinePlan, MachineRefusal } from '../../src/index.js'
import { decodeMachinePlan, encodeMachinePlan } from '../../src/codec/index.js'
import { assertMachinePlanSimulates } from '../../src/testing/index.js'
import { both, file, vda } from './export-target.js'
import { left, linesOf, right, throughLibvirt, throughQemuImg, throughQmp } from './expect-take.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const one: Vm = { disks: { vda: 'v[aaaa] <- v.1[-b0-]^', vdb: 'w[dd--]^' } }
const managed = vm(one)
const alone = vm({ ...one, records: 'none', nodes: 'monitor' })
const off = vm({ ...one, records: 'none', state: 'shut-off' })

const planned = (of: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  const plan = right(of)
  expect(checkMachinePlan(plan)).toEqual([])
  const read = decodeMachinePlan(JSON.stringify(encodeMachinePlan(plan)))
  expect(E.isRight(read) ? linesOf(read.right) : read.left).toEqual(linesOf(plan))
  return plan
}

const converts = (plan: MachinePlan): ReadonlyArray<string> =>
  linesOf(plan).filter((line) => line.startsWith('qemu-img convert'))

type Data = Pick<ExportRequest, 'data' | 'bytesPerSecond'>

const compressed: Data = { data: 'compressed' }
const slow: Data = { bytesPerSecond: 1048576 }

const ways: ReadonlyArray<readonly [string, typeof off, ExportRequest, MachineHost, string]> = [
  ['shut off', off, both, throughQemuImg, ''],
  ['under overlays', managed, { ...both, way: 'overlay' }, throughLibvirt, ''],
  ['under overlays, by QMP', alone, { ...both, way: 'overlay' }, throughQmp, ''],
  ['inside', alone, { ...both, way: 'inside' }, throughQmp, '-U -l snapshot.name=export '],
  ['in the first pause', managed, { ...both, way: 'saved', removal: 'first pause' }, throughLibvirt, ''],
  [
    'before the second pause',
    managed,
    { ...both, way: 'saved', removal: 'second pause' },
    throughLibvirt,
    '-U -l snapshot.name=export ',
  ],
  ['until the next stop', managed, { ...both, way: 'saved' }, throughLibvirt, '-U -l snapshot.name=export '],
]

describe('a copy that qemu-img makes', () => {
  it.each(ways)('is compressed, and no faster than that: %s', (_, of, request, host, share) => {
    for (const [data, options] of [
      [compressed, '-c '],
      [slow, '-r 1048576 '],
      [{ ...compressed, ...slow }, '-c -r 1048576 '],
      [{ data: 'plain' }, ''],
    ] as const) {
      const plan = planned(exportSnapshot(of.machine, { ...request, ...data }, host))
      const from = ['/images/v.1', '/images/w']
      expect(converts(plan)).toEqual(
        ['x', 'y'].map(
          (to, at) => `qemu-img convert ${share}${options}-f qcow2 -O qcow2 ${from[at] ?? ''} /backup/${to}`,
        ),
      )
      expect(plan.requires.filter((feature) => feature === 'qemu-img-convert-rate')).toHaveLength(
        options.includes('-r') ? 1 : 0,
      )
      assertMachinePlanSimulates(plan, { disks: of.contents, inside: new Map() })
    }
  })

  it('of a snapshot too', () => {
    const { machine, contents } = vm({ ...one, snapshots: [{ name: 's', vda: 'v', vdb: 'no' }] })
    const plan = planned(extractSnapshot(machine, { snapshot: 's', ...vda, ...compressed, ...slow }, throughLibvirt))
    expect(converts(plan)).toEqual(['qemu-img convert -c -r 1048576 -f qcow2 -O qcow2 /images/v /backup/x'])
    expect(plan.requires).toEqual(['qemu-img-convert-rate'])
    assertMachinePlanSimulates(plan, { disks: contents, inside: new Map() })
  })

  it('keeps its clusters', () => {
    const to = new Map([['vda', file('x', { clusterBytes: 4096 })]])
    expect(converts(planned(exportSnapshot(off.machine, { to, ...compressed }, throughQemuImg)))).toEqual([
      'qemu-img convert -c -f qcow2 -O qcow2 -o cluster_size=4096 /images/v.1 /backup/x',
    ])
  })
})

describe('a copy that a backup job makes', () => {
  const jobs = (plan: MachinePlan) =>
    plan.steps.flatMap(({ call }) =>
      call._tag === 'Qmp' && call.command.execute === 'transaction'
        ? call.command.arguments.actions.map(({ data }) => data)
        : [],
    )

  it('is compressed, and no faster than that', () => {
    const plan = planned(exportSnapshot(alone.machine, { ...both, ...compressed, ...slow }, throughQmp))
    expect(jobs(plan)).toMatchObject([
      { compress: true, speed: 1048576 },
      { compress: true, speed: 1048576 },
    ])
    const filled = { disks: alone.contents, inside: new Map() }
    assertMachinePlanSimulates(plan, filled, {
      progressBytes: 65536,
      writes: Array.from({ length: 12 }, (_, at) => at),
    })
    const [job] = jobs(planned(exportSnapshot(alone.machine, { ...vda, data: 'plain' }, throughQmp)))
    expect([Object.hasOwn(job ?? {}, 'compress'), Object.hasOwn(job ?? {}, 'speed')]).toEqual([false, false])
  })
})

describe('the pause', () => {
  const grows = (request: ExportRequest) =>
    pausesOf(planned(exportSnapshot(managed.machine, request, throughLibvirt))).map((pause) =>
      pause.grows.filter(({ _tag }) => _tag === 'DataCopied'),
    )

  it('in which the data are copied lasts as long as the rate has them take', () => {
    const first = { ...both, way: 'saved', removal: 'first pause' } as const
    const cost = (disk: string, rate: object) => ({ _tag: 'DataCopied', disk, ...rate })
    expect(grows({ ...first, ...slow })).toEqual([[cost('vda', slow), cost('vdb', slow)]])
    expect(grows({ ...first, ...compressed })).toEqual([[cost('vda', {}), cost('vdb', {})]])
  })

  it('besides which they are copied does not', () => {
    expect(grows({ ...both, way: 'saved', removal: 'second pause', ...slow })).toEqual([[], []])
  })
})

describe('is refused', () => {
  const cases: ReadonlyArray<readonly [string, Machine, ExportRequest, MachineHost, object, string]> = [
    [
      'compressed, in a raw image',
      off.machine,
      { to: new Map([...vda.to, ['vdb', file('y', { format: 'raw' })]]), ...compressed },
      throughQemuImg,
      { _tag: 'DiskRefused', disk: 'vdb', refusal: { _tag: 'DestinationWrong', name: 'y', why: 'format' } },
      'only qcow2 images hold compressed data',
    ],
    [
      'compressed, in a raw image, by a job',
      alone.machine,
      { to: new Map([['vda', file('x', { format: 'raw' })]]), ...compressed },
      throughQmp,
      { _tag: 'DiskRefused', refusal: { _tag: 'DestinationWrong', why: 'format' } },
      'only qcow2 images hold compressed data',
    ],
    [
      'compressed, in an image that may have clusters',
      alone.machine,
      { to: new Map([['vda', file('x', { made: 'before', sizeBytes: 4 * 65536 })]]), ...compressed },
      throughQmp,
      { _tag: 'DiskRefused', refusal: { _tag: 'DestinationWrong', why: 'contents' } },
      'clusters that are not there yet',
    ],
    [
      'compressed, by libvirt',
      managed.machine,
      { ...vda, ...compressed },
      throughLibvirt,
      { _tag: 'NotThisWay' },
      'compressed',
    ],
    ['with a rate, by libvirt', managed.machine, { ...vda, ...slow }, throughLibvirt, { _tag: 'NotThisWay' }, 'rate'],
    ...[0, -1, 1.5, Number.NaN, Infinity, 2 ** 53].map(
      (bytesPerSecond): readonly [string, Machine, ExportRequest, MachineHost, object, string] => [
        `a rate of ${bytesPerSecond}`,
        off.machine,
        { ...vda, bytesPerSecond },
        throughQemuImg,
        { _tag: 'NotThisWay' },
        'a whole number of bytes',
      ],
    ),
    [
      'a rate, by a qemu-img that knows none',
      off.machine,
      { ...vda, ...slow },
      { ...throughQemuImg, capabilities: capabilitiesOfVersions({ qemu: '5.1' }) },
      { _tag: 'CapabilityMissing', missing: [{ feature: 'qemu-img-convert-rate' }] },
      '5.2',
    ],
  ]
  it.each(cases)('%s', (_, of, request, host, refusal, words) => {
    const refused = left(exportSnapshot(of, request, host))
    expect(refused).toMatchObject(refusal)
    expect(explainMachineRefusal(refused)).toContain(words)
  })

  it('of a snapshot too', () => {
    const { machine } = vm({ ...one, snapshots: [{ name: 's', vda: 'v', vdb: 'no' }] })
    const raw = new Map([['vda', file('x', { format: 'raw' })]])
    expect(left(extractSnapshot(machine, { snapshot: 's', to: raw, ...compressed }, throughLibvirt))).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'DestinationWrong', why: 'format' },
    })
    expect(left(extractSnapshot(machine, { snapshot: 's', ...vda, bytesPerSecond: 0 }, throughLibvirt))).toMatchObject({
      _tag: 'NotThisWay',
    })
  })

  it('a job without a rate is not what a qemu-img that knows none is asked for', () => {
    const host = { ...throughQmp, capabilities: capabilitiesOfVersions({ qemu: '5.1' }) }
    expect(planned(exportSnapshot(alone.machine, { ...vda, ...slow }, host)).requires).not.toContain(
      'qemu-img-convert-rate',
    )
  })
})
