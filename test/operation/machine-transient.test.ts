// Domains without a persistent definition, and snapshots that leave a disk out: what is planned is what libvirt does.

import { describe, expect, it } from 'vitest'

import type { Machine } from '../../src/model/machine.js'

import { expectTrue, refusedRevert, reverted } from './expect-revert.js'
import { recorded, taken } from './expect-take.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const asked = { how: 'libvirt', seconds: 1795656132, present: 'discard', definition: 'as taken' } as const

describe('a transient domain', () => {
  const two: Vm = {
    disks: { vda: 'a[1---] <- v[-2--] <- v.1[--3-] <- v.2[---4]^' },
    snapshots: [
      { name: 's1', vda: 'v', record: { domain: { vda: 'v' } } },
      { name: 's2', parent: 's1', vda: 'v.1', record: { domain: { vda: 'v <- v.1' } } },
    ],
    current: 's2',
    persistence: 'transient',
  }
  const stored = (machine: Machine, name: string): unknown =>
    recorded(taken(machine, { name }).after.snapshots.get(name)?.recorded)['vda']

  it("goes on after libvirt's own revert, and its records end with it", () => {
    const plan = reverted(vm(two), { to: 's1', guest: 'running', ...asked })
    expect(plan.after.definitions?.persistent).toBeUndefined()
    expect(plan.after.definitions?.live).toBeDefined()
    expect(plan.assumes).toContainEqual({ _tag: 'RecordsEnd', domain: 'vm' })
  })

  it('is not shut off by one', () => {
    expect(refusedRevert(vm(two), { to: 's1', ...asked })).toMatchObject({ _tag: 'LibvirtRefuses', rule: 'R4' })
  })

  it('has in the record of a snapshot what the last one froze, and all overlays since', () => {
    const { machine } = vm(two)
    expect(stored(machine, 's3')).toStrictEqual(['/images/v.2', '/images/v.1', '/images/v'])
    const { after } = taken(machine, { name: 'n', metadata: 'none' })
    expect(stored(after, 's3')).toStrictEqual(['/images/v.n', '/images/v.2', '/images/v.1', '/images/v'])
  })

  it('has nothing below an overlay that was made offline, over what had nothing stored', () => {
    const first = reverted(vm(two), { to: 's1', guest: 'running', ...asked }).after
    expect(stored(first, 's3')).toStrictEqual(['/images/v.1795656132'])
    const { after } = taken(first, { name: 's3' })
    expect(stored(after, 's4')).toStrictEqual(['/images/v.s3', '/images/v.1795656132'])
    const second = reverted(vm(two), { to: 's2', guest: 'running', ...asked }).after
    expect(stored(second, 's3')).toStrictEqual(['/images/v.1795656132', '/images/v.1', '/images/v'])
    const off: Vm = {
      disks: { vda: 'v <- v.1^' },
      snapshots: [{ name: 's1', vda: 'v', state: 'shutoff', record: { domain: { vda: 'v' } } }],
      current: 's1',
      persistence: 'transient',
    }
    expect(stored(vm(off).machine, 's2')).toStrictEqual(['/images/v.1'])
  })

  it('has what lies below one that libvirt made when it loaded the memory', () => {
    const memory = { _tag: 'External', path: '/memory/m1' } as const
    const loaded: Vm = {
      disks: { vda: 'v <- v.1795656132^' },
      snapshots: [{ name: 'm1', vda: 'v', state: 'running', memory, record: { domain: { vda: 'v' } } }],
      current: 'm1',
      persistence: 'transient',
    }
    expect(stored(vm(loaded).machine, 's2')).toStrictEqual(['/images/v.1795656132', '/images/v'])
  })

  it('has the source alone where nobody is known to have given it more', () => {
    expect(stored(vm({ disks: two.disks, persistence: 'transient' }).machine, 's3')).toStrictEqual(['/images/v.2'])
  })
})

describe('a raw disk that an internal snapshot leaves out', () => {
  const raw: Vm = {
    disks: { vda: 'v[12--]^', vdb: 'w[34--]^' },
    snapshots: [{ name: 'i1', vda: 'inside v', vdb: 'no', state: 'shutoff' }],
    current: 'i1',
    images: { w: { format: 'raw' } },
  }

  it.each([
    ['shut-off', 'shut-off'],
    ['shut-off', 'running'],
    ['running', 'running'],
    ['running', 'shut-off'],
  ] as const)("stays as it is at libvirt's own revert, %s and then %s", (state, guest) => {
    const plan = reverted(vm({ ...raw, state }), { to: 'i1', guest, ...asked })
    expect(plan.parts.map(({ before }) => before.disk)).toStrictEqual(['vda'])
    expectTrue(plan, vm({ ...raw, state }), 'i1')
  })

  it('and at one that loads memory', () => {
    const [i1] = raw.snapshots ?? []
    if (i1 === undefined) throw new Error('no snapshot')
    const live: Vm = { ...raw, snapshots: [{ ...i1, memory: { _tag: 'Internal' }, state: 'running' }] }
    expect(reverted(vm(live), { to: 'i1', ...asked }).after.state).toBe('running')
  })
})
