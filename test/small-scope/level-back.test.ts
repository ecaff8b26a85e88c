// Small machines, copies of them, everything that can be done to them in two or three steps, and the way back.

import * as E from 'fp-ts/lib/Either.js'
import { expect, it } from 'vitest'

import type { Image, Machine, MachinePlan } from '../../src/index.js'
import { changeChain } from '../../src/operation/change-chain.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { revertToCopies } from '../../src/operation/revert-to-copies.js'
import { revert } from '../../src/operation/revert.js'
import { take } from '../../src/operation/take.js'
import { machineWorldOf } from '../../src/simulate/index.js'
import { broken, copied, later, levelOf, siblingsKept, used } from '../laws/level-later.js'
import type { Copied, Now } from '../laws/level-later.js'
import { right } from '../laws/saved-machine.js'
import { throughQemuImg as host } from '../operation/expect-take.js'
import { vm } from '../operation/machine.js'
import type { Vm, VmSnapshot } from '../operation/machine.js'

const start = (picture: string, snapshots: ReadonlyArray<VmSnapshot> = [], images: Vm['images'] = {}): Now => {
  const built = vm({ disks: { vda: picture }, snapshots, images, state: 'shut-off', records: 'none' })
  return { ...built, world: right(machineWorldOf(built.machine, built.contents, { subvolumes: ['/images'] })) }
}

type Planned = E.Either<unknown, MachinePlan>

const taking = (machine: Machine, name: string, mode: 'internal' | 'external'): Planned =>
  take(machine, { name, disks: new Map([['vda', { mode }]]) }, host)

/** Everything that can be done next. */
const nexts = (machine: Machine): ReadonlyArray<Planned> => {
  const images = Array.from(machine.disks.get('vda')?.images.values() ?? [])
  const names = Array.from(machine.snapshots.keys()).filter((name) => name !== 'now')
  const common = { disk: 'vda', metadata: 'carry' } as const
  return [
    ...(['internal', 'external'] as const).map((mode) => taking(machine, 'i', mode)),
    taking(machine, 'e', 'external'),
    ...names.flatMap((name) => [
      deleteSnapshots(machine, { snapshots: [name] }, host),
      revert(machine, { to: name, present: 'discard' }, host),
    ]),
    ...images.flatMap(({ name, backing }) =>
      backing === undefined
        ? []
        : [
            ...(['remove', 'keep'] as const).map((leftovers) =>
              changeChain(machine, { ...common, pull: { into: name, leftovers } }, host),
            ),
            changeChain(machine, { ...common, commit: { top: name, base: backing.image, leftovers: 'remove' } }, host),
          ],
    ),
  ]
}

/** A machine that has come about by these steps. */
const grown = (from: Now, ...steps: ReadonlyArray<(of: Machine) => Planned>): Now =>
  steps.reduce((now, step, index) => {
    const done = later(now, step(now.machine), 100 + index)
    if (done === undefined) throw new Error(`step ${String(index)} cannot be done`)
    return done
  }, from)

const inside = (of: Machine): Planned => taking(of, 'i', 'internal')
const counts = { reverts: 0, siblings: 0, refused: new Map<string, number>() }

const tried = (from: Copied, now: Now): void => {
  const planned = revertToCopies(now.machine, { copies: from.level.copies, present: 'discard' }, host)
  if (E.isLeft(planned)) {
    const { _tag } = planned.left
    const why = planned.left._tag === 'CopyUnfit' ? planned.left.why : _tag
    counts.refused.set(why, (counts.refused.get(why) ?? 0) + 1)
    return
  }
  expect(broken(from, now, planned.right)).toEqual([])
  counts.reverts += 1
  counts.siblings += siblingsKept(from, now)
}

const explored = (from: Copied, now: Now, depth: number): void => {
  tried(from, now)
  if (depth > 0)
    for (const [index, plan] of nexts(now.machine).entries()) {
      const done = later(now, plan, depth * 20 + index)
      if (done !== undefined) explored(from, done, depth - 1)
    }
}

const sibling: VmSnapshot = { name: 's', vda: 'x', creationTime: '7' }

/** An image outside the subvolume, over another one there. */
const outside = (name: string, over?: string): Partial<Image> => ({
  location: { _tag: 'File', path: `/lower/${name}` },
  ...(over === undefined ? {} : on(over)),
})

const on = (over: string): Partial<Image> => ({
  backing: { image: over as never, header: `/lower/${over}`, format: 'qcow2' },
})

const apart: Vm['images'] = { a: outside('a'), y: outside('y', 'a'), z: outside('z', 'y'), b: on('a'), x: on('y') }

it.each([
  ['one image', start('a[ab]^'), 3],
  ['one inside', grown(start('a[ab]^'), inside), 3],
  [
    'two inside, and back at the first',
    grown(
      start('a[ab]^'),
      inside,
      (of) => taking(of, 'j', 'internal'),
      (of) => revert(of, { to: 'i', present: 'discard' }, host),
    ),
    2,
  ],
  ['an overlay', start('a[ab] <- b[-c]^', [{ name: 's', vda: 'a', creationTime: '7' }]), 2],
  ['a branch that nobody needs', start('a[ab] <- (b[-c]^, x[d-])'), 2],
  ['a branch with a sibling', start('a[ab] <- (b[-c]^, x[d-])', [sibling]), 3],
  ['a branch of two with a sibling', start('a[ab] <- (b[-c]^, x[d-] <- y[-e])', [sibling]), 2],
  ['a sibling over an image that stays', start('a[ab] <- (b[-c]^, y[d-] <- (x[-e], z[ff]))', [sibling], apart), 2],
] as const)('goes back to what is kept: %s', (_, from, depth) => {
  for (const kind of ['Btrfs', 'Reflink'] as const) {
    const taken = copied(from, levelOf(kind), host)
    if (taken === undefined) throw new Error('no copy')
    explored(taken, { machine: taken.machine, world: used(taken.world, 0) }, depth)
  }
})

it('has gone back, kept siblings, and refused', () => {
  expect(counts.reverts).toBeGreaterThan(100)
  expect(counts.siblings).toBeGreaterThan(10)
  for (const why of ['PointsLost', 'another chain', 'images since'])
    expect([why, counts.refused.get(why) ?? 0]).not.toEqual([why, 0])
})
