import * as E from 'fp-ts/lib/Either.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { overlayIndex, readersOf } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { Plan, Step } from '../plan/plan.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { assumptionsOf } from './assumptions.js'
import { observe as observeLibvirt } from './dialect/libvirt-step.js'
import { observe as observeQemuImg } from './dialect/qemu-img-step.js'
import { observe as observeQmp } from './dialect/qmp-step.js'
import { removals } from './dialect/step.js'
import { fatesOf, removedMarks } from './fates.js'
import { removalGuard } from './guard-live.js'
import { internalSnapshotGuard } from './guard-loss.js'
import { pointGuard, pointOutcomes } from './points.js'
import type { CommonRequest } from './request.js'

/** Images that nobody reads, to be taken out of the chain, each above the next. */
export interface RemoveRequest extends CommonRequest {
  readonly images: ReadonlyArray<string>
}

const guest = [{ _tag: 'Other', reader: 'the guest' }] as const

const readGuard = (chain: Chain, image: Image): Refusal | undefined => {
  if (image.name === chain.active) return refuse({ _tag: 'ImageShared', image: image.name, readers: guest })
  const readers = readersOf(chain, image.name)
  if (isNonEmpty(readers)) return refuse({ _tag: 'ImageShared', image: image.name, readers })
  const open: ReadonlyArray<string> = image.node === undefined ? [] : [image.node.format]
  const why = `QEMU has it open as ${open.join(', ')}`
  return open.length === 0 ? undefined : refuse({ _tag: 'NotThisWay', via: 'qmp', why })
}

/** The chain without the images, or the first reason against it. */
const without = (
  chain: Chain,
  names: ReadonlyArray<string>,
): E.Either<Refusal, { readonly after: Chain; readonly dropped: ReadonlyArray<Image> }> => {
  let after = chain
  const dropped: Array<Image> = []
  for (const name of names) {
    const image = after.images.get(name)
    if (image === undefined) return E.left(refuse({ _tag: 'ImageNotInChain', image: name }))
    const refused = readGuard(after, image)
    if (refused !== undefined) return E.left(refused)
    const images = new Map(after.images)
    images.delete(name)
    after = withImages(after, images)
    dropped.push(image)
  }
  return E.right({ after, dropped })
}

const observe = (hypervisor: Hypervisor, after: Chain): Step => {
  switch (hypervisor.via) {
    case 'qmp':
      return observeQmp(after)
    case 'libvirt':
      return observeLibvirt(hypervisor, after)
    case 'qemu-img':
    case 'storage-daemon':
      return observeQemuImg(after)
  }
}

/**
 * Plans to take images out of a chain that nobody reads: no overlay, no guest, nobody whom the caller has named.
 *
 * Refuses, in this order: `ImageNotInChain`, `ImageShared`, `NotThisWay` (QEMU has it open), `InternalSnapshotsLost`,
 * `PathNotAbsolute`, `PointUnknown`, `PointInTimeLost`.
 */
export const removeImages = (chain: Chain, request: RemoveRequest, hypervisor: Hypervisor): E.Either<Refusal, Plan> => {
  const found = without(chain, request.images)
  if (E.isLeft(found)) return found
  const { after, dropped } = found.right
  const refused =
    internalSnapshotGuard(request, dropped, 'they are inside an image that goes') ??
    removalGuard(request, dropped) ??
    pointGuard(chain, request.points ?? [])
  if (refused !== undefined) return E.left(refused)
  const points = pointOutcomes({ chain, request }, ({ name }) => after.images.get(name))
  if (E.isLeft(points)) return points
  const marks = dropped.map(({ name }) => [name, 'redundant'] as const)
  return E.right({
    operation: 'remove',
    via: hypervisor.via,
    before: chain,
    after,
    steps: [observe(hypervisor, after), ...removals(request, dropped)],
    contents: [],
    fates: fatesOf(chain, after, [...marks, ...removedMarks(request, dropped)]),
    points: points.right,
    requires: [],
    assumes: assumptionsOf({ chain, claimed: dropped, reopened: [], closed: dropped, links: [] }),
  })
}

/** Images among these that nobody reads, uppermost first, each followed by what then nobody reads any more. */
export const unreadAmong = (chain: Chain, candidates: ReadonlySet<string>): ReadonlyArray<string> => {
  const overlays = overlayIndex(chain)
  const counts = new Map(Array.from(candidates, (name) => [name, overlays.get(name)?.length ?? 0]))
  const free = Array.from(candidates).filter((name) => counts.get(name) === 0 && chain.images.has(name))
  for (const name of free) {
    const below = chain.images.get(name)?.backing?.image
    const left = below === undefined ? undefined : counts.get(below)
    if (below === undefined || left === undefined) continue
    counts.set(below, left - 1)
    if (left === 1) free.push(below)
  }
  return free
}
