import type { Machine } from '../model/machine.js'
import type { Snapshot } from '../model/snapshot.js'
import { childIndex, snapshotRoots } from '../model/snapshot-tree.js'

/** A snapshot that is still to be printed, and what stands before it. */
interface Pending {
  readonly snapshot: Snapshot
  readonly indent: string
  readonly place: 'root' | 'last' | 'further'
}

const lowered = (name: string): ReadonlyArray<number> =>
  Array.from(name, (character) => {
    const code = character.codePointAt(0) ?? 0
    return code >= 0x41 && code <= 0x5a ? code + 0x20 : code
  })

/** As virsh sorts: by code points, the letters A to Z like a to z. */
const byName = (snapshots: ReadonlyArray<Snapshot>): ReadonlyArray<Snapshot> =>
  snapshots
    .map((snapshot) => ({ snapshot, key: lowered(snapshot.name) }))
    .sort(({ key: left }, { key: right }) => {
      const at = left.findIndex((code, index) => code !== right[index])
      return at < 0 ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? -1)
    })
    .map(({ snapshot }) => snapshot)

/** What stands before the children of a snapshot. */
const inside = ({ indent, place }: Pending): string => {
  if (place === 'root') return '  '
  return `${indent}${place === 'last' ? ' ' : '|'}   `
}

const linesOf = (at: Pending, leaf: boolean): ReadonlyArray<string> => {
  const { snapshot, indent, place } = at
  const line = place === 'root' ? snapshot.name : `${indent}+- ${snapshot.name}`
  if (!leaf) return [line, `${inside(at)}|`]
  if (place === 'further') return [line]
  return [line, place === 'root' ? '' : `${indent}  `]
}

/**
 * Prints the snapshots of a machine as `virsh snapshot-list --tree` (11.3) does: siblings by name, the letters A to Z like a
 * to z, and after the last of them a line of spaces.
 *
 * Each line ends in a newline. Without `--quiet` virsh prints an empty line after it, as after everything. The text grows
 * with the depth of the tree times its size, as virsh's does.
 *
 * @example
 * import { machine, printSnapshotTree } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const snapshots = [
 *   { name: 'monday', disks: [] },
 *   { name: 'wednesday', parent: 'monday', disks: [] },
 *   { name: 'tuesday', parent: 'monday', disks: [] },
 * ]
 * const vm = machine({ name: 'vm', state: 'running', disks: [], snapshots })
 * E.isRight(vm) ? printSnapshotTree(vm.right).split('\n') : []
 * // => ['monday', '  |', '  +- tuesday', '  +- wednesday', '    ', '']
 *
 * @since 0.2.0
 */
export const printSnapshotTree = (of: Pick<Machine, 'snapshots'>): string => {
  const index = childIndex(of)
  const lines: Array<string> = []
  const pending: Array<Pending> = byName(snapshotRoots(of))
    .map((snapshot): Pending => ({ snapshot, indent: '', place: 'root' }))
    .reverse()
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const indent = inside(at)
    const children = byName(index.get(at.snapshot.name) ?? [])
    lines.push(...linesOf(at, children.length === 0))
    for (const [place, snapshot] of children.slice().reverse().entries())
      pending.push({ snapshot, indent, place: place === 0 ? 'last' : 'further' })
  }
  return lines.map((line) => `${line}\n`).join('')
}
