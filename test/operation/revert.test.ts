import { describe, expect, it } from 'vitest'

import { equalViews, viewOf } from '../../src/index.js'
import { guestViews } from '../../src/simulate/machine-observe.js'
import { runMachine } from '../../src/simulate/machine-trace.js'

import { lanes, pictures, reverted, throughLibvirt, throughQemuImg, worldFor } from './expect-revert.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const three: Vm = {
  disks: { vda: 'v[ab--] <- v.1[-c--] <- v.2[--d-] <- v.3[---e]^' },
  snapshots: [
    { name: 's1', vda: 'v' },
    { name: 's2', parent: 's1', vda: 'v.1' },
    { name: 's3', parent: 's2', vda: 'v.2' },
  ],
  current: 's3',
}

const both: Vm = {
  disks: { vda: 'v[ab--] <- v.1[-c--] <- v.2[--d-]^', vdb: 'w[ab--] <- w.1[-c--] <- w.2[--d-]^' },
  snapshots: [
    { name: 's1', vda: 'v', vdb: 'w' },
    { name: 's2', parent: 's1', vda: 'v.1', vdb: 'w.1' },
  ],
  current: 's2',
}

const branch = 'v[ab--] <- v.1[-c--] <- (v.2[--d-] <- v.3[---e], v.s2[----]^)'

describe('a revert by hand keeps the present and the future', () => {
  it('in a domain that runs, which is shut off afterwards: its memory was not kept', () => {
    const plan = reverted(vm(three), { to: 's2' })
    expect(lanes(plan)).toStrictEqual([
      '---: virsh destroy vm --graceful',
      'vda: qemu-img create -f qcow2 -F qcow2 -b /images/v.1 /images/v.s2 262144',
      'vda: qemu-img info --backing-chain --output=json /images/v.s2',
      '---: virsh define /dev/stdin',
      '---: virsh snapshot-create vm /dev/stdin --redefine --current',
    ])
    expect(pictures(plan.after)).toStrictEqual({ vda: 'v <- v.1 <- (v.2 <- v.3, v.s2^)' })
    expect(plan.after.state).toBe('shut-off')
    expect([...plan.after.snapshots.keys()]).toStrictEqual(['s1', 's2', 's3'])
    expect(plan.assumes).toStrictEqual([
      { _tag: 'NoManagedSave', domain: 'vm' },
      { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'NothingAt', path: '/images/v.s2' } },
    ])
    expect({ how: plan.how, requires: plan.requires }).toStrictEqual({ how: 'by hand', requires: ['libvirt-redefine'] })
  })

  it('in a domain that is shut off', () => {
    const plan = reverted(vm({ ...three, state: 'shut-off' }), { to: 's2' })
    expect(lanes(plan)).toStrictEqual([
      'vda: qemu-img create -f qcow2 -F qcow2 -b /images/v.1 /images/v.s2 262144',
      'vda: qemu-img info --backing-chain --output=json /images/v.s2',
      '---: virsh define /dev/stdin',
      '---: virsh snapshot-create vm /dev/stdin --redefine --current',
    ])
    expect(plan.assumes).toContainEqual({ _tag: 'NoManagedSave', domain: 'vm' })
  })

  it('without libvirt', () => {
    const plan = reverted(vm({ ...three, state: 'shut-off', records: 'none' }), { to: 's2' }, throughQemuImg)
    expect(lanes(plan)).toStrictEqual([
      'vda: qemu-img create -f qcow2 -F qcow2 -b /images/v.1 /images/v.s2 262144',
      'vda: qemu-img info --backing-chain --output=json /images/v.s2',
    ])
    expect(plan.assumes).toStrictEqual([
      { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'NothingAt', path: '/images/v.s2' } },
      { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'Closed', images: ['v.3'] } },
      {
        _tag: 'OfDisk',
        disk: 'vda',
        assumption: { _tag: 'StartsWith', image: 'v.s2', path: '/images/v.s2', from: 2 },
      },
    ])
  })

  it('of the snapshot that is current, of the first one, and of one on another branch', () => {
    expect(pictures(reverted(vm(three), { to: 's3' }).after)).toStrictEqual({ vda: 'v <- v.1 <- v.2 <- (v.3, v.s3^)' })
    expect(pictures(reverted(vm(three), { to: 's1' }).after)).toStrictEqual({ vda: 'v <- (v.1 <- v.2 <- v.3, v.s1^)' })
    const back = reverted(vm({ ...three, disks: { vda: branch }, current: 's2' }), { to: 's3' })
    expect(pictures(back.after)).toStrictEqual({ vda: 'v <- v.1 <- (v.2 <- (v.3, v.s3^), v.s2)' })
  })

  it.each([
    ['running', '---: virsh start vm'],
    ['paused', '---: virsh start vm --paused'],
  ] as const)('and leaves the guest %s, if asked', (guest, line) => {
    const plan = reverted(vm(three), { to: 's2', guest })
    expect(lanes(plan).at(-1)).toBe(line)
    expect(plan.after.state).toBe(guest)
    expect(plan.assumes).toContainEqual({ _tag: 'Starts', domain: 'vm' })
  })
})

describe('what the caller gives up goes last', () => {
  it('the present: the images that are active now', () => {
    const plan = reverted(vm(both), { to: 's1', present: 'discard' })
    expect(lanes(plan)).toStrictEqual([
      '---: virsh destroy vm --graceful',
      'vda: qemu-img create -f qcow2 -F qcow2 -b /images/v /images/v.s1 262144',
      'vdb: qemu-img create -f qcow2 -F qcow2 -b /images/w /images/w.s1 262144',
      'vda: qemu-img info --backing-chain --output=json /images/v.s1',
      'vdb: qemu-img info --backing-chain --output=json /images/w.s1',
      '---: virsh define /dev/stdin',
      '---: virsh snapshot-create vm /dev/stdin --redefine --current',
      'vda: unlink -- /images/v.2',
      'vdb: unlink -- /images/w.2',
    ])
    expect(pictures(plan.after)).toStrictEqual({ vda: 'v <- (v.1, v.s1^)', vdb: 'w <- (w.1, w.s1^)' })
    expect(plan.parts.map(({ fates }) => [...fates])).toStrictEqual([
      [
        ['v', ['kept']],
        ['v.1', ['kept']],
        ['v.2', ['removed']],
        ['v.s1', ['created']],
      ],
      [
        ['w', ['kept']],
        ['w.1', ['kept']],
        ['w.2', ['removed']],
        ['w.s1', ['created']],
      ],
    ])
  })

  it('a future with a fork, one snapshot after the other: libvirt would die of forgetting all at once', () => {
    const forked: Vm = {
      disks: { vda: 'v[ab--] <- v.1[-c--] <- (v.2[--d-] <- v.3[---e] <- v.5[g---], v.4[f---]^)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
        { name: 's3', parent: 's2', vda: 'v.2' },
        { name: 's4', parent: 's2', vda: 'v.1' },
        { name: 's5', parent: 's3', vda: 'v.3' },
      ],
      current: 's4',
    }
    const fork = (of: Vm): ReadonlyArray<string> =>
      lanes(reverted(vm(of), { to: 's1', present: 'discard', later: 'delete' })).filter((line) =>
        line.includes('snapshot-delete'),
      )
    const leaves = (forked.snapshots ?? []).slice(0, 4)
    expect(fork({ ...forked, snapshots: leaves })).toStrictEqual([
      '---: virsh snapshot-delete vm s1 --metadata --children-only',
    ])
    expect(fork(forked)).toStrictEqual([
      '---: virsh snapshot-delete vm s5 --metadata',
      '---: virsh snapshot-delete vm s4 --metadata',
      '---: virsh snapshot-delete vm s3 --metadata',
      '---: virsh snapshot-delete vm s2 --metadata',
    ])
  })

  it('the future: the records first, then the images that nobody else needs', () => {
    const plan = reverted(vm(three), { to: 's1', present: 'discard', later: 'delete' })
    expect(lanes(plan).slice(3)).toStrictEqual([
      '---: virsh define /dev/stdin',
      '---: virsh snapshot-create vm /dev/stdin --redefine --current',
      '---: virsh snapshot-delete vm s1 --metadata --children-only',
      'vda: unlink -- /images/v.3',
      'vda: unlink -- /images/v.2',
      'vda: unlink -- /images/v.1',
    ])
    expect(pictures(plan.after)).toStrictEqual({ vda: 'v <- v.s1^' })
    expect([...plan.after.snapshots.keys()]).toStrictEqual(['s1'])
    expect(plan.steps.map(({ points }) => points.get('s3')?.get('vda')?.image)).toStrictEqual([
      ...Array<string>(5).fill('v.2'),
      ...Array<undefined>(4).fill(undefined),
    ])
  })

  it('the future alone: what the present reads stays', () => {
    const plan = reverted(vm(three), { to: 's1', later: 'delete' })
    expect(pictures(plan.after)).toStrictEqual({ vda: 'v <- (v.1 <- v.2 <- v.3, v.s1^)' })
    expect(lanes(plan).filter((line) => line.includes('unlink'))).toStrictEqual([])
  })

  it('and nothing that a snapshot of another branch needs', () => {
    const plan = reverted(
      vm({
        disks: { vda: 'v[ab--] <- v.1[-c--] <- (v.2[--d-] <- v.3[---e], v.4[---f] <- v.5[e---]^)' },
        snapshots: [
          { name: 's1', vda: 'v' },
          { name: 's2', parent: 's1', vda: 'v.1' },
          { name: 's3', parent: 's2', vda: 'v.2' },
          { name: 's4', parent: 's2', vda: 'v.4' },
        ],
        current: 's4',
      }),
      { to: 's3', present: 'discard', later: 'delete' },
    )
    expect(pictures(plan.after)).toStrictEqual({ vda: 'v <- v.1 <- (v.2 <- (v.3, v.s3^), v.4)' })
  })

  it('nor what a snapshot that stays has frozen too', () => {
    const of: Vm = { ...three, disks: { vda: 'v[ab--] <- (v.1[-c--], v.9[---e]^)' } }
    const snapshots = [
      { name: 's1', vda: 'v' },
      { name: 's2', parent: 's1', vda: 'v.1' },
      { name: 's9', vda: 'v.1' },
    ]
    const plan = reverted(vm({ ...of, snapshots, current: 's1' }), { to: 's1', later: 'delete' })
    expect(pictures(plan.after)).toStrictEqual({ vda: 'v <- (v.1, v.9, v.s1^)' })
  })

  it('without libvirt: nothing goes on one disk before the images of all have been seen', () => {
    const off: Vm = { ...both, state: 'shut-off', records: 'none' }
    const plan = reverted(vm(off), { to: 's1', present: 'discard', later: 'delete' }, throughQemuImg)
    expect(lanes(plan)).toStrictEqual([
      'vda: qemu-img create -f qcow2 -F qcow2 -b /images/v /images/v.s1 262144',
      'vdb: qemu-img create -f qcow2 -F qcow2 -b /images/w /images/w.s1 262144',
      '---: qemu-img info --backing-chain --output=json /images/v.s1',
      '---: qemu-img info --backing-chain --output=json /images/w.s1',
      'vda: unlink -- /images/v.2',
      'vda: unlink -- /images/v.1',
      'vdb: unlink -- /images/w.2',
      'vdb: unlink -- /images/w.1',
    ])
  })

  it('the memory of what came after', () => {
    const memory = { _tag: 'External', path: '/memory/s3' } as const
    const [s1, s2] = three.snapshots ?? []
    if (s1 === undefined || s2 === undefined) throw new Error('no snapshots')
    const kept: Vm = { ...three, snapshots: [s1, s2, { name: 's3', parent: 's2', vda: 'v.2', memory }] }
    const plan = reverted(vm(kept), { to: 's2', present: 'discard', later: 'delete' })
    expect(plan.unlinked).toStrictEqual(['/memory/s3'])
    expect(lanes(plan).at(-1)).toBe('---: unlink -- /memory/s3')
    expect(plan.assumes).toContainEqual({ _tag: 'MemoryFile', snapshot: 's3', path: '/memory/s3' })
  })

  it.each([
    ['is read by somebody else', { otherReaders: ['backup'] }],
    ['has an internal snapshot that nobody knows', { internalSnapshots: [{ id: '1', name: 'x', vmStateBytes: 0 }] }],
  ])('the image that is active, which %s, stays', (_, image) => {
    const plan = reverted(vm({ ...three, images: { 'v.3': image } }), { to: 's2', present: 'discard' })
    expect(pictures(plan.after)).toStrictEqual({ vda: 'v <- v.1 <- (v.2 <- v.3, v.s2^)' })
    expect(plan.parts[0]?.fates.get('v.3')).toStrictEqual(['kept'])
  })

  it('of readers that nobody was asked about the plan says so', () => {
    const unknown: Vm = { ...three, images: { 'v.3': { otherReaders: 'unknown' } } }
    const plan = reverted(vm(unknown), { to: 's2', present: 'discard' })
    const assumption = { _tag: 'NoOtherReaders', images: ['v.3'] }
    expect(plan.assumes).toContainEqual({ _tag: 'OfDisk', disk: 'vda', assumption })
  })

  it('the image that is active, which has an internal snapshot, stays', () => {
    const inside: Vm = { ...three, snapshots: [...(three.snapshots ?? []), { name: 'i', vda: 'inside v.3' }] }
    const plan = reverted(vm({ ...inside, current: 's3' }), { to: 's2', present: 'discard' })
    expect(pictures(plan.after)).toStrictEqual({ vda: 'v <- v.1 <- (v.2 <- v.3, v.s2^)' })
  })
})

describe('in place', () => {
  const request = { to: 's2', present: 'discard', overlays: new Map([['vda', 'in place' as const]]) } as const

  it('the new image is made beside the active one, and takes its name in one step', () => {
    const plan = reverted(vm(three), request)
    expect(lanes(plan)).toStrictEqual([
      '---: virsh destroy vm --graceful',
      'vda: qemu-img create -f qcow2 -F qcow2 -b /images/v.1 /images/v.s2 262144',
      'vda: qemu-img info --backing-chain --output=json /images/v.s2',
      '---: virsh define /dev/stdin',
      'vda: mv -T -- /images/v.s2 /images/v.3',
      'vda: qemu-img info --backing-chain --output=json /images/v.3',
      '---: virsh snapshot-create vm /dev/stdin --redefine --current',
    ])
    expect(pictures(plan.after)).toStrictEqual({ vda: 'v <- v.1 <- (v.2, v.3^)' })
    expect(plan.parts[0]?.fates.get('v.3')).toStrictEqual(['written', 'repointed'])
    expect(plan.steps[2]?.until).toMatchObject({ images: [{ image: 'v' }, { image: 'v.1' }, { image: 'v.s2' }] })
    expect(plan.assumes).toStrictEqual([
      { _tag: 'NoManagedSave', domain: 'vm' },
      { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'NothingAt', path: '/images/v.s2' } },
    ])
  })

  it('without libvirt the start is as before, once the name is taken', () => {
    const plan = reverted(vm({ ...three, state: 'shut-off', records: 'none' }), request, throughQemuImg)
    expect(lanes(plan)).toStrictEqual([
      'vda: qemu-img create -f qcow2 -F qcow2 -b /images/v.1 /images/v.s2 262144',
      '---: qemu-img info --backing-chain --output=json /images/v.s2',
      'vda: mv -T -- /images/v.s2 /images/v.3',
      'vda: qemu-img info --backing-chain --output=json /images/v.3',
    ])
    const starts = { _tag: 'StartsWith', image: 'v.3', path: '/images/v.3', from: 4 }
    expect(plan.assumes).toContainEqual({ _tag: 'OfDisk', disk: 'vda', assumption: starts })
  })

  it('with what came after deleted too', () => {
    expect(pictures(reverted(vm(three), { ...request, later: 'delete' }).after)).toStrictEqual({
      vda: 'v <- v.1 <- v.3^',
    })
  })
})

describe('internal snapshots', () => {
  const inside: Vm = {
    disks: { vda: 'v[ab--]^' },
    snapshots: [
      { name: 'i1', vda: 'inside v', state: 'shutoff' },
      { name: 'i2', parent: 'i1', vda: 'inside v', state: 'shutoff' },
    ],
    current: 'i2',
  }

  it('are loaded while the guest is off, over what the caller gives up', () => {
    const plan = reverted(vm(inside), { to: 'i1', present: 'discard' })
    expect(lanes(plan)).toStrictEqual([
      '---: virsh destroy vm --graceful',
      'vda: qemu-img info --backing-chain --output=json /images/v',
      'vda: qemu-img snapshot -a i1 /images/v',
      '---: virsh snapshot-create vm /dev/stdin --redefine --current',
    ])
    expect(plan.parts[0]?.fates.get('v')).toStrictEqual(['written'])
  })

  it('and go with their snapshots', () => {
    const off: Vm = { ...inside, state: 'shut-off', records: 'none' }
    const plan = reverted(vm(off), { to: 'i1', present: 'discard', later: 'delete' }, throughQemuImg)
    expect(lanes(plan)).toStrictEqual([
      '---: qemu-img info --backing-chain --output=json /images/v',
      'vda: qemu-img snapshot -a i1 /images/v',
      'vda: qemu-img snapshot -d i2 /images/v',
    ])
    const left = plan.after.disks
      .get('vda')
      ?.images.get('v')
      ?.internalSnapshots.map(({ name }) => name)
    expect(left).toStrictEqual(['i1'])
  })

  it('beside external disks, each in its own way', () => {
    const mixed: Vm = {
      disks: { vda: 'v[ab--]^', vdb: 'w[ab--] <- w.1[-c--]^' },
      snapshots: [{ name: 'm', vda: 'inside v', vdb: 'w', state: 'shutoff' }],
      current: 'm',
    }
    expect(lanes(reverted(vm({ ...mixed, state: 'shut-off' }), { to: 'm', present: 'discard' }))).toStrictEqual([
      'vdb: qemu-img create -f qcow2 -F qcow2 -b /images/w /images/w.m 262144',
      'vda: qemu-img info --backing-chain --output=json /images/v',
      'vdb: qemu-img info --backing-chain --output=json /images/w.m',
      '---: virsh define /dev/stdin',
      'vda: qemu-img snapshot -a m /images/v',
      '---: virsh snapshot-create vm /dev/stdin --redefine --current',
      'vdb: unlink -- /images/w.1',
    ])
  })
})

describe('a crash on the way', () => {
  it.each([
    ['libvirt', throughLibvirt, { ...three, state: 'shut-off' }],
    ['qemu-img', throughQemuImg, { ...three, state: 'shut-off', records: 'none' }],
  ] as const)(
    'in place, through %s: the guest reads its present or the point in time, and nothing else',
    (_, host, of) => {
      const built = vm(of)
      const overlays = new Map([['vda', 'in place' as const]])
      const plan = reverted(built, { to: 's2', present: 'discard', overlays }, host)
      const chain = built.machine.disks.get('vda')
      const contents = built.contents.get('vda')
      if (chain === undefined || contents === undefined) throw new Error('no disk')
      const [present, point] = [viewOf(chain, contents), viewOf(chain, contents, 'v.1')]
      const { moments } = runMachine(worldFor(built.machine, built.contents), plan.steps)
      const seen = moments.map(({ machine }) => {
        const view = guestViews(machine).get('vda')
        if (view !== undefined && present !== undefined && equalViews(view, present)) return 'present'
        return view !== undefined && point !== undefined && equalViews(view, point) ? 'point' : 'neither'
      })
      expect(seen).not.toContain('neither')
      expect(seen.lastIndexOf('present')).toBeLessThan(seen.indexOf('point'))
    },
  )
})
