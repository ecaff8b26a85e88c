import { describe, expect, it } from 'vitest'

import { element } from '../../src/model/xml.js'

import { lanes, pictures, refusedRevert, reverted, throughLibvirt } from './expect-revert.js'
import { vm } from './machine.js'
import type { Built, Vm } from './machine.js'

const seconds = 1795656132
const two: Vm = {
  disks: { vda: 'v[ab--] <- v.1[-c--] <- v.2[--d-]^' },
  snapshots: [
    { name: 's1', vda: 'v' },
    { name: 's2', parent: 's1', vda: 'v.1' },
  ],
  current: 's2',
}
const asked = { to: 's1', how: 'libvirt', seconds, present: 'discard', definition: 'as taken' } as const
const byHand = { _tag: 'How', how: 'by hand' }

describe("libvirt's own function", () => {
  it('where it does what is asked', () => {
    const plan = reverted(vm(two), asked)
    expect(lanes(plan)).toStrictEqual([
      '---: virsh snapshot-revert vm s1',
      `---: qemu-img info --backing-chain --output=json /images/v.${seconds}`,
    ])
    expect(pictures(plan.after)).toStrictEqual({ vda: `v <- (v.1, v.${seconds}^)` })
    expect(plan.how).toBe('libvirt')
    expect(plan.requires).toStrictEqual(['libvirt-revert-external'])
    expect([...(plan.parts[0]?.fates ?? [])]).toStrictEqual([
      ['v', ['kept']],
      ['v.1', ['kept']],
      ['v.2', ['removed']],
      [`v.${seconds}`, ['created']],
    ])
    expect(plan.assumes).toStrictEqual([
      { _tag: 'ClockReads', seconds },
      { _tag: 'NoManagedSave', domain: 'vm' },
      { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'NothingAt', path: `/images/v.${seconds}` } },
    ])
  })

  it('and has the guest started', () => {
    const plan = reverted(vm(two), { ...asked, guest: 'running' })
    expect(lanes(plan)).toStrictEqual(['---: virsh snapshot-revert vm s1 --running', '---: virsh dumpxml vm'])
    expect(plan.after.state).toBe('running')
    expect(plan.assumes).toContainEqual({ _tag: 'Starts', domain: 'vm' })
  })

  const memory = { _tag: 'External', path: '/memory/s1' } as const
  const live: Vm = {
    disks: { vda: 'v[ab--] <- v.1[-c--]^' },
    snapshots: [{ name: 's1', vda: 'v', memory, state: 'running' }],
    current: 's1',
  }

  it('loads the memory of a guest: nobody else can', () => {
    const plan = reverted(vm(live), { to: 's1', seconds, present: 'discard' })
    expect(plan.how).toBe('libvirt')
    expect(plan.after.state).toBe('running')
    expect(lanes(plan)[0]).toBe('---: virsh snapshot-revert vm s1')
    expect(plan.assumes).toContainEqual({ _tag: 'MemoryFile', snapshot: 's1', path: '/memory/s1' })
  })

  it('and is refused where the present would go with it, which is to be kept', () => {
    expect(refusedRevert(vm(live), { to: 's1', seconds })).toMatchObject({
      _tag: 'LibvirtLoses',
      lost: [{ snapshot: undefined, disk: 'vda', image: 'v.1' }],
      alternatives: [{ _tag: 'TakeFirst' }],
    })
  })

  it('loads an internal system checkpoint', () => {
    const of: Vm = {
      disks: { vda: 'v[ab--]^' },
      snapshots: [{ name: 'i1', vda: 'inside v', memory: { _tag: 'Internal' }, state: 'running' }],
      current: 'i1',
    }
    const plan = reverted(vm(of), { to: 'i1', present: 'discard' })
    expect(lanes(plan)).toStrictEqual(['---: virsh snapshot-revert vm i1'])
    expect(plan.parts[0]?.fates.get('v')).toStrictEqual(['written'])
    expect(refusedRevert(vm(of), { to: 'i1' })).toMatchObject({
      _tag: 'LibvirtLoses',
      lost: [{ snapshot: undefined, disk: 'vda', image: 'v' }],
    })
  })
})

describe('NotThisWay', () => {
  it.each([
    ['without seconds', { seconds: undefined }],
    ['with names of images', { overlays: new Map([['vda', 'in place' as const]]) }],
    ['with what came after deleted', { later: 'delete' as const }],
  ])('%s', (_, change) => {
    const { seconds: _seconds, ...rest } = asked
    const request = 'seconds' in change ? rest : { ...asked, ...change }
    expect(refusedRevert(vm(two), request)).toMatchObject({
      _tag: 'NotThisWay',
      via: 'libvirt',
      alternatives: [byHand],
    })
  })
})

describe('LibvirtRefuses', () => {
  it('W09: two reverts within one second', () => {
    const of: Vm = { ...two, disks: { vda: `v[ab--] <- (v.1[-c--] <- v.2[--d-]^, v.${seconds}[---e])` } }
    expect(refusedRevert(vm(of), asked)).toMatchObject({
      _tag: 'LibvirtRefuses',
      function: 'virDomainRevertToSnapshot',
      rule: 'R5',
      alternatives: [byHand],
    })
  })

  it('K07: an image with dirty bitmaps', () => {
    const bitmaps = [{ name: 'c1', granularityBytes: 65536, state: 'recording' }] as const
    const of: Vm = {
      disks: { vda: 'v[ab--]^' },
      snapshots: [{ name: 'i1', vda: 'inside v', memory: { _tag: 'Internal' }, state: 'running' }],
      images: { v: { bitmaps } },
    }
    expect(refusedRevert(vm(of), { to: 'i1', present: 'discard' })).toMatchObject({
      _tag: 'LibvirtRefuses',
      rule: 'R7',
      alternatives: [],
    })
  })
})

describe('LibvirtLoses', () => {
  it('the present', () => {
    expect(refusedRevert(vm(two), { ...asked, present: 'keep' })).toStrictEqual({
      _tag: 'LibvirtLoses',
      function: 'virDomainRevertToSnapshot',
      snapshot: 's1',
      lost: [{ snapshot: undefined, disk: 'vda', image: 'v.2' }],
      why: 'it unlinks what it has written down as the overlays of the current snapshot',
      alternatives: [byHand, { _tag: 'TakeFirst' }],
    })
  })

  it('B09: the point in time that is asked for', () => {
    const of: Vm = {
      disks: { vda: 'v[ab--] <- v.1[-c--] <- (v.2[--d-], v.9[---e]^)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1', record: { disks: { vda: 'v.2' } } },
        { name: 's3', parent: 's2', vda: 'v.2', record: { disks: { vda: 'v.3' } } },
      ],
      current: 's2',
    }
    expect(refusedRevert(vm(of), { ...asked, to: 's3' })).toMatchObject({
      _tag: 'LibvirtLoses',
      lost: [{ snapshot: 's3', disk: 'vda', image: 'v.2' }],
      alternatives: [byHand],
    })
  })
})

describe('T06, an internal snapshot below an overlay', () => {
  const below: Vm = {
    disks: { vda: 'v[ab--] <- v.s2[-c--]^' },
    snapshots: [
      { name: 'i1', state: 'shutoff', vda: 'inside v' },
      { name: 's2', parent: 'i1', vda: 'v' },
    ],
    current: 's2',
    state: 'shut-off',
  }
  const request = { to: 'i1', how: 'libvirt', present: 'discard' } as const

  it('LibvirtLoses: what is read through its image, named', () => {
    expect(refusedRevert(vm(below), request)).toStrictEqual({
      _tag: 'LibvirtLoses',
      function: 'virDomainRevertToSnapshot',
      snapshot: 'i1',
      lost: [
        { snapshot: 's2', disk: 'vda', image: 'v' },
        { snapshot: undefined, disk: 'vda', image: 'v.s2' },
      ],
      why: 'it loads an internal snapshot over what its image shows now',
      alternatives: [byHand],
    })
  })

  it('LibvirtDiffers, where nothing is lost, but the guest would read another image', () => {
    const beside: Vm = {
      disks: { vda: 'v[aa--] <- (v.1[-b--], v.2[--c-]^)' },
      snapshots: [
        { name: 's1', vda: 'v', record: { disks: { vda: 'v.2' } } },
        { name: 'i2', parent: 's1', state: 'shutoff', vda: 'inside v.1' },
      ],
      current: 's1',
      state: 'shut-off',
    }
    expect(refusedRevert(vm(beside), { ...request, to: 'i2' })).toMatchObject({
      _tag: 'LibvirtDiffers',
      why: 'disk vda would change to another image, and leave the one it has behind',
    })
  })
})

describe('LibvirtDiffers', () => {
  const why = (built: Built, request: Parameters<typeof refusedRevert>[1]): string => {
    const refusal = refusedRevert(built, request, throughLibvirt)
    return refusal._tag === 'LibvirtDiffers' ? refusal.why : refusal._tag
  }

  it('W03: a disk that was left out gets an overlay', () => {
    const of: Vm = {
      disks: { vda: 'v[ab--] <- v.1[-c--]^', vdb: 'w[ab--]^' },
      snapshots: [{ name: 's1', vda: 'v', vdb: 'no' }],
      current: 's1',
    }
    expect(why(vm(of), asked)).toBe('it lays overlays on disk vdb too, which the snapshot left out')
  })

  it('U09: the definition is as it was', () => {
    const built = vm(two)
    const { definitions } = built.machine
    if (definitions?.persistent === undefined) throw new Error('no definition')
    const { persistent } = definitions
    const changed = { ...persistent, children: [...persistent.children, element('description', {}, ['changed since'])] }
    const machine = { ...built.machine, definitions: { ...definitions, persistent: changed } }
    const { definition: _, ...now } = asked
    expect(why({ ...built, machine }, now)).toBe('it brings the whole definition back as it was taken')
    expect(reverted({ ...built, machine }, asked).after.definitions?.persistent?.children).not.toContainEqual(
      element('description', {}, ['changed since']),
    )
    expect(reverted(built, now).how).toBe('libvirt')
  })

  it('U09: a disk that came later goes', () => {
    const of: Vm = { ...two, disks: { ...two.disks, vdb: 'w[a---]^' } }
    const { definition: _, ...now } = asked
    expect(why(vm(of), now)).toBe('disk vdb would go from the definition')
  })

  it('a record that names another file', () => {
    const of: Vm = {
      disks: { vda: 'v[ab--] <- v.1[-c--] <- v.2[--d-]^' },
      snapshots: [{ name: 's1', vda: 'v', record: { domain: { vda: 'v.1' } } }],
      current: 's1',
    }
    expect(why(vm(of), asked)).toBe('by its record disk vda would show something else')
  })

  it('a guest whose memory is kept does not stay off', () => {
    const memory = { _tag: 'External', path: '/memory/s1' } as const
    const of: Vm = { ...two, snapshots: [{ name: 's1', vda: 'v', memory, state: 'running' }], current: 's1' }
    expect(why(vm(of), { ...asked, guest: 'shut-off' })).toBe('the guest would be running afterwards')
  })
})
