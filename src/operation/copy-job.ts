import * as E from 'fp-ts/lib/Either.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Chain } from '../model/chain.js'
import { activeImage, activePath, backingOf } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import type { Place } from './new-image.js'
import type { CopyRequest } from './request.js'

/** A copy whose names have been found. `below` is what the copy goes onto: nothing for a full one. */
export interface CopyJob {
  readonly chain: Chain
  readonly request: CopyRequest
  readonly hypervisor: Hypervisor
  readonly active: Image
  /** The images whose contents go into the copy, base first. */
  readonly span: ReadonlyNonEmptyArray<Image>
  readonly below: Image | undefined
}

/** Finds what a copy names. Refuses `ImageNotInChain`, `NothingBelow`. */
export const resolveCopy = (chain: Chain, request: CopyRequest, hypervisor: Hypervisor): E.Either<Refusal, CopyJob> => {
  const active = activeImage(chain)
  const job = { chain, request, hypervisor, active }
  if (request.depth === 'full') return E.right({ ...job, span: activePath(chain), below: undefined })
  const own = backingOf(chain, active)
  const below = request.onto === undefined ? own : chain.images.get(request.onto)
  if (below === undefined && request.onto !== undefined)
    return E.left(refuse({ _tag: 'ImageNotInChain', image: request.onto }))
  if (own === undefined || below === undefined)
    return E.left(refuse({ _tag: 'NothingBelow', image: active.name }, [{ _tag: 'Copy', depth: 'full' }]))
  return E.right({ ...job, span: [active], below })
}

/** The new image of a copy, and where it goes. */
export const placeOfCopy = ({ chain, request, hypervisor, active, below }: CopyJob): Place => ({
  chain,
  hypervisor,
  wanted: request.to,
  sizeBytes: active.sizeBytes,
  below,
})

/** The images from `top` down that QEMU does not have open, base first, to the first one that it has. */
export const closedBelow = (chain: Chain, top: Image | undefined): ReadonlyArray<Image> => {
  const closed: Array<Image> = []
  for (let at = top; at !== undefined && at.node === undefined; at = backingOf(chain, at)) closed.push(at)
  return closed.reverse()
}
