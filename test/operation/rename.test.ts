import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  addOverlay,
  chain,
  checkPlan,
  equalViews,
  explain,
  patternOfLayer,
  pull,
  relativeHeader,
  rename,
  viewOf,
} from '../../src/index.js'
import type { Chain, Hypervisor, ImageDescription, Plan, Refusal, RenameRequest, XmlElement } from '../../src/index.js'
import { element } from '../../src/model/xml.js'
import { fileAt, fileView } from '../../src/simulate/index.js'
import { arbitraryChain, arbitraryRenameRequest, assertPlanSimulates, simulate } from '../../src/testing/index.js'
import { atRest, expectPlan, lines, offline, parsed, planned, qmp, refused } from './expect-plan.js'
import type { Parsed } from './expect-plan.js'

const line = 'base[abcd] <- v.1[-e--] <- (v.2[--f-]^, side[g---])'
const facts = ({ alternatives: _, ...of }: Refusal): object => of

/** What of a path is left for the image that is renamed: the old one as long as it is there, then the new one. */
const pathAt = (plan: Plan, image: string, exists: (path: string) => boolean): string => {
  const [before, after] = [plan.before.images.get(image)?.location, plan.after.images.get(image)?.location]
  const paths = [before, after].flatMap((at) => (at?._tag === 'File' ? [at.path] : []))
  return paths.find(exists) ?? 'nowhere'
}

/** At every moment of a plan every image of the chain reads what it read, from the path that it has left. */
const readsThroughout = (plan: Plan, { contents }: Pick<Parsed, 'contents'>): void => {
  const renamed = new Map(plan.contents.map(({ image, span }) => [String(span[0]), String(image)]))
  const trace = simulate(plan, contents, { guest: 'shut-off' })
  expect(trace.fault).toBeUndefined()
  for (const { world } of trace.moments)
    for (const name of plan.before.images.keys()) {
      const to = renamed.get(name)
      const exists = (path: string): boolean => fileAt(world, path) !== undefined
      const old = pathAt(plan, name, exists)
      const path = old === 'nowhere' && to !== undefined ? pathAt(plan, to, exists) : old
      const seen = fileView(world, path)
      const expected = viewOf(plan.before, contents, name)
      if (E.isLeft(seen) || expected === undefined) throw new Error(`${name} cannot be read`)
      expect(patternOfLayer(seen.right)).toBe(patternOfLayer(expected))
    }
}

describe('R6: pull, then rename', () => {
  const before = atRest('v[abcd] <- v.1[-e--] <- v.2[--f-]^', { headers: 'relative' })
  const pulled = planned(pull, before, { into: 'v.2', leftovers: 'remove' }, offline)
  const chained = { chain: pulled.after, contents: before.contents }
  const plan = planned(rename, chained, { image: 'v.2', to: '/images/v', name: 'v' }, offline)

  it('gets the wanted file name back', () => {
    expect(lines(pulled)).toEqual([
      "qemu-img rebase -f qcow2 -b '' /images/v.2",
      'qemu-img info --backing-chain --output=json /images/v.2',
      'unlink -- /images/v.1',
      'unlink -- /images/v',
    ])
    expect(lines(plan)).toEqual([
      'link -- /images/v.2 /images/v',
      'qemu-img info --backing-chain --output=json /images/v',
      'unlink -- /images/v.2',
    ])
    expect(plan.after.active).toBe('v')
    expect(Array.from(plan.after.images.keys())).toEqual(['v'])
    expect(plan.assumes).toContainEqual({ _tag: 'StartsWith', image: 'v', path: '/images/v', from: 2 })
  })

  it('and not before the old file has gone', () => {
    expect(facts(refused(rename, before, { image: 'v.2', to: '/images/v', name: 'v.3' }, offline))).toEqual({
      _tag: 'NameTaken',
      name: '/images/v',
      by: 'location',
    })
    expect(facts(refused(rename, before, { image: 'v.2', to: '/images/w', name: 'v' }, offline))).toEqual({
      _tag: 'NameTaken',
      name: 'v',
      by: 'image',
    })
  })
})

describe('R8: a new file under the old name of the active one', () => {
  it('is had by a rename below the new overlay, without a copy', () => {
    const before = atRest('old[abcd]^')
    const snap = { name: 'snap', location: { _tag: 'File', path: '/images/snap' }, format: 'qcow2' } as const
    const overlaid = planned(addOverlay, before, { overlay: snap }, offline)
    const moved = planned(
      rename,
      { chain: overlaid.after, contents: before.contents },
      { image: 'old', to: '/images/frozen', name: 'frozen' },
      offline,
    )
    const back = planned(
      rename,
      { chain: moved.after, contents: before.contents },
      { image: 'snap', to: '/images/old', name: 'old' },
      offline,
    )
    expect(lines(moved)).toEqual([
      'link -- /images/old /images/frozen',
      'qemu-img rebase -u -f qcow2 -F qcow2 -b /images/frozen /images/snap',
      'qemu-img info --backing-chain --output=json /images/snap',
      'unlink -- /images/old',
    ])
    expect(back.after.images.get('old')?.backing?.image).toBe('frozen')
    expect(back.after.active).toBe('old')
  })
})

describe('every overlay is told', () => {
  it('siblings too, each by a string of its own kind', () => {
    const { chain: of, contents } = atRest(line)
    const side = of.images.get('side')
    const descriptions = Array.from(of.images.values(), ({ name, format, sizeBytes, location, backing }) => ({
      name,
      format,
      sizeBytes,
      location,
      otherReaders: [],
      ...(backing === undefined ? {} : { backing: name === side?.name ? { ...backing, header: './v.1' } : backing }),
    }))
    const mixed = chain('vda', descriptions, of.active)
    if (E.isLeft(mixed)) throw new Error('no chain')
    const before = { chain: mixed.right, contents }
    const plan = planned(rename, before, { image: 'v.1', to: '/images/monday' }, offline)
    expectPlan(plan, contents, 'base <- v.1 <- (v.2+^, side+)')
    expect(lines(plan)).toEqual([
      'link -- /images/v.1 /images/monday',
      'qemu-img rebase -u -f qcow2 -F qcow2 -b /images/monday /images/v.2',
      'qemu-img rebase -u -f qcow2 -F qcow2 -b ./monday /images/side',
      'qemu-img info --backing-chain --output=json /images/side',
      'qemu-img info --backing-chain --output=json /images/v.2',
      'unlink -- /images/v.1',
    ])
    expect(plan.fates.get('v.1')).toEqual(['renamed'])
    readsThroughout(plan, before)
  })

  it('and another folder changes its own relative string: whole while both names lead to it, relative again afterwards', () => {
    const before = atRest(line, { headers: 'relative' })
    const plan = planned(rename, before, { image: 'v.1', to: '/archive/2026/v.1' }, offline)
    expect(lines(plan)).toEqual([
      'link -- /images/v.1 /archive/2026/v.1',
      'qemu-img rebase -u -f qcow2 -F qcow2 -b /images/base /images/v.1',
      'qemu-img rebase -u -f qcow2 -F qcow2 -b ../archive/2026/v.1 /images/v.2',
      'qemu-img rebase -u -f qcow2 -F qcow2 -b ../archive/2026/v.1 /images/side',
      'qemu-img info --backing-chain --output=json /images/side',
      'qemu-img info --backing-chain --output=json /images/v.2',
      'unlink -- /images/v.1',
      'qemu-img rebase -u -f qcow2 -F qcow2 -b ../../images/base /archive/2026/v.1',
      'qemu-img info --backing-chain --output=json /archive/2026/v.1',
    ])
    expect(plan.fates.get('v.1')).toEqual(['renamed', 'repointed'])
    expect(plan.assumes).toContainEqual({ _tag: 'HeadersLead', images: ['v.2', 'side', 'v.1'] })
    readsThroughout(plan, before)
  })

  it('a name that looks like a protocol is spelled so that QEMU does not take it for one', () => {
    const before = atRest('base[ab] <- top[-c]^', { headers: 'relative' })
    const plan = planned(rename, before, { image: 'base', to: '/images/nbd:1' }, offline)
    expect(plan.after.images.get('top')?.backing?.header).toBe('./nbd:1')
    readsThroughout(plan, before)
  })

  it('a sibling that rests may be renamed beside a running guest', () => {
    const plan = planned(rename, atRest(line), { image: 'side', to: '/images/other' }, {
      ...offline,
      guest: 'running',
    } as const)
    expect(lines(plan)).toEqual([
      'link -- /images/side /images/other',
      'qemu-img info --backing-chain --output=json /images/other',
      'unlink -- /images/side',
    ])
  })

  it('points in time go with the file', () => {
    const points = [
      { point: 'monday', image: 'v.1' },
      { point: 'sunday', image: 'base' },
    ]
    const plan = planned(rename, atRest(line), { image: 'v.1', to: '/images/m', name: 'm', points }, offline)
    expect(plan.points.map(({ point, before, after }) => [point, before, after])).toEqual([
      ['monday', 'v.1', 'm'],
      ['sunday', 'base', 'base'],
    ])
    expectPlan(plan, atRest(line).contents, 'base <- m <- (v.2+^, side+)')
    expect(explain(plan)).toContain('- v.1 gets another path')
  })
})

const diskOf = (source: string, below: ReadonlyArray<XmlElement> = []): XmlElement =>
  element('disk', { type: 'file', device: 'disk' }, [
    element('driver', { name: 'qemu', type: 'qcow2' }),
    element('source', { file: source }),
    ...below,
    element('target', { dev: 'vda', bus: 'virtio' }),
  ])

const stored = (file: string): XmlElement =>
  element('backingStore', { type: 'file' }, [element('format', { type: 'qcow2' }), element('source', { file })])

const managed = (disk: XmlElement, managedSave: 'none' | 'present' = 'none'): Hypervisor => ({
  ...offline,
  definition: { domain: 'vm', disk, managedSave },
})

describe("libvirt's persistent definition", () => {
  const mendedDisk = (plan: Plan): XmlElement | undefined =>
    plan.steps.flatMap(({ call }) =>
      call._tag === 'Libvirt' && call.function.call === 'virDomainUpdateDeviceFlags'
        ? [call.function.arguments.xml]
        : [],
    )[0]

  it('names the new path where the active image is renamed, before the old one goes', () => {
    const plan = planned(rename, atRest(line), { image: 'v.2', to: '/images/v' }, managed(diskOf('/images/v.2')))
    expect(plan.steps.map(({ call }) => call._tag)).toEqual(['Files', 'QemuImg', 'Libvirt', 'Files'])
    expect(mendedDisk(plan)).toEqual(diskOf('/images/v'))
    expect(plan.assumes.some(({ _tag }) => _tag === 'StartsWith')).toBe(false)
  })

  it('forgets what it stores of the chain where an image below is renamed', () => {
    const disk = diskOf('/images/v.2', [stored('/images/v.1')])
    const plan = planned(rename, atRest(line), { image: 'v.1', to: '/images/v' }, managed(disk))
    expect(mendedDisk(plan)).toEqual(diskOf('/images/v.2'))
  })

  it('is left alone where the guest does not read the image', () => {
    const plan = planned(rename, atRest(line), { image: 'side', to: '/images/v' }, managed(diskOf('/images/v.2')))
    expect(mendedDisk(plan)).toBeUndefined()
  })
})

type Case = readonly [string, Parsed, RenameRequest, Hypervisor, object]

const to = '/images/new'
const four = atRest(line)

/** The images with something changed about some of them. */
const changed = (changes: { readonly [name: string]: Partial<ImageDescription> }): Parsed => {
  const descriptions = Array.from(four.chain.images.values(), (image): ImageDescription => {
    const { name, format, sizeBytes, location, backing } = image
    return { name, format, sizeBytes, location, ...(backing === undefined ? {} : { backing }), ...changes[name] }
  })
  const made = chain('vda', descriptions, 'v.2')
  if (E.isLeft(made)) throw new Error(JSON.stringify(made.left))
  return { chain: made.right, contents: four.contents }
}

const device = { _tag: 'BlockDevice', path: '/dev/vg/base' } as const
const json = 'json:{"driver":"qcow2","file":{"driver":"file","filename":"/images/v.1"}}'
const dataFile = { location: { _tag: 'File', path: '/images/data' }, layout: 'raw' } as const

/** `rest` rests, and the guest's QEMU has what is above it open for something else. */
const besides = ((): Parsed => {
  const { chain: of, contents } = atRest('base[ab]^; rest[cd] <- above[e-]')
  const node = { format: 'f', storage: 's', owner: 'monitor', filters: [] } as const
  const descriptions = Array.from(of.images.values(), ({ name, format, sizeBytes, location, backing }) => ({
    name,
    format,
    sizeBytes,
    location,
    ...(backing === undefined ? {} : { backing }),
    ...(name === 'above' ? { node } : {}),
  }))
  const made = chain('vda', descriptions, 'base')
  if (E.isLeft(made)) throw new Error(JSON.stringify(made.left))
  return { chain: made.right, contents }
})()

const cases: ReadonlyArray<Case> = [
  ['an unknown image', four, { image: 'x', to }, offline, { _tag: 'ImageNotInChain', image: 'x' }],
  [
    'a monitor',
    parsed(line),
    { image: 'v.1', to },
    qmp,
    { _tag: 'NotThisWay', via: 'qmp', why: 'it has no call that gives a file another name' },
  ],
  [
    'a running guest',
    four,
    { image: 'v.1', to },
    { ...offline, guest: 'running' },
    { _tag: 'GuestStateWrong', via: 'qemu-img', guest: 'running', needs: ['shut-off'] },
  ],
  [
    'a running guest that has an overlay open besides its own chain',
    besides,
    { image: 'rest', to },
    { ...offline, guest: 'running' },
    { _tag: 'GuestStateWrong', via: 'qemu-img', guest: 'running', needs: ['shut-off'] },
  ],
  [
    'a job',
    four,
    { image: 'side', to },
    { ...offline, jobs: [{ id: 'j', kind: 'pull', images: ['side'] }] },
    { _tag: 'JobOverlaps', job: 'j', kind: 'pull', images: ['side'] },
  ],
  [
    'another reader, who would lose the file',
    changed({ 'v.1': { otherReaders: ['vm2'] } }),
    { image: 'v.1', to },
    offline,
    { _tag: 'ImageShared', image: 'v.1', readers: [{ _tag: 'Other', reader: 'vm2' }] },
  ],
  [
    'another reader of an overlay, whose header is rewritten',
    changed({ side: { otherReaders: ['vm2'] } }),
    { image: 'v.1', to },
    offline,
    { _tag: 'ImageShared', image: 'side', readers: [{ _tag: 'Other', reader: 'vm2' }] },
  ],
  [
    'a device',
    changed({ base: { location: device } }),
    { image: 'base', to },
    offline,
    { _tag: 'LocationNotAddressable', image: 'base', via: 'qemu-img', why: 'only a file can get another path' },
  ],
  [
    'an overlay whose backing file cannot be changed',
    changed({ side: { format: 'vmdk' } }),
    { image: 'v.1', to },
    offline,
    { _tag: 'FormatCannotChangeBacking', image: 'side', format: 'vmdk' },
  ],
  [
    'a relative path',
    four,
    { image: 'v.1', to: 'new' },
    offline,
    {
      _tag: 'DestinationWrong',
      name: 'new',
      why: 'relative',
      detail: 'a relative path means another file in another directory',
    },
  ],
  [
    'a folder',
    four,
    { image: 'v.1', to: '/images/new/' },
    offline,
    {
      _tag: 'LocationNotAddressable',
      image: 'v.1',
      via: 'qemu-img',
      why: 'it does not end in the name of a file',
    },
  ],
  [
    'a file that is there',
    four,
    { image: 'v.1', to, found: 'something' },
    offline,
    {
      _tag: 'DestinationWrong',
      name: to,
      why: 'exists',
      detail: 'link(2) would not replace the file that is there',
    },
  ],
  [
    'its own path',
    four,
    { image: 'v.1', to: '/images/../images/v.1', name: 'w' },
    offline,
    { _tag: 'NameTaken', name: '/images/v.1', by: 'location' },
  ],
  [
    'a path that a backing string leads to, though the image is known by another one',
    changed({ 'v.1': { backing: { image: 'base', header: '/images/link-to-base', format: 'qcow2' } } }),
    { image: 'side', to: '/images/link-to-base' },
    offline,
    { _tag: 'NameTaken', name: '/images/link-to-base', by: 'header' },
  ],
  [
    "a path that libvirt's definition names",
    four,
    { image: 'v.1', to: '/images/old' },
    managed(diskOf('/images/v.2', [stored('/images/old')])),
    { _tag: 'NameTaken', name: '/images/old', by: 'definition' },
  ],
  [
    'another folder where there is a data file',
    changed({ 'v.1': { dataFile } }),
    { image: 'v.1', to: '/other/v.1' },
    offline,
    {
      _tag: 'NotThisWay',
      via: 'qemu-img',
      why: 'its data file is named in its header, which may mean another file from another folder',
    },
  ],
  [
    'a saved state, which would be resumed on the old path',
    four,
    { image: 'v.1', to },
    managed(diskOf('/images/v.2'), 'present'),
    {
      _tag: 'NotThisWay',
      via: 'qemu-img',
      why: 'the domain has a saved state, which would be resumed on the old chain',
    },
  ],
  [
    'an encrypted overlay, whose header is rewritten',
    changed({ side: { encryption: 'luks' } }),
    { image: 'v.1', to },
    offline,
    {
      _tag: 'NotThisWay',
      via: 'qemu-img',
      why: '"side" is encrypted, and qemu-img would have to be given its secret',
    },
  ],
  [
    'a path that is relative now',
    changed({ side: { location: { _tag: 'File', path: 'side' } } }),
    { image: 'side', to },
    offline,
    { _tag: 'PathNotAbsolute', image: 'side', path: 'side' },
  ],
  [
    'a path that libvirt does not give back',
    four,
    { image: 'v.2', to: '/images/a\tb' },
    managed(diskOf('/images/v.2')),
    {
      _tag: 'LocationNotAddressable',
      image: 'v.2',
      via: 'qemu-img',
      why: 'its path has characters that libvirt does not give back as they were',
    },
  ],
  [
    'a point in time of the active image',
    four,
    { image: 'v.1', to, points: [{ point: 'p', image: 'v.2' }] },
    offline,
    { _tag: 'PointUnknown', point: 'p', image: 'v.2', why: 'active' },
  ],
  [
    'an overlay that names it by a descriptor',
    changed({ side: { backing: { image: 'v.1', header: json, format: 'qcow2' } } }),
    { image: 'v.1', to },
    offline,
    {
      _tag: 'BackingStringUnknown',
      image: 'side',
      backing: 'v.1',
      why: 'its backing string says more than a path, and the new one would not say that',
    },
  ],
  [
    'a string that no header holds',
    four,
    { image: 'v.1', to: `/${'x'.repeat(1023)}` },
    offline,
    {
      _tag: 'BackingStringTooLong',
      image: 'v.2',
      header: `/${'x'.repeat(1023)}`,
      headerBytes: 1024,
      largestBytes: 1023,
    },
  ],
  [
    'what somebody has open',
    four,
    { image: 'v.1', to },
    { ...offline, opened: [{ image: 'v.1', by: { _tag: 'Tool', name: 'a backup' }, access: 'write' }] },
    {
      _tag: 'ImageOpen',
      image: 'v.1',
      step: 0,
      wants: 'write',
      by: { _tag: 'Tool', name: 'the executor' },
      held: { image: 'v.1', by: { _tag: 'Tool', name: 'a backup' }, access: 'write' },
    },
  ],
]

describe('a rename is refused', () => {
  it.each(cases)('%s', (_, before, request, hypervisor, expected) => {
    expect(facts(refused(rename, before, request, hypervisor))).toEqual(expected)
  })
})

describe('a relative backing string', () => {
  it.each([
    ['/images/a', '/images/b', 'b'],
    ['/images/vm/a', '/images/b', '../b'],
    ['/images/a', '/images/vm/b', 'vm/b'],
    ['/a', '/b', 'b'],
    ['/a/b/c', '/x/y', '../../x/y'],
    ['/images/a', '/images/b:c', './b:c'],
    ['/images/./x/../a', '/images/b', 'b'],
    ['/images/b/c', '/images/b', '../b'],
  ])('from %s to %s is %s', (from, target, expected) => {
    expect(relativeHeader(from, target)).toBe(expected)
  })
})

/** A chain's images, with `./x` told as `x`: a name with a colon needs the dot, and a name without one does no harm with it. */
const plainly = (of: Chain): object =>
  new Map(
    Array.from(of.images, ([name, image]) => [
      name,
      image.backing === undefined
        ? image
        : { ...image, backing: { ...image.backing, header: image.backing.header.replace(/^\.\//, '') } },
    ]),
  )

describe('laws', () => {
  const cases = arbitraryChain({ extras: 'some' }).chain((filled) =>
    fc.record({ filled: fc.constant(filled), request: arbitraryRenameRequest(filled.chain) }),
  )

  it('every image reads the same at every moment, and the plan simulates to what it predicts', () => {
    let plans = 0
    fc.assert(
      fc.property(cases, ({ filled, request }) => {
        const plan = rename(filled.chain, request, offline)
        if (E.isLeft(plan)) return
        plans += 1
        expect(checkPlan(plan.right)).toEqual([])
        readsThroughout(plan.right, filled)
        assertPlanSimulates(plan.right, filled.contents, { guest: 'shut-off' })
      }),
      { numRuns: 300 },
    )
    expect(plans).toBeGreaterThan(100)
  })

  it('back again is the chain as it was', () => {
    let plans = 0
    fc.assert(
      fc.property(cases, ({ filled, request }) => {
        const there = rename(filled.chain, request, offline)
        const image = filled.chain.images.get(request.image)
        if (E.isLeft(there) || image?.location._tag !== 'File') return
        const name = request.name ?? image.name
        const back = rename(there.right.after, { image: name, to: image.location.path, name: image.name }, offline)
        if (E.isLeft(back)) throw new Error(JSON.stringify(back.left))
        plans += 1
        expect(plainly(back.right.after)).toEqual(plainly(filled.chain))
        expect(back.right.after.active).toBe(filled.chain.active)
        const [was, is] = [viewOf(filled.chain, filled.contents), viewOf(back.right.after, filled.contents)]
        expect(was !== undefined && is !== undefined && equalViews(was, is)).toBe(true)
      }),
      { numRuns: 300 },
    )
    expect(plans).toBeGreaterThan(100)
  })
})
