import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, changeChain, forget, printChain } from '../../src/index.js'
import type { ChainRequest, Machine, MachineHost } from '../../src/index.js'

import { vm } from './machine.js'
import type { Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const libvirt: MachineHost = { via: 'libvirt', capabilities }
const qemuImg: MachineHost = { via: 'qemu-img', capabilities }

const refused = (machine: Machine, request: ChainRequest, host: MachineHost): unknown => {
  const found = changeChain(machine, request, host)
  return E.isLeft(found) ? found.left : printChain(found.right.after.disks.get(request.disk) ?? absent())
}

const absent = (): never => {
  throw new Error('no such disk')
}

/** Somebody has committed `v.2` by hand, into one of these. */
const shortened: Vm = {
  disks: { vda: 'v[aa--] <- v.1[-b--] <- v.3[--c-]^', vdb: 'w[x] <- w.1[y]^' },
  snapshots: [
    { name: 's1', vda: 'v', vdb: 'no' },
    { name: 's2', parent: 's1', vda: 'lost', vdb: 'no' },
    { name: 's3', parent: 's2', vda: 'lost', vdb: 'no' },
  ],
  current: 's3',
}

const gone = {
  _tag: 'PointGone',
  snapshot: 's2',
  disks: ['vda'],
  why: 'lost',
  alternatives: [{ _tag: 'Forget', snapshots: ['s2', 's3'] }],
}

describe('under a snapshot that no image is known to hold', () => {
  const { machine } = vm(shortened)
  const commit = { top: 'v.3', base: 'v.1', end: 'pivot' } as const

  it('nothing is committed: the image that is written may be the one that holds it', () => {
    for (const metadata of ['refuse', 'carry'] as const)
      expect(refused(machine, { disk: 'vda', commit, metadata }, libvirt)).toEqual(gone)
  })

  it('nothing is pulled where a file goes, which may be the one that holds it', () => {
    const bare = vm({ ...shortened, records: 'none', state: 'shut-off', nodes: 'monitor' }).machine
    const pull = { into: 'v.3', base: 'v' } as const
    expect(refused(bare, { disk: 'vda', pull: { ...pull, leftovers: 'remove' } }, qemuImg)).toEqual(gone)
    expect(refused(bare, { disk: 'vda', pull }, qemuImg)).toBe('v <- v.3^')
  })

  it('other disks are free, and so is this one when it has been forgotten', () => {
    const other = { disk: 'vdb', commit: { top: 'w.1', base: 'w', end: 'pivot' }, metadata: 'carry' } as const
    expect(refused(machine, other, libvirt)).toBe('w^')
    const forgotten = forget(machine, { snapshots: ['s2', 's3'] }, libvirt)
    if (E.isLeft(forgotten)) throw new Error(forgotten.left._tag)
    expect(refused(forgotten.right.after, { disk: 'vda', commit }, libvirt)).toBe('v <- v.1^')
  })

  it('the disk is looked for first, and what else is against the commit is said after it', () => {
    expect(refused(machine, { disk: 'vdx', commit }, libvirt)).toMatchObject({ _tag: 'DiskNotFound' })
    const wrong = { disk: 'vda', commit: { top: 'v.1', base: 'v' } }
    expect(refused(machine, wrong, libvirt)).toEqual(gone)
  })
})
