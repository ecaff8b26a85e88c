// What a second reviewer broke: each was a plan, and would have destroyed or torn data.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import {
  capabilitiesOfVersions,
  changeChain,
  commit,
  deleteSnapshots,
  dropState,
  restoreState,
  revert,
  saveState,
  take,
} from '../../src/index.js'
import type { Machine, MachineHost, Opening, SavedState, XmlElement } from '../../src/index.js'
import { withMachine } from '../../src/model/machine.js'
import { parsed } from './expect-plan.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const libvirt: MachineHost = { via: 'libvirt', capabilities }
const qmp: MachineHost = { via: 'qmp', capabilities }
const managed = { kind: 'managed' } as const
const left = (of: E.Either<unknown, unknown>): unknown => (E.isLeft(of) ? of.left : 'planned')
const off = (disks: Vm['disks'], more: Partial<Vm> = {}): Machine => vm({ disks, state: 'shut-off', ...more }).machine

/** The state of a machine with such disks, as libvirt prints it. */
const savedOf = (disks: Vm['disks'], more: Partial<Vm> = {}): SavedState => {
  const plan = saveState(vm({ disks, state: 'running', ...more }).machine, { to: managed }, libvirt)
  const [state] = E.isRight(plan) ? plan.right.after.saved : []
  if (state === undefined) throw new Error('not saved')
  return { ...state, known: 'as printed' }
}

const renamedIn = (of: XmlElement, from: string, to: string): XmlElement => ({
  ...of,
  attributes: Object.fromEntries(
    Object.entries(of.attributes).map(([name, text]) => [name, text === from ? to : text]),
  ),
  children: of.children.map((child) => (typeof child === 'string' ? child : renamedIn(child, from, to))),
})

describe('a saved state that does not fit the disks', () => {
  it('does not follow a commit that would make it fit', () => {
    const machine = withMachine(off({ vda: 'v[aaaa] <- v.1[-b--] <- v.2[--c-]^' }), {
      saved: [savedOf({ vda: 'v[aaaa] <- v.1[-b--]^' })],
    })
    const down = { top: 'v.2', base: 'v.1', end: 'pivot', leftovers: 'remove' } as const
    const refused = left(changeChain(machine, { disk: 'vda', saved: 'repoint', commit: down }, libvirt))
    expect(refused).toMatchObject({ _tag: 'StateSaved', conflicts: [{ path: '/images/v.1', change: 'not active' }] })
    const plain = left(changeChain(machine, { disk: 'vda', commit: down }, libvirt))
    expect(JSON.stringify(plain)).not.toContain('RepointState')
  })

  it('is not restored on an image in another format', () => {
    const saved = [savedOf({ vda: 'v[aaaa]^' }, { images: { v: { format: 'raw' } } })]
    expect(
      left(restoreState(withMachine(off({ vda: 'v[aaaa]^' }), { saved }), { from: managed }, libvirt)),
    ).toMatchObject({
      _tag: 'StateUnfit',
      conflicts: [{ path: '/images/v', change: 'reformatted' }],
    })
  })

  it.each([
    ['under another target', 'vda', 'sda'],
    ['by another name of the file', '/images/v.1', '/pool/v.1'],
  ])('pins its images %s too', (_, from, to) => {
    const { images: _images, ...saved } = savedOf({ vda: 'v[aaaa] <- v.1[-b--]^' })
    const state = { ...saved, definition: renamedIn(saved.definition, from, to) }
    const snapshots = [{ name: 's', vda: 'v' }]
    const machine = withMachine(off({ vda: 'v[aaaa] <- v.1[-b--]^' }, { snapshots, current: 's' }), { saved: [state] })
    expect(left(take(machine, { name: 'n' }, libvirt))).toMatchObject({ _tag: 'StateSaved' })
    expect(left(deleteSnapshots(machine, { snapshots: ['s'] }, libvirt))).toMatchObject({ _tag: 'StateSaved' })
    expect(left(restoreState(machine, { from: managed }, libvirt))).toMatchObject({ _tag: 'StateUnfit', why: 'images' })
  })

  it('is not restored where a disk has come since', () => {
    const saved = [savedOf({ vda: 'v[aa]^' })]
    const machine = withMachine(off({ vda: 'v[aa]^', vdb: 'w[bb]^' }), { saved })
    expect(left(restoreState(machine, { from: managed }, libvirt))).toMatchObject({
      _tag: 'StateUnfit',
      conflicts: [{ disk: 'vdb', path: '/images/w' }],
    })
  })

  it('is not restored while somebody else writes to its images, nor dropped over an image', () => {
    const machine = withMachine(off({ vda: 'v[aa]^' }), { saved: [savedOf({ vda: 'v[aa]^' })] })
    const other: Opening = { image: 'v', by: { _tag: 'OtherHost', name: 'h2' }, access: 'write' }
    const host: MachineHost = { ...libvirt, opened: new Map([['vda', [other]]]) }
    expect(left(restoreState(machine, { from: managed }, host))).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'ImageOpen', image: 'v' },
    })
    const place = { kind: 'file', path: '/images/v' } as const
    const wrong = withMachine(machine, { saved: [{ ...savedOf({ vda: 'v[aa]^' }), place }] })
    expect(left(dropState(wrong, { place }, libvirt))).toMatchObject({ _tag: 'PathTaken', path: '/images/v', by: 'v' })
  })
})

describe('the socket of a storage daemon', () => {
  it('takes the place of no image', () => {
    const { chain } = parsed('v[aa] <- v.1[-b]^')
    const hypervisor = { via: 'storage-daemon', guest: 'shut-off', capabilities, socket: '/images/v' } as const
    expect(left(commit(chain, { top: 'v.1', base: 'v', end: 'pivot' }, hypervisor))).toMatchObject({
      _tag: 'NotThisWay',
    })
    const two: Vm = {
      disks: { vda: 'v[aa] <- v.1[-b]^', vdb: 'w[d] <- w.vda[e]^' },
      snapshots: [{ name: 's', vda: 'v', vdb: 'no' }],
      records: 'none',
      state: 'shut-off',
    }
    const host: MachineHost = { via: 'storage-daemon', capabilities, socket: '/images/w' }
    const request = { snapshots: ['s'] } as const
    expect(left(deleteSnapshots(vm(two).machine, request, host))).toMatchObject({ _tag: 'NotThisWay' })
    expect(left(deleteSnapshots(vm(two).machine, request, { ...host, socket: '/run/q' }))).toBe('planned')
  })
})

describe('who reads an internal snapshot', () => {
  const reads = (image: string): ReadonlyMap<string, ReadonlyArray<Opening>> =>
    new Map([['vda', [{ image, by: { _tag: 'Tool', name: 'extraction' }, access: 'read' }]]])
  const inside: Vm = {
    disks: { vda: 'v[aa]^' },
    snapshots: [{ name: 'i1', vda: 'inside v', state: 'running', memory: { _tag: 'Internal' } }],
    current: 'i1',
  }

  it('keeps it from being deleted, through libvirt shut off and through a monitor', () => {
    const request = { snapshots: ['i1'] } as const
    const shut = vm({ ...inside, state: 'shut-off' }).machine
    const open = { _tag: 'DiskRefused', refusal: { _tag: 'ImageOpen', image: 'v' } }
    expect(left(deleteSnapshots(shut, request, libvirt))).toBe('planned')
    expect(left(deleteSnapshots(shut, request, { ...libvirt, opened: reads('v') }))).toMatchObject(open)
    const live = vm({ ...inside, records: 'none', state: 'running', nodes: 'monitor' }).machine
    expect(left(deleteSnapshots(live, request, qmp))).toBe('planned')
    expect(left(deleteSnapshots(live, request, { ...qmp, opened: reads('v') }))).toMatchObject(open)
  })

  it('and from being loaded over', () => {
    const live = vm({ ...inside, records: 'none', state: 'running', nodes: 'monitor' }).machine
    const request = { to: 'i1', present: 'discard' } as const
    const refused = left(revert(live, request, { ...qmp, opened: reads('v') }))
    expect(left(revert(live, request, qmp))).toBe('planned')
    expect(refused).toMatchObject({ _tag: 'DiskRefused', refusal: { _tag: 'ImageOpen', image: 'v' } })
  })
})
