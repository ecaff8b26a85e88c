import { grownBy, seedling } from '../../src/testing/machine-growth.js'
import type { Grown, GrownSnapshot } from '../../src/testing/machine-growth.js'
import { filledMachine } from '../../src/testing/machine.js'
import type { FilledMachine } from '../../src/testing/machine.js'

/**
 * The exhaustive small scope of machines: one disk, up to four external snapshots, in every shape of tree, with every one of them
 * as the current one.
 *
 * Each tree is grown as a user grows it: a snapshot whose parent is not the current one comes after a revert to its parent. Before
 * each snapshot the guest writes one cluster, after the last one another, so that every point in time reads differently.
 */
export interface SmallTree {
  /** The parent of each snapshot but the first, as a number from 0; nothing for another root. */
  readonly parents: ReadonlyArray<number>
  readonly current: number
  readonly present: 'keep' | 'discard'
}

/** Every list of numbers, the one at `index` at most `index`. */
const parentLists = (length: number): ReadonlyArray<ReadonlyArray<number>> =>
  Array.from({ length }).reduce<ReadonlyArray<ReadonlyArray<number>>>(
    (lists, _, index) => lists.flatMap((list) => Array.from({ length: index + 1 }, (__, parent) => [...list, parent])),
    [[]],
  )

/** Every tree of so many snapshots, with every one as the current one; of less than four also with the present gone at a revert. */
export const smallTrees = (snapshots: number): ReadonlyArray<SmallTree> =>
  parentLists(snapshots - 1).flatMap((parents) =>
    Array.from({ length: snapshots }).flatMap((_, current) =>
      (snapshots < 4 ? (['keep', 'discard'] as const) : (['keep'] as const)).map((present) => ({
        parents,
        current,
        present,
      })),
    ),
  )

const cells = (at: number): string => Array.from({ length: 3 }, (_, cell) => (cell === at % 3 ? 'x' : '-')).join('')

interface Way {
  readonly present: SmallTree['present']
  readonly state: GrownSnapshot['state']
}

const revertedTo = (grown: Grown, to: number, { present }: Way): Grown =>
  grown.current === `s${String(to + 1)}` ? grown : grownBy(grown, { _tag: 'Revert', to, by: 'hand', present }, 0)

const taken = (grown: Grown, at: number, { state }: Way): Grown => {
  const written = grownBy(grown, { _tag: 'Write', disk: 0, cells: cells(at) }, at)
  return grownBy(written, { _tag: 'Take', kind: 'outside', modes: ['external'], state }, at)
}

/** The machine with such a tree, in a state, and whether libvirt manages it. */
export const smallMachine = (
  { parents, current, present }: SmallTree,
  { state, managed }: { readonly state: 'running' | 'shut-off'; readonly managed: 'libvirt' | 'none' },
): FilledMachine => {
  const way: Way = { present, state: state === 'running' ? 'disk-snapshot' : 'shutoff' }
  let grown = taken(seedling(['qcow2']), 0, way)
  for (const [index, parent] of parents.entries()) grown = taken(revertedTo(grown, parent, way), index + 1, way)
  const last = grownBy(revertedTo(grown, current, way), { _tag: 'Write', disk: 0, cells: '-x-' }, parents.length + 2)
  return filledMachine(last, { managed, state, stored: 'chain', persistence: 'persistent', parse: {} })
}

/** Every choice of at least one of these. */
export const everySubset = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  all
    .reduce<ReadonlyArray<ReadonlyArray<A>>>((sets, one) => [...sets, ...sets.map((set) => [...set, one])], [[]])
    .filter((set) => set.length > 0)
