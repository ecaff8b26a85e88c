import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { chain, commit, deleteSnapshots, patternOfLayer, pull, shallowCommit, viewOf } from '../../src/index.js'
import type { CommitRequest, Hypervisor, ImageDescription, Plan, Refusal } from '../../src/index.js'
import { decodePlan, encodePlan } from '../../src/codec/index.js'
import { fileView } from '../../src/simulate/index.js'
import { assertPlanSimulates, simulate } from '../../src/testing/index.js'
import { atRest, expectPlan, lines, live, offline, parsed, planned, qmp, refused } from './expect-plan.js'
import type { Parsed } from './expect-plan.js'
import { vm } from './machine.js'

const tree = 'base[abcdefgh] <- a[-xy-] <- (top[z-------]^, s[-w----])'
const request: CommitRequest = { top: 'a', short: 'grow' }
const facts = ({ alternatives: _, ...of }: Refusal): object => of

/** At every moment of a plan the overlays of what goes down read what they read. */
const overlaysRead = (plan: Plan, { contents }: Parsed, overlays: ReadonlyArray<string>): void => {
  const { moments, fault } = simulate(plan, contents, { guest: 'shut-off' })
  expect(fault).toBeUndefined()
  for (const { world } of moments)
    for (const name of overlays) {
      const seen = fileView(world, `/images/${name}`)
      const was = viewOf(plan.before, contents, name)
      expect(E.isRight(seen) ? patternOfLayer(seen.right) : seen.left).toBe(was && patternOfLayer(was))
    }
}

/** The tree with something changed about some of its images. */
const changed = (changes: { readonly [name: string]: Partial<ImageDescription> }): Parsed => {
  const { chain: of, contents } = atRest(tree)
  const descriptions = Array.from(of.images.values(), ({ name, format, sizeBytes, location, backing }) => ({
    name,
    format,
    sizeBytes,
    location,
    otherReaders: [],
    ...(backing === undefined ? {} : { backing }),
    ...changes[name],
  }))
  const made = chain('vda', descriptions, of.active)
  if (E.isLeft(made)) throw new Error(JSON.stringify(made.left))
  return { chain: made.right, contents }
}

describe('a short top', () => {
  it('is refused, unless the caller wants it to grow', () => {
    const before = atRest(tree)
    const found = refused(commit, before, { top: 'a' }, offline)
    expect(found._tag).toBe('ShortImageExposesBase')
    expect(refused(commit, before, { top: 'a', short: 'refuse' }, offline)).toEqual(found)
  })

  it('is enlarged as far as the longest of its overlays and the base go, and goes down then', () => {
    const before = atRest(tree)
    const plan = planned(commit, before, request, offline)
    expectPlan(plan, before.contents, 'base* <- (top+^, s+)')
    expect(lines(plan)).toEqual([
      'qemu-img resize -f qcow2 /images/a 524288',
      'qemu-img commit -f qcow2 -b /images/base -d /images/a',
      'qemu-img rebase -u -f qcow2 -F qcow2 -b /images/base /images/top',
      'qemu-img rebase -u -f qcow2 -F qcow2 -b /images/base /images/s',
      'qemu-img info --backing-chain --output=json /images/top',
    ])
    expect(plan.contents).toEqual([
      { image: 'base', span: ['base', 'a'], sizeBytes: 524288, grown: { image: 'a', toBytes: 524288 } },
    ])
    expect(plan.fates.get('a')).toEqual(['invalid'])
    overlaysRead(plan, before, ['top', 's'])
    assertPlanSimulates(plan, before.contents, { guest: 'shut-off' })
  })

  it('is enlarged no further than it has to be', () => {
    const before = atRest('base[abcdefgh] <- a[-xy-] <- top[z----]^')
    const plan = planned(commit, before, request, offline)
    expect(lines(plan)[0]).toBe('qemu-img resize -f qcow2 /images/a 327680')
    expect(plan.after.images.get('base')?.sizeBytes).toBe(524288)
    overlaysRead(plan, before, ['top'])
  })

  it('is left as it is where it is long enough, and where nobody shows what lies beyond it', () => {
    for (const picture of ['base[abcd] <- a[-xy-] <- top[z-------]^', 'base[abcdefgh] <- a[-xy-] <- top[z-]^'])
      expect(lines(planned(shallowCommit, atRest(picture), request, offline))[0]).toContain('qemu-img commit')
  })

  it('may be above another short image, which a commit reads zeroes beyond', () => {
    const before = atRest('base[abcdefgh] <- m[-p--] <- a[-x--] <- top[z-------]^')
    const plan = planned(commit, before, request, offline)
    overlaysRead(plan, before, ['top'])
    assertPlanSimulates(plan, before.contents, { guest: 'shut-off' })
  })

  it('of the plan is there in its JSON', () => {
    const plan = planned(commit, atRest(tree), request, offline)
    expect(decodePlan(JSON.stringify(encodePlan(plan)))).toEqual(E.right(plan))
  })

  it('needs no growing for a pull: qemu-img rebase compares what both chains show', () => {
    const plan = planned(
      pull,
      atRest('base[abcdefgh] <- a[-xy-] <- top[z-------]^'),
      { into: 'top', base: 'base' },
      offline,
    )
    expect(lines(plan)[0]).toContain('qemu-img rebase -f qcow2')
  })

  it('nobody grows who has it open', () => {
    const before = parsed('base[abcdefgh] <- a[-xy-] <- top[z-------]^')
    for (const way of [qmp, live] satisfies ReadonlyArray<Hypervisor>)
      expect(refused(commit, before, request, way)._tag).toBe('ShortImageExposesBase')
  })
})

const internal = { id: '1', name: 's1', vmStateBytes: 0 } as const
const grow = (why: string): object => ({
  _tag: 'NotThisWay',
  via: 'qemu-img',
  why: `"a" would have to grow, and ${why}`,
})

describe('a short top is not enlarged', () => {
  const cases: ReadonlyArray<readonly [string, Parsed, CommitRequest, object]> = [
    [
      'where it holds a named point in time, which would be on a disk of another size',
      atRest(tree),
      { ...request, points: [{ point: 'monday', image: 'a' }] },
      { _tag: 'PointInTimeLost', points: [{ point: 'monday', image: 'a' }] },
    ],
    [
      'where it holds internal snapshots',
      changed({ a: { internalSnapshots: [internal] } }),
      request,
      {
        _tag: 'InternalSnapshotsLost',
        lost: [{ image: 'a', snapshots: ['s1'] }],
        why: 'they stay in an image that is written under or goes, and read what lies below them now',
      },
    ],
    [
      'in version 2 with internal snapshots, whatever the caller accepts',
      changed({ a: { version: 2, internalSnapshots: [internal] } }),
      { ...request, accept: ['InternalSnapshotsLost'] },
      grow('a version 2 qcow2 image with internal snapshots cannot be enlarged'),
    ],
    [
      'in version 2, which cannot hide what is below',
      changed({ a: { version: 2 } }),
      request,
      grow('a version 2 qcow2 image cannot hide what a longer backing file has beyond its end'),
    ],
    [
      'in qed, which cannot hide what is below either',
      changed({
        a: { format: 'qed' },
        top: { backing: { image: 'a', header: '/images/a', format: 'qed' } },
        s: { backing: { image: 'a', header: '/images/a', format: 'qed' } },
      }),
      request,
      grow('a qed image cannot hide what a longer backing file has beyond its end'),
    ],
    [
      'where a size is no multiple of 512',
      changed({
        base: { format: 'raw', sizeBytes: 400_001 },
        a: { backing: { image: 'base', header: '/images/base', format: 'raw' } },
      }),
      request,
      grow('qemu-img sets sizes in steps of 512 bytes'),
    ],
    [
      'where somebody else reads it',
      changed({ a: { otherReaders: ['vm2'] } }),
      request,
      { _tag: 'ImageShared', image: 'a', readers: [{ _tag: 'Other', reader: 'vm2' }] },
    ],
    [
      'under a guest that it is the active image of: its disk would grow',
      atRest('base[abcdefgh] <- a[-xy-]^'),
      { ...request, end: 'pivot' },
      { _tag: 'BaseLargerThanTop', base: 'base', baseBytes: 524288, top: 'a', topBytes: 262144 },
    ],
  ]

  it.each(cases)('%s', (_, before, asked, expected) => {
    expect(facts(refused(commit, before, asked, offline))).toEqual(expected)
  })

  it('with nobody asked who else reads it: that is assumed', () => {
    const plan = planned(commit, changed({ a: { otherReaders: 'unknown' } }), request, offline)
    expect(plan.assumes).toContainEqual({ _tag: 'NoOtherReaders', images: ['a'] })
  })
})

describe('a deletion of snapshots', () => {
  const { machine } = vm({
    disks: { vda: 'v[abcdefgh] <- v.1[-xy-] <- v.2[z-------]^' },
    snapshots: [{ name: 's1', vda: 'v' }],
    state: 'shut-off',
    records: 'none',
  })
  const host = { via: 'qemu-img', capabilities: offline.capabilities } as const

  it('passes it on', () => {
    const down = { snapshots: ['s1'], direction: 'commit' } as const
    const without = deleteSnapshots(machine, down, host)
    expect(E.isLeft(without) ? without.left : undefined).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'ShortImageExposesBase' },
    })
    const plan = deleteSnapshots(machine, { ...down, short: 'grow' }, host)
    if (E.isLeft(plan)) throw new Error(JSON.stringify(plan.left))
    expect(plan.right.steps.map(({ call }) => (call._tag === 'QemuImg' ? call.argv[1] : call._tag))).toEqual([
      'resize',
      'commit',
      'rebase',
      'info',
      'Files',
    ])
  })
})
