import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { addOverlay, capabilitiesOfVersions, chain, checkPlan, commit, copy, pull } from '../../src/index.js'
import type { Chain, Hypervisor, ImageDescription, Plan } from '../../src/index.js'
import { lines, live, offline, planned, qmp, refused } from './expect-plan.js'
import type { Parsed } from './expect-plan.js'

/** Chains that once got a wrong plan, kept by name. Found by a reviewer who tried to break the planners on real programs. */
const MiB = 1048576

const image = (name: string, below: string | undefined, more: Partial<ImageDescription> = {}): ImageDescription => ({
  name,
  format: 'qcow2',
  sizeBytes: MiB,
  location: { _tag: 'File', path: `/i/${name}` },
  otherReaders: [],
  node: { format: `${name}-format`, storage: `${name}-storage`, owner: 'monitor', filters: [] },
  ...(below === undefined ? {} : { backing: { image: below, header: `/i/${below}`, format: 'qcow2' } }),
  ...more,
})

const made = (active: string, ...images: ReadonlyArray<ImageDescription>): Parsed => {
  const result = chain('vda', images, active)
  if (E.isLeft(result)) throw new Error(JSON.stringify(result.left))
  return { chain: result.right, contents: new Map() }
}

const four = (more: { readonly [name: string]: Partial<ImageDescription> }): Parsed =>
  made(
    'l3',
    image('l0', undefined, more['l0']),
    image('l1', 'l0', more['l1']),
    image('l2', 'l1', more['l2']),
    image('l3', 'l2', more['l3']),
  )

const problems = (of: E.Either<ReadonlyArray<{ readonly _tag: string }>, Chain>): ReadonlyArray<string> =>
  E.isLeft(of) ? of.left.map(({ _tag }) => _tag) : []

const tags = (plan: Plan): ReadonlyArray<string> => plan.assumes.map(({ _tag }) => _tag)
const relative = (path: string): Partial<ImageDescription> => ({ location: { _tag: 'File', path } })
const bitmap = { name: 'b1', granularityBytes: 65536, state: 'recording' } as const

describe('an image that was made before, under a backing file,', () => {
  it.each([qmp, live])('has to hold nothing, or the guest reads what it held ($via)', (way) => {
    const to = { name: 'n', location: { _tag: 'File', path: '/i/n' }, format: 'qcow2', sizeBytes: MiB } as const
    const shallow = { to: { ...to, made: 'before', header: '/i/l2' }, depth: 'shallow', end: 'pivot' } as const
    expect(tags(planned(copy, four({}), shallow, way))).toContain('HoldsNothing')
    const overlay = { ...to, made: 'before', header: '/i/l3' } as const
    expect(tags(planned(addOverlay, four({}), { overlay }, way))).toContain('HoldsNothing')
    const full = { to: { ...to, made: 'before' }, depth: 'full', end: 'pivot' } as const
    expect(tags(planned(copy, four({}), full, way))).not.toContain('HoldsNothing')
  })
})

describe('files are removed by absolute paths only', () => {
  it.each([qmp, live, offline])('of images in between too ($via)', (way) => {
    const before = four({ l1: relative('l1') })
    const request = { into: 'l3', base: 'l0', leftovers: 'remove' } as const
    expect(refused(pull, before, request, way)).toMatchObject({ _tag: 'PathNotAbsolute', image: 'l1' })
    expect(E.isRight(pull(before.chain, { ...request, leftovers: 'keep' }, way))).toBe(true)
  })

  it('and checkPlan says so of plans by others', () => {
    const plan = planned(commit, four({}), { top: 'l1', leftovers: 'remove' })
    const steps = plan.steps.map((step) =>
      step.call._tag === 'Files' ? { ...step, call: { ...step.call, path: 'l1' } } : step,
    )
    expect(checkPlan({ ...plan, steps }).map(({ _tag }) => _tag)).toStrictEqual(['RemovedRelative'])
  })
})

describe('a file is one image', () => {
  it('however its path is spelled', () => {
    const respelled = image('s', undefined, relative('/i/./l0'))
    expect(problems(chain('vda', [image('l0', undefined), respelled], 'l0'))).toStrictEqual(['LocationShared'])
    const device = image('s', undefined, { location: { _tag: 'BlockDevice', path: '/i/l0' } })
    expect(problems(chain('vda', [image('l0', undefined), device], 'l0'))).toStrictEqual(['LocationShared'])
  })

  it('and not the data file of another', () => {
    const dataFile = { location: { _tag: 'File', path: '/i/l0' }, layout: 'mapped' } as const
    expect(problems(chain('vda', [image('l0', undefined), image('l1', 'l0', { dataFile })], 'l1'))).toStrictEqual([
      'LocationShared',
    ])
    const before = four({ l1: { dataFile: { location: { _tag: 'File', path: '/i/l1.data' }, layout: 'mapped' } } })
    const overlay = { name: 'n', location: { _tag: 'File', path: '/i/l1.data' }, format: 'qcow2' } as const
    expect(refused(addOverlay, before, { overlay })).toMatchObject({ _tag: 'NameTaken', by: 'location' })
  })
})

describe('a commit', () => {
  it.each([qmp, live, offline])(
    'does not repoint an overlay that somebody else has open: QEMU crashes ($via)',
    (way) => {
      const before = four({ l2: { otherReaders: ['backup'] } })
      expect(refused(commit, before, { top: 'l1' }, way)).toMatchObject({ _tag: 'ImageShared', image: 'l2' })
    },
  )

  it('needs the node of the overlay too, or QEMU makes up a backing string', () => {
    const { node: _, ...closed } = image('l2', 'l1')
    const before = made('l3', image('l0', undefined), image('l1', 'l0'), closed, image('l3', 'l2'))
    expect(refused(commit, before, { top: 'l1' })).toMatchObject({ _tag: 'NodeUnknown', image: 'l2' })
  })

  it('does not grow a version 2 image over a longer backing file', () => {
    const before = made(
      'l3',
      image('l0', undefined),
      image('l1', 'l0', { version: 2, sizeBytes: MiB / 2 }),
      image('l2', 'l1'),
      image('l3', 'l2'),
    )
    expect(refused(commit, before, { top: 'l2', base: 'l1' })).toMatchObject({ _tag: 'BaseNotGrowable', base: 'l1' })
  })

  it('does not write formats that QEMU only reads', () => {
    const base = image('l0', undefined, { format: 'dmg' })
    const over = image('l1', 'l0', { backing: { image: 'l0', header: '/i/l0', format: 'dmg' } })
    expect(refused(commit, made('l2', base, over, image('l2', 'l1')), { top: 'l1' })).toMatchObject({
      _tag: 'NotThisWay',
    })
  })

  it('gives qemu-img the base as the header says it, where that is file:', () => {
    const before = four({ l1: { backing: { image: 'l0', header: 'file:/i/l0', format: 'qcow2' } } })
    expect(lines(planned(commit, before, { top: 'l1' }, offline))[0]).toBe(
      'qemu-img commit -f qcow2 -b file:/i/l0 -d /i/l1',
    )
  })

  it('with qemu-img needs no secret anywhere below', () => {
    const before = four({ l0: { encryption: 'luks' } })
    expect(refused(commit, before, { top: 'l2', base: 'l1' }, offline)).toMatchObject({ _tag: 'NotThisWay' })
  })

  it.each([qmp, live])('repoints siblings by paths that qemu-img reads as such ($via)', (way) => {
    const before = made('l2', image('l0', undefined), image('l1', 'l0'), image('l2', 'l1'), {
      ...image('s', 'l1'),
      ...relative('-u'),
      node: { format: 'x', storage: 'y', owner: 'monitor', filters: [] },
    })
    const closed = Array.from(before.chain.images.values()).map((one) =>
      one.name === 's' ? { ...one, node: undefined } : one,
    )
    const images = new Map(closed.map((one) => [String(one.name), one]))
    const atRest = { chain: { ...before.chain, images }, contents: before.contents }
    const request = { top: 'l1', leftovers: 'remove' } as const
    expect(refused(commit, atRest, request, way)).toMatchObject({ _tag: 'PathNotAbsolute', image: 's' })
  })
})

describe('what is lost is named, every one of it,', () => {
  const inner = (name: string) => ({ internalSnapshots: [{ id: '1', name, vmStateBytes: 0 }] })

  it('in the refusal, and once accepted in the assumptions', () => {
    const before = four({ l1: inner('one'), l2: inner('two') })
    expect(refused(commit, before, { top: 'l2' })).toMatchObject({
      _tag: 'InternalSnapshotsLost',
      lost: [
        { image: 'l1', snapshots: ['one'] },
        { image: 'l2', snapshots: ['two'] },
      ],
    })
    const plan = planned(commit, before, { top: 'l2', accept: ['InternalSnapshotsLost'] })
    expect(plan.assumes.filter(({ _tag }) => _tag === 'SnapshotsGo')).toHaveLength(2)
  })

  it('also through libvirt, where it does not carry bitmaps over', () => {
    const removed = { into: 'l3', base: 'l0', leftovers: 'remove' } as const
    expect(refused(pull, four({ l1: { bitmaps: [bitmap] } }), removed, live)).toMatchObject({ _tag: 'BitmapsLost' })
    const old = four({ l0: { version: 2 }, l1: { bitmaps: [bitmap] } })
    expect(refused(commit, old, { top: 'l1' }, live)).toMatchObject({ _tag: 'BitmapsLost' })
    const recent = four({ l0: { version: 3 }, l1: { bitmaps: [bitmap] } })
    expect(E.isRight(commit(recent.chain, { top: 'l1' }, live))).toBe(true)
    const before76: Hypervisor = { ...live, capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '7.5.0' }) }
    expect(refused(commit, recent, { top: 'l1' }, before76)).toMatchObject({ _tag: 'BitmapsLost' })
  })
})

describe('a copy to a block device', () => {
  const device = { name: 'n', location: { _tag: 'BlockDevice', path: '/dev/vg/n' } } as const

  it('of raw format has to be as large as the disk, or the disk changes its size', () => {
    const request = { to: { ...device, format: 'raw' }, depth: 'full', end: 'pivot' } as const
    expect(refused(copy, four({}), request, offline)).toMatchObject({ _tag: 'DestinationWrong', why: 'missing' })
    const larger = { ...request, to: { ...request.to, sizeBytes: 2 * MiB } } as const
    expect(refused(copy, four({}), larger, offline)).toMatchObject({ _tag: 'DestinationWrong', why: 'size' })
  })

  it('says that it overwrites what is there, and what the device has to hold', () => {
    const request = { to: { ...device, format: 'qcow2' }, depth: 'full', end: 'pivot' } as const
    expect(tags(planned(copy, four({}), request, offline))).toEqual(
      expect.arrayContaining(['NothingAt', 'DeviceHolds']),
    )
  })

  it.each([{ clusterBytes: 1000 }, { clusterBytes: 65536, format: 'raw', sizeBytes: MiB } as const])(
    'with clusters that no image has is refused: %o',
    (more) => {
      const to = { ...device, format: 'qcow2', ...more } as const
      expect(refused(copy, four({}), { to, depth: 'full', end: 'pivot' }, offline)).toMatchObject({
        _tag: 'DestinationWrong',
      })
    },
  )
})

describe('a long chain with relative links through many folders', () => {
  it('is refused for its backing string without combining all of it', () => {
    const count = 20_000
    const images = Array.from({ length: count }, (_, index) =>
      image(
        `l${index}`,
        index === 0 ? undefined : `l${index - 1}`,
        index === 0 ? {} : { backing: { image: `l${index - 1}`, header: `../f/l${index - 1}`, format: 'qcow2' } },
      ),
    )
    const before = made(`l${count - 1}`, ...images)
    expect(refused(commit, before, { top: `l${count - 2}` })).toMatchObject({ _tag: 'BackingStringTooLong' })
  })
})
