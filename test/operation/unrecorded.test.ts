import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, deleteSnapshots, redefine, revert, take, xmlText } from '../../src/index.js'
import type { MachineHost, MachinePlan, MachineRefusal } from '../../src/index.js'
import type { XmlElement } from '../../src/model/xml.js'
import { assertMachinePlanSimulates } from '../../src/testing/index.js'

import { vm } from './machine.js'
import type { Vm } from './machine.js'

const host: MachineHost = {
  via: 'libvirt',
  capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' }),
}

/** libvirt has no record of s2: somebody took it without metadata, and wrote it down elsewhere. */
const of: Vm = {
  disks: { vda: 'v[aa--] <- v.1[-b--] <- v.2[--c-] <- v.3[---d]^' },
  state: 'shut-off',
  snapshots: [
    { name: 's1', vda: 'v', state: 'shutoff' },
    { name: 's2', parent: 's1', vda: 'v.1', state: 'shutoff', record: 'none' },
  ],
  current: 's2',
}

const later: Vm = {
  ...of,
  snapshots: [...(of.snapshots ?? []), { name: 's3', parent: 's2', vda: 'v.2', state: 'shutoff' }],
  current: 's3',
}

const parentIn = (record: XmlElement | undefined): string | undefined =>
  record === undefined ? 'no record' : /<parent><name>(.*?)<\/name><\/parent>/.exec(xmlText(record))?.[1]

const made = (found: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  if (E.isLeft(found)) throw new Error(JSON.stringify(found.left))
  return found.right
}

/** The parents that libvirt is told, by redefinitions. */
const told = ({ steps }: MachinePlan): ReadonlyArray<string | undefined> =>
  steps.flatMap(({ call }) =>
    call._tag === 'Libvirt' && call.function.call === 'virDomainSnapshotCreateXML'
      ? [parentIn(call.function.arguments.xml)]
      : [],
  )

describe('a snapshot of which libvirt has no record', () => {
  it('is not the parent that libvirt writes down of one that is taken: it has no current one then', () => {
    const built = vm(of)
    const plan = made(take(built.machine, { name: 'new' }, host))
    expect(plan.after.snapshots.get('new')?.parent).toBe('s2')
    expect(parentIn(plan.after.snapshots.get('new')?.recorded)).toBeUndefined()
    assertMachinePlanSimulates(plan, { disks: built.contents, inside: new Map() })
  })

  it('but the current one of its records is', () => {
    const built = vm({ ...of, current: 's1' })
    const plan = made(take(built.machine, { name: 'new' }, host))
    expect(parentIn(plan.after.snapshots.get('new')?.recorded)).toBe('s1')
    assertMachinePlanSimulates(plan, { disks: built.contents, inside: new Map() })
  })

  it('is no parent in a record that is written anew either, which libvirt would refuse: the nearest that it knows is', () => {
    const built = vm(later)
    const plan = made(redefine(built.machine, host))
    expect(told(plan)).toEqual(['s1'])
    expect(parentIn(plan.after.snapshots.get('s3')?.recorded)).toBe('s1')
    assertMachinePlanSimulates(plan, { disks: built.contents, inside: new Map() })
  })

  it.each([
    ['a deletion below it', deleteSnapshots(vm(later).machine, { snapshots: ['s1'], how: 'by hand' }, host), undefined],
    ['a revert above it', revert(vm(later).machine, { to: 's3' }, host), 's1'],
  ] as const)('nor after %s', (_, found, parent) => {
    const plan = made(found)
    expect(parentIn(plan.after.snapshots.get('s3')?.recorded)).toBe(parent)
    expect(told(plan)).not.toContain('s2')
    assertMachinePlanSimulates(plan, { disks: vm(later).contents, inside: new Map() })
  })
})
