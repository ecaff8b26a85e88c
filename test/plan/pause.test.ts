import { describe, expect, it } from 'vitest'
import * as E from 'fp-ts/lib/Either.js'

import { commit, pausesOf, restoreState, revert, saveState } from '../../src/index.js'
import type { Machine, MachinePlan, MachineRefusal, Pause } from '../../src/index.js'
import type { RevertCall } from '../../src/call/libvirt.js'
import { linesOf, taken, throughLibvirt, throughQemuImg, throughQmp } from '../operation/expect-take.js'
import { vm } from '../operation/machine.js'
import type { Vm } from '../operation/machine.js'

const two: Vm = { disks: { vda: 'v <- v.1^', vdb: 'w^' } }
const managed = vm(two).machine
const alone = vm({ ...two, records: 'none', nodes: 'monitor' }).machine

const planned = (of: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  if (E.isLeft(of)) throw new Error(JSON.stringify(of.left))
  return of.right
}

const costs = ({ grows }: Pause): ReadonlyArray<string> =>
  grows.map(({ _tag, disk }) => (disk === undefined ? _tag : `${_tag} ${disk}`))

/** The pauses of a plan: the calls in which they begin and end, and what they grow with. */
const pauses = (plan: MachinePlan): ReadonlyArray<unknown> => {
  const lines = linesOf(plan)
  return pausesOf(plan).map((pause) => {
    const to = pause.to === undefined ? 'never' : lines[pause.to]
    return [lines[pause.from], ...(pause.to === pause.from ? [] : [to]), pause.stands, costs(pause)]
  })
}

const short = (text: unknown): unknown => (typeof text === 'string' ? (text.split('"')[3] ?? text) : text)
const brief = (plan: MachinePlan): ReadonlyArray<unknown> =>
  pauses(plan).map((one) => (Array.isArray(one) ? one.map(short) : one))

const disks = (mode: 'internal' | 'external' | 'manual') =>
  new Map([
    ['vda', { mode }],
    ['vdb', { mode }],
  ] as const)

describe('the pauses of a snapshot', () => {
  it('outside: as long as the guest’s requests take', () => {
    expect(brief(taken(alone, { name: 'now' }, throughQmp))).toEqual([['transaction', 'guest', ['RequestsDrained']]])
  })

  it('inside: as long as the tables take', () => {
    const plan = taken(alone, { name: 'now', disks: disks('internal') }, throughQmp)
    expect(brief(plan)).toEqual([['transaction', 'guest', ['TablesCopied']]])
  })

  it('with memory: as long as that takes too', () => {
    const plan = taken(alone, { name: 'now', disks: disks('internal'), memory: { _tag: 'Internal' } }, throughQmp)
    expect(brief(plan)).toEqual([['snapshot-save', 'guest', ['MemoryWritten', 'TablesCopied']]])
  })

  it('libvirt writes memory to a file while the guest goes on, and stops a paused one for nothing', () => {
    const memory = { _tag: 'External', path: '/memory' } as const
    const costsOf = (of: Machine) => pausesOf(taken(of, { name: 'now', memory })).map(costs)
    expect(costsOf(managed)).toEqual([['RequestsDrained']])
    expect(costsOf(vm({ ...two, state: 'paused' }).machine)).toEqual([])
  })

  it('quiesced: the file systems stand as well, from before until after', () => {
    const plan = taken(alone, { name: 'now', quiesce: 'require' }, throughQmp)
    const found = pausesOf(plan)
    const at = plan.steps.findIndex(({ call }) => call._tag === 'Agent')
    expect(found.map(({ from, to, stands }) => [from - at, (to ?? 99) - at, stands])).toEqual([
      [0, 2, 'file systems'],
      [1, 1, 'guest'],
    ])
    expect(found[0]?.grows).toEqual([{ _tag: 'FileSystemsWritten' }, { _tag: 'RequestsDrained' }])
  })

  it('with a manual disk: the guest is left so for whoever saves that disk', () => {
    const plan = taken(managed, {
      name: 'now',
      disks: new Map([
        ['vda', { mode: 'manual' }],
        ['vdb', { mode: 'external' }],
      ]),
    })
    expect(pausesOf(plan)).toMatchObject([{ from: 0, to: undefined, stands: 'guest' }])
    expect(pausesOf(plan).map(costs)[0]?.at(-1)).toBe('LeftToCaller')
  })

  it('of a guest that is shut off there is nobody to wait', () => {
    const off = vm({ ...two, records: 'none', state: 'shut-off' }).machine
    expect(pausesOf(taken(off, { name: 'now', disks: disks('internal') }, throughQemuImg))).toEqual([])
  })
})

describe('the pauses of memory that is saved and restored', () => {
  const place = { kind: 'managed' } as const
  const save = planned(saveState(managed, { to: place }, throughLibvirt))
  const restore = planned(restoreState(save.after, { from: place }, throughLibvirt))

  it('a guest that is saved stands when the plan ends', () => {
    expect(pauses(save)).toEqual([
      ['virsh managedsave vm', 'never', 'guest', ['DisksFlushed', 'MemoryWritten', 'LeftToCaller']],
    ])
  })

  it('one that is restored did not run before', () => {
    expect(pauses(restore)).toEqual([])
  })

  it('what qemu-img does in between is waited for; what it does later is not', () => {
    const [saving, restoring] = [save.steps[0], restore.steps[0]]
    if (saving === undefined || restoring === undefined) throw new Error('no steps')
    const qemuImg = (disk: string, ...args: ReadonlyArray<string>) =>
      ({ ...saving, disk, call: { _tag: 'QemuImg', argv: ['qemu-img', ...args] } }) as const
    const inside = qemuImg('vda', 'snapshot', '-c', 'now', '/images/v.1')
    const copy = qemuImg('vdb', 'convert', '-U', '-O', 'qcow2', '/images/w', '/images/x')
    const header = qemuImg('vda', 'rebase', '-u', '-b', 'v', '-F', 'qcow2', '/images/v.1')
    const look = qemuImg('vda', 'snapshot', '-l', '/images/v.1')
    const within = { ...save, steps: [saving, look, inside, header, copy, restoring] }
    expect(pausesOf(within).map((pause) => [pause.from, pause.to, ...costs(pause)])).toEqual([
      [0, 5, 'DisksFlushed', 'MemoryWritten', 'TablesCopied vda', 'DataCopied vdb', 'QemuStarted', 'MemoryRead'],
    ])
    const beside = { ...save, steps: [saving, inside, restoring, copy] }
    expect(pausesOf(beside).map(costs).flat()).not.toContain('DataCopied vdb')
    expect(pausesOf(beside).map(({ from, to }) => [from, to])).toEqual([[0, 2]])
  })

  it('a cold start reads no memory', () => {
    const start = { call: 'virDomainCreateWithFlags', arguments: { domain: 'vm' }, flags: [] } as const
    const cold = { ...start, flags: ['VIR_DOMAIN_START_FORCE_BOOT'] } as const
    const stop = { call: 'virDomainDestroyFlags', arguments: { domain: 'vm' }, flags: [] } as const
    const steps = (...calls: ReadonlyArray<typeof start | typeof cold | typeof stop>) =>
      calls.map(
        (one) => ({ call: { _tag: 'Libvirt', function: one }, why: '', disk: undefined, points: new Map() }) as const,
      )
    expect(pausesOf({ before: managed, steps: steps(stop, start) }).map(costs)).toEqual([
      ['DisksFlushed', 'QemuStarted'],
    ])
    const [saving] = save.steps
    if (saving === undefined) throw new Error('no step')
    expect(pausesOf({ before: managed, steps: [saving, ...steps(cold)] }).map(costs)).toEqual([
      ['DisksFlushed', 'MemoryWritten', 'QemuStarted'],
    ])
  })
})

describe('the pauses of jobs', () => {
  it('a commit with pivot drains twice', () => {
    const { machine } = vm({ ...two, records: 'none', nodes: 'monitor' })
    const chain = machine.disks.get('vda')
    if (chain === undefined) throw new Error('no disk')
    const plan = commit(
      chain,
      { top: 'v.1', base: 'v', end: 'pivot' },
      { via: 'qmp', guest: 'running', capabilities: throughQmp.capabilities },
    )
    if (E.isLeft(plan)) throw new Error(JSON.stringify(plan.left))
    const steps = plan.right.steps.map((step) => ({ ...step, disk: 'vda', points: new Map() }))
    const found = pausesOf({ before: machine, steps })
    expect(found.filter(({ from, to }) => from === to).map(costs)).toEqual([
      ['RequestsDrained vda'],
      ['RequestsDrained vda'],
    ])
  })

  it('a revert through libvirt has the guest do what it did then', () => {
    const off = { name: 's', state: 'shutoff', vda: 'v', vdb: 'w' } as const
    const then = vm({ disks: { vda: 'v <- v.1^', vdb: 'w <- w.1^' }, snapshots: [off], current: 's' }).machine
    const call = (...flags: RevertCall['flags']) =>
      ({ call: 'virDomainRevertToSnapshot', arguments: { domain: 'vm', snapshot: 's' }, flags }) as const
    const step = (...flags: RevertCall['flags']) => ({
      ...{ call: { _tag: 'Libvirt', function: call(...flags) } as const, why: '', disk: undefined },
      points: new Map(),
    })
    const ends = (...flags: RevertCall['flags']) =>
      pausesOf({ before: then, steps: [step(...flags)] }).map((pause) => [pause.to, costs(pause)])
    expect(ends()).toEqual([[undefined, ['QemuStarted', 'LeftToCaller']]])
    expect(ends('VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED')).toEqual([[undefined, ['QemuStarted', 'LeftToCaller']]])
    expect(ends('VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING')).toEqual([])
  })

  it('a revert to memory inside is read while the guest stands, and it goes on', () => {
    const { machine } = vm({
      disks: { vda: 'v^' },
      snapshots: [{ name: 's', state: 'running', memory: { _tag: 'Internal' }, vda: 'inside v' }],
      current: 's',
      records: 'none',
      nodes: 'monitor',
    })
    const plan = planned(revert(machine, { to: 's', present: 'discard' }, throughQmp))
    const all = pausesOf(plan).flatMap(costs)
    expect(all).toContain('MemoryRead')
    expect(pausesOf(plan).at(-1)?.to).not.toBe(undefined)
  })
})
