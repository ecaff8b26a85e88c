import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { equalViews } from '../../src/index.js'
import type { Layer, Machine, MachinePlan } from '../../src/index.js'
import { activeImage } from '../../src/model/chain-query.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { take } from '../../src/operation/take.js'
import {
  arbitraryMachine,
  assertMachinePlanKeepsContent,
  assertMachinePlanSimulates,
  machineContentsAfter,
} from '../../src/testing/index.js'
import type { FilledMachine } from '../../src/testing/index.js'
import { everySnapshotReads, guestReads } from '../../src/testing/machine-contents.js'
import { numRuns, operations, ways } from './machine-ways.js'
import type { Way } from './machine-ways.js'

const after = (plan: MachinePlan, { contents }: FilledMachine): FilledMachine => ({
  machine: plan.after,
  contents: machineContentsAfter(plan, contents),
})

type Reads = ReadonlyMap<string, ReadonlyMap<string, Layer>>

/** Every point in time that both know reads the same. */
const expectSameReads = (a: Reads, b: Reads): void => {
  for (const [name, disks] of a)
    for (const [disk, layer] of disks) {
      const other = b.get(name)?.get(disk)
      if (b.has(name)) expect(other !== undefined && equalViews(layer, other), `${name} on ${disk}`).toBe(true)
    }
}

const guests = (of: FilledMachine): Reads =>
  new Map([
    [
      'the guest',
      new Map(
        Array.from(of.machine.disks.keys()).flatMap((disk) => {
          const reads = guestReads(of, disk)
          return reads === undefined ? [] : [[disk, reads] as const]
        }),
      ),
    ],
  ])

/** The snapshots and their tree: all that is not a file's name. */
const tree = ({ snapshots, current }: Machine): unknown => [
  current,
  Array.from(snapshots.values(), ({ name, parent, state, memory, disks }) => [
    name,
    parent,
    state,
    memory,
    Array.from(disks, ([disk, { mode }]) => [disk, mode]),
  ]),
]

/** Chains and snapshots with the names of images; not what is allocated, nor QEMU's nodes, nor what else libvirt has noted. */
const whole = (of: Machine): unknown => [
  Array.from(of.disks.values(), ({ disk, active, images }) => [
    disk,
    active,
    Array.from(images.values(), ({ name, format, sizeBytes, backing, internalSnapshots }) => [
      name,
      format,
      sizeBytes,
      backing,
      internalSnapshots.map((one) => one.name),
    ]),
  ]),
  tree(of),
  Array.from(of.snapshots.values(), ({ disks }) => Array.from(disks)),
]

const onMachines = (way: Way, runs: number, law: (of: FilledMachine, g: fc.GeneratorValue) => void): void =>
  fc.assert(
    fc.property(arbitraryMachine({ ...way.options, maxEvents: 8 }), fc.gen(), (of, g) => law(of, g)),
    { numRuns: numRuns(runs) },
  )

describe.each(Object.entries(ways))('through %s', (_, way) => {
  it('after any sequence of operations every snapshot that exists has its bytes where the map says', () => {
    let plans = 0
    onMachines(way, 40, (of, g) => {
      let at = of
      const reads = new Map(everySnapshotReads(of))
      for (let turn = 0; turn < 6; turn += 1) {
        const name = g(() => fc.constantFrom('take', 'delete', 'delete', 'revert', 'change a chain'))
        const asking = Object.entries(operations).find(([operation]) => operation === name)?.[1]
        if (asking === undefined) continue
        const plan = g((machine: Machine) => asking(machine, way.host), at.machine)()
        if (E.isLeft(plan)) continue
        plans += 1
        assertMachinePlanKeepsContent(plan.right, at.contents)
        assertMachinePlanSimulates(plan.right, at.contents)
        at = after(plan.right, at)
        for (const [snapshot, own] of everySnapshotReads(at)) if (!reads.has(snapshot)) reads.set(snapshot, own)
        for (const snapshot of reads.keys()) if (!at.machine.snapshots.has(snapshot)) reads.delete(snapshot)
        expectSameReads(reads, everySnapshotReads(at))
      }
    })
    expect(plans).toBeGreaterThan(10)
  })

  // An image that holds another snapshot inside stays as it is, and so does the overlay above it.
  it('deleting what was just taken gives back an equal machine, where nothing is inside the active images', () => {
    let pairs = 0
    onMachines(way, 80, (of) => {
      if (Array.from(of.machine.disks.values()).some((chain) => activeImage(chain).internalSnapshots.length > 0)) return
      const taken = take(of.machine, { name: 'now' }, way.host)
      if (E.isLeft(taken)) return
      const back = deleteSnapshots(taken.right.after, { snapshots: ['now'] }, way.host)
      if (E.isLeft(back)) return
      pairs += 1
      expect(whole(back.right.after)).toStrictEqual(whole(of.machine))
    })
    expect(pairs).toBeGreaterThan(5)
  })

  it('the order in which two snapshots are deleted does not change what remains', () => {
    let pairs = 0
    onMachines(way, 150, (of, g) => {
      const names = Array.from(of.machine.snapshots.keys())
      if (names.length < 2) return
      const [one, other] = g(() => fc.shuffledSubarray(names, { minLength: 2, maxLength: 2 }))
      if (one === undefined || other === undefined) return
      const ends = [
        [one, other],
        [other, one],
      ].map((order) =>
        order.reduce<FilledMachine | undefined>((at, name) => {
          const plan = at && deleteSnapshots(at.machine, { snapshots: [name], how: 'by hand' }, way.host)
          return at === undefined || plan === undefined || E.isLeft(plan) ? undefined : after(plan.right, at)
        }, of),
      )
      const [a, b] = ends
      if (a === undefined || b === undefined) return
      pairs += 1
      expect(tree(a.machine)).toStrictEqual(tree(b.machine))
      expectSameReads(everySnapshotReads(a), everySnapshotReads(b))
      expectSameReads(guests(a), guests(b))
      expect(Array.from(everySnapshotReads(a).keys())).toStrictEqual(Array.from(everySnapshotReads(b).keys()))
    })
    expect(pairs).toBeGreaterThan(2)
  })
})

it("libvirt's own deletion and the one by hand leave equal guests and snapshots", () => {
  let pairs = 0
  const way = ways.libvirt
  onMachines(way, 200, (of, g) => {
    const names = Array.from(of.machine.snapshots.keys())
    const name = g(() => fc.constantFrom(...names, 'none'))
    const [own, hand] = (['libvirt', 'by hand'] as const).map((how) =>
      deleteSnapshots(of.machine, { snapshots: [name], how }, way.host),
    )
    if (own === undefined || hand === undefined || E.isLeft(own) || E.isLeft(hand)) return
    pairs += 1
    const [a, b] = [after(own.right, of), after(hand.right, of)]
    expect(tree(a.machine)).toStrictEqual(tree(b.machine))
    expectSameReads(everySnapshotReads(a), everySnapshotReads(b))
    expectSameReads(guests(a), guests(b))
  })
  expect(pairs).toBeGreaterThan(5)
})
