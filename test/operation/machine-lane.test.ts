// Lanes and barriers: which image holds which point in time when some steps are done.

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { pointMap } from '../../src/model/point-map.js'
import type { PointMap, PointPlace } from '../../src/model/point-map.js'
import { isImageName } from '../../src/model/image.js'
import { assemble, pointsAfter } from '../../src/operation/machine-lane.js'
import type { Draft, Move } from '../../src/operation/machine-lane.js'
import type { Step } from '../../src/plan/plan.js'

import { taken, throughLibvirt } from './expect-take.js'
import { vm } from './machine.js'

const before = vm({
  disks: { vda: 'a <- a.1^', vdb: 'b <- b.1^' },
  snapshots: [
    { name: 's', vda: 'a', vdb: 'b' },
    { name: 't', parent: 's', vda: 'a' },
  ],
  current: 't',
}).machine

const place = (image: string): PointPlace => {
  if (!isImageName(image)) throw new Error('no name')
  return { held: 'frozen', image, format: 'qcow2', sizeBytes: 262144 }
}

const step = (path: string): Step => ({ call: { _tag: 'Files', operation: 'remove', path }, why: 'a test' })

const to = (snapshot: string, disk: string, image: string | undefined): Move => ({
  snapshot,
  disk,
  place: image === undefined ? undefined : place(image),
})

const shown = (map: PointMap | undefined): unknown =>
  map === undefined
    ? undefined
    : Object.fromEntries(
        Array.from(map, ([name, places]) => [
          name,
          Object.fromEntries(Array.from(places, ([disk, { image }]) => [disk, image])),
        ]),
      )

/** Two lanes of two steps, a barrier, and two lanes again; `u` is taken at the barrier. */
const drafts: ReadonlyArray<Draft> = [
  { step: step('0'), disk: 'vda', moves: [to('s', 'vda', 'a0')] },
  { step: step('1'), disk: 'vdb' },
  { step: step('2'), disk: 'vda', moves: [to('t', 'vda', undefined)] },
  { step: step('3'), disk: 'vdb', moves: [to('s', 'vdb', 'b3')] },
  { step: step('4'), begins: ['u'] },
  { step: step('5'), disk: 'vdb', moves: [to('u', 'vdb', 'b5'), to('s', 'vdb', undefined)] },
  { step: step('6'), disk: 'vda', moves: [to('u', 'vda', 'a6')] },
  { step: step('7'), ends: ['t'] },
]
const steps = assemble(before, drafts)

const start = { s: { vda: 'a', vdb: 'b' }, t: { vda: 'a' } }

describe('the map after each step', () => {
  it('is that of all steps before it', () => {
    expect(steps.map(({ points }) => shown(points))).toStrictEqual([
      { s: { vda: 'a0', vdb: 'b' }, t: { vda: 'a' } },
      { s: { vda: 'a0', vdb: 'b' }, t: { vda: 'a' } },
      { s: { vda: 'a0', vdb: 'b' }, t: {} },
      { s: { vda: 'a0', vdb: 'b3' }, t: {} },
      { s: { vda: 'a0', vdb: 'b3' }, t: {}, u: {} },
      { s: { vda: 'a0' }, t: {}, u: { vdb: 'b5' } },
      { s: { vda: 'a0' }, t: {}, u: { vdb: 'b5', vda: 'a6' } },
      { s: { vda: 'a0' }, u: { vdb: 'b5', vda: 'a6' } },
    ])
  })

  it('keeps a step as it was, with its lane, and a failure where there is one', () => {
    const [lane, barrier] = assemble(before, [
      { step: step('x'), disk: 'vda' },
      { step: step('y'), failure: 'it may' },
    ])
    const points = pointMap(before)
    expect(lane).toStrictEqual({ ...step('x'), disk: 'vda', points })
    expect(barrier).toStrictEqual({ ...step('y'), disk: undefined, points, failure: 'it may' })
  })

  it('forgets a place of a snapshot that is not there, and makes none of it', () => {
    const [only] = assemble(before, [{ step: step('x'), disk: 'vda', moves: [to('nobody', 'vda', undefined)] }])
    expect(shown(only?.points)).toStrictEqual(start)
  })
})

describe('the map when the lanes have come differently far', () => {
  const after = (...done: ReadonlyArray<number>): unknown => shown(pointsAfter({ before, steps }, new Set(done)))

  it.each([
    [[], start],
    [[0], { s: { vda: 'a0', vdb: 'b' }, t: { vda: 'a' } }],
    [[1], start],
    [[1, 3], { s: { vda: 'a', vdb: 'b3' }, t: { vda: 'a' } }],
    [[0, 2], { s: { vda: 'a0', vdb: 'b' }, t: {} }],
    [[0, 1, 3], { s: { vda: 'a0', vdb: 'b3' }, t: { vda: 'a' } }],
    [[0, 1, 2, 3], { s: { vda: 'a0', vdb: 'b3' }, t: {} }],
    [[0, 1, 2, 3, 4], { s: { vda: 'a0', vdb: 'b3' }, t: {}, u: {} }],
    [[0, 1, 2, 3, 4, 6], { s: { vda: 'a0', vdb: 'b3' }, t: {}, u: { vda: 'a6' } }],
    [[0, 1, 2, 3, 4, 5], { s: { vda: 'a0' }, t: {}, u: { vdb: 'b5' } }],
    [[0, 1, 2, 3, 4, 5, 6], { s: { vda: 'a0' }, t: {}, u: { vdb: 'b5', vda: 'a6' } }],
    [[0, 1, 2, 3, 4, 5, 6, 7], { s: { vda: 'a0' }, u: { vdb: 'b5', vda: 'a6' } }],
  ])('of %j', (done, map) => {
    expect(after(...done)).toStrictEqual(map)
  })

  it.each([
    ['a lane without its first step', [2]],
    ['the other lane', [0, 3]],
    ['a barrier without what is before it', [0, 1, 2, 4]],
    ['what is after a barrier without it', [0, 1, 2, 3, 5]],
    ['the last barrier without one lane', [0, 1, 2, 3, 4, 5, 7]],
    ['a step that there is not', [8]],
    ['no number of a step', [-1]],
  ])('%s cannot be', (_, done) => {
    expect(after(...done)).toBeUndefined()
  })
})

/** Whether nothing is left out below what is done, said once more and otherwise: by pairs. */
const possible = (lanes: ReadonlyArray<string | undefined>, done: ReadonlySet<number>): boolean =>
  lanes.every((lane, later) =>
    lanes.slice(0, later).every((earlier, at) => {
      const ordered = lane === undefined || earlier === undefined || lane === earlier
      return !ordered || !done.has(later) || done.has(at)
    }),
  )

/** The places that one disk has, by those of its own steps and barriers that are done. */
const placesOf = (all: ReadonlyArray<Draft>, done: ReadonlySet<number>): unknown => {
  const found = new Map(
    Array.from(pointMap(before), ([name, places]) => [
      name,
      new Map(Array.from(places, ([disk, { image }]) => [disk, String(image)])),
    ]),
  )
  for (const [index, { moves = [] }] of all.entries())
    for (const move of done.has(index) ? moves : []) {
      const places = found.get(move.snapshot)
      if (move.place === undefined) places?.delete(move.disk)
      else places?.set(move.disk, move.place.image)
    }
  return new Map(Array.from(found, ([name, places]) => [name, new Map([...places].sort())]))
}

const lanes = fc.constantFrom('vda', 'vdb', undefined)

const randomDrafts: fc.Arbitrary<ReadonlyArray<Draft>> = fc.array(
  fc
    .record({
      lane: lanes,
      snapshot: fc.constantFrom('s', 't'),
      disk: fc.constantFrom('vda', 'vdb'),
      image: fc.option(fc.constantFrom('x', 'y')),
    })
    .map(({ lane, snapshot, disk, image }): Draft => {
      const move = to(snapshot, lane ?? disk, image ?? undefined)
      return { step: step('x'), moves: [move], ...(lane === undefined ? {} : { disk: lane }) }
    }),
  { maxLength: 7 },
)

const sorted = (map: PointMap): unknown =>
  new Map(
    Array.from(map, ([name, places]) => [
      name,
      new Map(Array.from(places, ([disk, { image }]) => [disk, String(image)] as const).sort()),
    ]),
  )

it('every set of steps has a map or cannot be, and the map is what the steps that are done say of each disk', () => {
  fc.assert(
    fc.property(randomDrafts, (all) => {
      const plan = { before, steps: assemble(before, all) }
      for (let bits = 0; bits < 1 << all.length; bits++) {
        const done = new Set(all.map((_, at) => at).filter((at) => ((bits >> at) & 1) === 1))
        const map = pointsAfter(plan, done)
        const can = possible(
          all.map(({ disk }) => disk),
          done,
        )
        expect(map !== undefined).toBe(can)
        if (map !== undefined) expect(sorted(map)).toStrictEqual(placesOf(all, done))
      }
    }),
    { numRuns: 60 },
  )
})

it('when all is done the map is that of the machine afterwards', () => {
  const plan = taken(before, { name: 'm' }, throughLibvirt)
  expect(pointsAfter(plan, new Set(plan.steps.keys()))).toStrictEqual(pointMap(plan.after))
  expect(pointsAfter(plan, new Set())).toStrictEqual(pointMap(before))
})
