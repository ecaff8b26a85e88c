import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, checkMachinePlan } from '../../src/index.js'
import type { MachineHost, MachinePlan, MachineRefusal } from '../../src/index.js'
import { decodeMachinePlan, encodeMachinePlan } from '../../src/codec/index.js'
import { recordedDisks, recordedSources } from '../../src/model/record.js'
import { withMachine } from '../../src/model/machine.js'
import { element } from '../../src/model/xml.js'
import { changeChain } from '../../src/operation/change-chain.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { forget } from '../../src/operation/forget.js'
import { revert } from '../../src/operation/revert.js'
import { assertMachinePlanKeepsContent, assertMachinePlanSimulates } from '../../src/testing/index.js'
import { vm } from './machine.js'
import type { Built, Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const libvirt: MachineHost = { via: 'libvirt', capabilities }
const qemuImg: MachineHost = { via: 'qemu-img', capabilities }

type Planned = E.Either<MachineRefusal, MachinePlan>

const made = (planned: Planned): MachinePlan => {
  if (E.isLeft(planned)) throw new Error(JSON.stringify(planned.left))
  return planned.right
}

const lawful = (planned: Planned, { contents }: Built): MachinePlan => {
  const plan = made(planned)
  const of = { disks: contents, inside: new Map() }
  expect(checkMachinePlan(plan)).toEqual([])
  assertMachinePlanKeepsContent(plan, of)
  assertMachinePlanSimulates(plan, of)
  return plan
}

const refused = (planned: Planned): MachineRefusal | undefined => (E.isLeft(planned) ? planned.left : undefined)

const removed = ({ steps }: MachinePlan): ReadonlyArray<string> =>
  steps.flatMap(({ call }) => (call._tag === 'Files' && call.operation === 'remove' ? [call.path] : []))

const forgets = ({ steps }: MachinePlan): ReadonlyArray<string> =>
  steps.flatMap(({ call }) =>
    call._tag === 'Libvirt' && call.function.call === 'virDomainSnapshotDelete'
      ? [call.function.arguments.snapshot]
      : [],
  )

const two: Vm = {
  disks: { vda: 'a0[aa] <- a1[-b] <- a2[c-]^' },
  snapshots: [
    { name: 's1', vda: 'a0' },
    { name: 's2', parent: 's1', vda: 'a1' },
  ],
  current: 's2',
}

describe('a file of memory that two snapshots have', () => {
  const memory = { _tag: 'External', path: '/m/x' } as const
  const of = vm({
    ...two,
    snapshots: [
      { name: 's1', vda: 'a0', state: 'running', memory },
      { name: 's2', parent: 's1', vda: 'a1', state: 'running', memory: { _tag: 'External', path: '/m//x' } },
    ],
  })

  it('stays while one of them does', () => {
    const plan = lawful(deleteSnapshots(of.machine, { snapshots: ['s2'] }, libvirt), of)
    expect([plan.how, plan.unlinked, removed(plan)]).toEqual(['by hand', [], ['/images/a2']])
  })

  it('is not left to libvirt, which would remove it', () => {
    expect(refused(deleteSnapshots(of.machine, { snapshots: ['s2'], how: 'libvirt' }, libvirt))).toMatchObject({
      _tag: 'LibvirtDiffers',
      why: 'libvirt would remove /m/x, which "s1" needs',
    })
  })

  it('goes once, with the last of them', () => {
    const plan = made(deleteSnapshots(of.machine, { snapshots: ['s1', 's2'] }, libvirt))
    expect(plan.unlinked).toEqual(['/m/x'])
  })

  it('stays at a revert that deletes the other', () => {
    const request = { to: 's1', later: 'delete', present: 'discard', guest: 'shut-off' } as const
    expect(lawful(revert(of.machine, request, libvirt), of).unlinked).toEqual([])
  })
})

describe('internal snapshots', () => {
  const inside = (id: string, name: string) => ({ id, name, vmStateBytes: 0 })

  it('whose name is the id of another are not loaded: QEMU looks for the id first', () => {
    const of = vm({
      disks: { vda: 'a0[aa]^' },
      state: 'shut-off',
      images: { a0: { internalSnapshots: [inside('1', '0'), inside('2', '1')] } },
      snapshots: [
        { name: '0', vda: 'inside a0', state: 'shutoff' },
        { name: '1', parent: '0', vda: 'inside a0', state: 'shutoff' },
      ],
      current: '1',
    })
    const why = 'QEMU would load "0": "1" is not the only one that it looks for so'
    for (const how of ['by hand', 'libvirt'] as const)
      expect(refused(revert(of.machine, { to: '1', present: 'discard', how }, libvirt))).toMatchObject({
        _tag: 'DiskRefused',
        refusal: { _tag: 'NotThisWay', why },
      })
    expect(E.isRight(revert(of.machine, { to: '0', present: 'discard' }, libvirt))).toBe(true)
  })

  it('of which there are two of one name are not loaded either', () => {
    const of = vm({
      disks: { vda: 'a0[aa]^' },
      state: 'shut-off',
      records: 'none',
      images: { a0: { internalSnapshots: [inside('1', 's'), inside('2', 's')] } },
      snapshots: [{ name: 's', vda: 'inside a0', state: 'shutoff' }],
    })
    const request = { to: 's', present: 'discard' } as const
    expect(refused(revert(of.machine, request, qemuImg))).toMatchObject({ refusal: { _tag: 'NotThisWay' } })
  })

  it('are not left to libvirt where its record names another image, which has one of that name', () => {
    const of = vm({
      disks: { vda: 'a0[aa] <- a1[bb]^' },
      state: 'shut-off',
      images: { a1: { internalSnapshots: [inside('1', 's1')] } },
      snapshots: [{ name: 's1', vda: 'inside a0', state: 'shutoff', record: { domain: { vda: 'a0 <- a1' } } }],
      current: 's1',
    })
    expect(refused(deleteSnapshots(of.machine, { snapshots: ['s1'], how: 'libvirt' }, libvirt))).toMatchObject({
      _tag: 'LibvirtDiffers',
      why: 'libvirt would look for it inside /images/a1 of disk vda',
    })
    expect(made(deleteSnapshots(of.machine, { snapshots: ['s1'] }, libvirt)).how).toBe('by hand')
  })

  it('of which the machine knows nothing do not go with the file of an image that is pulled up', () => {
    const of = vm({
      ...two,
      records: 'none',
      state: 'shut-off',
      images: { a1: { internalSnapshots: [inside('1', 'precious')] } },
    })
    const request = { snapshots: ['s2'], direction: 'pull' } as const
    expect(refused(deleteSnapshots(of.machine, request, qemuImg))).toMatchObject({
      refusal: { _tag: 'InternalSnapshotsLost', lost: [{ image: 'a1', snapshots: ['precious'] }] },
    })
    const kept = lawful(deleteSnapshots(of.machine, { ...request, leftovers: 'keep' }, qemuImg), of)
    expect(removed(kept)).toEqual([])
  })
})

describe('several jobs on one disk', () => {
  it('a pull goes down to what is below now, not to an image that an earlier commit has taken away', () => {
    const of = vm({
      disks: {
        vda: 'r[aaaaaa] <- (d1[-b----] <- k1[--c---] <- d2[d-----] <- (k2[e----e], k3[f---f-]), act[z-----]^)',
      },
      records: 'none',
      state: 'shut-off',
      snapshots: [
        { name: 's1', vda: 'd1' },
        { name: 'sk', parent: 's1', vda: 'k1' },
        { name: 's2', parent: 'sk', vda: 'd2' },
        { name: 'x', parent: 's2', vda: 'k2' },
        { name: 'y', parent: 's2', vda: 'k3' },
      ],
    })
    const plan = lawful(deleteSnapshots(of.machine, { snapshots: ['s1', 's2'] }, qemuImg), of)
    expect(removed(plan)).toEqual(['/images/k1', '/images/k3'])
  })
})

describe('what libvirt has written down of a disk that a snapshot left out', () => {
  it('stores nothing below an image that stays of what goes', () => {
    const of = vm({
      disks: { vda: 'd[aa] <- k[-b] <- a[c-]^', vdb: 'b0[x] <- b1[y]^' },
      state: 'shut-off',
      snapshots: [
        { name: 's1', vda: 'd', vdb: 'no' },
        { name: 's2', parent: 's1', vda: 'k', vdb: 'no' },
        { name: 's3', parent: 's2', vda: 'no', vdb: 'b0', record: { domain: { vda: 'd <- k', vdb: 'b0' } } },
      ],
      current: 's3',
    })
    const request = { snapshots: ['s1'], how: 'by hand', direction: 'pull' } as const
    const { after } = lawful(deleteSnapshots(of.machine, request, libvirt), of)
    for (const definition of ['domain', 'inactiveDomain'] as const)
      expect(recordedSources(after.snapshots.get('s3')?.recorded, definition).get('vda')).toMatchObject({
        path: '/images/k',
        below: [],
      })
  })
})

describe('snapshots of which libvirt has no record', () => {
  const of = vm({
    disks: { vda: 'a0[aaa] <- a1[-b-] <- a2[c--] <- a3[--d]^' },
    state: 'shut-off',
    snapshots: [
      { name: 's1', vda: 'a0', state: 'shutoff' },
      { name: 's2', parent: 's1', vda: 'a1', state: 'shutoff', record: 'none' },
      { name: 's3', parent: 's2', vda: 'a2', state: 'shutoff' },
    ],
    current: 's3',
  })

  it('do not keep libvirt from forgetting what comes after them, before the files go', () => {
    const request = { to: 's1', later: 'delete', present: 'discard' } as const
    expect(forgets(lawful(revert(of.machine, request, libvirt), of))).toEqual(['s3'])
  })

  it('are no more when the last step is done', () => {
    const plan = lawful(deleteSnapshots(of.machine, { snapshots: ['s2'] }, libvirt), of)
    expect([forgets(plan), plan.steps.at(-1)?.points.has('s2')]).toEqual([[], false])
  })
})

describe('a deletion that libvirt has begun and not ended', () => {
  const of = vm({
    disks: { vda: 'a0[aa] <- (a1[-b] <- a2[c-]^, b1[-d] <- b2[e-])' },
    state: 'running',
    snapshots: [
      { name: 's1', vda: 'a0', record: { disks: { vda: 'a1' }, deletion: ['vda'] } },
      { name: 's2', parent: 's1', vda: 'a1' },
      { name: 'beside', parent: 's1', vda: 'b1' },
    ],
    current: 's2',
  })

  it('has written over what the snapshot held: there is no way back to it', () => {
    expect(refused(revert(of.machine, { to: 's2' }, libvirt))).toMatchObject({
      _tag: 'PointGone',
      disks: ['vda'],
      why: 'lost',
    })
    for (const to of ['s1', 'beside']) expect(E.isRight(revert(of.machine, { to }, libvirt))).toBe(true)
  })

  it('is still marked after a revert to the snapshot with the mark, which then notes its overlays down as libvirt does', () => {
    const plan = lawful(revert(of.machine, { to: 's1' }, libvirt), of)
    const recorded = plan.after.snapshots.get('s1')?.recorded
    const lines = (list: 'disks' | 'revertDisks') =>
      Array.from(recordedDisks(recorded, list), ([disk, { path, deletion }]) => [disk, path, deletion])
    expect(lines('disks')).toEqual([['vda', '/images/a1', 'in progress']])
    expect(lines('revertDisks')).toEqual([['vda', '/images/a0.s1', 'none']])
    expect(refused(revert(plan.after, { to: 's2' }, libvirt))).toMatchObject({ _tag: 'PointGone', why: 'lost' })
    expect(E.isRight(revert(plan.after, { to: 'beside' }, libvirt))).toBe(true)
    const ended = made(deleteSnapshots(plan.after, { snapshots: ['s2'], how: 'by hand' }, libvirt))
    const after = ended.after.snapshots.get('s1')?.recorded
    expect(Array.from(recordedDisks(after, 'disks'))).toMatchObject([
      ['vda', { path: '/images/a0.s1', deletion: 'none' }],
    ])
    expect(recordedDisks(after, 'revertDisks').size).toBe(0)
  })

  it('is ended by hand without its mark, which would keep libvirt from deleting the one before', () => {
    const plan = made(deleteSnapshots(of.machine, { snapshots: ['s2'], how: 'by hand' }, libvirt))
    const recorded = plan.after.snapshots.get('s1')?.recorded
    const marks = Array.from(recordedDisks(recorded, 'disks').values(), ({ deletion }) => deletion)
    expect([marks, checkMachinePlan(plan)]).toEqual([['none'], []])
    const told = plan.steps.flatMap(({ call }) =>
      call._tag === 'Libvirt' && call.function.call === 'virDomainSnapshotCreateXML'
        ? [call.function.arguments.xml]
        : [],
    )
    expect(told).toEqual([recorded])
    expect(E.isRight(revert(plan.after, { to: 's1' }, libvirt))).toBe(true)
  })
})

describe('a disk that is another target now', () => {
  const of = vm({
    disks: { vda: 'a0[aa] <- a1[-b] <- a2[c-]^', vdc: 'c0[xx] <- c1[-y]^' },
    snapshots: [
      { name: 's1', vda: 'a0', vdb: 'c0', record: { domain: { vda: 'a0', vdb: 'c0' } } },
      { name: 's2', parent: 's1', vda: 'a1', vdc: 'c0' },
    ],
    current: 's2',
  })
  const lost = [{ snapshot: 's1', disk: 'vdc', image: 'c0' }]
  const alternatives = [{ _tag: 'Forget', snapshots: ['s1'] }]

  it('keeps the images that a snapshot has for the old target: no deletion commits into them', () => {
    for (const how of ['by hand', 'libvirt', 'auto'] as const)
      expect(refused(deleteSnapshots(of.machine, { snapshots: ['s2'], how }, libvirt))).toMatchObject({
        _tag: 'PointsLost',
        lost,
        alternatives,
      })
    expect(E.isRight(deleteSnapshots(of.machine, { snapshots: ['s1', 's2'] }, libvirt))).toBe(true)
  })

  it('and no commit either, when nobody else has a snapshot there', () => {
    const { after } = made(forget(of.machine, { snapshots: ['s2'] }, libvirt))
    const commit = { top: 'c1', base: 'c0', end: 'pivot' } as const
    expect(refused(changeChain(after, { disk: 'vdc', commit }, libvirt))).toMatchObject({ _tag: 'PointsLost', lost })
  })

  it('is not brought back under its old target to be written where a snapshot is', () => {
    const machine = vm({
      disks: { vda: 'a0[aa] <- a1[-b]^', vdc: 'c0[xx] <- c1[-y]^' },
      state: 'shut-off',
      snapshots: [
        { name: 's1', vda: 'a0', vdb: 'no', state: 'shutoff', record: { domain: { vda: 'a0', vdb: 'c0' } } },
        { name: 's2', parent: 's1', vda: 'no', vdc: 'c0', state: 'shutoff' },
      ],
      current: 's2',
    }).machine
    expect(refused(revert(machine, { to: 's1', definition: 'as taken' }, libvirt))).toMatchObject({
      _tag: 'PointsLost',
      lost: [{ snapshot: 's2', disk: 'vdc', image: 'c0' }],
    })
  })
})

describe('a persistent definition with another image than the live one', () => {
  it('is not left naming a file that goes: the guest would not start again', () => {
    const { machine } = vm(two)
    const disk = element('disk', { type: 'file', device: 'disk' }, [
      element('driver', { name: 'qemu', type: 'qcow2' }),
      element('source', { file: '/images/a1' }),
      element('target', { dev: 'vda', bus: 'virtio' }),
    ])
    const persistent = element('domain', { type: 'qemu' }, [element('devices', {}, [disk])])
    const of = withMachine(machine, { definitions: { persistent, live: machine.definitions?.live } })
    for (const how of ['by hand', 'libvirt'] as const)
      expect(refused(deleteSnapshots(of, { snapshots: ['s1'], how }, libvirt))).toMatchObject({
        refusal: {
          why: 'the persistent definition names /images/a1 for disk vda, and the guest would not start again',
        },
      })
    expect(E.isRight(deleteSnapshots(of, { snapshots: ['s2'] }, libvirt))).toBe(true)
  })
})

describe('a plan', () => {
  it('can be written down and read again, whoever planned the parts', () => {
    const { machine } = vm(two)
    const plans = [
      deleteSnapshots(machine, { snapshots: ['s1'], how: 'by hand' }, libvirt),
      deleteSnapshots(machine, { snapshots: ['s1'], how: 'libvirt' }, libvirt),
      changeChain(machine, { disk: 'vda', pull: { into: 'a2', base: 'a0' } }, libvirt),
    ]
    for (const plan of plans)
      expect(decodeMachinePlan(JSON.stringify(encodeMachinePlan(made(plan))))).toEqual(E.right(made(plan)))
  })

  it('without a step ends what it is for all the same', () => {
    const of = vm({
      disks: { vda: 'a0[aa] <- a1[-b]^' },
      records: 'none',
      state: 'shut-off',
      snapshots: [
        { name: 's1', vda: 'a0' },
        { name: 's2', parent: 's1', vda: 'a0' },
      ],
      current: 's2',
    })
    expect(lawful(deleteSnapshots(of.machine, { snapshots: ['s1'] }, qemuImg), of).steps).toEqual([])
    expect(lawful(forget(of.machine, { snapshots: ['s2'] }, qemuImg), of).steps).toEqual([])
  })
})

describe('thousands of snapshots', () => {
  it('are forgotten in a time that grows with their number, not with its square', () => {
    const count = 2000
    const { machine } = vm({
      disks: { vda: 'a0 <- a1^' },
      state: 'shut-off',
      snapshots: Array.from({ length: count }, (_, index) => ({
        name: `s${index}`,
        vda: 'a0',
        state: 'shutoff' as const,
        ...(index === 0 ? {} : { parent: `s${index - 1}` }),
      })),
      current: `s${count - 1}`,
    })
    const begun = performance.now()
    const plan = made(forget(machine, { snapshots: Array.from(machine.snapshots.keys()) }, libvirt))
    expect(plan.steps).toHaveLength(count)
    expect(performance.now() - begun).toBeLessThan(4000)
  })
})
