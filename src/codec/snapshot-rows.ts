import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type * as t from 'io-ts'

import type { Convention, SnapshotRow } from '../model/snapshot-row.js'
import type { DecodeError } from './decode-error.js'
import { parsedJson } from './json-text.js'
import { textOrNull } from './qmp-json.js'
import { flag, list, oneOf, read, record, text } from './shape.js'

/**
 * What somebody has written down of the snapshots of one disk, and in which convention.
 *
 * @since 0.2.0
 */
export interface SnapshotRows {
  readonly convention: Convention
  readonly rows: ReadonlyArray<SnapshotRow>
}

const row = record({ id: text }, { parent: textOrNull, file: textOrNull, hidden: flag })

const rowsWire = record({ convention: oneOf('overlay', 'frozen', 'hidden'), rows: list(row) }, {})

const rowOf = ({ id, parent, file, hidden }: t.TypeOf<typeof row>): SnapshotRow => ({
  id,
  parent: parent ?? undefined,
  file: file ?? undefined,
  ...(hidden === undefined ? {} : { hidden }),
})

/**
 * Reads the rows that another program keeps about the snapshots of one disk: text or parsed.
 *
 * The shape is `{ convention, rows: [{ id, parent, file, hidden }] }`. `parent`, `file` and `hidden` may be left out, the
 * first two be null; other columns are ignored. What the rows mean, and whether they are a tree, `readRecords` says.
 *
 * Left: `TextWrong`, `ShapeWrong`.
 *
 * @example
 * import { decodeSnapshotRows } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const decoded = decodeSnapshotRows(`{ "convention": "frozen", "rows": [
 *   { "id": "monday", "parent": null, "file": "/vm/a", "size": "1G" }
 * ] }`)
 * E.isRight(decoded) ? decoded.right.rows : decoded.left // => [{ id: 'monday', parent: undefined, file: '/vm/a' }]
 *
 * @since 0.2.0
 */
export const decodeSnapshotRows = (input: unknown): E.Either<DecodeError, SnapshotRows> =>
  pipe(
    parsedJson(input),
    E.flatMap((json) => read(rowsWire, json)),
    E.map(({ convention, rows }) => ({ convention, rows: rows.map(rowOf) })),
  )
