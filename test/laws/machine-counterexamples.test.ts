import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { recordedDisks } from '../../src/model/record.js'
import { changeChain } from '../../src/operation/change-chain.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { forget } from '../../src/operation/forget.js'
import { revert } from '../../src/operation/revert.js'
import { checkMachinePlan, defaultClusterBytes, layerOfPattern } from '../../src/index.js'
import type { MachinePlan, MachineRefusal } from '../../src/index.js'
import { assertMachinePlanKeepsContent, assertMachinePlanSimulates } from '../../src/testing/index.js'
import { vm } from '../operation/machine.js'
import type { Built, Vm } from '../operation/machine.js'
import { ways } from './machine-ways.js'

type Planned = E.Either<MachineRefusal, MachinePlan>

/** A plan that keeps the laws in every order of lanes that some numbers pick. */
const lawful = (planned: Planned, { contents }: Built): MachinePlan => {
  if (E.isLeft(planned)) throw new Error(JSON.stringify(planned.left))
  const of = { disks: contents, inside: new Map() }
  assertMachinePlanKeepsContent(planned.right, of)
  for (const order of [[0], [1], [0, 1], [1, 0], [1, 1, 0]]) assertMachinePlanSimulates(planned.right, of, { order })
  return planned.right
}

const refused = (planned: Planned): MachineRefusal | undefined => (E.isLeft(planned) ? planned.left : undefined)

const two: Vm = {
  disks: { vda: 'a0[aa] <- a1[-b] <- a2[c-]^', vdb: 'b0[de] <- b1[f-] <- b2[-g]^' },
  snapshots: [
    { name: 's1', vda: 'a0', vdb: 'b0' },
    { name: 's2', parent: 's1', vda: 'a1', vdb: 'b1' },
  ],
  current: 's2',
}

describe('found by random machines', () => {
  it('libvirt resumes a guest once only: what is done to the whole guest is in no lane', () => {
    const of = vm(two)
    lawful(deleteSnapshots(of.machine, { snapshots: ['s2'], direction: 'pull' }, ways.libvirt.host), of)
  })

  it('who starts a guest without libvirt is told when, counted in the steps of all disks', () => {
    const of = vm({ ...two, records: 'none', state: 'shut-off' })
    lawful(deleteSnapshots(of.machine, { snapshots: ['s2'] }, ways['qemu-img'].host), of)
  })

  it('a record that names an image for a disk which it left out does not name one that goes', () => {
    const of = vm({
      disks: { vda: 'a0[aa] <- a1[-b] <- a2[c-]^', vdb: 'b0[de] <- b1[f-]^' },
      snapshots: [
        { name: 's1', vda: 'a0', vdb: 'no' },
        { name: 's2', parent: 's1', vda: 'no', vdb: 'b0', record: { domain: { vda: 'a0 <- a1', vdb: 'b0' } } },
        { name: 's3', parent: 's2', vda: 'a1', vdb: 'no' },
      ],
      current: 's3',
    })
    lawful(deleteSnapshots(of.machine, { snapshots: ['s3'], direction: 'pull' }, ways.libvirt.host), of)
  })

  it('a commit by hand tells libvirt before the file goes', () => {
    const of = vm({
      disks: { vda: 'c0[aa] <- c1[-b] <- c2[--]^' },
      snapshots: [{ name: 's2', vda: 'c1' }],
      current: 's2',
      state: 'shut-off',
    })
    const commit = { top: 'c1', leftovers: 'remove' } as const
    const plan = lawful(changeChain(of.machine, { disk: 'vda', metadata: 'carry', commit }, ways.libvirt.host), of)
    expect(plan.steps.at(-1)?.call).toStrictEqual({ _tag: 'Files', operation: 'remove', path: '/images/c1' })
  })

  it('an image off the active path that goes changes nothing in the definition', () => {
    const of = vm({
      disks: { vda: 'a0[aa] <- (a1[b-], a3[--]^)' },
      snapshots: [
        { name: 's1', vda: 'a0' },
        { name: 's2', parent: 's1', vda: 'a1' },
      ],
      current: 's1',
      state: 'shut-off',
    })
    const plan = lawful(deleteSnapshots(of.machine, { snapshots: ['s2'], how: 'by hand' }, ways.libvirt.host), of)
    expect(plan.after.definitions).toStrictEqual(of.machine.definitions)
  })

  const inside: Vm = {
    disks: { vda: 'a0[aa] <- a1[b-]^' },
    snapshots: [
      { name: 's1', vda: 'inside a0', state: 'shutoff' },
      { name: 's2', parent: 's1', vda: 'inside a1', state: 'shutoff' },
    ],
    current: 's2',
    records: 'none',
    state: 'shut-off',
  }

  it('nobody accepts that a snapshot inside the image is lost while it is listed', () => {
    const pull = { into: 'a1', accept: ['InternalSnapshotsLost'] } as const
    const planned = changeChain(vm(inside).machine, { disk: 'vda', metadata: 'carry', pull }, ways['qemu-img'].host)
    expect(refused(planned)).toMatchObject({ _tag: 'DiskRefused', refusal: { _tag: 'InternalSnapshotsLost' } })
  })

  it('the image that a snapshot is inside of does not leave the chain', () => {
    const of = vm({ ...inside, snapshots: (inside.snapshots ?? []).slice(0, 1), current: 's1' })
    const planned = changeChain(
      of.machine,
      { disk: 'vda', metadata: 'carry', pull: { into: 'a1' } },
      ways['qemu-img'].host,
    )
    expect(refused(planned)).toMatchObject({ _tag: 'PointsLost', lost: [{ snapshot: 's1', image: 'a0' }] })
  })

  it("libvirt's own revert discards the present whole, and leaves no image without its backing file", () => {
    const of = vm({
      disks: { vda: 'b0[aaa] <- b1[---] <- b2[ii-]^' },
      snapshots: [{ name: 's1', vda: 'b0', record: { disks: { vda: 'b1' } } }],
      current: 's1',
      state: 'shut-off',
    })
    const asked = { to: 's1', how: 'libvirt', present: 'discard', seconds: 1795700000 } as const
    expect(refused(revert(of.machine, asked, ways.libvirt.host))).toMatchObject({
      _tag: 'LibvirtLoses',
      lost: [{ snapshot: undefined, disk: 'vda', image: 'b2' }],
    })
  })

  it('a snapshot that ends with the last lane is nowhere then, though a disk without a lane had a place for it', () => {
    const of = vm({
      disks: { vda: 'a0[a] <- a1[-] <- a2[-]^', vdb: 'b0[b] <- b1[-]^' },
      snapshots: [
        { name: 's0', vda: 'no', vdb: 'inside b0', state: 'shutoff' },
        { name: 't1', parent: 's0', vda: 'a1', vdb: 'b0' },
      ],
      current: 't1',
      records: 'none',
      state: 'paused',
      nodes: 'monitor',
    })
    const planned = deleteSnapshots(of.machine, { snapshots: ['t1'] }, ways.qmp.host)
    const steps = E.isRight(planned) ? planned.right.steps : []
    expect(steps.at(-1)?.disk).toBe('vda')
    expect(steps.some(({ disk }) => disk === undefined)).toBe(true)
    expect(steps.some(({ disk }) => disk === 'vdb')).toBe(false)
    const saved = new Map([['s0', layerOfPattern('c', defaultClusterBytes)]])
    const contents = { disks: of.contents, inside: new Map([['vdb', new Map([['b0', saved]])]]) }
    for (let done = 0; done <= steps.length; done += 1)
      if (E.isRight(planned)) assertMachinePlanKeepsContent(planned.right, contents, [done])
  })

  it('libvirt moves what a revert noted down at the loss of any child, an internal one too', () => {
    const of = vm({
      disks: { vda: 'a0[aa] <- (a1[b-], a5[--]^)' },
      snapshots: [
        { name: 's1', vda: 'a0', record: { disks: { vda: 'a1' }, revertDisks: { vda: 'a5' } } },
        { name: 's2', parent: 's1', vda: 'inside a1', state: 'shutoff' },
      ],
      current: 's1',
      state: 'shut-off',
    })
    const plan = lawful(forget(of.machine, { snapshots: ['s2'] }, ways.libvirt.host), of)
    const recorded = plan.after.snapshots.get('s1')?.recorded
    expect(recordedDisks(recorded, 'disks').get('vda')?.path).toBe('/images/a5')
    expect(recordedDisks(recorded, 'revertDisks').size).toBe(0)
  })

  it('memory that nobody needs any more goes though the commit before it is still in the caches', () => {
    const of = vm({
      disks: { vda: 'a0[aa] <- a1[-b] <- a2[c-]^' },
      snapshots: [
        { name: 's1', vda: 'a0' },
        { name: 's2', parent: 's1', vda: 'a1', memory: { _tag: 'External', path: '/images/s2.memory' } },
      ],
      current: 's2',
    })
    const asked = { snapshots: ['s2'], how: 'by hand', direction: 'commit', leftovers: 'keep' } as const
    const plan = lawful(deleteSnapshots(of.machine, asked, ways.libvirt.host), of)
    expect(plan.steps.at(-1)?.call).toStrictEqual({ _tag: 'Files', operation: 'remove', path: '/images/s2.memory' })
    expect(checkMachinePlan(plan)).toEqual([])
  })
})
