import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import type { MachinePlan, MachineRefusal } from '../../src/index.js'
import { withMachine } from '../../src/model/machine.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { ways } from '../laws/machine-ways.js'
import { assertRestores, savedOf } from '../laws/saved-machine.js'
import type { Saved } from '../laws/saved-machine.js'
import { everySubset, smallMachine, smallTrees } from './machine-trees.js'

const { host } = ways.libvirt

const tagOf = (of: E.Either<MachineRefusal, MachinePlan>): string => (E.isLeft(of) ? of.left._tag : 'planned')

/** The same deletion of a machine without a saved state, with one, and with one that follows. */
const threefold = (saved: Saved, snapshots: ReadonlyArray<string>, direction: 'commit' | 'pull' | 'auto'): string => {
  const request = { snapshots, direction, how: 'by hand' } as const
  const bare = deleteSnapshots(withMachine(saved.machine, { saved: [] }), request, host)
  const kept = deleteSnapshots(saved.machine, request, host)
  const followed = deleteSnapshots(saved.machine, { ...request, saved: 'repoint' }, host)
  for (const plan of [kept, followed]) if (E.isRight(plan)) assertRestores(plan.right, saved)
  const repointed =
    E.isRight(followed) && followed.right.after.saved[0]?.definition !== saved.machine.saved[0]?.definition
  return `${tagOf(bare)}, ${tagOf(kept)}, ${tagOf(followed)}${repointed ? ' anew' : ''}`
}

const counts = (many: number): Readonly<Record<string, number>> => {
  const found = new Map<string, number>()
  for (const tree of smallTrees(many)) {
    const saved = savedOf(smallMachine(tree, { state: 'running', managed: 'libvirt' }), { kind: 'managed' })
    for (const names of everySubset(Array.from(saved.machine.snapshots.keys())))
      for (const direction of ['commit', 'pull', 'auto'] as const) {
        const what = threefold(saved, names, direction)
        found.set(what, (found.get(what) ?? 0) + 1)
      }
  }
  return Object.fromEntries(Array.from(found).sort())
}

describe('every deletion by hand from every small tree, while the memory is saved', () => {
  it.each<readonly [number, Readonly<Record<string, number>>]>([
    [1, { 'planned, StateSaved, planned anew': 6 }],
    [
      2,
      {
        'DiskRefused, DiskRefused, DiskRefused': 3,
        'planned, StateSaved, planned anew': 27,
        'planned, planned, planned': 6,
      },
    ],
    [
      3,
      {
        'DiskRefused, DiskRefused, DiskRefused': 34,
        'planned, StateSaved, planned anew': 164,
        'planned, planned, planned': 54,
      },
    ],
  ])(
    'of %i snapshots: refused only where it changes what is pinned, and then the state can follow',
    (many, expected) => {
      expect(counts(many)).toEqual(expected)
    },
  )
})
