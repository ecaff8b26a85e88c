import * as E from 'fp-ts/lib/Either.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import type { Chain } from '../model/chain.js'
import { knownImage, overlayIndex } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import type { Point, PointOutcome } from '../plan/plan.js'
import { refuse } from '../plan/refusal.js'
import type { Alternative, Refusal } from '../plan/refusal.js'

/** The images that are read through the active one from above: what the guest writes changes them. */
const aboveActive = (chain: Chain): ReadonlySet<string> => {
  const overlays = overlayIndex(chain)
  const found: Array<string> = [chain.active]
  for (const name of found) for (const overlay of overlays.get(name) ?? []) found.push(overlay.name)
  return new Set(found.slice(1))
}

/** Refuses a named point in time that no image can hold: one that is not there, or that the guest writes, or under. */
export const pointGuard = (chain: Chain, points: ReadonlyArray<Point>): Refusal | undefined => {
  if (points.length === 0) return undefined
  const above = aboveActive(chain)
  for (const { point, image } of points) {
    if (!chain.images.has(image)) return refuse({ _tag: 'PointUnknown', point, image, why: 'not in the chain' })
    if (image === chain.active) return refuse({ _tag: 'PointUnknown', point, image, why: 'active' })
    if (above.has(image)) return refuse({ _tag: 'PointUnknown', point, image, why: 'above the active image' })
  }
  return undefined
}

/** The images that named points in time need. */
export const pointImages = (points: ReadonlyArray<Point>): ReadonlySet<string> =>
  new Set(points.map(({ image }) => image))

/** Where each named point in time is afterwards, or which ones would be lost, and how they would not be. */
export const pointOutcomes = (
  { chain, request }: { readonly chain: Chain; readonly request: { readonly points?: ReadonlyArray<Point> } },
  holder: (image: Image) => Image | undefined,
  alternatives: ReadonlyArray<Alternative> = [],
): E.Either<Refusal, ReadonlyArray<PointOutcome>> => {
  const outcomes: Array<PointOutcome> = []
  const lost: Array<{ readonly point: string; readonly image: string }> = []
  for (const { point, image } of request.points ?? []) {
    const was = knownImage(chain, image)
    const held = holder(was)
    if (held === undefined) lost.push({ point, image })
    else outcomes.push({ point, before: was.name, after: held.name, format: held.format, sizeBytes: held.sizeBytes })
  }
  return isNonEmpty(lost) ? E.left(refuse({ _tag: 'PointInTimeLost', points: lost }, alternatives)) : E.right(outcomes)
}
