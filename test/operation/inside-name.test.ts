import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, deleteSnapshots, forget, revert, take } from '../../src/index.js'
import type { MachineHost, MachinePlan, MachineRefusal } from '../../src/index.js'

import { vm } from './machine.js'
import type { Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const libvirt: MachineHost = { via: 'libvirt', capabilities }
const qemuImg: MachineHost = { via: 'qemu-img', capabilities }
const inside = (id: string, name: string) => ({ id, name, vmStateBytes: 0 })

/** Somebody has made a second `i1` with qemu-img, which does not mind. */
const two: Vm = {
  disks: { vda: 'v[aa]^', vdb: 'w[bb]^' },
  state: 'shut-off',
  images: { v: { internalSnapshots: [inside('1', 'i1'), inside('2', 'i1'), inside('3', 'i2')] } },
  snapshots: [
    { name: 'i1', vda: 'inside v', vdb: 'inside w', state: 'shutoff' },
    { name: 'i2', parent: 'i1', vda: 'inside v', vdb: 'no', state: 'shutoff' },
  ],
  current: 'i2',
}
const bare: Vm = { ...two, records: 'none' }

const outcome = (found: E.Either<MachineRefusal, MachinePlan>): unknown =>
  E.isLeft(found) ? found.left : found.right.steps.map(({ call }) => ('argv' in call ? call.argv.join(' ') : call._tag))

const refusedVia = (via: MachineHost['via']) => ({
  _tag: 'DiskRefused',
  disk: 'vda',
  refusal: {
    _tag: 'NotThisWay',
    via,
    why: '"v" has several snapshots "i1" inside, and the first would go',
    alternatives: [],
  },
  alternatives: [{ _tag: 'Forget', snapshots: ['i1'] }],
})

describe('several internal snapshots of one name in one image', () => {
  it('are not deleted by it: the first that is found would go', () => {
    for (const how of ['libvirt', 'by hand', 'auto'] as const)
      expect(outcome(deleteSnapshots(vm(two).machine, { snapshots: ['i1'], how }, libvirt))).toEqual(
        refusedVia('libvirt'),
      )
    expect(outcome(deleteSnapshots(vm(bare).machine, { snapshots: ['i2', 'i1'] }, qemuImg))).toEqual(
      refusedVia('qemu-img'),
    )
  })

  it('do not keep others from being deleted, nor the record from being forgotten', () => {
    expect(outcome(deleteSnapshots(vm(bare).machine, { snapshots: ['i2'] }, qemuImg))).toEqual([
      'qemu-img snapshot -d i2 /images/v',
    ])
    expect(E.isRight(forget(vm(two).machine, { snapshots: ['i1'] }, libvirt))).toBe(true)
  })

  it("nor one of a name that is another one's id, which deleting does not look for", () => {
    const of: Vm = {
      ...bare,
      images: { v: { internalSnapshots: [inside('1', '2'), inside('2', 'x')] } },
      snapshots: [{ name: '2', vda: 'inside v', state: 'shutoff' }],
      current: '2',
    }
    expect(outcome(deleteSnapshots(vm(of).machine, { snapshots: ['2'] }, qemuImg))).toEqual([
      'qemu-img snapshot -d 2 /images/v',
    ])
  })

  it('are not deleted by a revert either', () => {
    const of: Vm = {
      disks: { vda: 'v[aa] <- v.1[-b]^' },
      state: 'shut-off',
      records: 'none',
      images: { 'v.1': { internalSnapshots: [inside('1', 'i2'), inside('2', 'i2')] } },
      snapshots: [
        { name: 's1', vda: 'v', state: 'shutoff' },
        { name: 'i2', parent: 's1', vda: 'inside v.1', state: 'shutoff' },
      ],
      current: 'i2',
    }
    expect(outcome(revert(vm(of).machine, { to: 's1', later: 'delete' }, qemuImg))).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'NotThisWay', why: '"v.1" has several snapshots "i2" inside, and the first would go' },
    })
    const request = { to: 's1', later: 'keep' } as const
    expect(E.isRight(revert(vm(of).machine, request, qemuImg))).toBe(true)
  })

  it('are not made: what is inside has its name from one snapshot alone', () => {
    const disks = new Map(['vda', 'vdb'].map((disk) => [disk, { mode: 'internal' as const }]))
    const strange: Vm = { disks: two.disks, state: 'shut-off', records: 'none', images: two.images ?? {} }
    expect(outcome(take(vm(strange).machine, { name: 'i1', disks }, qemuImg))).toMatchObject({
      _tag: 'SnapshotNameWrong',
      why: 'taken',
    })
  })
})

describe('an internal snapshot that the machine does not know', () => {
  it('is not lost with a file that libvirt removes, where another one has its name on another image', () => {
    const of: Vm = {
      disks: { vda: 'v[aaa] <- v.1[-b-] <- v.2[c--]^' },
      state: 'shut-off',
      images: { 'v.1': { internalSnapshots: [inside('1', 's1')] } },
      snapshots: [
        { name: 's1', vda: 'v', state: 'shutoff' },
        { name: 's2', parent: 's1', vda: 'v.1', state: 'shutoff' },
      ],
      current: 's2',
    }
    expect(outcome(deleteSnapshots(vm(of).machine, { snapshots: ['s1'], how: 'libvirt' }, libvirt))).toMatchObject({
      _tag: 'LibvirtLoses',
      lost: [{ snapshot: 's1', disk: 'vda', image: 'v.1' }],
    })
  })
})
