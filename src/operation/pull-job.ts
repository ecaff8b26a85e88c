import * as E from 'fp-ts/lib/Either.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import type { Chain } from '../model/chain.js'
import { path, span } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import type { PullRequest } from './request.js'

/** A pull whose names have been found. `span` is base first, from the image above `base` up to `into`. */
export interface PullJob {
  readonly chain: Chain
  readonly request: PullRequest
  readonly hypervisor: Hypervisor
  readonly into: Image
  readonly base: Image | undefined
  readonly span: ReadonlyNonEmptyArray<Image>
}

/** The images whose contents a pull takes up: all of the span but the highest. */
export const pulledUp = (job: PullJob): ReadonlyArray<Image> => job.span.slice(0, -1)

/** Finds what a pull names. Refuses `ImageNotInChain`, `NothingBelow`, `TopNotAboveBase`, in this order. */
export const resolvePull = (chain: Chain, request: PullRequest, hypervisor: Hypervisor): E.Either<Refusal, PullJob> => {
  const into = chain.images.get(request.into)
  if (into === undefined) return E.left(refuse({ _tag: 'ImageNotInChain', image: request.into }))
  const base = request.base === undefined ? undefined : chain.images.get(request.base)
  if (request.base !== undefined && base === undefined)
    return E.left(refuse({ _tag: 'ImageNotInChain', image: request.base }))
  if (into.backing === undefined) return E.left(refuse({ _tag: 'NothingBelow', image: into.name }))
  const found = base === undefined ? path(chain, into.name) : span(chain, base.name, into.name)?.slice(1)
  if (found === undefined || !isNonEmpty(found))
    return E.left(refuse({ _tag: 'TopNotAboveBase', top: into.name, base: request.base ?? '' }))
  return E.right({ chain, request, hypervisor, into, base, span: found })
}
