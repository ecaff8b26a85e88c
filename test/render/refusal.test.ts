import { describe, expect, it } from 'vitest'

import { isImageName } from '../../src/model/image.js'
import type { ImageName } from '../../src/model/image.js'
import type { Alternative, Refusal } from '../../src/plan/refusal.js'
import { alternativeText } from '../../src/render/alternative.js'
import { explainRefusal } from '../../src/render/refusal.js'
import { sizeText } from '../../src/render/size.js'

type Facts<T> = Omit<Extract<Refusal, { readonly _tag: T }>, 'alternatives'>

const named = (name: string): ImageName => (isImageName(name) ? name : expect.fail('no name'))

/** One of each tag; a tag that is missing here does not compile. */
const samples: { readonly [T in Refusal['_tag']]: Facts<T> } = {
  ImageNotInChain: { _tag: 'ImageNotInChain', image: 'img1' },
  TopNotAboveBase: { _tag: 'TopNotAboveBase', top: 'img1', base: 'img2' },
  NothingBelow: { _tag: 'NothingBelow', image: 'img1' },
  NotOnActivePath: { _tag: 'NotOnActivePath', image: 'img1', active: 'img2' },
  GuestStateWrong: { _tag: 'GuestStateWrong', via: 'libvirt', guest: 'shut-off', needs: ['running', 'paused'] },
  NotThisWay: { _tag: 'NotThisWay', via: 'libvirt', why: 'reason1' },
  CapabilityMissing: {
    _tag: 'CapabilityMissing',
    missing: [{ feature: 'qemu-active-commit', program: 'QEMU', since: '2.0', found: '1.6' }],
  },
  JobOverlaps: { _tag: 'JobOverlaps', job: 'job1', kind: 'pull', images: ['img1', 'img2', 'img3'] },
  ActiveNeedsPivotDecision: { _tag: 'ActiveNeedsPivotDecision', active: 'img1' },
  PivotOnlyForActive: { _tag: 'PivotOnlyForActive', top: 'img1', active: 'img2' },
  ImageShared: {
    _tag: 'ImageShared',
    image: 'img1',
    readers: [
      { _tag: 'Overlay', image: named('img2') },
      { _tag: 'Other', reader: 'vm2' },
    ],
  },
  FormatCannotChangeBacking: { _tag: 'FormatCannotChangeBacking', image: 'img1', format: 'vmdk' },
  FormatCannotHoldOverlay: { _tag: 'FormatCannotHoldOverlay', image: 'img1', format: 'raw' },
  BaseLargerThanTop: { _tag: 'BaseLargerThanTop', base: 'img1', baseBytes: 262144, top: 'img2', topBytes: 1536 },
  ShortImageExposesBase: {
    _tag: 'ShortImageExposesBase',
    base: 'img1',
    baseBytes: 262144,
    short: 'img2',
    shortBytes: 65536,
    overlay: 'img3',
    overlayBytes: 196608,
  },
  BaseDeviceTooSmall: { _tag: 'BaseDeviceTooSmall', base: 'img1', presentBytes: 65536, neededBytes: 131072 },
  BaseNotGrowable: { _tag: 'BaseNotGrowable', base: 'img1', baseBytes: 65536, topBytes: 131072, why: 'reason1' },
  InternalSnapshotsLost: {
    _tag: 'InternalSnapshotsLost',
    lost: [{ image: 'img1', snapshots: ['inner1'] }],
    why: 'reason1',
  },
  BitmapsLost: { _tag: 'BitmapsLost', lost: [{ image: 'img1', bitmaps: ['bit1', 'bit2'] }] },
  PlaintextLeak: { _tag: 'PlaintextLeak', from: ['img1'], to: 'img2' },
  BackingStringTooLong: {
    _tag: 'BackingStringTooLong',
    image: 'img1',
    header: '/short',
    headerBytes: 1024,
    largestBytes: 1023,
  },
  BackingStringUnknown: { _tag: 'BackingStringUnknown', image: 'img1', backing: 'img2', why: 'reason1' },
  PathNotAbsolute: { _tag: 'PathNotAbsolute', image: 'img1', path: 'some/path' },
  LocationNotAddressable: { _tag: 'LocationNotAddressable', image: 'img1', via: 'libvirt', why: 'reason1' },
  NodeUnknown: { _tag: 'NodeUnknown', image: 'img1' },
  NodeNameInvalid: { _tag: 'NodeNameInvalid', node: '9x', why: 'reason1' },
  FilterAbove: { _tag: 'FilterAbove', image: 'img1', filters: ['filter1'], why: 'reason1' },
  NameTaken: { _tag: 'NameTaken', name: 'img1', by: 'node' },
  DestinationWrong: { _tag: 'DestinationWrong', name: 'img1', why: 'size', detail: 'detail1' },
  PointUnknown: { _tag: 'PointUnknown', point: 'point1', image: 'img1', why: 'active' },
  ImageOpen: {
    _tag: 'ImageOpen',
    image: 'img1',
    step: 2,
    wants: 'write',
    by: { _tag: 'Tool', name: 'tool1' },
    held: { image: 'img1', by: { _tag: 'OtherGuest', name: 'vm2' }, access: 'read' },
  },
  PointInTimeLost: { _tag: 'PointInTimeLost', points: [{ point: 'point1', image: 'img1' }] },
}

/** Every name and number in a value, as text; the words of a closed list are told in other words. */
const factsIn = (value: unknown): ReadonlyArray<string> => {
  if (typeof value === 'number') return [String(value).replace(/\B(?=(\d{3})+$)/g, ',')]
  if (typeof value === 'string') return [value.replace('shut-off', 'shut off')]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(factsIn) : []
}

const closed = new Set(['_tag', 'via', 'by'])
const openFacts = (facts: object): ReadonlyArray<string> =>
  Object.entries(facts).flatMap(([key, value]) =>
    closed.has(key) || (key === 'why' && !String(value).startsWith('reason')) ? [] : factsIn(value),
  )

/** Tags of what is inside a fact. */
const tags = new Set(['Overlay', 'Other', 'OtherGuest', 'Tool'])

describe('explainRefusal', () => {
  it.each(Object.values(samples).map((facts) => [facts._tag, facts] as const))('%s: says every fact', (_, facts) => {
    const text = explainRefusal({ ...facts, alternatives: [] })
    for (const fact of openFacts(facts)) if (!tags.has(fact)) expect(text).toContain(fact)
    expect(text).toMatch(/^[A-Z"a-z].*\.$/)
    expect(text).not.toMatch(/undefined|\[object|\b(merge|parent|child|flatten|delta)/)
  })

  it('has sizes to read, and exact', () => {
    expect(explainRefusal({ ...samples.BaseLargerThanTop, alternatives: [] })).toBe(
      'The base img1 is larger than img2, and a commit does not shrink it, so the guest would see a larger disk with old data at its end: 256 KiB (262,144 bytes) over 1.5 KiB (1,536 bytes).',
    )
  })

  it('lists the other ways', () => {
    const ways: ReadonlyArray<Alternative> = [
      { _tag: 'PullIntoReaders', readers: ['x', 'y z'] },
      { _tag: 'Copy', depth: 'full' },
    ]
    expect(explainRefusal({ ...samples.ImageShared, alternatives: ways })).toBe(
      [
        'img1 has other readers, which would then see other contents: its overlay img2, vm2.',
        'Instead:',
        '- pull into each of its readers: x and "y z"',
        '- make a full copy',
      ].join('\n'),
    )
  })

  it('quotes names as the notation does, and cuts what is long', () => {
    const text = explainRefusal({
      ...samples.BackingStringTooLong,
      image: 'a\nb',
      header: 'x'.repeat(5000),
      alternatives: [],
    })
    expect(text).toContain('"a\\nb"')
    expect(text.length).toBeLessThan(300)
  })
})

describe('alternativeText', () => {
  const all: { readonly [T in Alternative['_tag']]: Extract<Alternative, { readonly _tag: T }> } = {
    PullIntoReaders: { _tag: 'PullIntoReaders', readers: ['img1', 'img2'] },
    PullEverything: { _tag: 'PullEverything', into: 'img1' },
    ActiveCommit: { _tag: 'ActiveCommit', base: 'img1' },
    Copy: { _tag: 'Copy', depth: 'shallow' },
    Grow: { _tag: 'Grow', image: 'img1', toBytes: 131072, guest: 'shut-off' },
    ExtendDevice: { _tag: 'ExtendDevice', image: 'img1', toBytes: 131072 },
    SafeRebase: { _tag: 'SafeRebase', image: 'img1' },
    Via: { _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] },
    KeepLeftovers: { _tag: 'KeepLeftovers' },
    GiveHeader: { _tag: 'GiveHeader', image: 'img1' },
    Accept: { _tag: 'Accept', tag: 'PlaintextLeak' },
    UseAnotherName: { _tag: 'UseAnotherName', taken: ['img1', 'img2'] },
    WaitForJob: { _tag: 'WaitForJob', job: 'job1' },
    CloseFirst: { _tag: 'CloseFirst', image: 'img1', by: { _tag: 'Tool', name: 'tool1' } },
  }
  it.each(Object.values(all).map((alternative) => [alternative._tag, alternative] as const))(
    '%s: says every fact',
    (_, alternative) => {
      for (const fact of openFacts(alternative))
        if (!tags.has(fact)) expect(alternativeText(alternative)).toContain(fact)
    },
  )

  it('names the program', () => expect(alternativeText(all.Via)).toContain('qemu-img'))
})

describe('sizeText', () => {
  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [1023, '1,023 bytes'],
    [1024, '1 KiB (1,024 bytes)'],
    [65535, '64 KiB (65,535 bytes)'],
    [1048575, '1024 KiB (1,048,575 bytes)'],
    [5 * 2 ** 30, '5 GiB (5,368,709,120 bytes)'],
    [Number.MAX_SAFE_INTEGER, '8 PiB (9,007,199,254,740,991 bytes)'],
  ])('%d is %s', (bytes, text) => expect(sizeText(bytes)).toBe(text))
})
