import * as E from 'fp-ts/lib/Either.js'

import type { Chain } from './chain.js'
import { activePath, overlayIndex, roots } from './chain-query.js'
import type { ConventionError } from './convention-error.js'
import type { RecordedPoint } from './convention-read.js'
import type { Image } from './image.js'
import type { SnapshotRow } from './snapshot-row.js'

type Overlays = ReadonlyMap<string, ReadonlyArray<Image>>

/** By parent, the images in which its children are. */
const childImages = (points: ReadonlyArray<RecordedPoint>): ReadonlyMap<string, ReadonlySet<string>> => {
  const found = new Map<string, Set<string>>()
  for (const { parent, image } of points) {
    if (parent === undefined || image === undefined) continue
    const known = found.get(parent)
    if (known === undefined) found.set(parent, new Set([image]))
    else known.add(image)
  }
  return found
}

/** By the image of a child: its parents, with the images that these are in. */
const parentPlaces = (points: ReadonlyArray<RecordedPoint>): ReadonlyMap<string, ReadonlyArray<RecordedPoint>> => {
  const children = childImages(points)
  const found = new Map<string, Array<RecordedPoint>>()
  for (const point of points)
    for (const image of children.get(point.snapshot) ?? []) {
      const known = found.get(image)
      if (known === undefined) found.set(image, [point])
      else known.push(point)
    }
  return found
}

/** By snapshot, the overlays of its image that lie on the way up to its children. One walk over the chain's trees. */
const overlaysTowardsChildren = (
  chain: Chain,
  points: ReadonlyArray<RecordedPoint>,
  overlays: Overlays,
): ReadonlyMap<string, ReadonlySet<string>> => {
  const parents = parentPlaces(points)
  const found = new Map(points.map(({ snapshot }) => [snapshot, new Set<string>()]))
  const depths = new Map<string, number>()
  const way: Array<string> = []
  const open: Array<{ readonly name: string; readonly depth: number }> = roots(chain).map(({ name }) => ({
    name,
    depth: 0,
  }))
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    way.splice(at.depth, way.length, at.name)
    depths.set(at.name, at.depth)
    for (const { snapshot, image } of parents.get(at.name) ?? []) {
      const depth = image === undefined ? undefined : depths.get(image)
      const overlay = depth === undefined || way[depth] !== image ? undefined : way[depth + 1]
      if (overlay !== undefined) found.get(snapshot)?.add(overlay)
    }
    for (const { name } of overlays.get(at.name) ?? []) open.push({ name, depth: at.depth + 1 })
  }
  return found
}

/** By image of the active path, the one above it there. */
const overlaysTowardsActive = (chain: Chain): ReadonlyMap<string, string> => {
  const path = activePath(chain)
  return new Map(path.slice(1).flatMap(({ name, backing }) => (backing === undefined ? [] : [[backing.image, name]])))
}

/** One row for each point: its overlay is the caller's, the only one, the one towards the children, or towards the active. */
export const overlayRows = (
  chain: Chain,
  points: ReadonlyArray<RecordedPoint>,
): ReadonlyArray<E.Either<ConventionError, SnapshotRow>> => {
  const overlays = overlayIndex(chain)
  const towardsChildren = overlaysTowardsChildren(chain, points, overlays)
  const towardsActive = overlaysTowardsActive(chain)
  return points.map(({ snapshot: id, parent, image, overlay }) => {
    const row = (file: string | undefined) => E.right({ id, parent, file })
    if (image === undefined) return row(undefined)
    if (overlay !== undefined) {
      const lies = chain.images.get(overlay)?.backing?.image === image
      return lies ? row(overlay) : E.left({ _tag: 'OverlayWrong', id, image, overlay })
    }
    const candidates = overlays.get(image) ?? []
    if (candidates.length === 0) return E.left({ _tag: 'OverlayMissing', id, image })
    if (candidates.length === 1) return row(candidates[0]?.name)
    const [decided, ...more] = towardsChildren.get(id) ?? []
    const chosen = decided ?? towardsActive.get(image)
    if (chosen !== undefined && more.length === 0) return row(chosen)
    return E.left({ _tag: 'OverlayAmbiguous', id, image, overlays: candidates.map(({ name }) => name) })
  })
}
