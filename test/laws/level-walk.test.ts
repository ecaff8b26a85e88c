// Several copies of a machine, gone back to and deleted in any order among other things: all that are left go on showing what they showed.

import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { patternOfLayer } from '../../src/index.js'
import { deleteCopies } from '../../src/operation/delete-copies.js'
import { revertToCopies } from '../../src/operation/revert-to-copies.js'
import { machineFileView, machineWorldOf } from '../../src/simulate/index.js'
import { arbitraryMachine } from '../../src/testing/index.js'
import { broken, copied, later, levelOf } from './level-later.js'
import type { Copied, Now } from './level-later.js'
import { subvolumes } from './level-ways.js'
import { numRuns, operations, ways } from './machine-ways.js'
import { right } from './saved-machine.js'

interface Walk extends Now {
  readonly held: ReadonlyArray<Copied>
}

const counts = { taken: 0, reverts: 0, deletions: 0, others: 0 }
const host = { ...ways['qemu-img'].host, managedSave: 'none' } as const
const kinds = ['Btrfs', 'Reflink'] as const

const took = (walk: Walk, seed: number): Walk => {
  const made = copied(walk, levelOf(kinds[seed % 2] ?? 'Btrfs'), host, `c${String(counts.taken)}`)
  if (made === undefined) return walk
  counts.taken += 1
  return { machine: made.machine, world: made.world, held: [...walk.held, made] }
}

const wentBack = (walk: Walk, from: Copied, count: number): Walk => {
  const present = { keep: `p${String(count)}` }
  const planned = revertToCopies(walk.machine, { copies: from.level.copies, present }, host)
  if (E.isLeft(planned)) return walk
  expect(broken(from, walk, planned.right)).toEqual([])
  counts.reverts += 1
  return { ...walk, ...later(walk, planned, count) }
}

const deleted = (walk: Walk, from: Copied, count: number): Walk => {
  const done = later(walk, deleteCopies(walk.machine, from.level, host), count)
  if (done === undefined) return walk
  counts.deletions += 1
  return { ...done, held: walk.held.filter((one) => one !== from) }
}

const others = ['take', 'revert', 'delete', 'delete', 'change a chain'] as const

const otherwise = (walk: Walk, seed: number, count: number): Walk => {
  const [planned] = fc.sample(operations[others[seed % others.length] ?? 'take'](walk.machine, host), {
    seed,
    numRuns: 1,
  })
  const done = later(walk, planned?.(), count)
  if (done !== undefined) counts.others += 1
  return { ...walk, ...done }
}

const stepped = (walk: Walk, [what, seed]: readonly [number, number], count: number): Walk => {
  const from = walk.held[seed % Math.max(walk.held.length, 1)]
  if (what < 3 || from === undefined) return took(walk, seed)
  if (what < 6) return wentBack(walk, from, count)
  return what < 7 ? deleted(walk, from, count) : otherwise(walk, seed, count)
}

/** The copies that no longer show what the guest read then. */
const spoilt = ({ world, held }: Walk): ReadonlyArray<string> =>
  held.flatMap(({ level, then }) =>
    level.copies.flatMap(({ disk, path = '' }) => {
      const view = machineFileView(world, path)
      const is = `${disk}: ${E.isRight(view) ? patternOfLayer(view.right) : JSON.stringify(view.left)}`
      return then.includes(is) ? [] : [`${path} of ${disk} is ${is} and not ${then.join()}`]
    }),
  )

it('leaves every other copy as it is', () => {
  fc.assert(
    fc.property(
      arbitraryMachine({ ...ways['qemu-img'].options, inside: 'most', maxDisks: 2, maxEvents: 4 }),
      fc.array(fc.tuple(fc.nat({ max: 9 }), fc.nat()), { minLength: 2, maxLength: 8 }),
      ({ machine, contents }, steps) => {
        const world = right(machineWorldOf(machine, contents.disks, { inside: contents.inside, subvolumes }))
        let walk: Walk = { machine, world, held: [] }
        for (const [index, step] of steps.entries()) {
          walk = stepped(walk, step, index + 1)
          expect([steps.slice(0, index + 1), spoilt(walk)]).toEqual([steps.slice(0, index + 1), []])
        }
      },
    ),
    { numRuns: numRuns(300) },
  )
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(20)
})
