import * as E from 'fp-ts/lib/Either.js'
import { isNonEmpty, separate } from 'fp-ts/lib/ReadonlyArray.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Chain } from './chain.js'
import type { ConventionError } from './convention-error.js'
import { hiddenRows } from './convention-hidden.js'
import { overlayRows } from './convention-overlay.js'
import { readRecords } from './convention-read.js'
import type { RecordedPoint } from './convention-read.js'
import type { Convention, SnapshotRow } from './snapshot-row.js'

type Written = E.Either<ReadonlyNonEmptyArray<ConventionError>, ReadonlyArray<SnapshotRow>>

const rowsIn = (
  chain: Chain,
  points: ReadonlyArray<RecordedPoint>,
  convention: Convention,
): ReadonlyArray<E.Either<ConventionError, SnapshotRow>> => {
  switch (convention) {
    case 'overlay':
      return overlayRows(chain, points)
    case 'frozen':
      return points.map(({ snapshot: id, parent, image: file }) => E.right({ id, parent, file }))
    case 'hidden':
      return hiddenRows(chain, points)
  }
}

/**
 * Writes points in time of one disk as the rows of a convention, in the order of the points.
 *
 * - `overlay`: a row names the overlay that the point says; else the only one; else the one that lies on the way to the
 *   images of the snapshot's children; else, where no child lies above, the one on the way to the active image.
 * - `hidden`: after the points in time, a hidden row for every image that more than one overlay or other reader reads and
 *   that holds none, the active image apart; its id is the name of the image, and the next row down the chain its parent.
 *
 * What was written reads back as the same points in time, in each convention: `readRecords` after `writeRecords` changes
 * nothing but that it knows the overlays.
 *
 * Gives all problems at once: those of `readRecords` of the points as frozen rows; else point by point `OverlayWrong`,
 * `OverlayMissing`, `OverlayAmbiguous`, or `IdTaken`. Linear.
 *
 * @since 0.2.0
 */
export const writeRecords = (chain: Chain, points: ReadonlyArray<RecordedPoint>, convention: Convention): Written =>
  pipe(
    readRecords(
      chain,
      points.map(({ snapshot: id, parent, image: file }) => ({ id, parent, file })),
      'frozen',
    ),
    E.flatMap((checked) => {
      const known = checked.map((point, index) => ({ ...points[index], ...point }))
      const { left: problems, right: rows } = separate(rowsIn(chain, known, convention))
      return isNonEmpty(problems) ? E.left(problems) : E.right(rows)
    }),
  )

/**
 * Turns the rows of one convention into those of another.
 *
 * There and back is the identity: frozen, overlay, frozen wherever every frozen image has an overlay; frozen, hidden, frozen.
 * Overlay, frozen, overlay keeps every point in time, and may name another overlay of the same image. Hidden, frozen,
 * hidden keeps the hidden rows whose image has more than one reader, under the names of their images.
 *
 * Gives the problems of `readRecords` in `from`, else those of `writeRecords` in `to`.
 *
 * @example
 * import { convertRecords, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const overlays = [
 *   { id: 'monday', parent: undefined, file: 'v.1' },
 *   { id: 'tuesday', parent: 'monday', file: 'v.2' },
 * ]
 * const frozen = pipe(
 *   parseChain('v <- v.1 <- v.2^'),
 *   E.flatMap(({ chain }) => convertRecords(chain, overlays, { from: 'overlay', to: 'frozen' })),
 * )
 * E.isRight(frozen) ? frozen.right.map(({ id, file }) => [id, file]) : frozen.left
 * // => [['monday', 'v'], ['tuesday', 'v.1']]
 *
 * @since 0.2.0
 */
export const convertRecords = (
  chain: Chain,
  rows: ReadonlyArray<SnapshotRow>,
  { from, to }: { readonly from: Convention; readonly to: Convention },
): Written =>
  pipe(
    readRecords(chain, rows, from),
    E.flatMap((points) => (from === to ? E.right(rows) : writeRecords(chain, points, to))),
  )
