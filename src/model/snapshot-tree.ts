import type { Machine } from './machine.js'
import type { Snapshot, SnapshotName } from './snapshot.js'

type Snapshots = Pick<Machine, 'snapshots'>

/** The children of every snapshot that has one, by its name, in the order of the machine's snapshots. */
export const childIndex = ({ snapshots }: Snapshots): ReadonlyMap<string, ReadonlyArray<Snapshot>> => {
  const index = new Map<string, Array<Snapshot>>()
  for (const snapshot of snapshots.values()) {
    if (snapshot.parent === undefined) continue
    const known = index.get(snapshot.parent)
    if (known === undefined) index.set(snapshot.parent, [snapshot])
    else known.push(snapshot)
  }
  return index
}

/**
 * The snapshots whose parent is this one.
 *
 * @since 0.2.0
 */
export const childrenOf = (of: Snapshots, name: string): ReadonlyArray<Snapshot> =>
  Array.from(of.snapshots.values()).filter(({ parent }) => parent === name)

/**
 * The snapshots without a parent.
 *
 * @since 0.2.0
 */
export const snapshotRoots = ({ snapshots }: Snapshots): ReadonlyArray<Snapshot> =>
  Array.from(snapshots.values()).filter(({ parent }) => parent === undefined)

/**
 * The ancestors of a snapshot, its parent first; none for a name that the machine does not have.
 *
 * @since 0.2.0
 */
export const ancestorsOf = ({ snapshots }: Snapshots, name: string): ReadonlyArray<Snapshot> => {
  const found: Array<Snapshot> = []
  for (let at = snapshots.get(name)?.parent; at !== undefined;) {
    const parent = snapshots.get(at)
    if (parent !== undefined) found.push(parent)
    at = parent?.parent
  }
  return found
}

/**
 * The descendants of a snapshot without itself, parents before children. Linear in the machine's snapshots.
 *
 * @since 0.2.0
 */
export const descendantsOf = (of: Snapshots, name: string): ReadonlyArray<Snapshot> => {
  const index = childIndex(of)
  const found: Array<Snapshot> = [...(index.get(name) ?? [])]
  for (const { name: next } of found) found.push(...(index.get(next) ?? []))
  return found
}

/**
 * The names of a snapshot and its descendants, parents before children; none for a name that the machine does not have.
 *
 * @since 0.2.0
 */
export const subtreeOf = (of: Snapshots, name: string): ReadonlyArray<SnapshotName> => {
  const root = of.snapshots.get(name)
  return root === undefined ? [] : [root, ...descendantsOf(of, name)].map((one) => one.name)
}

/**
 * The names from one snapshot down to a descendant of it, both inclusive; none where the second does not come from the first.
 *
 * @example
 * import * as E from 'fp-ts/lib/Either.js'
 * import { machine, snapshotRange } from 'backing-chain'
 *
 * const snapshots = [
 *   { name: 'monday', disks: [] },
 *   { name: 'tuesday', parent: 'monday', disks: [] },
 *   { name: 'wednesday', parent: 'tuesday', disks: [] },
 * ]
 * const vm = machine({ name: 'vm', state: 'running', disks: [], snapshots })
 * E.isRight(vm) ? snapshotRange(vm.right, { from: 'monday', to: 'tuesday' }) : vm.left // => ['monday', 'tuesday']
 *
 * @since 0.2.0
 */
export const snapshotRange = (
  of: Snapshots,
  { from, to }: { readonly from: string; readonly to: string },
): ReadonlyArray<SnapshotName> => {
  const last = of.snapshots.get(to)
  if (last === undefined) return []
  const upwards = [last, ...ancestorsOf(of, to)]
  const at = upwards.findIndex(({ name }) => name === from)
  return upwards
    .slice(0, at + 1)
    .map(({ name }) => name)
    .reverse()
}
