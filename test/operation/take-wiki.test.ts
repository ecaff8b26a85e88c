// The rules of the wiki that are about taking snapshots: R1, R4, R7, R9, R10.

import { describe, expect, it } from 'vitest'

import { kindOfSnapshot } from '../../src/model/snapshot-kind.js'
import type { SnapshotKind } from '../../src/model/snapshot-kind.js'
import type { TakeDisk, TakeRequest } from '../../src/operation/machine-request.js'
import type { MachineHost } from '../../src/plan/machine-host.js'

import {
  builtFor,
  expectLaws,
  isFreeze,
  isThaw,
  linesOf,
  pictures,
  points,
  refusedTake,
  taken,
  throughLibvirt,
  throughQemuImg,
  throughQmp,
} from './expect-take.js'
import type { Vm } from './machine.js'

const ways: ReadonlyArray<MachineHost> = [throughLibvirt, throughQmp, throughQemuImg]

describe.each(ways)('R1 and R4: taking a snapshot lengthens the chain, through $via', (host) => {
  it('"original^" becomes "original <- snap^", and the original holds the point in time', () => {
    const built = builtFor(host, { disks: { vda: 'original[ab]^' } })
    const plan = taken(built.machine, { name: 'snap' }, host)
    expectLaws(plan, built)
    expect(pictures(plan.after)).toStrictEqual({ vda: 'original <- original.snap^' })
    expect(points(plan.after)).toStrictEqual({ snap: { vda: 'original' } })
  })

  it('after three: "original <- snap1 <- snap2 <- snap3^"', () => {
    let { machine } = builtFor(host, { disks: { vda: 'original^' } })
    for (const name of ['snap1', 'snap2', 'snap3']) {
      const overlay = { name, location: { _tag: 'File', path: `/images/${name}` }, format: 'qcow2' } as const
      machine = taken(machine, { name, disks: new Map([['vda', { mode: 'external', overlay }]]) }, host).after
    }
    expect(pictures(machine)).toStrictEqual({ vda: 'original <- snap1 <- snap2 <- snap3^' })
    expect(points(machine)).toStrictEqual({
      snap1: { vda: 'original' },
      snap2: { vda: 'snap1' },
      snap3: { vda: 'snap2' },
    })
    expect([machine.current, machine.snapshots.get('snap3')?.parent]).toStrictEqual(['snap3', 'snap2'])
  })

  it('"v^", then "v <- v.1^" with [v], then "v <- v.1 <- v.2^" with [v, v.1]', () => {
    const first = taken(builtFor(host, { disks: { vda: 'v^' } }).machine, { name: '1' }, host).after
    const second = taken(first, { name: '2' }, host).after
    expect([pictures(first), points(first)]).toStrictEqual([{ vda: 'v <- v.1^' }, { '1': { vda: 'v' } }])
    expect([pictures(second), points(second)]).toStrictEqual([
      { vda: 'v <- v.1 <- v.2^' },
      { '1': { vda: 'v' }, '2': { vda: 'v.1' } },
    ])
  })
})

describe('R7: a file that was made before', () => {
  const before: TakeDisk = {
    mode: 'external',
    overlay: {
      name: 'new',
      location: { _tag: 'File', path: '/images/new' },
      format: 'qcow2',
      made: 'before',
      sizeBytes: 262144,
      header: 'v',
    },
  }
  const now: TakeDisk = {
    mode: 'external',
    overlay: { name: 'new', location: { _tag: 'File', path: '/images/new' }, format: 'qcow2', header: 'v' },
  }
  const request = (disk: TakeDisk): TakeRequest => ({
    name: 'm',
    disks: new Map([['vda', disk]]),
    metadata: 'none',
    quiesce: 'require',
  })
  const call = 'virsh snapshot-create vm /dev/stdin --no-metadata --disk-only --reuse-external --quiesce --atomic'

  it('whoever has made it, with "rebase -u" to the name wanted, hands it over, and the name is kept', () => {
    const built = builtFor(throughLibvirt, { disks: { vda: 'v^' } })
    const plan = taken(built.machine, request(before))
    expect(linesOf(plan)).toHaveLength(2)
    expect(linesOf(plan)[0]).toContain(call)
    expect(plan.after.disks.get('vda')?.images.get('new')?.backing?.header).toBe('v')
    expect(plan.assumes.map((one) => (one._tag === 'OfDisk' ? one.assumption._tag : one._tag))).toStrictEqual([
      'MadeBefore',
      'HoldsNothing',
    ])
  })

  it('or the plan makes it at once with that name, an explicit size and format, and the backing file closed', () => {
    const built = builtFor(throughLibvirt, { disks: { vda: 'v^' } })
    const [make, take] = linesOf(taken(built.machine, request(now)))
    expect(make).toBe('qemu-img create -f qcow2 -u -F qcow2 -b v /images/new 262144')
    expect(take).toContain(call)
  })

  it('a size that is not that of the disk is refused: it comes from libvirt, not from the live file', () => {
    const overlay = { ...(before.mode === 'external' ? before.overlay : undefined), sizeBytes: 65536 }
    const { machine } = builtFor(throughLibvirt, { disks: { vda: 'v^' } })
    const short = { name: 'new', location: { _tag: 'File', path: '/images/new' }, format: 'qcow2', ...overlay } as const
    expect(refusedTake(machine, request({ mode: 'external', overlay: short }))).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'DestinationWrong', why: 'size' },
    })
  })
})

describe('R9: the kinds of snapshot', () => {
  const disks = (mode: 'external' | 'internal' | 'no'): ReadonlyMap<string, TakeDisk> =>
    new Map([
      ['vda', { mode }],
      ['vdb', { mode }],
    ])
  const memory = { _tag: 'External', path: '/images/m.mem' } as const
  const vms: Vm = { disks: { vda: 'a[ab]^', vdb: 'b[cd]^' } }

  it.each<[SnapshotKind, Vm['state'], TakeRequest]>([
    ['internal disk snapshot', 'shut-off', { name: 'm', disks: disks('internal') }],
    ['internal system checkpoint', 'running', { name: 'm', disks: disks('internal'), memory: { _tag: 'Internal' } }],
    ['external disk snapshot', 'running', { name: 'm', disks: disks('external') }],
    ['external disk snapshot', 'shut-off', { name: 'm', disks: disks('external') }],
    ['external system checkpoint', 'running', { name: 'm', disks: disks('external'), memory }],
    ['external system checkpoint', 'paused', { name: 'm', disks: disks('external'), memory }],
    ['VM state alone', 'running', { name: 'm', disks: disks('no'), memory }],
  ])('%s, %s', (kind, state, request) => {
    const built = builtFor(throughLibvirt, { ...vms, ...(state === undefined ? {} : { state }) })
    const plan = taken(built.machine, request)
    expectLaws(plan, built)
    const snapshot = plan.after.snapshots.get('m')
    expect(snapshot && kindOfSnapshot(snapshot)).toBe(kind)
  })

  it('several devices at once are one transaction, in QEMU and in libvirt', () => {
    const three: Vm = { disks: { vda: 'a^', vdb: 'b^', vdc: 'c^' } }
    const qmp = taken(builtFor(throughQmp, three).machine, { name: 'm' }, throughQmp)
    const transactions = qmp.steps.flatMap(({ call }) =>
      call._tag === 'Qmp' && call.command.execute === 'transaction' ? [call.command.arguments.actions.length] : [],
    )
    expect(transactions).toStrictEqual([3])
    const calls = taken(builtFor(throughLibvirt, three).machine, { name: 'm' }).steps.filter(
      ({ call }) => call._tag === 'Libvirt' && call.function.call === 'virDomainSnapshotCreateXML',
    )
    expect(calls).toHaveLength(1)
  })
})

describe('R10: quiescing', () => {
  it.each([throughLibvirt, throughQmp])('freeze, snapshot, thaw, with nothing slow in between: $via', (host) => {
    const built = builtFor(host, { disks: { vda: 'a^', vdb: 'b^' } })
    const plan = taken(built.machine, { name: 'm', quiesce: 'prefer' }, host)
    const freeze = plan.steps.findIndex(({ call }) => isFreeze(call))
    expect(plan.steps.findIndex(({ call }) => isThaw(call))).toBe(freeze + 2)
    expect(plan.steps.slice(freeze, freeze + 3).every(({ disk }) => disk === undefined)).toBe(true)
  })

  it('agents are not to be trusted: what they were asked for and may not have done is no more than that', () => {
    const { machine } = builtFor(throughLibvirt, { disks: { vda: 'a^' } })
    const asked = taken(machine, { name: 'm', quiesce: 'prefer' }, { ...throughLibvirt, agent: 'answers' })
    expect(asked.consistency).toBe('quiesced or crash')
  })
})
