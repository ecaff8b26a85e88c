import * as E from 'fp-ts/lib/Either.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Chain } from '../model/chain.js'
import { activePath, overlaysOf, path, span } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import type { CommitRequest } from './request.js'

/** A commit whose names have been found. `span` is base first, from `base` up to `top`; `overlays` are those of `top`. */
export interface CommitJob {
  readonly chain: Chain
  readonly request: CommitRequest
  readonly hypervisor: Hypervisor
  readonly base: Image
  readonly top: Image
  readonly span: ReadonlyNonEmptyArray<Image>
  readonly overlays: ReadonlyArray<Image>
  readonly active: 'yes' | 'no'
  readonly repointed: Repointed
}

/** The overlays of the top that QEMU repoints itself, and those whose headers the plan rewrites. */
export interface Repointed {
  readonly qemu: ReadonlyArray<Image>
  readonly header: ReadonlyArray<Image>
}

/** The images that a commit writes or makes meaningless: all but the top, whose own view stays as it was. */
export const overwritten = (job: CommitJob): ReadonlyArray<Image> => job.span.slice(0, -1)

/**
 * The overlays of the top that have to read the base afterwards: the one on the active path and those that the same QEMU
 * has open, which QEMU repoints itself; and all others where the top's file goes, or where the guest is off.
 */
const repointedBy = (job: Omit<CommitJob, 'repointed'>): Repointed => {
  if (job.active === 'yes') return { qemu: [], header: [] }
  if (job.hypervisor.via === 'qemu-img') return { qemu: [], header: job.overlays }
  const onPath = new Set(activePath(job.chain).map(({ name }) => String(name)))
  const isOpen = (image: Image): boolean => onPath.has(image.name) || image.node !== undefined
  const atRest = job.overlays.filter((image) => !isOpen(image))
  return { qemu: job.overlays.filter(isOpen), header: job.request.leftovers === 'remove' ? atRest : [] }
}

const lowest = (chain: Chain, top: Image): Image => path(chain, top.name)?.[0] ?? top

/** Finds what a commit names. Refuses `ImageNotInChain`, `NothingBelow`, `TopNotAboveBase`, in this order. */
export const resolveCommit = (
  chain: Chain,
  request: CommitRequest,
  hypervisor: Hypervisor,
): E.Either<Refusal, CommitJob> => {
  const top = chain.images.get(request.top)
  if (top === undefined) return E.left(refuse({ _tag: 'ImageNotInChain', image: request.top }))
  const base = request.base === undefined ? lowest(chain, top) : chain.images.get(request.base)
  if (base === undefined) return E.left(refuse({ _tag: 'ImageNotInChain', image: request.base ?? '' }))
  if (top.backing === undefined) return E.left(refuse({ _tag: 'NothingBelow', image: top.name }))
  const found = base.name === top.name ? undefined : span(chain, base.name, top.name)
  if (found === undefined) return E.left(refuse({ _tag: 'TopNotAboveBase', top: top.name, base: base.name }))
  const active = top.name === chain.active ? 'yes' : 'no'
  const overlays = overlaysOf(chain, top.name)
  const job = { chain, request, hypervisor, base, top, span: found, overlays, active } as const
  return E.right({ ...job, repointed: repointedBy(job) })
}
