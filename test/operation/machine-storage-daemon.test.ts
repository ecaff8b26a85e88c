import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, changeChain, checkMachinePlan, deleteSnapshots, printChain } from '../../src/index.js'
import { renameImage, revert, shellLine, take } from '../../src/index.js'
import type { MachineHost, MachinePlan, MachineRefusal } from '../../src/index.js'

import { vm } from './machine.js'
import type { Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const host: MachineHost = { via: 'storage-daemon', capabilities, socket: '/run/vm.qmp' }

const two: Vm = {
  disks: { vda: 'v[aa--] <- v.1[-b--] <- v.2[--c-]^', vdb: 'w[x] <- w.1[y] <- (w.2[-]^, w.3[-])' },
  snapshots: [
    { name: 's1', vda: 'v', vdb: 'w' },
    { name: 's2', parent: 's1', vda: 'v.1', vdb: 'w.1' },
  ],
  current: 's2',
  records: 'none',
  state: 'shut-off',
}

const made = (found: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  if (E.isLeft(found)) throw new Error(JSON.stringify(found.left))
  return found.right
}

const refusal = (found: E.Either<MachineRefusal, unknown>): MachineRefusal => {
  if (E.isRight(found)) throw new Error('no refusal')
  return found.left
}

const { machine } = vm(two)

describe('snapshots of a machine that is shut off, through storage daemons', () => {
  const plan = made(deleteSnapshots(machine, { snapshots: ['s1'] }, host))

  it('are deleted, each disk in a daemon of its own', () => {
    expect(checkMachinePlan(plan)).toStrictEqual([])
    expect(Array.from(plan.after.disks.values(), (chain) => printChain(chain))).toStrictEqual([
      'v <- v.2^',
      'w <- (w.2^, w.3)',
    ])
    const sockets = plan.steps.flatMap(({ call, disk }) =>
      call._tag === 'Qmp' ? [`${String(disk)} ${String(call.socket)}`] : [],
    )
    expect(new Set(sockets)).toStrictEqual(new Set(['vda /run/vm.qmp.vda', 'vdb /run/vm.qmp.vdb']))
  })

  it('and every daemon is told to quit on every way out, from where it was started', () => {
    const starts = plan.steps.flatMap(({ call }, index) => (call._tag === 'StorageDaemon' ? [index] : []))
    expect(starts).toHaveLength(2)
    expect(plan.finally.map(({ from }) => from)).toStrictEqual(starts)
    expect(
      plan.finally.map(({ step: { call } }) =>
        call._tag === 'Qmp' ? `${shellLine(call)} ${String(call.socket)}` : '',
      ),
    ).toStrictEqual(['{"execute":"quit"} /run/vm.qmp.vda', '{"execute":"quit"} /run/vm.qmp.vdb'])
  })

  it('and what stays of them is in its new place once the daemon has ended and the headers were read back', () => {
    const committed = made(deleteSnapshots(machine, { snapshots: ['s1'], direction: 'commit' }, host))
    const moved = committed.steps.findIndex(({ points }) => points.get('s2')?.get('vda')?.image === 'v')
    const before = committed.steps.slice(0, moved).filter(({ disk }) => disk === 'vda')
    const seen = committed.steps[moved]?.call
    expect(seen?._tag === 'QemuImg' ? seen.argv[1] : seen?._tag).toBe('info')
    expect(before.at(-1)?.call).toMatchObject({ _tag: 'Qmp', command: { execute: 'quit' } })
  })

  it('are deleted up a side branch with qemu-img, which needs no daemon', () => {
    const branched: Vm = {
      disks: { vda: 'v[aa--] <- (v.1[-b--]^, v.2[--c-] <- v.3[---d])' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.2' },
        { name: 's3', parent: 's2', vda: 'v.3' },
      ],
      records: 'none',
      state: 'shut-off',
    }
    const beside = made(deleteSnapshots(vm(branched).machine, { snapshots: ['s2'], direction: 'pull' }, host))
    expect(beside.steps.map(({ call }) => (call._tag === 'QemuImg' ? call.argv[1] : call._tag))).toStrictEqual([
      'rebase',
      'info',
      'Files',
    ])
    expect(beside.finally).toStrictEqual([])
  })

  it('a chain is changed', () => {
    const changed = made(changeChain(machine, { disk: 'vda', pull: { into: 'v.2', base: 'v' } }, host))
    expect(changed.finally).toHaveLength(1)
  })
})

describe('what takes no block job is refused through storage daemons', () => {
  const instead = { _tag: 'NotThisWay', via: 'storage-daemon', alternatives: [{ _tag: 'Via', via: 'qemu-img' }] }

  it('taking a snapshot', () => {
    expect(refusal(take(machine, { name: 's3' }, host))).toMatchObject(instead)
  })

  it('reverting to one', () => {
    expect(refusal(revert(machine, { to: 's1', present: 'keep' }, host))).toMatchObject(instead)
  })

  it('giving a file another name', () => {
    const to = '/images/other'
    expect(refusal(renameImage(machine, { disk: 'vda', image: 'v.1', to }, host))).toMatchObject({
      _tag: 'DiskRefused',
      refusal: instead,
    })
  })

  it('a machine that runs, and one that libvirt manages', () => {
    const running = vm({ ...two, state: 'running' }).machine
    expect(refusal(deleteSnapshots(running, { snapshots: ['s1'] }, host))).toMatchObject({ _tag: 'GuestStateWrong' })
    const managed = vm({ disks: two.disks, snapshots: two.snapshots ?? [], state: 'shut-off' }).machine
    expect(refusal(deleteSnapshots(managed, { snapshots: ['s1'] }, host))).toMatchObject({
      _tag: 'NotThisWay',
      alternatives: [{ _tag: 'Via', via: 'libvirt' }],
    })
  })

  it('a host that says nothing of a socket', () => {
    expect(
      refusal(deleteSnapshots(machine, { snapshots: ['s1'] }, { via: 'storage-daemon', capabilities })),
    ).toMatchObject({ _tag: 'DiskRefused', disk: 'vda', refusal: { _tag: 'NotThisWay', via: 'storage-daemon' } })
  })
})
