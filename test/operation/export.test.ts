import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import {
  capabilitiesOfVersions,
  checkMachinePlan,
  deleteSnapshots,
  explainMachineRefusal,
  exportSnapshot,
  machine,
  owed,
  pausesOf,
  saveState,
  settle,
} from '../../src/index.js'
import type {
  ExportRequest,
  Machine,
  MachineHost,
  MachinePlan,
  MachineRefusal,
  SettleEvent,
  Step,
} from '../../src/index.js'
import { decodeMachine, decodeMachinePlan, encodeMachine, encodeMachinePlan } from '../../src/codec/index.js'
import { withMachine } from '../../src/model/machine.js'
import { endOfMachine, machineWorldOf, runMachine } from '../../src/simulate/index.js'
import { both, file, vda } from './export-target.js'
import { linesOf, pictures, throughLibvirt, throughQemuImg, throughQmp } from './expect-take.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const one: Vm = { disks: { vda: 'v[aaaa] <- v.1[-b--]^', vdb: 'w[dddd]^' } }
const managed = vm(one).machine
const alone = vm({ ...one, records: 'none', nodes: 'monitor' }).machine
const off = vm({ ...one, records: 'none', state: 'shut-off' }).machine

const planned = (of: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  if (E.isLeft(of)) throw new Error(JSON.stringify(of.left))
  expect(checkMachinePlan(of.right)).toEqual([])
  return of.right
}

const exported = (of: Machine, request: ExportRequest, host: MachineHost): MachinePlan =>
  planned(exportSnapshot(of, request, host))

const refusedExport = (of: Machine, request: ExportRequest, host: MachineHost): MachineRefusal => {
  const plan = exportSnapshot(of, request, host)
  if (E.isRight(plan)) throw new Error(linesOf(plan.right).join('\n'))
  return plan.left
}

const settled = (of: Machine, event: SettleEvent, host: MachineHost): MachinePlan => planned(settle(of, event, host))

const refusedSettle = (of: Machine, event: SettleEvent, host: MachineHost): MachineRefusal => {
  const plan = settle(of, event, host)
  if (E.isRight(plan)) throw new Error(linesOf(plan.right).join('\n'))
  return plan.left
}

/** Without the looks at what has come of a step. */
const calls = (plan: MachinePlan): ReadonlyArray<string> =>
  linesOf(plan).filter(
    (line) => !line.startsWith('qemu-img info') && !line.includes('query-') && !line.includes('dumpxml'),
  )

const grows = (plan: MachinePlan): ReadonlyArray<ReadonlyArray<string>> =>
  pausesOf(plan).map((pause) => pause.grows.map(({ _tag, disk }) => (disk === undefined ? _tag : `${_tag} ${disk}`)))

/** The machine as it would be once its guest has been shut down. */
const stopped = (of: Machine): Machine =>
  withMachine(of, {
    state: 'shut-off',
    definitions: of.definitions && { persistent: of.definitions.persistent, live: undefined },
  })

describe('a guest that is shut off', () => {
  it('has its active images copied, with all below them', () => {
    const plan = exported(off, both, throughQemuImg)
    expect(calls(plan)).toEqual([
      'qemu-img convert -f qcow2 -O qcow2 /images/v.1 /backup/x',
      'qemu-img convert -f qcow2 -O qcow2 /images/w /backup/y',
    ])
    expect(plan.consistency).toBe('clean')
    expect(pictures(plan.after)).toEqual({ vda: 'v <- v.1^; x', vdb: 'w^; y' })
    expect(plan.parts.map(({ contents }) => contents)).toMatchObject([
      [{ image: 'x', span: ['v', 'v.1'] }],
      [{ image: 'y', span: ['w'] }],
    ])
  })
})

describe('the way of 2012: the memory is saved, and a snapshot is inside the images', () => {
  const saved = { ...vda, way: 'saved' } as const

  it('with the copy made in the first pause: the guest stands for all of it', () => {
    const plan = exported(managed, { ...saved, removal: 'first pause' }, throughLibvirt)
    expect(calls(plan)).toEqual([
      'virsh managedsave vm',
      'qemu-img convert -f qcow2 -O qcow2 /images/v.1 /backup/x',
      'virsh start vm',
    ])
    expect(grows(plan)).toEqual([['DisksFlushed', 'MemoryWritten', 'DataCopied vda', 'QemuStarted', 'MemoryRead']])
    expect(owed(plan.after)).toEqual([])
  })

  it('with a second pause to delete: two short ones', () => {
    const plan = exported(managed, { ...saved, removal: 'second pause' }, throughLibvirt)
    expect(calls(plan)).toEqual([
      'virsh managedsave vm',
      'qemu-img snapshot -c export /images/v.1',
      'virsh start vm',
      'qemu-img convert -U -l snapshot.name=export -f qcow2 -O qcow2 /images/v.1 /backup/x',
      'virsh managedsave vm',
      'qemu-img snapshot -d export /images/v.1',
      'virsh start vm',
    ])
    const pause = ['DisksFlushed', 'MemoryWritten', 'TablesCopied vda', 'QemuStarted', 'MemoryRead']
    expect(grows(plan)).toEqual([pause, pause])
    expect([plan.after.state, plan.after.saved, owed(plan.after)]).toEqual(['running', [], []])
    expect(plan.after.disks.get('vda')?.images.get('v.1')?.internalSnapshots).toEqual([])
  })

  it('with the deletion at the next stop: one short one, and a deletion that is owed', () => {
    const plan = exported(managed, saved, throughLibvirt)
    expect(calls(plan).slice(0, 4)).toEqual([
      'virsh managedsave vm',
      'qemu-img snapshot -c export /images/v.1',
      'virsh start vm',
      'qemu-img convert -U -l snapshot.name=export -f qcow2 -O qcow2 /images/v.1 /backup/x',
    ])
    expect(calls(plan)).toHaveLength(4)
    expect(grows(plan)).toHaveLength(1)
    expect(owed(plan.after)).toEqual([{ disk: 'vda', image: 'v.1', snapshot: 'export' }])
  })

  it('whatever fails while the memory is saved, the guest goes on; and nothing starts it once it has', () => {
    const plan = exported(managed, { ...saved, removal: 'second pause' }, throughLibvirt)
    const starts = plan.steps.flatMap(({ call }, index) =>
      call._tag === 'Libvirt' && call.function.call === 'virDomainCreateWithFlags' ? [index] : [],
    )
    const saves = plan.steps.flatMap(({ call }, index) =>
      call._tag === 'Libvirt' && call.function.call === 'virDomainManagedSave' ? [index] : [],
    )
    expect(plan.finally.map(({ from, once }) => [from, once])).toEqual(saves.map((save) => [save, 'done']))
    const read = decodeMachinePlan(JSON.stringify(encodeMachinePlan(plan)))
    expect(E.isRight(read) ? read.right.finally : read.left).toEqual(plan.finally)
    expect(plan.finally.map(({ before }) => before)).toEqual(starts)
    expect(plan.finally.map(({ step }) => step.call)).toEqual(starts.map((index) => plan.steps[index]?.call))
  })

  it('a step that fails in the pause has the guest started, and one that fails later has not', () => {
    const plan = exported(managed, saved, throughLibvirt)
    const copy = plan.steps.findIndex(({ call }) => call._tag === 'QemuImg' && call.argv[1] === 'convert')
    const endOf = (broken: number) => {
      const steps = plan.steps.map((step, index) =>
        index === broken ? { ...step, call: { _tag: 'QemuImg', argv: ['qemu-img', 'info', '/no'] } as const } : step,
      )
      const world = machineWorldOf(managed, vm(one).contents)
      if (E.isLeft(world)) throw new Error(JSON.stringify(world.left))
      const trace = runMachine(world.right, steps, { finally: plan.finally })
      const guests = Array.from(endOfMachine(trace).worlds.values(), ({ qemu }) => qemu?.guest)
      return [trace.fault?.step, new Set(guests), trace.moments.some(({ step }) => step >= steps.length)]
    }
    expect(endOf(1)).toEqual([1, new Set(['running']), true])
    expect(endOf(copy)).toEqual([copy, new Set(['running']), false])
    expect(endOf(99)).toEqual([undefined, new Set(['running']), false])
  })

  it('a guest that stops by itself meanwhile is not started', () => {
    const shutDown = {
      call: 'virDomainDestroyFlags',
      arguments: { domain: 'vm' },
      flags: [],
    } as const
    const ends = (plan: MachinePlan, at: number) => {
      const steps = plan.steps.map((step, index) =>
        index === at ? { ...step, call: { _tag: 'Libvirt', function: shutDown } as const, until: undefined } : step,
      )
      const bare = steps.map(({ call, why, until, disk }) => ({
        ...{ call, why },
        ...(until === undefined ? {} : { until }),
        ...(disk === undefined ? {} : { disk }),
      }))
      const world = machineWorldOf(managed, vm(one).contents)
      if (E.isLeft(world)) throw new Error(JSON.stringify(world.left))
      const trace = runMachine(world.right, bare, { finally: plan.finally })
      return [trace.fault?.step, Array.from(endOfMachine(trace).worlds.values(), ({ qemu }) => qemu?.guest)]
    }
    const plan = exported(managed, { ...saved, removal: 'second pause' }, throughLibvirt)
    const save = plan.steps.findLastIndex(
      ({ call }) => call._tag === 'Libvirt' && call.function.call === 'virDomainManagedSave',
    )
    expect(ends(plan, save - 1)).toEqual([save, [undefined, undefined]])
    expect(ends(plan, save - 2)[1]).toEqual([undefined, undefined])
  })

  it('a guest that is paused is paused again', () => {
    const paused = vm({ ...one, state: 'paused' }).machine
    const plan = exported(paused, { ...saved, removal: 'second pause' }, throughLibvirt)
    expect([plan.after.state, grows(plan)]).toEqual(['paused', []])
  })

  it('several disks have one moment', () => {
    const plan = exported(managed, { ...both, way: 'saved' }, throughLibvirt)
    expect(calls(plan).slice(0, 4)).toEqual([
      'virsh managedsave vm',
      'qemu-img snapshot -c export /images/v.1',
      'qemu-img snapshot -c export /images/w',
      'virsh start vm',
    ])
    expect(owed(plan.after).map(({ image }) => image)).toEqual(['v.1', 'w'])
  })
})

describe('inside the images, through the monitor', () => {
  const inside = { ...vda, way: 'inside' } as const

  it('is taken, copied past the locks, and deleted by QEMU itself', () => {
    const plan = exported(alone, inside, throughQmp)
    const lines = calls(plan)
    expect(lines).toHaveLength(3)
    expect(lines[0]).toContain('"blockdev-snapshot-internal-sync"')
    expect(lines[1]).toBe('qemu-img convert -U -l snapshot.name=export -f qcow2 -O qcow2 /images/v.1 /backup/x')
    expect(lines[2]).toContain('"blockdev-snapshot-delete-internal-sync"')
    expect(grows(plan)).toEqual([['TablesCopied'], ['TablesCopied vda']])
    expect(pictures(plan.after)).toEqual({ vda: 'v <- v.1^; x', vdb: 'w^' })
  })

  it('or the deletion is owed', () => {
    const plan = exported(alone, { ...inside, removal: 'next stop', temporary: 'nightly' }, throughQmp)
    expect(calls(plan)).toHaveLength(2)
    expect(owed(plan.after)).toEqual([{ disk: 'vda', image: 'v.1', snapshot: 'nightly' }])
  })
})

describe('under a temporary overlay', () => {
  const overlay = { ...vda, way: 'overlay' } as const

  it('the frozen image is copied as anybody may read it, and the overlay goes down into it again', () => {
    const plan = exported(managed, overlay, throughLibvirt)
    expect(calls(plan)[1]).toBe('qemu-img convert -f qcow2 -O qcow2 /images/v.1 /backup/x')
    expect(calls(plan).join('\n')).toMatch(
      /snapshot-create[^]*convert[^]*blockcommit[^]*--pivot[^]*unlink -- [^]*v\.export/,
    )
    expect(pictures(plan.after)).toEqual({ vda: 'v <- v.1^; x', vdb: 'w^' })
    expect(
      grows(plan)
        .flat()
        .every((cost) => cost.startsWith('RequestsDrained') || cost === 'DisksFlushed'),
    ).toBe(true)
  })

  it.each([
    ['libvirt', managed, throughLibvirt, ['virDomainSuspend', 'virDomainResume']],
    ['a monitor', alone, throughQmp, ['stop', 'cont']],
  ] as const)('whatever fails while the guest stands for a flush, it goes on: %s', (_, of, host, [stop, on]) => {
    const plan = exported(of, { ...both, way: 'overlay' }, host)
    const name = (step: Step | undefined): string =>
      step?.call._tag === 'Libvirt'
        ? step.call.function.call
        : step?.call._tag === 'Qmp'
          ? step.call.command.execute
          : ''
    const found = plan.finally.map(({ from, once, before, step }) => [
      name(plan.steps[from]),
      once,
      before === undefined ? '' : name(plan.steps[before]),
      name(step),
    ])
    expect(found).toEqual([
      [stop, 'done', on, on],
      [stop, 'done', on, on],
    ])
    const paused = vm({ ...one, records: 'none', nodes: 'monitor', state: 'paused' }).machine
    expect(exported(paused, { ...vda, way: 'overlay' }, throughQmp).finally).toEqual([])
  })

  it('through the monitor too, quiesced, with an overlay of the caller’s', () => {
    const named = { ...overlay, overlays: new Map([['vda', file('between')]]), quiesce: 'require' } as const
    const plan = exported(alone, named, throughQmp)
    expect(plan.consistency).toBe('quiesced')
    expect(calls(plan).some((line) => line.includes('/backup/between'))).toBe(true)
    expect(pictures(plan.after)).toEqual({ vda: 'v <- v.1^; x', vdb: 'w^' })
  })
})

describe('by backup jobs, which is what happens where nobody chooses', () => {
  it('freezes the file systems for the moment in which they begin', () => {
    const plan = exported(alone, { ...vda, quiesce: 'require' }, throughQmp)
    const begins = plan.steps.findIndex(({ call }) => call._tag === 'Qmp' && call.command.execute === 'transaction')
    const agent = (index: number) => {
      const call = plan.steps[index]?.call
      return call?._tag === 'Agent' ? call.command.execute : undefined
    }
    expect([agent(begins - 1), agent(begins + 1)]).toEqual(['guest-fsfreeze-freeze', 'guest-fsfreeze-thaw'])
    expect(plan.finally[0]?.step.call).toEqual({ _tag: 'Agent', command: { execute: 'guest-fsfreeze-thaw' } })
    expect(plan.consistency).toBe('quiesced')
    expect(pausesOf(plan).map(({ stands }) => stands)).toEqual(['file systems', 'guest'])
  })

  it('freezes nothing of a guest that is paused', () => {
    const paused = vm({ ...one, records: 'none', nodes: 'monitor', state: 'paused' }).machine
    const plan = exported(paused, { ...vda, quiesce: 'prefer' }, throughQmp)
    expect(plan.steps.some(({ call }) => call._tag === 'Agent')).toBe(false)
    expect([plan.consistency, pausesOf(plan)]).toEqual(['crash', []])
  })

  it('through libvirt too', () => {
    const plan = exported(managed, both, throughLibvirt)
    expect(calls(plan).join(' ')).toContain('virsh backup-begin vm')
    expect([plan.how, grows(plan)]).toEqual(['libvirt', [['RequestsDrained']]])
  })
})

describe('what qemu-img has to be able to do', () => {
  const old = (host: MachineHost, qemu: string): MachineHost => ({
    ...host,
    capabilities: capabilitiesOfVersions({ qemu, libvirt: '11.3.0' }),
  })
  const inside = ['qemu-img-convert-snapshot', 'qemu-img-force-share'] as const

  it.each([
    ['inside', exported(alone, { ...vda, way: 'inside' }, throughQmp), inside],
    [
      'saved, a second pause',
      exported(managed, { ...vda, way: 'saved', removal: 'second pause' }, throughLibvirt),
      inside,
    ],
    ['saved, the next stop', exported(managed, { ...vda, way: 'saved' }, throughLibvirt), inside],
    ['saved, the first pause', exported(managed, { ...vda, way: 'saved', removal: 'first pause' }, throughLibvirt), []],
    ['overlay', exported(managed, { ...vda, way: 'overlay' }, throughLibvirt), []],
    ['shut off', exported(off, vda, throughQemuImg), []],
  ] as const)('is required of it where it is used: %s', (_, plan, features) => {
    expect(plan.requires.filter((one) => one.startsWith('qemu-img'))).toEqual(features)
  })

  it('or the export is refused before anything is done', () => {
    const missing = (request: ExportRequest, of: Machine, host: MachineHost) => refusedExport(of, request, host)
    const lacks = (feature: string) => ({ _tag: 'CapabilityMissing', missing: [{ feature, found: '2.9' }] })
    const inImage = { ...vda, way: 'inside' } as const
    expect(missing(inImage, alone, old(throughQmp, '2.9'))).toMatchObject(lacks('qemu-img-force-share'))
    for (const removal of ['next stop', 'second pause'] as const) {
      const request = { ...vda, way: 'saved', removal } as const
      expect(missing(request, managed, old(throughLibvirt, '2.9'))).toMatchObject(lacks('qemu-img-force-share'))
    }
    const first = { ...vda, way: 'saved', removal: 'first pause' } as const
    expect(calls(exported(managed, first, old(throughLibvirt, '1.7')))).toHaveLength(3)
    expect(calls(exported(off, vda, old(throughQemuImg, '1.7')))).toHaveLength(1)
  })
})

describe('what speaks against an export', () => {
  const cases: ReadonlyArray<readonly [string, Machine, ExportRequest, MachineHost, object]> = [
    ['nothing to export', alone, { to: new Map() }, throughQmp, { _tag: 'NothingSelected' }],
    ['no such disk', alone, { to: new Map([['vdz', file('x')]]) }, throughQmp, { _tag: 'DiskNotFound', disk: 'vdz' }],
    ['libvirt has no way inside', managed, { ...vda, way: 'inside' }, throughLibvirt, { _tag: 'NotThisWay' }],
    ['nobody else saves memory', alone, { ...vda, way: 'saved' }, throughQmp, { _tag: 'NotThisWay' }],
    [
      'a removal of another way',
      alone,
      { ...vda, way: 'inside', removal: 'second pause' },
      throughQmp,
      { _tag: 'NotThisWay' },
    ],
    [
      'a removal where nothing is inside',
      alone,
      { ...vda, way: 'overlay', removal: 'at once' },
      throughQmp,
      { _tag: 'NotThisWay' },
    ],
    [
      'overlays where none are made',
      alone,
      { ...vda, way: 'inside', overlays: new Map([['vda', file('o')]]) },
      throughQmp,
      { _tag: 'NotThisWay' },
    ],
    [
      'a freeze that nobody makes',
      managed,
      { ...vda, way: 'saved', quiesce: 'require' },
      throughLibvirt,
      { _tag: 'NotThisWay' },
    ],
    [
      'a freeze that would last as long as the copies',
      managed,
      { ...vda, way: 'backup', quiesce: 'prefer' },
      throughLibvirt,
      { _tag: 'NotThisWay' },
    ],
    [
      'an agent that is not there',
      alone,
      { ...vda, quiesce: 'require' },
      { ...throughQmp, agent: 'absent' },
      { _tag: 'AgentAbsent' },
    ],
    ['a way for a guest that runs', off, { ...vda, way: 'overlay' }, throughQemuImg, { _tag: 'GuestStateWrong' }],
    ['qemu-img for a guest that runs', alone, vda, throughQemuImg, { _tag: 'GuestStateWrong' }],
    [
      'an overlay for a disk that is not exported',
      alone,
      { ...vda, way: 'overlay', overlays: new Map([['vdb', file('o')]]) },
      throughQmp,
      { _tag: 'NotThisWay', why: 'vdb is not exported, and gets no overlay' },
    ],
    [
      'a path that is taken',
      off,
      { to: new Map([['vda', { ...file('x'), location: { _tag: 'File', path: '/images/w' } }]]) },
      throughQemuImg,
      { _tag: 'PathTaken' },
    ],
    [
      'one path twice',
      off,
      {
        to: new Map([
          ['vda', file('x')],
          ['vdb', { ...file('z'), location: file('x').location }],
        ]),
      },
      throughQemuImg,
      { _tag: 'PathTaken' },
    ],
    [
      'a job',
      alone,
      { ...vda, way: 'overlay' },
      { ...throughQmp, jobs: new Map([['vda', [{ id: 'j', kind: 'commit', images: ['v'] }]]]) },
      { _tag: 'JobActive' },
    ],
  ]
  it.each(cases)('%s', (_, of, request, host, refusal) => {
    expect(refusedExport(of, request, host)).toMatchObject(refusal)
  })

  it('somebody who writes to what would be copied', () => {
    const writer = { image: 'v', by: { _tag: 'Tool', name: 'a repair' }, access: 'write' } as const
    const host = { ...throughQemuImg, opened: new Map([['vda', [writer]]]) }
    expect(refusedExport(off, vda, host)).toMatchObject({
      _tag: 'DiskRefused',
      disk: 'vda',
      refusal: { _tag: 'ImageOpen', image: 'v', step: 0 },
    })
  })

  it('at a step that is counted in the whole plan', () => {
    const reader = { image: 'v.1', by: { _tag: 'Tool', name: 'a backup' }, access: 'read' } as const
    const host = { ...throughLibvirt, opened: new Map([['vda', [reader]]]) }
    const plan = exported(managed, { ...vda, way: 'saved' }, throughLibvirt)
    const taken = plan.steps.findIndex(({ call }) => call._tag === 'QemuImg' && call.argv.includes('-c'))
    const imageOpen = (step: number) => ({ _tag: 'DiskRefused', refusal: { _tag: 'ImageOpen', image: 'v.1', step } })
    expect(taken).toBe(1)
    expect(refusedExport(managed, { ...vda, way: 'saved' }, host)).toMatchObject(imageOpen(taken))
    expect(refusedSettle(plan.after, 'now', host)).toMatchObject(imageOpen(1))
    const writer = { ...reader, access: 'write' } as const
    const overlaid = exported(managed, { ...vda, way: 'overlay' }, throughLibvirt)
    const copy = overlaid.steps.findIndex(({ call }) => call._tag === 'QemuImg' && call.argv[1] === 'convert')
    expect(
      refusedExport(managed, { ...vda, way: 'overlay' }, { ...host, opened: new Map([['vda', [writer]]]) }),
    ).toMatchObject(imageOpen(copy))
  })

  it('a job on what is shut off, and memory of which nobody says what it pins', () => {
    const job = { id: 'j', kind: 'commit', images: ['v'] } as const
    expect(refusedExport(off, vda, { ...throughQemuImg, jobs: new Map([['vda', [job]]]) })).toMatchObject({
      _tag: 'JobActive',
      disk: 'vda',
    })
    const host = { ...throughLibvirt, managedSave: 'present' } as const
    expect(refusedExport(stopped(managed), vda, host)).toMatchObject({ _tag: 'ManagedSavePresent' })
  })

  it('a guest whose memory is saved has not written everything', () => {
    const saved = planned(saveState(managed, { to: { kind: 'managed' } }, throughLibvirt)).after
    expect(exported(saved, vda, throughLibvirt).consistency).toBe('crash')
    expect(exported(stopped(managed), vda, throughLibvirt).consistency).toBe('clean')
  })

  it('whoever starts the guest meanwhile starts it from the overlay, and from the frozen image again afterwards', () => {
    const plan = exported(alone, { ...vda, way: 'overlay' }, throughQmp)
    const starts = plan.assumes.flatMap((one) =>
      one._tag === 'OfDisk' && one.assumption._tag === 'StartsWith' ? [one.assumption] : [],
    )
    expect(starts.map(({ image }) => image)).toEqual(['v.export', 'v.1'])
    const copy = plan.steps.findIndex(({ call }) => call._tag === 'QemuImg' && call.argv[1] === 'convert')
    expect(starts.map(({ from }) => from > copy)).toEqual([false, true])
  })

  it('a raw image has no inside', () => {
    const raw = vm({ ...one, images: { w: { format: 'raw' } } }).machine
    const request = { to: new Map([['vdb', file('y')]]), way: 'saved' } as const
    expect(refusedExport(raw, request, throughLibvirt)).toMatchObject({ _tag: 'NotThisWay' })
    expect(calls(exported(raw, { ...request, removal: 'first pause' }, throughLibvirt))).toHaveLength(3)
  })
})

describe('what is owed', () => {
  const owing = exported(managed, { ...vda, way: 'saved' }, throughLibvirt).after
  const owingAlone = exported(alone, { ...vda, way: 'inside', removal: 'next stop' }, throughQmp).after

  it('is part of the machine, and of its JSON', () => {
    const read = decodeMachine(JSON.stringify(encodeMachine(owing)))
    expect(E.isRight(read) ? owed(read.right) : read.left).toEqual([{ disk: 'vda', image: 'v.1', snapshot: 'export' }])
  })

  it('is paid by qemu-img once the guest has stopped, and only then', () => {
    expect(refusedSettle(owing, 'stopped', throughLibvirt)).toMatchObject({
      _tag: 'GuestStateWrong',
      alternatives: [{ _tag: 'Settle', event: 'now' }],
    })
    const plan = settled(stopped(owing), 'stopped', throughLibvirt)
    expect(linesOf(plan)).toEqual(['qemu-img snapshot -d export /images/v.1'])
    expect(owed(plan.after)).toEqual([])
    expect(plan.after.owed).toEqual([])
    expect(linesOf(settled(plan.after, 'stopped', throughLibvirt))).toEqual([])
    expect(refusedSettle(stopped(owing), 'stopped', throughQemuImg)).toMatchObject({ _tag: 'NotThisWay' })
  })

  it('a reboot of the guest does not close the images, and a migration opens them elsewhere', () => {
    for (const event of ['rebooted', 'migrated'] as const) {
      const refusal = refusedSettle(owing, event, throughLibvirt)
      expect(refusal).toMatchObject({ _tag: 'OwedStillOpen', event, owed: [{ image: 'v.1' }] })
      expect(explainMachineRefusal(refusal)).toMatch(/^export inside v\.1 \(disk vda\) cannot be deleted yet/)
    }
  })

  it('can be paid now: by the QEMU that has the image open, or in a pause', () => {
    expect(linesOf(settled(owingAlone, 'now', throughQmp))[0]).toContain('blockdev-snapshot-delete-internal-sync')
    const plan = settled(owing, 'now', throughLibvirt)
    expect(calls(plan)).toEqual(['virsh managedsave vm', 'qemu-img snapshot -d export /images/v.1', 'virsh start vm'])
    expect([plan.after.state, owed(plan.after)]).toEqual(['running', []])
  })

  it('no more than so much', () => {
    const again = { ...both, way: 'saved', temporary: 'second' } as const
    const request = { ...again, to: new Map([['vda', file('z')]]) }
    expect(refusedExport(owing, request, throughLibvirt)).toMatchObject({ _tag: 'OwedTooMany', most: 1 })
    const two = exported(owing, { ...request, mostOwed: 2 }, throughLibvirt).after
    expect(owed(two).map(({ snapshot }) => snapshot)).toEqual(['export', 'second'])
    expect(linesOf(settled(stopped(two), 'stopped', throughLibvirt))).toEqual([
      'qemu-img snapshot -d export /images/v.1',
      'qemu-img snapshot -d second /images/v.1',
    ])
    expect(calls(exported(owing, { ...request, removal: 'second pause' }, throughLibvirt)).at(-2)).toBe(
      'qemu-img snapshot -d second /images/v.1',
    )
  })

  it.each([0, -1, Number.NaN])('no more than %d is none, and one would be', (mostOwed) => {
    expect(refusedExport(managed, { ...vda, way: 'saved', mostOwed }, throughLibvirt)).toMatchObject({
      _tag: 'NotThisWay',
    })
    expect(refusedExport(owing, { ...vda, way: 'saved', mostOwed }, throughLibvirt)).toMatchObject({
      _tag: 'NotThisWay',
    })
    const paid = { ...vda, way: 'saved', removal: 'second pause', mostOwed } as const
    expect(owed(exported(managed, paid, throughLibvirt).after)).toEqual([])
  })

  it('of several disks at one moment it is one', () => {
    const two = exported(managed, { ...both, way: 'saved' }, throughLibvirt).after
    const request = { to: new Map([['vda', file('z')]]), way: 'saved', temporary: 'second', mostOwed: 2 } as const
    expect(owed(exported(two, request, throughLibvirt).after)).toHaveLength(3)
  })

  it('of two of its name inside none is deleted by guess', () => {
    const inside = [1, 2].map((id) => ({ id: String(id), name: 'export', vmStateBytes: 0 }))
    const of = vm({ ...one, records: 'none', state: 'shut-off', images: { w: { internalSnapshots: inside } } }).machine
    const [image] = of.disks.get('vdb')?.images.values() ?? []
    if (image === undefined) throw new Error('no image')
    const owes = withMachine(of, { owed: [{ disk: 'vdb', image: image.name, snapshot: 'export' }] })
    expect(refusedSettle(owes, 'stopped', throughQemuImg)).toMatchObject({ _tag: 'DiskRefused', disk: 'vdb' })
  })

  it('is inside the image that it names, or the description is no machine', () => {
    const wrong = { disk: 'vda', image: 'v', snapshot: 'export' }
    expect(machine({ name: 'vm', state: 'shut-off', disks: off.disks.values(), owed: [wrong] })).toEqual(
      E.left([{ _tag: 'OwedMissing', ...wrong }]),
    )
  })

  it('the same name twice would not be told apart', () => {
    const request = { to: new Map([['vda', file('z')]]), way: 'saved', mostOwed: 2 } as const
    expect(refusedExport(owing, request, throughLibvirt)).toMatchObject({ _tag: 'SnapshotNameWrong', why: 'taken' })
  })

  it('goes with its image', () => {
    const [, below] = [owingAlone, withMachine(owingAlone, { disks: new Map(alone.disks) })]
    expect(owed(below)).toEqual([])
  })

  it('below an overlay it waits for the stop: QEMU works inside active images alone', () => {
    const snapshots: Vm = { ...one, snapshots: [], records: 'none', nodes: 'monitor' }
    const before = exported(vm(snapshots).machine, { ...vda, way: 'inside', removal: 'next stop' }, throughQmp).after
    const chain = vm({
      disks: { vda: 'v[aaaa] <- v.1[-b--] <- v.2^', vdb: 'w[dddd]^' },
      records: 'none',
      nodes: 'monitor',
    })
    const images = new Map(chain.machine.disks.get('vda')?.images ?? [])
    const inside = before.disks.get('vda')?.images.get('v.1')?.internalSnapshots ?? []
    const v1 = images.get('v.1')
    const disk = chain.machine.disks.get('vda')
    if (v1 === undefined || disk === undefined) throw new Error('no image')
    const above = withMachine(before, {
      disks: new Map(before.disks).set('vda', {
        ...disk,
        images: images.set('v.1', { ...v1, internalSnapshots: inside }),
      }),
    })
    expect(refusedSettle(above, 'now', throughQmp)).toMatchObject({ _tag: 'DiskRefused', disk: 'vda' })
    expect(linesOf(settled(stopped(above), 'stopped', throughQemuImg))).toEqual([
      'qemu-img snapshot -d export /images/v.1',
    ])
  })

  it('is nothing for a storage daemon, whose locks would keep qemu-img out', () => {
    const host = { ...throughQemuImg, via: 'storage-daemon', socket: '/run/vm.qmp' } as const
    expect(refusedSettle(stopped(owingAlone), 'stopped', host)).toMatchObject({
      _tag: 'NotThisWay',
      via: 'storage-daemon',
      alternatives: [{ _tag: 'Via', via: 'qemu-img' }],
    })
    expect(refusedSettle(stopped(owingAlone), 'now', host)).toMatchObject({ _tag: 'NotThisWay' })
    expect(linesOf(settled(off, 'stopped', host))).toEqual([])
    const left = { image: 'v.1', by: { _tag: 'Tool', name: 'qemu-storage-daemon' }, access: 'write' } as const
    const opened = { ...throughQemuImg, opened: new Map([['vda', [left]]]) }
    expect(refusedSettle(stopped(owingAlone), 'stopped', opened)).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'ImageOpen', alternatives: [{ _tag: 'CloseFirst', by: left.by }] },
    })
  })

  it('somebody who reads the image keeps qemu-img from it', () => {
    const reader = { image: 'v.1', by: { _tag: 'Tool', name: 'a backup' }, access: 'read' } as const
    const host = { ...throughLibvirt, opened: new Map([['vda', [reader]]]) }
    expect(refusedSettle(stopped(owing), 'stopped', host)).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'ImageOpen', image: 'v.1' },
    })
  })

  it('a deletion of snapshots leaves it', () => {
    const of = vm({ ...one, snapshots: [{ name: 's', vda: 'v' }], current: 's' }).machine
    const after = exported(of, { ...vda, way: 'saved' }, throughLibvirt).after
    const plan = deleteSnapshots(after, { snapshots: ['s'], direction: 'pull', how: 'by hand' }, throughLibvirt)
    expect(E.isLeft(plan) ? plan.left._tag : owed(plan.right.after)).toBe('DiskRefused')
  })
})
