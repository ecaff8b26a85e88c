import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, changeChain, checkMachinePlan, printChain, renameImage } from '../../src/index.js'
import type { Machine, MachineHost, MachinePlan, MachineRefusal, RenameImageRequest } from '../../src/index.js'
import { decodeMachinePlan, decodeSavedState, encodeMachinePlan } from '../../src/codec/index.js'
import { withMachine } from '../../src/model/machine.js'
import { imageOfDisk } from '../../src/model/snapshot.js'
import { recordedDisks, recordedSources, sourcesOfDomain } from '../../src/model/record.js'

import { vm } from './machine.js'
import type { Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const libvirt: MachineHost = { via: 'libvirt', capabilities }
const qemuImg: MachineHost = { via: 'qemu-img', capabilities }

const planned = (machine: Machine, request: RenameImageRequest, host: MachineHost): MachinePlan => {
  const plan = renameImage(machine, request, host)
  if (E.isLeft(plan)) throw new Error(JSON.stringify(plan.left))
  expect(checkMachinePlan(plan.right)).toEqual([])
  return plan.right
}

const facts = (machine: Machine, request: RenameImageRequest, host: MachineHost): object => {
  const plan = renameImage(machine, request, host)
  if (E.isRight(plan)) throw new Error('a plan')
  const { alternatives: _, ...of }: MachineRefusal = plan.left
  return of
}

const wiki: Vm = {
  disks: { vda: 'v[abcd] <- v.1[-e--] <- v.2[--f-]^', vdb: 'w[x]^' },
  snapshots: [
    { name: 's1', vda: 'v', vdb: 'no' },
    { name: 's2', parent: 's1', vda: 'v.1', vdb: 'no' },
  ],
  current: 's2',
  state: 'shut-off',
}

/** What libvirt's record of a snapshot says of vda: the chain that it stores, and the overlay. */
const recordOf = (machine: Machine, snapshot: string): ReadonlyArray<string | undefined> => {
  const recorded = machine.snapshots.get(snapshot)?.recorded
  const source = recordedSources(recorded).get('vda')
  return [
    source?.path,
    ...(source?.below.map(({ path }) => path) ?? []),
    recordedDisks(recorded, 'disks').get('vda')?.path,
  ]
}

const kinds = (plan: MachinePlan): ReadonlyArray<string> =>
  plan.steps.map(({ call }) => {
    if (call._tag === 'Files') return call.operation
    return call._tag === 'Libvirt' ? call.function.call : call._tag
  })

describe('the records of snapshots go along', () => {
  const { machine } = vm(wiki)

  it('where the frozen image of one, which another reads too, gets another path', () => {
    const plan = planned(machine, { disk: 'vda', image: 'v', to: '/images/base', name: 'base' }, libvirt)
    expect(kinds(plan)).toEqual([
      'link',
      'QemuImg',
      'QemuImg',
      'virDomainUpdateDeviceFlags',
      'virDomainSnapshotCreateXML',
      'virDomainSnapshotCreateXML',
      'remove',
    ])
    expect(recordOf(plan.after, 's1')).toEqual(['/images/base', '/images/v.1'])
    expect(decodeMachinePlan(JSON.stringify(encodeMachinePlan(plan)))).toEqual(E.right(plan))
    expect(recordOf(plan.after, 's2')).toEqual(['/images/v.1', '/images/base', '/images/v.2'])
    expect(imageOfDisk(plan.after.snapshots.get('s1')?.disks.get('vda'))).toBe('base')
    expect(plan.steps.map(({ points }) => points.get('s1')?.get('vda')?.image)).toEqual([
      'v',
      'v',
      'base',
      'base',
      'base',
      'base',
      'base',
    ])
  })

  it('where the overlay of one gets it: libvirt looks for it by the name in the record', () => {
    const plan = planned(machine, { disk: 'vda', image: 'v.1', to: '/images/monday' }, libvirt)
    expect(recordOf(plan.after, 's1')).toEqual(['/images/v', '/images/monday'])
    expect(recordOf(plan.after, 's2')).toEqual(['/images/monday', '/images/v', '/images/v.2'])
  })

  it("where the active image does: the definition's source is the new path, and so is the overlay of the current snapshot", () => {
    const plan = planned(machine, { disk: 'vda', image: 'v.2', to: '/images/live' }, libvirt)
    expect(recordOf(plan.after, 's2')).toEqual(['/images/v.1', '/images/v', '/images/live'])
    expect(recordOf(plan.after, 's1')).toEqual(recordOf(machine, 's1'))
    expect(sourcesOfDomain(plan.after.definitions?.persistent).get('vda')?.path).toBe('/images/live')
  })

  it('where a branch gets another name too, and the definition, which stores the chain of the guest, stays as it is', () => {
    const branched = vm({
      disks: { vda: 'a0[aaa] <- (a1[---] <- a2[---], a3[---]^)' },
      snapshots: [
        { name: 's1', vda: 'a0' },
        { name: 's2', parent: 's1', vda: 'a2' },
      ],
      current: 's1',
      state: 'shut-off',
    }).machine
    const plan = planned(branched, { disk: 'vda', image: 'a2', to: '/new', name: 'new' }, libvirt)
    expect(kinds(plan)).not.toContain('virDomainUpdateDeviceFlags')
    expect(plan.after.definitions).toEqual(branched.definitions)
  })

  it('without libvirt there is nothing to tell but the overlays, and whoever starts the guest', () => {
    const bare = vm({ ...wiki, records: 'none' }).machine
    const plan = planned(bare, { disk: 'vda', image: 'v.2', to: '/images/live', name: 'live' }, qemuImg)
    expect(kinds(plan)).toEqual(['link', 'QemuImg', 'remove'])
    expect(plan.assumes).toContainEqual({
      _tag: 'OfDisk',
      disk: 'vda',
      assumption: { _tag: 'StartsWith', image: 'live', path: '/images/live', from: 2 },
    })
  })
})

describe('R6: pull, then rename, under a snapshot', () => {
  it('the old name is taken as long as a record names it', () => {
    const { machine } = vm({
      ...wiki,
      snapshots: [{ name: 's1', vda: 'v', vdb: 'no' }],
      current: 's1',
    })
    const pull = { into: 'v.2', base: 'v', leftovers: 'remove' } as const
    const pulled = changeChain(machine, { disk: 'vda', pull, metadata: 'carry' }, libvirt)
    if (E.isLeft(pulled)) throw new Error(JSON.stringify(pulled.left))
    const named = planned(pulled.right.after, { disk: 'vda', image: 'v.2', to: '/images/v.1', name: 'v.1' }, libvirt)
    expect(printChain(named.after.disks.get('vda') ?? expect.fail())).toBe('v <- v.1^')
    expect(recordOf(named.after, 's1')).toEqual(['/images/v', '/images/v.1'])
    expect(facts(machine, { disk: 'vda', image: 'v.2', to: '/images/v' }, libvirt)).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'NameTaken', by: 'location' },
    })
  })
})

describe('a rename on a machine is refused', () => {
  const { machine } = vm(wiki)
  const request = { disk: 'vda', image: 'v.1', to: '/images/new' }

  it('to the path of an image of another disk, of a record, or one that is reserved', () => {
    expect(facts(machine, { ...request, to: '/images/w' }, libvirt)).toEqual({
      _tag: 'PathTaken',
      disk: 'vda',
      path: '/images/w',
      by: 'w',
    })
    const stale = vm({
      ...wiki,
      snapshots: [{ name: 's1', vda: 'lost', vdb: 'no', record: { disks: { vda: 'old' } } }],
      current: 's1',
    })
    expect(facts(stale.machine, { ...request, to: '/images/old' }, libvirt)).toMatchObject({
      _tag: 'PathTaken',
      by: 'snapshot s1',
    })
    expect(facts(machine, { ...request, reserved: ['/images/new'] }, libvirt)).toMatchObject({
      _tag: 'PathTaken',
      by: 'reserved',
    })
  })

  it('of a disk that is not there, and of an image that the running guest reads', () => {
    expect(facts(machine, { ...request, disk: 'vdx' }, libvirt)).toEqual({ _tag: 'DiskNotFound', disk: 'vdx' })
    const running = vm({ ...wiki, state: 'running' }).machine
    expect(facts(running, request, libvirt)).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'NotThisWay', via: 'libvirt' },
    })
  })

  it('but not of a branch beside the running guest, whose snapshot is told', () => {
    const { machine: running } = vm({
      disks: { vda: 'v[abcd] <- (v.1[-e--] <- v.2[--f-]^, side[g---])' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
        { name: 's3', parent: 's1', vda: 'side' },
      ],
      current: 's2',
    })
    const plan = planned(running, { disk: 'vda', image: 'side', to: '/images/branch' }, libvirt)
    expect(kinds(plan)).toEqual(['link', 'QemuImg', 'virDomainSnapshotCreateXML', 'remove'])
    expect(recordOf(plan.after, 's3')[0]).toBe('/images/branch')
  })

  it('that a saved state names: it would be resumed on the old path', () => {
    const xml =
      '<domain><devices><disk type="file"><driver type="qcow2"/><source file="/images/v.2"/><target dev="vda"/></disk></devices></domain>'
    const state = decodeSavedState(xml, { place: { kind: 'file', path: '/saves/vm' } })
    if (E.isLeft(state)) throw new Error(JSON.stringify(state.left))
    expect(facts(withMachine(machine, { saved: [state.right] }), request, libvirt)).toEqual({
      _tag: 'StateSaved',
      place: { kind: 'file', path: '/saves/vm' },
      conflicts: [
        { disk: 'vda', path: '/images/v.1', change: 'renamed' },
        { disk: 'vda', path: '/images/v.2', change: 'repointed' },
      ],
    })
  })

  it('where a snapshot has the image for a disk that the machine no longer has', () => {
    const moved = vm({
      ...wiki,
      snapshots: [{ name: 's1', vda: 'no', vdb: 'no', vdc: 'v.1' }],
      current: 's1',
      records: 'none',
    })
    expect(facts(moved.machine, request, qemuImg)).toMatchObject({
      _tag: 'PointsLost',
      lost: [{ snapshot: 's1', disk: 'vda', image: 'v.1' }],
    })
  })
})
