// The present of a guest, written into images of its own in every way that there is, while the guest goes on writing.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  capabilitiesOfVersions,
  chain,
  checkMachinePlan,
  exportSnapshot,
  machine,
  owed,
  pausesOf,
  settle,
} from 'backing-chain'
import type { ExportRequest, MachinePlan, NewImage } from 'backing-chain'
import { withMachine } from '../../src/model/machine.js'
import { binary, qemuVersions, type QemuVersion } from './lab/binaries.js'
import { runOk } from './lab/exec.js'
import { createImage, readCells, readInfo } from './lab/images.js'
import { fields, list, text } from './lab/json.js'
import { executeMachine } from './machine/execute.js'
import type { Expected } from './machine/expected.js'
import { labForAll } from './machine/lab.js'
import { right } from './harness/tree.js'
import { onFreeMachine, type Free } from './machine/qmp-session.js'
import { inSession, machineHost, type Session } from './machine/session.js'
import { targets, type Target } from './machine/stage.js'

const newImage = (folder: string, target: string, format: 'qcow2' | 'raw' = 'qcow2'): NewImage => ({
  name: `${target}.copy`,
  location: { _tag: 'File', path: join(folder, `${target}.copy.${format}`) },
  format,
})

const exportOf = (folder: string, disks: ReadonlyArray<Target> = targets): ExportRequest => ({
  to: new Map(disks.map((target) => [target, newImage(folder, target, target === 'vdb' ? 'raw' : 'qcow2')])),
})

/** Compressed copies of both disks. */
const packedOf = (folder: string): ExportRequest => ({
  to: new Map(targets.map((target) => [target, newImage(folder, target)])),
  data: 'compressed',
  bytesPerSecond: 104857600,
})

/** Whether each image has compressed clusters, and what QEMU finds wrong with none of them. */
const compressedClusters = ({ to }: ExportRequest, version: QemuVersion): Promise<ReadonlyArray<boolean>> =>
  Promise.all(
    Array.from(to.values(), async ({ location }) => {
      const path = location._tag === 'File' ? location.path : ''
      const checked = fields(JSON.parse(await runOk([binary(version, 'qemu-img'), 'check', '--output=json', path])))
      return Number(checked['compressed-clusters'] ?? 0) > 0
    }),
  )

/** What the new images hold, by disk. */
const exportedCells = async ({ to }: ExportRequest): Promise<ReadonlyMap<string, string>> =>
  new Map(
    await Promise.all(
      Array.from(to, async ([target, { location, format }]) => {
        const path = location._tag === 'File' ? location.path : ''
        return [target, await readCells(path, format)] as const
      }),
    ),
  )

/** A raw image does not tell zeroes from holes. */
const plain = (cells: string): string => cells.replaceAll('-', '0')

const shows = (cells: ReadonlyMap<string, string>, { guest }: Expected): boolean =>
  Array.from(cells).every(([target, found]) => plain(found) === plain(guest.get(target) ?? ''))

const fits = async (request: ExportRequest, reads: ReadonlyArray<Expected>): Promise<void> => {
  const cells = await exportedCells(request)
  const found = reads.findIndex((one) => shows(cells, one))
  expect({ found: found >= 0, cells, first: reads[0]?.guest }).toMatchObject({ found: true })
}

describe.each(qemuVersions)('without libvirt, QEMU %s', (version) => {
  const on = (act: (free: Free) => Promise<void>) => () => onFreeMachine(version, act)

  const begin = async (free: Free): Promise<void> => {
    await free.start()
    await free.does({ take: { name: 's1' } }, { trusted: true })
    for (const target of targets) await free.write({ target, cell: 3, value: 'x' })
  }

  it(
    'shut off: the active images are copied',
    on(async (free) => {
      await begin(free)
      await free.stop()
      const request = exportOf(free.home.images)
      await free.does({ export: request }, { moments: (reads) => fits(request, reads) })
    }),
  )

  it(
    'of one disk that is paused, inside',
    on(async (free) => {
      await begin(free)
      await free.pause()
      const request = { ...exportOf(free.home.images, ['vda']), way: 'inside' } as const
      await free.does({ export: request }, { moments: (reads) => fits(request, reads) })
    }),
  )

  const ways: ReadonlyArray<readonly [string, Partial<ExportRequest>]> = [
    ['inside, deleted by QEMU', { way: 'inside' }],
    ['inside, and the deletion owed', { way: 'inside', removal: 'next stop' }],
    ['under overlays', { way: 'overlay' }],
  ]
  it.each(ways)('%s: one moment of all disks, while the guest writes', (_, way) =>
    onFreeMachine(version, async (free) => {
      await begin(free)
      const request = { ...exportOf(free.home.images), ...way }
      await free.does({ export: request }, { writes: 31, moments: (reads) => fits(request, reads) })
      expect(owed(free.machine())).toHaveLength(way.removal === 'next stop' ? 2 : 0)
      if (way.removal !== 'next stop') return
      for (const event of ['rebooted', 'migrated'] as const)
        expect((await free.refuses({ settle: event }))._tag).toBe('OwedStillOpen')
      await free.stop()
      await free.does({ settle: 'stopped' })
      expect(owed(free.machine())).toEqual([])
    }),
  )

  const packed: ReadonlyArray<readonly [string, Partial<ExportRequest>]> = [
    ['by backup jobs', {}],
    ['inside', { way: 'inside' }],
    ['under overlays', { way: 'overlay' }],
  ]
  it.each(packed)('compressed and no faster than that, %s: one moment, while the guest writes', (_, way) =>
    onFreeMachine(version, async (free) => {
      await begin(free)
      const request = { ...packedOf(free.home.images), ...way }
      await free.does({ export: request }, { writes: 33, moments: (reads) => fits(request, reads) })
      expect(await compressedClusters(request, version)).toEqual([true, true])
    }),
  )

  it(
    'compressed, shut off',
    on(async (free) => {
      await begin(free)
      await free.stop()
      const request = packedOf(free.home.images)
      await free.does({ export: request }, { moments: (reads) => fits(request, reads) })
      expect(await compressedClusters(request, version)).toEqual([true, true])
    }),
  )

  it('what is said against compressed data is what QEMU says', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bc-packed-'))
    const at = (name: string): string => join(folder, name)
    const convert = (...args: ReadonlyArray<string>): Promise<string> =>
      runOk([binary(version, 'qemu-img'), 'convert', ...args])
    try {
      await createImage({ path: at('v'), format: 'qcow2', sizeBytes: 262144, cells: 'abcd' }, version)
      await createImage({ path: at('full'), format: 'qcow2', sizeBytes: 262144, cells: 'xxxx' }, version)
      const raw = convert('-c', '-O', 'raw', at('v'), at('raw'))
      await expect(raw).rejects.toThrow('Compression not supported for this file format')
      const full = convert('-c', '-n', '-O', 'qcow2', at('v'), at('full'))
      await expect(full).rejects.toThrow('Input/output error')
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('a rate is kept', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bc-rate-'))
    const at = (name: string): string => join(folder, name)
    try {
      await runOk(['qemu-img', 'create', '-q', '-f', 'qcow2', at('v'), '4M'])
      await runOk(['qemu-io', '-c', 'write -q -P 97 0 4M', at('v')])
      const location = { _tag: 'File', path: at('v') } as const
      const disk = right(chain('vda', [{ name: 'v', format: 'qcow2', sizeBytes: 4194304, location }], 'v'))
      const off = right(machine({ name: 'vm', state: 'shut-off', disks: [disk] }))
      const request = { to: new Map([['vda', newImage(folder, 'vda')]]), bytesPerSecond: 2097152 }
      const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '7.2' }) } as const
      const [step] = right(exportSnapshot(off, request, host)).steps
      if (step?.call._tag !== 'QemuImg') throw new Error('no step')
      const before = performance.now()
      await runOk([binary(version, 'qemu-img'), ...step.call.argv.slice(1)])
      expect(performance.now() - before).toBeGreaterThan(800)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it(
    'what is owed is paid by the QEMU that runs, while the guest writes',
    on(async (free) => {
      await begin(free)
      const request: ExportRequest = { ...exportOf(free.home.images), way: 'inside', removal: 'next stop' }
      await free.does({ export: request })
      await free.does({ settle: 'now' }, { writes: 32 })
      expect(owed(free.machine())).toEqual([])
    }),
  )
})

/** Executes a plan while the guest writes between any two of its steps, where it runs; gives what it read after each. */
const whileWriting = async (session: Session, plan: MachinePlan): Promise<ReadonlyArray<Expected>> => {
  const reads: Array<Expected> = [session.expected()]
  let cell = 5
  await executeMachine(plan, session.host, {
    after: async () => {
      if ((await session.virsh('domstate')).trim() !== 'running') return
      await session.write(cell++ % 16, 'w')
      reads.push(session.expected())
    },
  })
  return reads
}

/** The names of the snapshots inside an image that somebody may write to. */
const namesIn = async (path: string): Promise<ReadonlyArray<string>> => {
  const info = fields(await readInfo(path, { share: 'force' }))
  const snapshots = info['snapshots']
  return snapshots === undefined ? [] : list(snapshots).map((one) => text(fields(one)['name']))
}

describe('a domain of libvirt’s', () => {
  const lab = labForAll()

  const running = (act: (session: Session) => Promise<void>): Promise<void> =>
    inSession(lab, 'running', async (session) => {
      await session.taken('s1')
      await session.write(3, 'x')
      await act(session)
    })

  const does = async (session: Session, request: ExportRequest): Promise<MachinePlan> => {
    const { machine } = await session.look()
    const plan = right(exportSnapshot(machine, request, machineHost))
    expect(checkMachinePlan(plan)).toEqual([])
    const reads = await whileWriting(session, plan)
    const cells = await exportedCells(request)
    expect({ cells, moment: reads.findIndex((one) => shows(cells, one)) }).toMatchObject({ moment: 0 })
    expect((await session.virsh('domstate')).trim()).toBe('running')
    await session.check()
    return plan
  }

  const namesInside = async (session: Session): Promise<ReadonlyArray<string>> => {
    const all = await Promise.all(targets.map((target) => namesIn(session.path(`${target}.s1`))))
    return all.flat()
  }

  it.each(['first pause', 'second pause'] as const)('saved, removal in the %s', (removal) =>
    running(async (session) => {
      await does(session, { ...exportOf(session.stage.folder), way: 'saved', removal })
      expect(await namesInside(session)).toEqual([])
    }),
  )

  it('saved, and the deletion owed until the guest stops', () =>
    running(async (session) => {
      const plan = await does(session, { ...exportOf(session.stage.folder), way: 'saved' })
      expect(await namesInside(session)).toEqual(['export', 'export'])
      await session.virsh('destroy')
      const looked = await session.look()
      const machine = withMachine(looked.machine, { owed: owed(plan.after) })
      const paid = right(settle(machine, 'stopped', machineHost))
      await session.run({ plan: paid, before: looked.seen, change: (of) => of })
      expect(await namesInside(session)).toEqual([])
    }))

  it('owed, and paid in a pause', () =>
    running(async (session) => {
      const plan = await does(session, { ...exportOf(session.stage.folder, ['vdb']), way: 'saved' })
      const { machine } = await session.look()
      const paid = right(settle(withMachine(machine, { owed: owed(plan.after) }), 'now', machineHost))
      expect(pausesOf(paid)).toHaveLength(1)
      await whileWriting(session, paid)
      expect(await namesInside(session)).toEqual([])
      await session.check()
    }))

  it('under overlays', () =>
    running(async (session) => {
      await does(session, { ...exportOf(session.stage.folder), way: 'overlay' })
    }))

  it.each(['overlay', 'saved'] as const)('compressed and no faster than that: %s', (way) =>
    running(async (session) => {
      const request = { ...packedOf(session.stage.folder), way }
      await does(session, request)
      expect(await compressedClusters(request, '10.0')).toEqual([true, true])
    }),
  )

  it('shut off', () =>
    inSession(lab, 'shut-off', async (session) => {
      const { machine } = await session.look()
      const request = exportOf(session.stage.folder)
      await executeMachine(right(exportSnapshot(machine, request, machineHost)), session.host)
      expect(shows(await exportedCells(request), session.expected())).toBe(true)
    }))

  it('a guest that stops by itself before the second pause is not started', () =>
    running(async (session) => {
      const { machine } = await session.look()
      const request = { ...exportOf(session.stage.folder), way: 'saved', removal: 'second pause' } as const
      const plan = right(exportSnapshot(machine, request, machineHost))
      const copies = plan.steps
        .map(({ call }) => call._tag === 'QemuImg' && call.argv[1] === 'convert')
        .lastIndexOf(true)
      const after = async (done: ReadonlySet<number>): Promise<void> => {
        if (done.size === copies + 1) await session.virsh('destroy')
      }
      await expect(executeMachine(plan, session.host, { after })).rejects.toThrow('domain is not running')
      expect((await session.virsh('domstate')).trim()).toBe('shut off')
      expect(shows(await exportedCells(request), session.expected())).toBe(true)
    }))

  it('a guest that is suspended for a flush goes on, where the plan does not', () =>
    running(async (session) => {
      const { machine } = await session.look()
      const plan = right(exportSnapshot(machine, { ...exportOf(session.stage.folder), way: 'overlay' }, machineHost))
      const nothing = { _tag: 'QemuImg', argv: ['qemu-img', 'info', session.path('nothing')] } as const
      const broken = {
        ...plan,
        steps: plan.steps.map((step) =>
          step.call._tag === 'Libvirt' && step.call.function.call === 'virDomainResume'
            ? { ...step, call: nothing }
            : step,
        ),
      }
      await expect(executeMachine(broken, session.host)).rejects.toThrow()
      expect((await session.virsh('domstate')).trim()).toBe('running')
      await session.write(7, 'z')
    }))

  it('a snapshot that fails while the memory is saved leaves a guest that runs', () =>
    running(async (session) => {
      const { machine } = await session.look()
      const request = { ...exportOf(session.stage.folder), way: 'saved' } as const
      const plan = right(exportSnapshot(machine, request, machineHost))
      const broken = {
        ...plan,
        steps: plan.steps.map((step) =>
          step.call._tag === 'QemuImg' && step.call.argv.includes('-c')
            ? {
                ...step,
                call: { ...step.call, argv: ['qemu-img', 'snapshot', '-c', 'x', session.path('nothing')] as const },
              }
            : step,
        ),
      }
      await expect(executeMachine(broken, session.host)).rejects.toThrow()
      expect((await session.virsh('domstate', '--reason')).trim()).toBe('running (restored)')
      await session.check()
    }))
})
