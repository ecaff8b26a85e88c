import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions } from '../../src/index.js'
import type { NewImage } from '../../src/index.js'

import {
  lanes,
  plannedRevert,
  refusedRevert,
  reverted,
  throughLibvirt,
  throughQemuImg,
  throughQmp,
} from './expect-revert.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const two: Vm = {
  disks: { vda: 'v[ab--] <- v.1[-c--] <- v.2[--d-]^' },
  snapshots: [
    { name: 's1', vda: 'v' },
    { name: 's2', parent: 's1', vda: 'v.1' },
  ],
  current: 's2',
}
const off: Vm = { ...two, state: 'shut-off' }
const bare: Vm = { ...off, records: 'none' }

const file = (path: string): NewImage => ({ name: path, location: { _tag: 'File', path }, format: 'qcow2' })
const given = (overlay: NewImage | 'in place', disk = 'vda') => new Map([[disk, overlay]])

describe('who is asked', () => {
  const offline = [{ _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] }]
  const managed = [{ _tag: 'Via', via: 'libvirt', guest: ['running', 'paused', 'shut-off'] }]

  it('SnapshotNotFound', () => {
    expect(refusedRevert(vm(two), { to: 's9' })).toStrictEqual({
      _tag: 'SnapshotNotFound',
      snapshot: 's9',
      alternatives: [],
    })
  })

  it('GuestStateWrong: a monitor cannot have its guest read something older', () => {
    const facts = { _tag: 'GuestStateWrong', guest: 'running', needs: ['shut-off'], alternatives: offline }
    const running = vm({ ...two, records: 'none' })
    expect(refusedRevert(running, { to: 's1' }, throughQmp)).toStrictEqual({ ...facts, via: 'qmp' })
    expect(refusedRevert(running, { to: 's1' }, throughQemuImg)).toStrictEqual({ ...facts, via: 'qemu-img' })
    expect(refusedRevert(vm(bare), { to: 's1' }, throughQmp)).toMatchObject({
      _tag: 'GuestStateWrong',
      guest: 'shut-off',
      alternatives: offline,
    })
  })

  it('NotThisWay: libvirt has to be told where it manages the machine, and cannot be where it does not', () => {
    expect(refusedRevert(vm(off), { to: 's1' }, throughQemuImg)._tag).toBe('NotThisWay')
    expect(refusedRevert(vm(bare), { to: 's1' }, throughLibvirt)._tag).toBe('NotThisWay')
  })

  it.each([{ guest: 'running' }, { guest: 'paused' }, { how: 'libvirt' }, { definition: 'as taken' }] as const)(
    'NotThisWay: without libvirt, %o',
    (asked) => {
      expect(refusedRevert(vm(bare), { to: 's1', ...asked }, throughQemuImg)).toMatchObject({
        _tag: 'NotThisWay',
        via: 'qemu-img',
        alternatives: managed,
      })
    },
  )

  it('CapabilityMissing', () => {
    const capabilities = capabilitiesOfVersions({ qemu: '1.0', libvirt: '0.9.4' })
    expect(refusedRevert(vm(two), { to: 's1' }, { via: 'libvirt', capabilities })).toMatchObject({
      _tag: 'CapabilityMissing',
      missing: [{ feature: 'libvirt-redefine', since: '0.9.5' }],
    })
  })

  it('JobActive, on any disk: it would end with QEMU', () => {
    const jobs = new Map([['vda', [{ id: 'copy-vda', kind: 'copy', images: ['v.2'] } as const]]])
    expect(refusedRevert(vm(two), { to: 's1' }, { ...throughLibvirt, jobs })).toStrictEqual({
      _tag: 'JobActive',
      disk: 'vda',
      job: 'copy-vda',
      kind: 'copy',
      alternatives: [],
    })
  })

  it('ManagedSavePresent, also of a guest that runs: libvirt keeps the state when it loads a memory', () => {
    for (const of of [off, two])
      for (const how of ['by hand', 'libvirt', 'auto'] as const)
        expect(refusedRevert(vm(of), { to: 's1', how }, { ...throughLibvirt, managedSave: 'present' })).toStrictEqual({
          _tag: 'ManagedSavePresent',
          domain: 'vm',
          alternatives: [{ _tag: 'DropState', place: { kind: 'managed' } }],
        })
    const none = reverted(vm(off), { to: 's1' }, { ...throughLibvirt, managedSave: 'none' })
    expect(none.assumes.some(({ _tag }) => _tag === 'NoManagedSave')).toBe(false)
  })
})

describe('the point in time', () => {
  it.each([
    ['lost', { disks: two.disks, snapshots: [{ name: 's1', vda: 'lost' }] }],
    ['manual', { disks: two.disks, snapshots: [{ name: 's1', vda: 'manual' }] }],
    ['left out', { disks: two.disks, snapshots: [{ name: 's1', vda: 'no' }] }],
  ] as const)('PointGone: %s', (why, of) => {
    expect(refusedRevert(vm(of), { to: 's1' })).toStrictEqual({
      _tag: 'PointGone',
      snapshot: 's1',
      disks: ['vda'],
      why,
      alternatives: [],
    })
  })

  it('PointGone: a disk has gone since', () => {
    const gone: Vm = { disks: two.disks, snapshots: [{ name: 's1', vda: 'v', vdb: 'w' }] }
    expect(refusedRevert(vm(gone), { to: 's1' })).toMatchObject({ _tag: 'PointGone', disks: ['vdb'], why: 'disk gone' })
    const leftOut: Vm = { disks: two.disks, snapshots: [{ name: 's1', vda: 'v', vdb: 'no' }] }
    expect(reverted(vm(leftOut), { to: 's1' }).after.disks.size).toBe(1)
  })

  it('NothingSelected', () => {
    expect(refusedRevert(vm({ disks: two.disks, snapshots: [{ name: 's1' }] }), { to: 's1' })._tag).toBe(
      'NothingSelected',
    )
  })

  const memory = { _tag: 'External', path: '/memory/s1' } as const
  const live: Vm = { disks: two.disks, snapshots: [{ name: 's1', vda: 'v', memory, state: 'running' }], current: 's1' }

  it('NotThisWay: memory is not loaded by hand', () => {
    expect(refusedRevert(vm(live), { to: 's1', how: 'by hand' })).toMatchObject({
      _tag: 'NotThisWay',
      via: 'libvirt',
      alternatives: [{ _tag: 'How', how: 'libvirt' }],
    })
  })

  it('but the disks go back alone', () => {
    expect(reverted(vm(live), { to: 's1', guest: 'shut-off' }).after.state).toBe('shut-off')
  })

  it('RecordMissing: libvirt has nothing to make current, or no definition', () => {
    const unknown: Vm = { disks: two.disks, snapshots: [{ name: 's1', vda: 'v', record: 'none' }] }
    expect(refusedRevert(vm(unknown), { to: 's1' })).toMatchObject({ _tag: 'RecordMissing', snapshot: 's1' })
  })

  it('NotThisWay: a transient domain ends with its QEMU', () => {
    expect(refusedRevert(vm({ ...two, persistence: 'transient' }), { to: 's1' })).toMatchObject({
      _tag: 'NotThisWay',
      why: expect.stringContaining('transient') as unknown,
    })
  })
})

describe('the new images', () => {
  it('DiskNotFound: a name for a disk that gets none', () => {
    expect(refusedRevert(vm(two), { to: 's1', overlays: given(file('/images/new'), 'vdb') })).toMatchObject({
      _tag: 'DiskNotFound',
      disk: 'vdb',
    })
  })

  it('DiskRefused: as a new overlay is refused', () => {
    const refusal = (overlay: NewImage) => refusedRevert(vm(two), { to: 's1', overlays: given(overlay) })
    expect(refusal(file('/images/v.1'))).toMatchObject({
      _tag: 'DiskRefused',
      disk: 'vda',
      refusal: { _tag: 'NameTaken' },
    })
    expect(refusal({ ...file('/images/new'), found: 'something' })).toMatchObject({
      refusal: { _tag: 'DestinationWrong', why: 'exists' },
    })
    expect(refusal({ ...file('/images/new'), format: 'raw' })).toMatchObject({
      refusal: { _tag: 'FormatCannotHoldOverlay' },
    })
    expect(refusal({ ...file('/images/new'), sizeBytes: 65536 })).toMatchObject({
      refusal: { _tag: 'DestinationWrong', why: 'size' },
    })
  })

  it('PathTaken: by a record, by the caller, by the memory of a snapshot, by another disk', () => {
    const memory = { _tag: 'External', path: '/memory/s2' } as const
    const of = vm({
      disks: { vda: 'v[a---] <- v.1[-b--]^', vdb: 'w[a---] <- w.1[-b--]^' },
      snapshots: [
        { name: 's1', vda: 'v', vdb: 'w' },
        { name: 's2', parent: 's1', vda: 'v', vdb: 'w', record: { disks: { vda: 'gone' } }, memory },
      ],
      current: 's2',
    })
    const by = (path: string) => {
      const refusal = refusedRevert(of, { to: 's1', overlays: given(file(path)), reserved: ['/images/mine'] })
      return refusal._tag === 'PathTaken' ? refusal.by : refusal
    }
    expect(by('/images/gone')).toBe('snapshot s2')
    expect(by('/images/../images/mine')).toBe('reserved')
    expect(by('/memory/s2')).toBe('the memory of snapshot s2')
    expect(by('/images/w.1')).toBe('w.1')
    const same = new Map([...given(file('/images/new')), ...given(file('/images/new'), 'vdb')])
    expect(refusedRevert(of, { to: 's1', overlays: same })).toMatchObject({
      _tag: 'PathTaken',
      disk: 'vdb',
      by: 'the new image of vda',
      alternatives: [
        { _tag: 'UseAnotherName', taken: expect.arrayContaining(['/images/v.1', '/images/new']) as unknown },
      ],
    })
  })

  it('in place: PointsLost where the present is kept, or a point in time is inside', () => {
    const overlays = given('in place')
    expect(refusedRevert(vm(two), { to: 's1', overlays })).toStrictEqual({
      _tag: 'PointsLost',
      lost: [{ snapshot: undefined, disk: 'vda', image: 'v.2' }],
      why: 'the image that is active now is made anew',
      alternatives: [{ _tag: 'KeepPresent' }],
    })
    const inside: Vm = { ...two, snapshots: [...(two.snapshots ?? []), { name: 'i', vda: 'inside v.2' }] }
    expect(refusedRevert(vm(inside), { to: 's1', overlays, present: 'discard' })).toMatchObject({
      _tag: 'PointsLost',
      lost: [{ snapshot: 'i', disk: 'vda', image: 'v.2' }],
    })
  })

  it('in place: DiskRefused where somebody reads the active image, or it is in no file', () => {
    const asked = { to: 's1', overlays: given('in place'), present: 'discard' } as const
    const shared = vm({ ...two, images: { 'v.2': { otherReaders: ['backup'] } } })
    expect(refusedRevert(shared, asked)).toMatchObject({ _tag: 'DiskRefused', refusal: { _tag: 'ImageShared' } })
    const device = vm({
      ...two,
      images: { 'v.2': { location: { _tag: 'BlockDevice', path: '/dev/vg/v.2' } } },
    })
    expect(refusedRevert(device, asked)).toMatchObject({ _tag: 'DiskRefused', refusal: { _tag: 'NotThisWay' } })
  })

  it('DiskRefused: no name follows from what is not in a file, and one can be given', () => {
    const of = vm({ ...two, images: { v: { location: { _tag: 'BlockDevice', path: '/dev/vg/v' } } } })
    expect(refusedRevert(of, { to: 's1' })).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'LocationNotAddressable', image: 'v' },
    })
    expect(plannedRevert(of, { to: 's1', overlays: given(file('/images/new')) }).after.disks.get('vda')?.active).toBe(
      '/images/new',
    )
  })

  it('DiskRefused: encrypted images, whose secret a command line would need', () => {
    const of = vm({ ...two, images: { v: { encryption: 'luks' } } })
    expect(refusedRevert(of, { to: 's1' })).toMatchObject({ _tag: 'DiskRefused', refusal: { _tag: 'NotThisWay' } })
  })
})

describe('internal snapshots', () => {
  const inside: Vm = {
    disks: { vda: 'v[ab--]^' },
    snapshots: [{ name: 'i1', vda: 'inside v', state: 'shutoff' }],
    current: 'i1',
  }

  it('PointsLost: what the image shows now is overwritten', () => {
    expect(refusedRevert(vm(inside), { to: 'i1' })).toStrictEqual({
      _tag: 'PointsLost',
      lost: [{ snapshot: undefined, disk: 'vda', image: 'v' }],
      why: 'an internal snapshot is loaded over what the image shows now',
      alternatives: [{ _tag: 'TakeFirst' }],
    })
  })

  it('PointsLost, T06: what lies above the image shows something else, whatever the caller gives up', () => {
    const above: Vm = {
      disks: { vda: 'v[ab--] <- v.1[-c--] <- v.2[--d-]^' },
      snapshots: [
        { name: 'i1', vda: 'inside v', state: 'shutoff' },
        { name: 's2', parent: 'i1', vda: 'v' },
        { name: 's3', parent: 's2', vda: 'v.1' },
      ],
      current: 's3',
    }
    expect(refusedRevert(vm(above), { to: 'i1', present: 'discard' })).toMatchObject({
      _tag: 'PointsLost',
      lost: [
        { snapshot: 's2', image: 'v' },
        { snapshot: 's3', image: 'v.1' },
        { snapshot: undefined, image: 'v.2' },
      ],
    })
  })

  it('DiskRefused: it is inside an image beside the one that the guest reads, and would go on reading', () => {
    const beside: Vm = {
      disks: { vda: 'a0[aaa] <- (a1[---], a2[g--]^)' },
      state: 'shut-off',
      snapshots: [
        { name: 's1', vda: 'a0', state: 'shutoff' },
        { name: 's2', parent: 's1', vda: 'inside a1', state: 'shutoff' },
      ],
      current: 's1',
    }
    expect(refusedRevert(vm(beside), { to: 's2', present: 'discard' })).toMatchObject({
      _tag: 'DiskRefused',
      disk: 'vda',
      refusal: { _tag: 'NotThisWay', why: 'it is inside "a1", and the guest reads "a2"' },
    })
  })

  it('DiskRefused: others read the image, or, K07, it has dirty bitmaps', () => {
    const asked = { to: 'i1', present: 'discard' } as const
    const shared = vm({ ...inside, images: { v: { otherReaders: ['backup'] } } })
    expect(refusedRevert(shared, asked)).toMatchObject({ _tag: 'DiskRefused', refusal: { _tag: 'ImageShared' } })
    const bitmaps = [{ name: 'c1', granularityBytes: 65536, state: 'recording' }] as const
    expect(refusedRevert(vm({ ...inside, images: { v: { bitmaps } } }), asked)).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'NotThisWay' },
    })
  })
})

describe('what goes', () => {
  it('DiskRefused: nothing is removed by a relative path', () => {
    const of = vm({ ...bare, images: { 'v.2': { location: { _tag: 'File', path: 'v.2' } } } })
    expect(refusedRevert(of, { to: 's1', present: 'discard' }, throughQemuImg)).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'PathNotAbsolute', image: 'v.2' },
    })
  })

  it('PointGone: what a later snapshot had frozen may be what holds another one, which is lost and stays', () => {
    const of: Vm = {
      ...bare,
      disks: { vda: 'v[ab--] <- (v.1[-c--] <- v.2[--d-], v.3[e---]^)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
        { name: 'lost', vda: 'lost' },
      ],
    }
    const asked = { to: 's1', later: 'delete' } as const
    const tied = vm({ ...of, disks: { vda: 'v[ab--] <- (v.1[-c--], v.3[e---]^)' } })
    expect(refusedRevert(tied, asked, throughQemuImg)).toStrictEqual({
      _tag: 'PointGone',
      snapshot: 'lost',
      disks: ['vda'],
      why: 'lost',
      alternatives: [{ _tag: 'Forget', snapshots: ['lost'] }],
    })
    expect(lanes(reverted(vm(of), asked, throughQemuImg)).filter((line) => line.includes('unlink'))).toStrictEqual([])
    const discards = { to: 's1', present: 'discard' } as const
    expect(lanes(reverted(tied, discards, throughQemuImg)).at(-1)).toContain('unlink -- /images/v.3')
  })
})
