// Snapshots inside images as QEMU 10.0 makes, loads and deletes them, flaws included: each as the lab has seen it.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { chain, layerOfPattern, machine, parseChain, patternOfLayer } from 'backing-chain'
import type { Call, Chain, ImageDescription } from 'backing-chain'
import {
  endOfMachine,
  guestViews,
  killMachine,
  machineFileView,
  machineWorldOf,
  machineWrite,
  performMachine,
  runMachine,
} from 'backing-chain/simulate'
import type { MachineWorld } from 'backing-chain/simulate'
import { right } from './pretend.js'

type CreateOptions = Extract<Command, { readonly execute: 'blockdev-create' }>['arguments']['options']

type Command = Extract<Call, { readonly _tag: 'Qmp' }>['command']

interface Of {
  readonly vda?: string
  readonly vdb?: string
  readonly state?: 'running' | 'paused'
  /** Changes what is known of an image. */
  readonly images?: Readonly<Record<string, Partial<ImageDescription>>>
}

const changed = (of: Chain, images: Of['images'] = {}): Chain =>
  right(
    chain(
      of.disk,
      Array.from(of.images.values(), ({ name, format, sizeBytes, location, backing, node }): ImageDescription => ({
        ...{ name, format, sizeBytes, location },
        ...(backing === undefined ? {} : { backing }),
        ...(node === undefined ? {} : { node }),
        ...images[name],
      })),
      of.active,
    ),
  )

const world = ({ vda = 'a[11]^', vdb = 'b[22]^', state = 'running', images }: Of = {}): MachineWorld => {
  const parsed = [
    right(parseChain(vda, { nodes: 'monitor' })),
    right(parseChain(vdb, { disk: 'vdb', nodes: 'monitor' })),
  ]
  const disks = parsed.map((one) => changed(one.chain, images))
  const contents = new Map(parsed.map((one) => [one.chain.disk, one.contents]))
  return right(machineWorldOf(right(machine({ name: 'vm', state, disks })), contents))
}

const done = (of: MachineWorld, command: Command): MachineWorld => right(performMachine(of, { _tag: 'Qmp', command }))

const said = (of: MachineWorld, command: Command): string => {
  const outcome = performMachine(of, { _tag: 'Qmp', command })
  if (E.isRight(outcome)) return 'done'
  return 'desc' in outcome.left ? outcome.left.desc : 'a fault'
}

const reads = (of: MachineWorld): ReadonlyArray<string> =>
  Array.from(guestViews(of).values(), (layer) => patternOfLayer(layer))

const insideOf = (of: MachineWorld, path: string, name: string): string => {
  const seen = machineFileView(of, `/images/${path}`, name)
  return E.isRight(seen) ? patternOfLayer(seen.right) : 'nothing'
}

const write = (of: MachineWorld, disk: string, pattern: string): MachineWorld => {
  const [run] = layerOfPattern(pattern).runs
  return run === undefined ? of : right(machineWrite(of, { disk, run }))
}

const internal = (device: string, name = 'm') =>
  ({ type: 'blockdev-snapshot-internal-sync', data: { device, name } }) as const

/** A new image of disk vda, in two nodes of its own. */
const withNode = (of: MachineWorld, name: string): MachineWorld => {
  const perform = (at: MachineWorld, command: Command): MachineWorld =>
    right(performMachine(at, { _tag: 'Qmp', command }, { disk: 'vda' }))
  const made = (at: MachineWorld, options: CreateOptions): MachineWorld => {
    const begun = perform(at, { execute: 'blockdev-create', arguments: { 'job-id': 'made', options } })
    return done(until(begun, 'concluded', 'made'), dismissing('made'))
  }
  const filename = `/images/${name}`
  const size = 131072
  const file = made(of, { driver: 'file', filename, size: 0 })
  const storage = { driver: 'file', 'node-name': `${name}-storage`, filename } as const
  const opened = perform(file, { execute: 'blockdev-add', arguments: storage })
  const formatted = made(opened, { driver: 'qcow2', file: `${name}-storage`, size })
  const format = { driver: 'qcow2', 'node-name': `${name}-format`, file: `${name}-storage`, backing: null }
  return perform(formatted, { execute: 'blockdev-add', arguments: format })
}

/** Once the job has come so far. */
const until = (of: MachineWorld, status: 'ready' | 'concluded', id = 'copy'): MachineWorld =>
  endOfMachine(
    runMachine(of, [
      { call: { _tag: 'Qmp', command: { execute: 'query-jobs' } }, until: { _tag: 'QmpJob', job: id, status } },
    ]),
  )

const saving = (devices: ReadonlyArray<string> = ['a-format', 'b-format'], tag = 'm', vmstate = devices[0] ?? '') =>
  ({ execute: 'snapshot-save', arguments: { 'job-id': 'save', tag, vmstate, devices } }) as const

const loading = (devices: ReadonlyArray<string> = ['a-format', 'b-format'], tag = 'm', vmstate = devices[0] ?? '') =>
  ({ execute: 'snapshot-load', arguments: { 'job-id': 'load', tag, vmstate, devices } }) as const

const dismissing = (id: string) => ({ execute: 'job-dismiss', arguments: { id } }) as const

/** A job of the whole machine, and then what it ended with; dismissed. */
const job = (
  of: MachineWorld,
  command: ReturnType<typeof saving | typeof loading>,
): [MachineWorld, string | undefined] => {
  const ended = done(of, command)
  const id = command.arguments['job-id']
  const jobs = Array.from(ended.worlds.values()).flatMap(({ qemu }) => qemu?.jobs ?? [])
  expect(jobs.map((one) => [one.id, one.status])).toContainEqual([id, 'concluded'])
  return [done(ended, dismissing(id)), jobs.find((one) => one.id === id)?.error]
}

const stateOf = ({ worlds, restoring, memory }: MachineWorld): ReadonlyArray<unknown> => [
  ...new Set(Array.from(worlds.values(), ({ qemu }) => qemu?.guest)),
  restoring,
  memory,
]

const saved = (of: MachineWorld = world()): MachineWorld => job(of, saving())[0]

describe('blockdev-snapshot-internal-sync', () => {
  it('saves what the guest reads, and lets it go on', () => {
    const one = done(world(), {
      execute: 'blockdev-snapshot-internal-sync',
      arguments: { device: 'a-format', name: 'm' },
    })
    const later = write(one, 'vda', '3-')
    expect([reads(later), insideOf(later, 'a', 'm'), stateOf(later)]).toStrictEqual([
      ['31', '22'],
      '11',
      ['running', false, 'booted'],
    ])
  })

  it('writes out what QEMU had not written yet', () => {
    const pull = { 'job-id': 'copy', device: 'c-format', 'auto-dismiss': false } as const
    const begun = done(world({ vda: 'a[11] <- c[--]^' }), { execute: 'block-stream', arguments: pull })
    const pulled = done(until(begun, 'concluded'), dismissing('copy'))
    const one = done(pulled, {
      execute: 'blockdev-snapshot-internal-sync',
      arguments: { device: 'c-format', name: 'm' },
    })
    expect([reads(killMachine(pulled)), reads(killMachine(one))]).toStrictEqual([
      ['00', '22'],
      ['11', '22'],
    ])
  })

  it('of all disks in one transaction, or of none', () => {
    const both = done(world(), {
      execute: 'transaction',
      arguments: { actions: [internal('a-format'), internal('b-format')] },
    })
    expect([insideOf(both, 'a', 'm'), insideOf(both, 'b', 'm')]).toStrictEqual(['11', '22'])
    const actions = [internal('a-format'), internal('b-storage')]
    expect(said(world(), { execute: 'transaction', arguments: { actions } })).toBe('Need a root block node')
    const again = [internal('a-format', 'n'), internal('b-format')]
    expect(said(both, { execute: 'transaction', arguments: { actions: again } })).toBe(
      "Snapshot with name 'm' already exists on device 'b-format'",
    )
  })

  it('before the action that lays an overlay on the disk, and not after it', () => {
    const of = withNode(world(), 'n')
    const overlay = { type: 'blockdev-snapshot', data: { node: 'a-format', overlay: 'n-format' } } as const
    const [before, after] = [
      [internal('a-format'), overlay],
      [overlay, internal('a-format')],
    ]
    expect(said(of, { execute: 'transaction', arguments: { actions: after } })).toBe('Need a root block node')
    const both = done(of, { execute: 'transaction', arguments: { actions: before } })
    expect([insideOf(both, 'a', 'm'), reads(write(both, 'vda', '3-'))]).toStrictEqual(['11', ['31', '22']])
    const laid = world({ vda: 'a[11] <- c[--]^' })
    expect(
      said(laid, { execute: 'blockdev-snapshot-internal-sync', arguments: { device: 'a-format', name: 'm' } }),
    ).toBe('Need a root block node')
    expect(
      said(laid, { execute: 'blockdev-snapshot-internal-sync', arguments: { device: 'c-format', name: 'm' } }),
    ).toBe('done')
  })

  it.each([
    ['nope', "Cannot find device='nope' nor node-name='nope'"],
    ['a-storage', 'Need a root block node'],
    ['b-format', "Block format 'raw' used by device 'b-format' does not support internal snapshots"],
  ])('of %s: %s', (device, text) => {
    const of = world({ vdb: 'b:raw[22]^' })
    expect(said(of, { execute: 'blockdev-snapshot-internal-sync', arguments: { device, name: 'm' } })).toBe(text)
    expect(said(of, { execute: 'blockdev-snapshot-internal-sync', arguments: { device: 'a-format', name: '' } })).toBe(
      'Name is empty',
    )
  })

  it('not under the filter of a copy, and through the name of a filter', () => {
    const node = { format: 'a-format', storage: 'a-storage', owner: 'monitor', filters: ['throttle'] } as const
    const filtered = world({ images: { a: { node } } })
    const on = (device: string) =>
      ({ execute: 'blockdev-snapshot-internal-sync', arguments: { device, name: 'm' } }) as const
    expect([said(filtered, on('a-format')), said(filtered, on('throttle'))]).toStrictEqual([
      'Need a root block node',
      'done',
    ])
  })
})

describe('blockdev-snapshot-delete-internal-sync', () => {
  it('needs id and name to fit, and the root', () => {
    const one = saved()
    const gone = (of: { readonly id?: string; readonly name?: string }, device = 'a-format') =>
      ({ execute: 'blockdev-snapshot-delete-internal-sync', arguments: { device, ...of } }) as const
    expect(said(one, gone({ id: '7', name: 'm' }))).toBe(
      "Snapshot with id '7' and name 'm' does not exist on device 'a-format'",
    )
    expect(said(one, gone({ name: '1' }))).toBe(
      "Snapshot with id 'null' and name '1' does not exist on device 'a-format'",
    )
    expect(said(one, gone({}))).toBe('Name or id must be provided')
    expect(said(one, gone({ name: 'm' }, 'a-storage'))).toBe('Need a root block node')
    for (const of of [{ id: '1' }, { name: 'm' }, { id: '1', name: 'm' }])
      expect(insideOf(done(one, gone(of)), 'a', 'm')).toBe('nothing')
  })
})

describe('snapshot-save', () => {
  it('all disks and the memory, which lies in one; the guest goes on as it was', () => {
    for (const state of ['running', 'paused'] as const) {
      const [of, error] = job(world({ state }), saving())
      expect([error, stateOf(of), insideOf(of, 'a', 'm'), insideOf(of, 'b', 'm')]).toStrictEqual([
        undefined,
        [state, false, 'booted'],
        '11',
        '22',
      ])
    }
  })

  it('says nothing of a disk that is left out', () => {
    const [of, error] = job(world(), saving(['a-format']))
    expect([error, insideOf(of, 'b', 'm')]).toStrictEqual([undefined, 'nothing'])
    const [back, none] = job(write(write(of, 'vda', '3-'), 'vdb', '4-'), loading(['a-format']))
    expect([none, reads(back)]).toStrictEqual([undefined, ['11', '42']])
  })

  it.each([
    [[], 'a-format', 'At least one device is required for snapshot'],
    [['nope'], 'nope', "No block device node 'nope'"],
    [['a-storage'], 'a-storage', "Device 'a-storage' is writable but does not support snapshots"],
    [['c-format'], 'c-format', "Device 'c-format' is writable but does not support snapshots"],
    [['a-format'], 'b-format', "vmstate block device 'b-format' does not exist"],
  ])('of %j with the memory in %s: %s', (devices, vmstate, text) => {
    expect(job(world({ vdb: 'c[33] <- b[--]^' }), saving(devices, 'm', vmstate))[1]).toBe(text)
  })

  it('minds a name that all have, and not one that some have: they get it twice, and the first is found', () => {
    const twice = job(saved(), saving())
    expect(twice[1]).toBe("Snapshot 'm' already exists in one or more devices")
    const some = done(world(), { execute: 'transaction', arguments: { actions: [internal('a-format')] } })
    const [both, error] = job(some, saving())
    expect([
      error,
      Array.from(both.worlds.values(), ({ files }) => JSON.stringify(files).split('"name":"m"').length - 1)[0],
    ]).toStrictEqual([undefined, 2])
    expect(job(both, loading())[1]).toBe('This is a disk-only snapshot. Revert to it  offline using qemu-img')
  })

  it('keeps the id of its job until it is dismissed', () => {
    expect(said(done(world(), saving()), saving())).toBe("Job ID 'save' already in use")
    const odd = { execute: 'snapshot-save', arguments: { ...saving().arguments, 'job-id': '1x' } } as const
    expect(said(world(), odd)).toBe("Invalid job ID '1x'")
  })
})

describe('snapshot-load', () => {
  const now = write(write(saved(), 'vda', '3-'), 'vdb', '4-')

  it('brings back memory and disks, running on or stopped as the guest is, whatever it was', () => {
    expect(reads(now)).toStrictEqual(['31', '42'])
    const stopped = done(now, { execute: 'stop' })
    for (const [of, guest] of [
      [now, 'running'],
      [stopped, 'paused'],
    ] as const) {
      const [back, error] = job(of, loading())
      expect([error, reads(back), stateOf(back)]).toStrictEqual([undefined, ['11', '22'], [guest, false, 'm']])
    }
  })

  it('is not one for all disks: where the second has a bitmap the first is back, with the old memory, until somebody lets it go on', () => {
    const bitmap = {
      type: 'block-dirty-bitmap-add',
      data: { node: 'b-format', name: 'x', granularity: 65536, persistent: true },
    } as const
    const [torn, error] = job(done(now, { execute: 'transaction', arguments: { actions: [bitmap] } }), loading())
    expect(error).toBe("Could not load snapshot 'm' on 'b-format': Device has active dirty bitmaps")
    expect([reads(torn), stateOf(torn)]).toStrictEqual([
      ['11', '42'],
      ['paused', true, 'booted'],
    ])
    expect(stateOf(done(torn, { execute: 'cont' }))).toStrictEqual(['running', false, 'booted'])
  })

  it('stops the guest even where it does nothing; one that then succeeds leaves it stopped', () => {
    const [failed, error] = job(now, loading(undefined, 'nope'))
    expect([error, reads(failed), stateOf(failed)]).toStrictEqual([
      "Snapshot 'nope' does not exist in one or more devices",
      ['31', '42'],
      ['paused', true, 'booted'],
    ])
    const [back] = job(failed, loading())
    expect([reads(back), stateOf(back)]).toStrictEqual([
      ['11', '22'],
      ['paused', true, 'm'],
    ])
  })

  it('finds the memory where it was put, and nowhere else', () => {
    expect(job(now, loading(undefined, 'm', 'b-format'))[1]).toBe(
      'This is a disk-only snapshot. Revert to it  offline using qemu-img',
    )
    expect(job(now, loading(['a-format'], 'm', 'b-format'))[1]).toBe("vmstate block device 'b-format' does not exist")
  })

  it('beside a copy that is ready: the copy keeps what was thrown away', () => {
    const mirror = { 'job-id': 'copy', device: 'a-format', target: 't-format', sync: 'full' } as const
    const of = until(done(withNode(now, 't'), { execute: 'blockdev-mirror', arguments: mirror }), 'ready')
    expect(said(of, { execute: 'blockdev-snapshot-internal-sync', arguments: { device: 'a-format', name: 'n' } })).toBe(
      'Need a root block node',
    )
    const [back, error] = job(of, loading())
    expect([error, reads(back)]).toStrictEqual([undefined, ['11', '22']])
    const pivoted = until(done(back, { execute: 'job-complete', arguments: { id: 'copy' } }), 'concluded')
    expect(reads(pivoted)).toStrictEqual(['31', '22'])
  })

  it('under the name of a throttle filter QEMU dies', () => {
    const node = { format: 'a-format', storage: 'a-storage', owner: 'monitor', filters: ['throttle'] } as const
    const filtered = job(world({ images: { a: { node } } }), saving(['throttle', 'b-format']))[0]
    const outcome = performMachine(filtered, { _tag: 'Qmp', command: loading(['throttle', 'b-format']) })
    expect(E.isLeft(outcome) ? outcome.left._tag : '').toBe('Crash')
  })
})

it('snapshot-delete takes it away where it is, and minds nothing else', () => {
  const [one] = job(world(), saving(['a-format']))
  const gone = {
    execute: 'snapshot-delete',
    arguments: { 'job-id': 'd', tag: 'm', devices: ['a-format', 'b-format'] },
  } as const
  expect(insideOf(done(one, gone), 'a', 'm')).toBe('nothing')
})

it('qemu-img applies by number first, and deletes by name alone', () => {
  const one = done(world(), { execute: 'transaction', arguments: { actions: [internal('a-format', 'one')] } })
  const two = done(write(one, 'vda', '3-'), {
    execute: 'transaction',
    arguments: { actions: [internal('a-format', '1')] },
  })
  const off = killMachine(write(two, 'vda', '4-'))
  const img = (...args: ReadonlyArray<string>): MachineWorld =>
    right(performMachine(off, { _tag: 'QemuImg', argv: ['qemu-img', 'snapshot', ...args, '/images/a'] }))
  expect([reads(off), reads(img('-a', '1')), reads(img('-a', '2'))]).toStrictEqual([
    ['41', '22'],
    ['11', '22'],
    ['31', '22'],
  ])
  expect([insideOf(img('-d', '1'), 'a', 'one'), insideOf(img('-d', '1'), 'a', '1')]).toStrictEqual(['11', 'nothing'])
  const none = performMachine(off, { _tag: 'QemuImg', argv: ['qemu-img', 'snapshot', '-d', '2', '/images/a'] })
  expect(E.isLeft(none) && 'desc' in none.left ? none.left.desc : '').toBe(
    "Could not delete snapshot '2': snapshot not found",
  )
})
