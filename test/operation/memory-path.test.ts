import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, deleteSnapshots, explainMachineRefusal, revert } from '../../src/index.js'
import type { DeleteRequest, MachineHost, MachinePlan, MachineRefusal } from '../../src/index.js'

import { vm } from './machine.js'
import type { Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const host = { via: 'qemu-img', capabilities } as const satisfies MachineHost
const managed = { via: 'libvirt', capabilities } as const satisfies MachineHost

const relative: Vm = {
  disks: { vda: 'v[ab] <- v.1[-c] <- v.2[d-]^' },
  state: 'shut-off',
  records: 'none',
  snapshots: [
    { name: 's1', vda: 'v' },
    { name: 's2', parent: 's1', vda: 'v.1', state: 'running', memory: { _tag: 'External', path: 'saved/s2.mem' } },
  ],
  current: 's2',
}
const { machine } = vm(relative)

const refusal = (found: E.Either<MachineRefusal, MachinePlan>): MachineRefusal => {
  if (E.isRight(found)) throw new Error('planned')
  return found.left
}

describe('a file of memory with a relative path', () => {
  const why = 'the path of the memory, "saved/s2.mem", is not absolute'

  it('is not removed: nobody knows from which folder', () => {
    const found = refusal(deleteSnapshots(machine, { snapshots: ['s2'] }, host))
    expect(found).toEqual({ _tag: 'NotThisWay', via: 'qemu-img', why, alternatives: [{ _tag: 'KeepMemory' }] })
    expect(explainMachineRefusal(found)).toContain("keep the file of the memory (`memory: 'keep'`)")
  })

  it('nor left to libvirt to remove, from its own', () => {
    const { machine: of } = vm({ ...relative, records: 'as libvirt writes them' })
    for (const how of ['libvirt', 'by hand'] as const)
      expect(refusal(deleteSnapshots(of, { snapshots: ['s2'], how }, managed))).toMatchObject({ via: 'libvirt', why })
  })

  it('stays where that is asked, and where a snapshot that stays has it', () => {
    const planned = (of: Vm, request: DeleteRequest): ReadonlyArray<string> => {
      const found = deleteSnapshots(vm(of).machine, request, host)
      if (E.isLeft(found)) throw new Error(JSON.stringify(found.left))
      return found.right.unlinked
    }
    expect(planned(relative, { snapshots: ['s2'], memory: 'keep' })).toEqual([])
    expect(planned(relative, { snapshots: ['s1'] })).toEqual([])
    const memory = { _tag: 'External', path: 'saved/s2.mem' } as const
    const snapshots = (relative.snapshots ?? []).map((one) => ({ ...one, memory }))
    expect(planned({ ...relative, snapshots }, { snapshots: ['s2'] })).toEqual([])
  })

  it('does not go with a revert that deletes what came after', () => {
    const request = { to: 's1', later: 'delete', present: 'discard' } as const
    expect(refusal(revert(machine, request, host))).toEqual({
      _tag: 'NotThisWay',
      via: 'qemu-img',
      why,
      alternatives: [{ _tag: 'DeleteFirst', snapshots: ['s2'] }],
    })
  })
})
