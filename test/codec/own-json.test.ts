import { deepStrictEqual } from 'node:assert'
import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'

import type { Call } from '../../src/call/call.js'
import type { LibvirtCall } from '../../src/call/libvirt.js'
import type { QmpCommand } from '../../src/call/qmp.js'
import type { Wait } from '../../src/call/wait.js'
import { decodeChain, decodePlan, encodeChain, encodePlan } from '../../src/codec/index.js'
import { addOverlay, commit, copy, pull } from '../../src/index.js'
import type { Hypervisor, Refusal } from '../../src/index.js'
import { chain } from '../../src/model/chain.js'
import type { Chain } from '../../src/model/chain.js'
import type { ImageDescription, LiveNode } from '../../src/model/image.js'
import type { Location } from '../../src/model/location.js'
import type { Assumption } from '../../src/plan/assumption.js'
import type { Plan } from '../../src/plan/plan.js'
import {
  arbitraryAddOverlayRequest,
  arbitraryChain,
  arbitraryCommitRequest,
  arbitraryCopyRequest,
  arbitraryPullRequest,
} from '../../src/testing/index.js'
import { daemon, live, offline, qmp } from '../operation/expect-plan.js'
import { left, right } from './captured.js'

// `deepStrictEqual` and not `toStrictEqual`, which is not strict inside a Map: a member may be missing there or undefined.

/** Names with everything in them, and distinct from one image to the next. */
const name = fc.string({ unit: 'binary', maxLength: 6 }).map((text) => text.replaceAll('\0', ''))

const location = (path: string): fc.Arbitrary<Location> =>
  fc.constantFrom(
    { _tag: 'File', path } as const,
    { _tag: 'BlockDevice', path } as const,
    { _tag: 'Network', uri: path } as const,
    { _tag: 'Descriptor', json: path } as const,
  )

const size = fc.nat(Number.MAX_SAFE_INTEGER)

const liveNode = (place: number): fc.Arbitrary<LiveNode> =>
  fc.record({
    format: fc.constant(`f${place}`),
    storage: fc.constantFrom(`s${place}`, undefined),
    owner: fc.constantFrom('monitor', 'implicit'),
    filters: fc.array(fc.string()),
  })

/** An image with any of what an image can have, over one of those before it. */
const image = (place: number): fc.Arbitrary<ImageDescription> =>
  fc
    .record(
      {
        name: name.map((text) => `${place}${text}`),
        format: fc.constant('qcow2' as const),
        sizeBytes: size,
        location: name.chain((text) => location(`/${place}${text}`)),
        backing: fc.record({
          image: fc.nat(1000).map(String),
          header: fc.string({ minLength: 1 }),
          format: fc.constant('qcow2' as const),
        }),
        clusterBytes: fc.nat(30).map((power) => 2 ** power),
        version: fc.constantFrom(2 as const, 3 as const),
        dataFile: fc.record({ location: location(`/d${place}`), layout: fc.constantFrom('raw', 'mapped') }),
        encryption: fc.constantFrom('luks', 'aes'),
        allocatedBytes: size,
        bitmaps: fc.array(
          fc.record({
            name: fc.string(),
            granularityBytes: size,
            state: fc.constantFrom('recording', 'disabled', 'inconsistent'),
          }),
        ),
        internalSnapshots: fc.array(fc.record({ id: fc.string(), name: fc.string(), vmStateBytes: size })),
        otherReaders: fc.oneof(fc.array(fc.string()), fc.constant('unknown' as const)),
        node: liveNode(place),
      },
      { requiredKeys: ['name', 'format', 'sizeBytes', 'location'] },
    )
    .map((drawn) => structuredClone(drawn)) // without prototypes other than Object's

const place = (images: ReadonlyArray<ImageDescription>): ReadonlyArray<ImageDescription> =>
  images.map(({ backing, ...rest }, index) => {
    const below = index === 0 ? undefined : images[Number(backing?.image ?? 0) % index]
    const header = (backing?.header ?? 'h').replaceAll('\0', '') || 'h'
    return backing === undefined || below === undefined
      ? rest
      : { ...rest, backing: { image: below.name, header, format: 'qcow2' } }
  })

const chains: fc.Arbitrary<Chain> = fc
  .integer({ min: 1, max: 8 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => image(index))))
  .chain((images) => fc.record({ images: fc.constant(place(images)), active: fc.nat(images.length - 1) }))
  .map(({ images, active }) => chain('vda', images, images[active]?.name ?? ''))
  .filter(E.isRight)
  .map((made) => made.right)

describe('a chain', () => {
  test('decode after encode is the identity, through text and without', () => {
    fc.assert(
      fc.property(chains, (of) => {
        deepStrictEqual(decodeChain(encodeChain(of)), E.right(of))
        deepStrictEqual(decodeChain(JSON.stringify(encodeChain(of))), E.right(of))
        const again = right(decodeChain(encodeChain(of)))
        expect(Array.from(again.images.keys())).toEqual(Array.from(of.images.keys()))
      }),
      { numRuns: 300 },
    )
  })

  test('nothing undefined is written', () => {
    fc.assert(
      fc.property(chains, (of) => {
        expect(JSON.parse(JSON.stringify(encodeChain(of)))).toStrictEqual(encodeChain(of))
      }),
      { numRuns: 100 },
    )
  })

  const plain = { _tag: 'File', path: '/a' } as const
  const encoded = encodeChain(right(chain('vda', [{ name: 'a', format: 'raw', sizeBytes: 1, location: plain }], 'a')))
  const image0 = { name: 'a', format: 'raw', sizeBytes: 1, location: plain }
  const first = { ...image0, bitmaps: [], internalSnapshots: [], otherReaders: 'unknown' }

  test.each([
    ['$.version', { ...encoded, version: 2 }],
    ['$.format', { ...encoded, format: 'backing-chain/plan' }],
    ['$.extra', { ...encoded, extra: 1 }],
    ['$.images[0].extra', { ...encoded, images: [{ ...first, extra: 1 }] }],
    ['$.images[0].location.extra', { ...encoded, images: [{ ...first, location: { ...plain, extra: 1 } }] }],
    ['$.images[0].location._tag', { ...encoded, images: [{ ...first, location: { _tag: 'Tape' } }] }],
    ['$.images[0].otherReaders', { ...encoded, images: [{ ...first, otherReaders: 'nobody' }] }],
    ['$.images[0].version', { ...encoded, images: [{ ...first, version: 4 }] }],
    ['$.images[0].__proto__', JSON.parse(JSON.stringify(encoded).replace('"name"', '"__proto__":{"x":1},"name"'))],
    ['$', 7],
  ])('%s is refused', (path, json) => {
    const error = left(decodeChain(json))
    expect(error._tag === 'ShapeWrong' ? error.problems.map((problem) => problem.path) : []).toEqual([path])
  })

  test('a newer version is one problem, not a heap', () => {
    expect(left(decodeChain({ format: 'backing-chain/chain', version: 9, chains: [] }))).toEqual({
      _tag: 'ShapeWrong',
      problems: [{ path: '$.version', expected: '1', actual: '9' }],
    })
  })

  test('what is written may have been changed into no chain', () => {
    expect(left(decodeChain({ ...encoded, active: 'b' }))).toEqual({
      _tag: 'ModelWrong',
      problems: [{ _tag: 'ActiveMissing', active: 'b' }],
    })
  })
})

type Operation<Request> = (of: Chain, request: Request, hypervisor: Hypervisor) => E.Either<Refusal, Plan>

const hypervisors: ReadonlyArray<Hypervisor> = [qmp, { ...qmp, guest: 'paused' }, live, offline, daemon]

const roundTrips = <Request>(operation: Operation<Request>, requests: (of: Chain) => fc.Arbitrary<Request>): number => {
  let plans = 0
  const cases = arbitraryChain({ nodes: 'monitor' }).chain((filled) =>
    fc.record({
      filled: fc.constant(filled),
      request: requests(filled.chain),
      hypervisor: fc.constantFrom(...hypervisors),
    }),
  )
  fc.assert(
    fc.property(cases, ({ filled, request, hypervisor }) => {
      const plan = operation(filled.chain, request, hypervisor)
      if (E.isLeft(plan)) return
      plans += 1
      deepStrictEqual(decodePlan(encodePlan(plan.right)), plan)
      deepStrictEqual(decodePlan(JSON.stringify(encodePlan(plan.right))), plan)
    }),
    { numRuns: 300 },
  )
  return plans
}

const job = { 'job-id': 'j', device: 'd' }

const commands: ReadonlyArray<QmpCommand> = [
  { execute: 'block-commit', arguments: job },
  {
    execute: 'block-commit',
    arguments: {
      ...job,
      ...{ 'top-node': 't', 'base-node': 'b', 'backing-file': 'f', 'backing-mask-protocol': true, speed: 0 },
      ...{ 'auto-finalize': false, 'auto-dismiss': false, 'filter-node-name': 'n' },
    },
  },
  { execute: 'block-stream', arguments: { ...job, 'base-node': 'b', 'backing-file': 'f' } },
  {
    execute: 'blockdev-mirror',
    arguments: { ...job, target: 't', sync: 'top', replaces: 'r', 'copy-mode': 'background' },
  },
  { execute: 'blockdev-backup', arguments: { ...job, target: 't', sync: 'full', 'auto-dismiss': false, speed: 1 } },
  { execute: 'blockdev-snapshot', arguments: { node: 'a', overlay: 'b' } },
  {
    execute: 'transaction',
    arguments: {
      actions: [
        { type: 'blockdev-snapshot', data: { node: 'a', overlay: 'b' } },
        { type: 'blockdev-backup', data: { ...job, target: 't', sync: 'full' } },
        { type: 'block-dirty-bitmap-add', data: { node: 'a', name: 'b', granularity: 65536, persistent: true } },
      ],
    },
  },
  { execute: 'blockdev-create', arguments: { 'job-id': 'j', options: { driver: 'file', filename: '/f', size: 1 } } },
  {
    execute: 'blockdev-create',
    arguments: {
      'job-id': 'j',
      options: {
        driver: 'qcow2',
        file: 'f',
        size: 1,
        'cluster-size': 65536,
        'backing-file': 'b',
        'backing-fmt': 'raw',
      },
    },
  },
  { execute: 'blockdev-add', arguments: { driver: 'file', 'node-name': 'n', filename: '/f', 'auto-read-only': true } },
  { execute: 'blockdev-add', arguments: { driver: 'qcow2', 'node-name': 'n', file: 's', backing: null } },
  { execute: 'blockdev-del', arguments: { 'node-name': 'n' } },
  { execute: 'job-complete', arguments: { id: 'j' } },
  { execute: 'job-finalize', arguments: { id: 'j' } },
  { execute: 'job-dismiss', arguments: { id: 'j' } },
  { execute: 'job-cancel', arguments: { id: 'j' } },
  { execute: 'block-job-cancel', arguments: { device: 'j', force: true } },
  { execute: 'query-named-block-nodes', arguments: { flat: true } },
  { execute: 'stop' },
  { execute: 'query-status' },
]

const xml = {
  name: 'disk',
  attributes: { type: 'file' },
  children: ['text', { name: 'a', attributes: {}, children: [] }],
}
const onDisk = { domain: 'guest', disk: 'vda' }

const functions: ReadonlyArray<LibvirtCall> = [
  {
    call: 'virDomainBlockCommit',
    arguments: { ...onDisk, base: null, top: '/t', bandwidth: 0 },
    flags: ['VIR_DOMAIN_BLOCK_COMMIT_ACTIVE', 'VIR_DOMAIN_BLOCK_COMMIT_SHALLOW'],
  },
  { call: 'virDomainBlockPull', arguments: { ...onDisk, bandwidth: 0 }, flags: [] },
  {
    call: 'virDomainBlockRebase',
    arguments: { ...onDisk, base: '/b', bandwidth: 0 },
    flags: ['VIR_DOMAIN_BLOCK_REBASE_RELATIVE'],
  },
  {
    call: 'virDomainBlockCopy',
    arguments: { ...onDisk, destxml: xml },
    flags: ['VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB'],
  },
  { call: 'virDomainBlockJobAbort', arguments: onDisk, flags: ['VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT'] },
  {
    call: 'virDomainSnapshotCreateXML',
    arguments: { domain: 'guest', xml },
    flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC'],
  },
  {
    call: 'virDomainSnapshotCreateXML',
    arguments: { domain: 'guest', xml },
    flags: [
      'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE',
      'VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT',
      'VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE',
      'VIR_DOMAIN_SNAPSHOT_CREATE_LIVE',
    ],
  },
  {
    call: 'virDomainSnapshotDelete',
    arguments: { domain: 'guest', snapshot: 's' },
    flags: ['VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY', 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY'],
  },
  {
    call: 'virDomainRevertToSnapshot',
    arguments: { domain: 'guest', snapshot: 's' },
    flags: ['VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED', 'VIR_DOMAIN_SNAPSHOT_REVERT_FORCE'],
  },
  { call: 'virDomainSnapshotGetXMLDesc', arguments: { domain: 'guest', snapshot: 's' }, flags: [] },
  { call: 'virDomainFSFreeze', arguments: { domain: 'guest' }, flags: [] },
  { call: 'virDomainFSThaw', arguments: { domain: 'guest' }, flags: [] },
  { call: 'virDomainDestroyFlags', arguments: { domain: 'guest' }, flags: ['VIR_DOMAIN_DESTROY_GRACEFUL'] },
  { call: 'virDomainCreateWithFlags', arguments: { domain: 'guest' }, flags: ['VIR_DOMAIN_START_PAUSED'] },
  { call: 'virDomainDefineXMLFlags', arguments: { domain: 'guest', xml }, flags: [] },
  { call: 'virDomainCreateWithFlags', arguments: { domain: 'guest' }, flags: ['VIR_DOMAIN_START_FORCE_BOOT'] },
  {
    call: 'virDomainManagedSave',
    arguments: { domain: 'guest' },
    flags: ['VIR_DOMAIN_SAVE_BYPASS_CACHE', 'VIR_DOMAIN_SAVE_RUNNING', 'VIR_DOMAIN_SAVE_PAUSED'],
  },
  { call: 'virDomainManagedSaveRemove', arguments: { domain: 'guest' }, flags: [] },
  { call: 'virDomainManagedSaveDefineXML', arguments: { domain: 'guest', xml }, flags: ['VIR_DOMAIN_SAVE_PAUSED'] },
  { call: 'virDomainSaveFlags', arguments: { domain: 'guest', path: '/m' }, flags: ['VIR_DOMAIN_SAVE_RUNNING'] },
  { call: 'virDomainRestoreFlags', arguments: { domain: 'guest', path: '/m' }, flags: ['VIR_DOMAIN_SAVE_PAUSED'] },
  { call: 'virDomainSaveImageDefineXML', arguments: { domain: 'guest', path: '/m', xml }, flags: [] },
  {
    call: 'virDomainBackupBegin',
    arguments: { domain: 'guest', xml },
    flags: ['VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL'],
  },
  { call: 'virDomainAbortJob', arguments: { domain: 'guest' }, flags: [] },
  { call: 'virDomainSuspend', arguments: { domain: 'guest' }, flags: [] },
  { call: 'virDomainResume', arguments: { domain: 'guest' }, flags: [] },
  { call: 'virDomainGetXMLDesc', arguments: { domain: 'guest' }, flags: ['VIR_DOMAIN_XML_INACTIVE'] },
  { call: 'virDomainUpdateDeviceFlags', arguments: { domain: 'guest', xml }, flags: ['VIR_DOMAIN_AFFECT_CONFIG'] },
]

const calls: ReadonlyArray<Call> = [
  ...commands.map((command) => ({ _tag: 'Qmp' as const, command })),
  ...functions.map((call) => ({ _tag: 'Libvirt' as const, function: call })),
  { _tag: 'QemuImg', argv: ['qemu-img', 'rebase', '-u', '-b', '', '-rf'] },
  { _tag: 'Agent', command: { execute: 'guest-fsfreeze-freeze' } },
  { _tag: 'Agent', command: { execute: 'guest-fsfreeze-thaw' } },
  { _tag: 'Host', argv: ['btrfs', 'subvolume', 'delete', '/a'] },
  { _tag: 'HandOver', level: 'array', task: 'revert', disk: 'vda', snapshot: 's', path: '/a' },
  { _tag: 'Files', operation: 'remove', path: '/a' },
  { _tag: 'Files', operation: 'rename', path: '/a', to: '/b' },
  { _tag: 'Files', operation: 'link', path: '/a', to: '/b' },
]

const waits: ReadonlyArray<Wait> = [
  { _tag: 'QmpJob', job: 'j', status: 'pending' },
  { _tag: 'LibvirtJob', disk: 'vda', status: 'ready' },
  { _tag: 'LibvirtJobs', disks: ['vda', 'vdb'], status: 'completed' },
  { _tag: 'ChainIs', disk: 'vda', images: [{ image: 'a', format: 'qcow2', location: '/a' }] },
]

const assumes: ReadonlyArray<Assumption> = [
  { _tag: 'NoOtherReaders', images: ['a'] },
  { _tag: 'Writable', images: ['a'] },
  { _tag: 'NothingAt', path: '/a' },
  { _tag: 'MadeBefore', image: 'a', path: '/a' },
  { _tag: 'SameContents', left: 'a', right: 'b' },
  { _tag: 'Closed', images: ['a'] },
  { _tag: 'StartsWith', image: 'a', path: '/a', from: 1 },
  { _tag: 'DeviceHolds', image: 'a', sizeBytes: 1 },
  { _tag: 'RoomFor', image: 'a', sizeBytes: 1 },
  { _tag: 'HeadersLead', images: ['a'] },
  { _tag: 'NoKillBeforeFlush', image: 'a', oldHeader: '/b' },
  { _tag: 'BitmapsStop', image: 'a', bitmaps: ['b'] },
]

const lone = right(
  chain('vda', [{ name: 'a', format: 'raw', sizeBytes: 1, location: { _tag: 'File', path: '/a' } }], 'a'),
)

const everything: Plan = {
  operation: 'commit',
  via: 'qmp',
  before: lone,
  after: lone,
  steps: [
    ...calls.map((call) => ({ call, why: 'because' })),
    ...waits.map((until) => ({ call: { _tag: 'Qmp', command: { execute: 'cont' } } as const, until, why: '' })),
  ],
  contents: [{ image: lone.active, span: [lone.active], sizeBytes: 1 }],
  fates: new Map([
    ['a', ['written', 'repointed']],
    ['__proto__', ['removed']],
  ]),
  points: [{ point: 'p', before: lone.active, after: lone.active, format: 'raw', sizeBytes: 1 }],
  requires: ['qemu-block-commit', 'libvirt-relative'],
  assumes,
}

describe('a plan', () => {
  test('decode after encode is the identity on all plans of all operations', () => {
    const plans =
      roundTrips(addOverlay, arbitraryAddOverlayRequest) +
      roundTrips(commit, arbitraryCommitRequest) +
      roundTrips(pull, arbitraryPullRequest) +
      roundTrips(copy, arbitraryCopyRequest)
    expect(plans).toBeGreaterThan(100)
  })

  test('and on every call, wait and assumption that there is', () => {
    deepStrictEqual(decodePlan(encodePlan(everything)), E.right(everything))
    deepStrictEqual(decodePlan(JSON.stringify(encodePlan(everything))), E.right(everything))
    expect(JSON.parse(JSON.stringify(encodePlan(everything)))).toStrictEqual(encodePlan(everything))
  })

  const encoded: unknown = JSON.parse(JSON.stringify(encodePlan(everything)))

  /** The paths of all objects in a value. */
  const objectsIn = (value: unknown, path: string): ReadonlyArray<string> => {
    if (typeof value !== 'object' || value === null) return []
    const inside = Object.entries(value).flatMap(([key, member]) =>
      objectsIn(member, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`),
    )
    return Array.isArray(value) ? inside : [path, ...inside]
  }

  const withStranger = (value: unknown, at: string, path: string): unknown => {
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map((one, index) => withStranger(one, at, `${path}[${index}]`))
    const entries = Object.entries(value).map(([key, member]) => [key, withStranger(member, at, `${path}.${key}`)])
    return Object.fromEntries(path === at ? [...entries, ['stranger', 1]] : entries)
  }

  test('a member that is not known is refused wherever it stands, with its path', () => {
    const places = objectsIn(encoded, '$')
    expect(places.length).toBeGreaterThan(100)
    for (const at of places) {
      const error = left(decodePlan(withStranger(encoded, at, '$')))
      const paths = error._tag === 'ShapeWrong' ? error.problems.map(({ path }) => path) : []
      expect(paths).toEqual([at.endsWith('.attributes') ? at : `${at}.stranger`])
    }
  })

  test('an image has its fates once', () => {
    const twice = {
      ...encodePlan(everything),
      fates: [
        { image: 'a', fates: ['kept'] },
        { image: 'a', fates: ['kept'] },
      ],
    }
    expect(left(decodePlan(twice))).toMatchObject({ problems: [{ path: '$.fates' }] })
  })

  test('a chain in it that is none', () => {
    const broken = { ...encodePlan(everything), after: { disk: 'vda', active: 'b', images: [] } }
    expect(left(decodePlan(broken))).toMatchObject({ _tag: 'ModelWrong', problems: [{ _tag: 'ActiveMissing' }] })
  })
})
