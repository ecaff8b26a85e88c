import * as E from 'fp-ts/lib/Either.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Chain } from './chain.js'
import type { ConventionError } from './convention-error.js'
import { placeRow } from './convention-row.js'
import { sight } from './diff-observation.js'
import { treeProblems } from './snapshot-row.js'
import type { Convention, SnapshotRow } from './snapshot-row.js'

/**
 * Where one disk is at the point in time of one snapshot, whatever the convention it was written in.
 *
 * - `image`: the frozen image; nothing, where the snapshot has none of this disk.
 * - `overlay`: the file that the snapshot made, where that is known. Only the overlay convention writes it down.
 *
 * @since 0.2.0
 */
export interface RecordedPoint {
  readonly snapshot: string
  readonly parent: string | undefined
  readonly image: string | undefined
  readonly overlay?: string
}

/** By hidden row, the nearest ancestor that is not. Each row is climbed over once. */
const visibleAncestors = (rows: ReadonlyArray<SnapshotRow>): ReadonlyMap<string, string | undefined> => {
  const parents = new Map(rows.flatMap(({ id, parent, hidden }) => (hidden === true ? [[id, parent]] : [])))
  const found = new Map<string, string | undefined>()
  for (const start of parents.keys()) {
    const climbed: Array<string> = []
    let at: string | undefined = start
    for (; at !== undefined && parents.has(at) && !found.has(at); at = parents.get(at)) climbed.push(at)
    const visible = at !== undefined && found.has(at) ? found.get(at) : at
    for (const id of climbed) found.set(id, visible)
  }
  return found
}

/**
 * Reads somebody's rows about one disk: which image holds which point in time.
 *
 * The points in time come in the order of the rows. Hidden rows are none; whoever comes from one comes from its nearest
 * ancestor that is not hidden.
 *
 * Gives all problems at once: those of the rows' tree, `IdDuplicate`, `ParentDuplicate`, `ParentMissing`,
 * `HiddenUnexpected`, id by id, then `ParentLoop`; then row by row `FileMissing`, `NameAmbiguous`, `BackingMissing`,
 * `PointWritten`. Linear.
 *
 * @example
 * import { parseChain, readRecords } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('v <- v.1 <- v.2^')
 * const rows = [{ id: 'monday', parent: undefined, file: 'v.1' }]
 * const images = (convention: 'overlay' | 'frozen') => {
 *   const read = E.isRight(parsed) ? readRecords(parsed.right.chain, rows, convention) : parsed
 *   return E.isRight(read) ? read.right.map(({ image }) => image) : read.left
 * }
 * images('overlay') // => ['v']
 * images('frozen') // => ['v.1']
 *
 * @since 0.2.0
 */
export const readRecords = (
  chain: Chain,
  rows: ReadonlyArray<SnapshotRow>,
  convention: Convention,
): E.Either<ReadonlyNonEmptyArray<ConventionError>, ReadonlyArray<RecordedPoint>> => {
  const seen = sight(chain)
  const placed = rows.map((row) => ({ row, ...placeRow(seen, row, convention) }))
  const problems: ReadonlyArray<ConventionError> = [
    ...treeProblems(rows, convention),
    ...placed.flatMap(({ problem }) => problem ?? []),
  ]
  if (isNonEmpty(problems)) return E.left(problems)
  const visible = visibleAncestors(rows)
  return E.right(
    placed
      .filter(({ row }) => row.hidden !== true)
      .map(({ row: { id: snapshot, parent }, file, point }) => ({
        snapshot,
        parent: parent !== undefined && visible.has(parent) ? visible.get(parent) : parent,
        image: point?.image.name,
        ...(convention === 'overlay' && file !== undefined ? { overlay: file.image.name } : {}),
      })),
  )
}
