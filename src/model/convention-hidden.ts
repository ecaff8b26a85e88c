import * as E from 'fp-ts/lib/Either.js'

import type { Chain } from './chain.js'
import { overlayIndex, roots } from './chain-query.js'
import type { ConventionError } from './convention-error.js'
import type { RecordedPoint } from './convention-read.js'
import { knownReaders } from './image.js'
import type { SnapshotRow } from './snapshot-row.js'

/** The nearest row under an image, and the nearest that is not hidden. */
interface Under {
  readonly row: string | undefined
  readonly visible: string | undefined
}

/** What every image of a chain lies on, base first. `visible` are the points in time by image, `hidden` images by name. */
const rowsUnder = (
  chain: Chain,
  visible: ReadonlyMap<string, string>,
  hidden: ReadonlySet<string>,
): ReadonlyMap<string, Under> => {
  const overlays = overlayIndex(chain)
  const found = new Map<string, Under>(roots(chain).map(({ name }) => [name, { row: undefined, visible: undefined }]))
  for (const [name, under] of found) {
    const own = visible.get(name)
    const here: Under =
      own !== undefined ? { row: own, visible: own } : hidden.has(name) ? { ...under, row: name } : under
    for (const overlay of overlays.get(name) ?? []) found.set(overlay.name, here)
  }
  return found
}

const hiddenImages = (chain: Chain, points: ReadonlyArray<RecordedPoint>): ReadonlySet<string> => {
  const overlays = overlayIndex(chain)
  const tied = new Set(points.map(({ image }) => image))
  const needed = Array.from(chain.images.values()).filter((image) => {
    const readers = (overlays.get(image.name)?.length ?? 0) + knownReaders(image).length
    return readers > 1 && image.name !== chain.active && !tied.has(image.name)
  })
  return new Set(needed.map(({ name }) => name))
}

/** The rows of the points in time, then one for each image that several read and that is no point in time. */
export const hiddenRows = (
  chain: Chain,
  points: ReadonlyArray<RecordedPoint>,
): ReadonlyArray<E.Either<ConventionError, SnapshotRow>> => {
  const hidden = hiddenImages(chain, points)
  const byImage = new Map<string, string>()
  for (const { snapshot, image } of points) if (image !== undefined && !byImage.has(image)) byImage.set(image, snapshot)
  const under = rowsUnder(chain, byImage, hidden)
  const ids = new Set(points.map(({ snapshot }) => snapshot))
  const visibleRows = points.map(({ snapshot: id, parent, image: file }): SnapshotRow => {
    const below = file === undefined ? undefined : under.get(file)
    const between = below?.row !== undefined && below.row !== below.visible && below.visible === parent
    return { id, parent: between ? below.row : parent, file }
  })
  return [
    ...visibleRows.map((row) => E.right(row)),
    ...Array.from(hidden, (id): E.Either<ConventionError, SnapshotRow> =>
      ids.has(id)
        ? E.left({ _tag: 'IdTaken', id })
        : E.right({ id, parent: under.get(id)?.row, file: id, hidden: true }),
    ),
  ]
}
