import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { loops } from './loop.js'

/**
 * How records say which file holds which point in time.
 *
 * - `overlay`: a record names the file that its snapshot made; the point in time is what lies under that file (libvirt's
 *   `<disks>`, Cinder).
 * - `frozen`: a record names the file that was frozen (Proxmox, OpenNebula, CloudStack, Incus).
 * - `hidden`: as `frozen`; but a deletion only hides a record, which goes once its image has one reader (xapi).
 *
 * @since 0.2.0
 */
export type Convention = 'overlay' | 'frozen' | 'hidden'

/**
 * What somebody has written down of one snapshot of one disk.
 *
 * - `file`: an image, as its convention has it; nothing, where the snapshot has none of this disk.
 * - `hidden`: a record that stands for no point in time any more; only in the convention of that name.
 *
 * @since 0.2.0
 */
export interface SnapshotRow {
  readonly id: string
  readonly parent: string | undefined
  readonly file: string | undefined
  readonly hidden?: boolean
}

/**
 * Why rows are no tree of their convention.
 *
 * - `IdDuplicate`: several rows have one id; `files` are theirs. `ParentDuplicate` instead, where they disagree on the parent.
 * - `ParentMissing`: an orphan. `ParentLoop`: each of these rows comes from the next one, the last from the first.
 * - `HiddenUnexpected`: a hidden row in a convention that has none.
 *
 * @since 0.2.0
 */
export type TreeProblem =
  | { readonly _tag: 'IdDuplicate'; readonly id: string; readonly files: ReadonlyArray<string | undefined> }
  | { readonly _tag: 'ParentDuplicate'; readonly id: string; readonly parents: ReadonlyArray<string | undefined> }
  | { readonly _tag: 'ParentMissing'; readonly id: string; readonly parent: string }
  | { readonly _tag: 'ParentLoop'; readonly ids: ReadonlyNonEmptyArray<string> }
  | { readonly _tag: 'HiddenUnexpected'; readonly id: string }

const rowsById = (rows: ReadonlyArray<SnapshotRow>): ReadonlyMap<string, ReadonlyNonEmptyArray<SnapshotRow>> => {
  const byId = new Map<string, [SnapshotRow, ...Array<SnapshotRow>]>()
  for (const row of rows) {
    const known = byId.get(row.id)
    if (known === undefined) byId.set(row.id, [row])
    else known.push(row)
  }
  return byId
}

const duplicate = (id: string, rows: ReadonlyArray<SnapshotRow>): TreeProblem => {
  const parents = Array.from(new Set(rows.map(({ parent }) => parent)))
  return parents.length > 1
    ? { _tag: 'ParentDuplicate', id, parents }
    : { _tag: 'IdDuplicate', id, files: rows.map(({ file }) => file) }
}

/** What is wrong with rows before anybody looks at a file: id by id in the order of the rows, then every loop once. */
export const treeProblems = (rows: ReadonlyArray<SnapshotRow>, convention: Convention): ReadonlyArray<TreeProblem> => {
  const byId = rowsById(rows)
  const problems: Array<TreeProblem> = []
  for (const [id, same] of byId) {
    if (same.length > 1) problems.push(duplicate(id, same))
    for (const { parent } of same)
      if (parent !== undefined && !byId.has(parent)) problems.push({ _tag: 'ParentMissing', id, parent })
    if (convention !== 'hidden' && same.some(({ hidden }) => hidden === true))
      problems.push({ _tag: 'HiddenUnexpected', id })
  }
  for (const ids of loops(byId.keys(), (id) => byId.get(id)?.[0].parent))
    if (isNonEmpty(ids)) problems.push({ _tag: 'ParentLoop', ids })
  return problems
}
