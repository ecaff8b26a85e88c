import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

/**
 * Every loop of a walk, once, from the first of its places that a walk comes to; `starts` are distinct. Linear: each walk
 * stops where an earlier one, or it itself, has been.
 */
export const loops = <Place>(
  starts: Iterable<Place>,
  next: (at: Place) => Place | undefined,
): ReadonlyArray<ReadonlyNonEmptyArray<Place>> => {
  const walkOf = new Map<Place, Place>()
  const found: Array<ReadonlyNonEmptyArray<Place>> = []
  for (const start of starts) {
    const walked: Array<Place> = []
    let at: Place | undefined = start
    for (; at !== undefined && !walkOf.has(at); at = next(at)) {
      walkOf.set(at, start)
      walked.push(at)
    }
    const loop: ReadonlyArray<Place> =
      at !== undefined && walkOf.get(at) === start ? walked.slice(walked.indexOf(at)) : []
    if (isNonEmpty(loop)) found.push(loop)
  }
  return found
}
