import { deepStrictEqual } from 'node:assert'
import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'

import { decodeMachine, decodeMachinePlan, encodeMachine, encodeMachinePlan } from '../../src/codec/index.js'
import { chain } from '../../src/model/chain.js'
import type { Chain } from '../../src/model/chain.js'
import { machine } from '../../src/model/machine-make.js'
import type { Machine } from '../../src/model/machine.js'
import { pointMap } from '../../src/model/point-map.js'
import type { SnapshotDescription, SnapshotDiskDescription } from '../../src/model/snapshot.js'
import type { XmlElement } from '../../src/model/xml.js'
import type { SavedState } from '../../src/model/saved-state.js'
import type { Consistency, MachineAssumption, MachinePlan } from '../../src/plan/machine-plan.js'
import { left, right } from './captured.js'

// `deepStrictEqual` and not `toStrictEqual`, which is not strict inside a Map: a member may be missing there or undefined.

const xml: fc.Arbitrary<XmlElement> = fc
  .record({
    name: fc.string({ minLength: 1 }),
    attributes: fc.dictionary(fc.string(), fc.string()),
    children: fc.array(fc.oneof(fc.string(), fc.constant({ name: 'a', attributes: { b: 'c' }, children: ['d'] }))),
  })
  .map((drawn) => structuredClone(drawn)) // without prototypes other than Object's

const domain: fc.Arbitrary<XmlElement> = xml.map((element) => ({ ...element, name: 'domain' }))

/** A line of images, of which the last is active; the snapshot `s0`, `s1` and so on is inside each of them. */
const lineOf = (disk: string, length: number): Chain => {
  const images = Array.from({ length }, (_, at) => ({
    ...{ name: `${disk}.${at}`, format: 'qcow2' as const, sizeBytes: at },
    location: { _tag: 'File' as const, path: `/${disk}.${at}` },
    internalSnapshots: Array.from({ length: 5 }, (__, id) => ({ id: `${id}`, name: `s${id}`, vmStateBytes: 0 })),
    ...(at === 0
      ? {}
      : { backing: { image: `${disk}.${at - 1}`, header: `${disk}.${at - 1}`, format: 'qcow2' as const } }),
  }))
  return right(chain(disk, images, `${disk}.${length - 1}`))
}

const diskOf = (disk: string, length: number): fc.Arbitrary<SnapshotDiskDescription> =>
  fc.oneof(
    fc.constantFrom({ mode: 'manual' } as const, { mode: 'no' } as const),
    fc.constantFrom({ mode: 'external' } as const, { mode: 'internal' } as const),
    fc.nat(length - 1).map((at) => ({ mode: 'internal' as const, image: `${disk}.${at}` })),
    length < 2
      ? fc.constant({ mode: 'no' as const })
      : fc.nat(length - 2).map((at) => ({ mode: 'external' as const, frozen: `${disk}.${at}` })),
  )

const names = ['vda', '__proto__', 'constructor']

const snapshotOf = (at: number, lengths: ReadonlyArray<number>): fc.Arbitrary<SnapshotDescription> =>
  fc
    .record(
      {
        parent: fc.nat(Math.max(0, at - 1)).map((parent) => `s${parent}`),
        description: fc.string(),
        creationTime: fc.string(),
        recorded: xml,
        memory: fc.constantFrom(
          { _tag: 'None' } as const,
          { _tag: 'Internal' } as const,
          { _tag: 'External', path: '/m' } as const,
        ),
        state: fc.constantFrom('running', 'paused', 'shutoff', 'disk-snapshot'),
        modes: fc.tuple(...lengths.map((length, disk) => diskOf(names[disk] ?? '', length))),
      },
      { requiredKeys: ['modes'] },
    )
    .map(({ modes, parent, ...rest }) => ({
      ...rest,
      ...(at === 0 || parent === undefined ? {} : { parent }),
      name: `s${at}`,
      disks: modes.map((mode, disk) => [names[disk] ?? '', mode] as const),
    }))

const pin = fc
  .tuple(fc.string(), fc.constantFrom('qcow2', undefined), fc.constantFrom(65536, undefined))
  .map(([path, format, sizeBytes]) => ({ path, format, sizeBytes }))

const savedStates: fc.Arbitrary<SavedState> = fc.record(
  {
    place: fc.oneof(
      fc.constant({ kind: 'managed' } as const),
      fc.string().map((path) => ({ kind: 'file' as const, path })),
    ),
    guest: fc.constantFrom('running', 'paused'),
    definition: domain,
    known: fc.constantFrom('as printed', 'foreseen'),
    disks: fc.constantFrom('as saved', 'written since'),
    images: fc.array(pin, { maxLength: 2 }).map((all) => new Map([['vda', all]])),
  },
  { requiredKeys: ['place', 'guest', 'definition', 'known', 'disks'], noNullPrototype: true },
)

const machines: fc.Arbitrary<Machine> = fc
  .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 })
  .chain((lengths) =>
    fc.record({
      lengths: fc.constant(lengths),
      snapshots: fc
        .nat(5)
        .chain((count) => fc.tuple(...Array.from({ length: count }, (_, at) => snapshotOf(at, lengths)))),
      current: fc.option(fc.nat(), { nil: undefined }),
      live: fc.option(domain, { nil: undefined }),
      persistent: domain,
      saved: fc.array(savedStates, { maxLength: 2 }),
    }),
  )
  .map(({ lengths, snapshots, current, live, persistent, saved }) => {
    const name = snapshots[(current ?? 0) % Math.max(1, snapshots.length)]?.name
    return right(
      machine({
        name: 'vm "1"\n',
        state: live === undefined ? 'shut-off' : 'paused',
        disks: lengths.map((length, disk) => lineOf(names[disk] ?? '', length)),
        snapshots,
        saved,
        ...(live === undefined && snapshots.length % 2 === 0 ? {} : { definitions: { live, persistent } }),
        ...(current === undefined || name === undefined ? {} : { current: name }),
      }),
    )
  })

describe('a machine', () => {
  test('decode after encode is the identity, through text and without', () => {
    fc.assert(
      fc.property(machines, (of) => {
        deepStrictEqual(decodeMachine(encodeMachine(of)), E.right(of))
        deepStrictEqual(decodeMachine(JSON.stringify(encodeMachine(of))), E.right(of))
        const again = right(decodeMachine(encodeMachine(of)))
        expect(Array.from(again.snapshots.keys())).toEqual(Array.from(of.snapshots.keys()))
        expect(Array.from(again.disks.keys())).toEqual(Array.from(of.disks.keys()))
      }),
      { numRuns: 300 },
    )
  })

  test('nothing undefined is written', () => {
    fc.assert(
      fc.property(machines, (of) => {
        deepStrictEqual(JSON.parse(JSON.stringify(encodeMachine(of))), encodeMachine(of))
      }),
      { numRuns: 100 },
    )
  })

  const snapshot = { name: 's', state: 'running', memory: { _tag: 'None' }, disks: [] }
  const encoded = { ...encodeMachine(right(machine({ name: 'vm', state: 'running', disks: [lineOf('vda', 1)] }))) }
  const withSnapshot = (change: object): object => ({ ...encoded, snapshots: [{ ...snapshot, ...change }] })
  const savedNow = {
    place: { kind: 'managed' },
    guest: 'running',
    definition: { name: 'domain', attributes: {}, children: [] },
    known: 'as printed',
    disks: 'as saved',
  }
  const pinned = { disk: 'vda', images: [] }
  const held = { disk: 'vda', held: { mode: 'no' } }

  test.each([
    ['$.version', { ...encoded, version: 2 }],
    ['$.format', { ...encoded, format: 'backing-chain/chain' }],
    ['$.extra', { ...encoded, extra: 1 }],
    ['$.state', { ...encoded, state: 'shutoff' }],
    ['$.definitions.other', { ...encoded, definitions: { other: 1 } }],
    ['$.saved[0].disks', { ...encoded, saved: [{ ...savedNow, disks: 'x' }] }],
    ['$.saved[0].place.path', { ...encoded, saved: [{ ...savedNow, place: { kind: 'managed', path: '/m' } }] }],
    ['$.saved[0].images', { ...encoded, saved: [{ ...savedNow, images: [pinned, pinned] }] }],
    ['$.snapshots[0].extra', withSnapshot({ extra: 1 })],
    ['$.snapshots[0].state', withSnapshot({ state: 'crashed' })],
    ['$.snapshots[0].memory._tag', withSnapshot({ memory: { _tag: 'Half' } })],
    ['$.snapshots[0].memory.path', withSnapshot({ memory: { _tag: 'External' } })],
    ['$.snapshots[0].disks', withSnapshot({ disks: [held, held] })],
    ['$.snapshots[0].disks[0].held.mode', withSnapshot({ disks: [{ disk: 'vda', held: { mode: 'half' } }] })],
    [
      '$.snapshots[0].disks[0].held.image',
      withSnapshot({ disks: [{ disk: 'vda', held: { mode: 'no', image: 'a' } }] }),
    ],
    ['$.snapshots[0].recorded.children', withSnapshot({ recorded: { name: 'a', attributes: {} } })],
    ['$', 7],
  ])('%s is refused', (path, json) => {
    const error = left(decodeMachine(json))
    expect(error._tag === 'ShapeWrong' ? error.problems.map((problem) => problem.path) : []).toEqual([path])
  })

  test('what is written may have been changed into no machine', () => {
    expect(left(decodeMachine({ ...encoded, current: 'b' }))).toEqual({
      _tag: 'MachineWrong',
      problems: [{ _tag: 'CurrentMissing', current: 'b' }],
    })
    expect(left(decodeMachine({ ...encoded, disks: [{ disk: 'vda', active: 'a', images: [] }] }))._tag).toBe(
      'ModelWrong',
    )
  })
})

const assumes: ReadonlyArray<MachineAssumption> = [
  { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'NothingAt', path: '/a' } },
  { _tag: 'ClockReads', seconds: 1 },
  { _tag: 'NoManagedSave', domain: 'vm' },
  { _tag: 'MemoryFile', snapshot: 's', path: '/m' },
  { _tag: 'Starts', domain: 'vm' },
  { _tag: 'DisksAsSaved', domain: 'vm' },
  { _tag: 'DiskGone', snapshot: 's', disks: ['vdb'] },
]

const thaw = { call: { _tag: 'Agent', command: { execute: 'guest-fsfreeze-thaw' } }, why: 'thaw' } as const

const operations: ReadonlyArray<MachinePlan['operation']> = [
  ...([
    'take',
    'delete',
    'revert',
    'forget',
    'redefine',
    'commit',
    'pull',
    'save',
    'restore',
    'drop',
    'extract',
    'export',
    'settle',
  ] as const),
]

const grades: ReadonlyArray<Consistency | undefined> = [
  ...(['clean', 'memory', 'quiesced', 'quiesced or crash', 'crash', 'none', undefined] as const),
]

const plans: fc.Arbitrary<MachinePlan> = fc
  .record({
    before: machines,
    after: machines,
    operation: fc.constantFrom(...operations),
    via: fc.constantFrom('qmp', 'libvirt', 'qemu-img'),
    how: fc.constantFrom('libvirt', 'by hand'),
    consistency: fc.constantFrom(...grades),
  })
  .map(({ before, after, ...rest }) => ({
    ...{ before, after, assumes, ...rest },
    parts: Array.from(before.disks.values(), (one) => ({
      ...{ before: one, after: one, contents: [{ image: one.active, span: [one.active], sizeBytes: 1 }] },
      fates: new Map([[one.active, ['written', 'repointed'] as const]]),
    })),
    steps: [
      { ...thaw, disk: 'vda', points: pointMap(before), failure: 'nothing has happened' },
      { ...thaw, disk: undefined, points: pointMap(after) },
      { ...thaw, until: { _tag: 'QmpJob', job: 'j', status: 'ready' }, disk: undefined, points: new Map() },
    ],
    finally: [{ from: 0, step: thaw }],
    unlinked: ['/m'],
    requires: ['qemu-block-commit'],
  }))

describe('a plan for a machine', () => {
  test('decode after encode is the identity, through text and without', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        deepStrictEqual(decodeMachinePlan(encodeMachinePlan(plan)), E.right(plan))
        deepStrictEqual(decodeMachinePlan(JSON.stringify(encodeMachinePlan(plan))), E.right(plan))
        deepStrictEqual(JSON.parse(JSON.stringify(encodeMachinePlan(plan))), encodeMachinePlan(plan))
      }),
      { numRuns: 200 },
    )
  })

  const alone = right(machine({ name: 'vm', state: 'running', disks: [] }))
  const encoded = encodeMachinePlan({
    ...{ operation: 'take', via: 'libvirt', how: 'by hand', before: alone, after: alone, parts: [], steps: [] },
    ...{ finally: [], consistency: undefined, unlinked: [], requires: [], assumes: [] },
  })
  const point = { snapshot: 's', disks: [] }
  const body = { name: 'vm', state: 'running', disks: [], snapshots: [] }
  const no = { disk: 'vda', held: { mode: 'no' } }
  const twice = { name: 's', state: 'running', memory: { _tag: 'None' }, disks: [no, no] }
  const place = { disk: 'vda', place: { held: 'frozen', image: 'a', format: 'raw', sizeBytes: 1 } }

  test.each([
    ['$.version', { ...encoded, version: 2 }],
    ['$.extra', { ...encoded, extra: 1 }],
    ['$.how', { ...encoded, how: 'somehow' }],
    ['$.before.snapshots[0].disks', { ...encoded, before: { ...body, snapshots: [twice] } }],
    ['$.after.extra', { ...encoded, after: { ...body, extra: 1 } }],
    ['$.finally[0].from', { ...encoded, finally: [{ from: -1, step: thaw }] }],
    ['$.steps[0].points', { ...encoded, steps: [{ ...thaw, points: [point, point] }] }],
    ['$.steps[0].points', { ...encoded, steps: [{ ...thaw, points: [{ ...point, disks: [place, place] }] }] }],
    [
      '$.steps[0].call.command.execute',
      { ...encoded, steps: [{ ...thaw, points: [], call: { _tag: 'Agent', command: { execute: 'guest-shutdown' } } }] },
    ],
  ])('%s is refused', (path, json) => {
    const error = left(decodeMachinePlan(json))
    expect(error._tag === 'ShapeWrong' ? error.problems.map((problem) => problem.path) : []).toEqual([path])
  })
})
