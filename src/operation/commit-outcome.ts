import * as E from 'fp-ts/lib/Either.js'

import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { knownReaders } from '../model/image.js'
import type { Backing, Image } from '../model/image.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { asStored, backingOfReach, reachOf, reachThrough } from './backing-string.js'
import { collapse } from './collapse.js'
import type { CommitJob } from './commit-job.js'
import { settleNodes, withoutNodes } from './live.js'
import { pointImages } from './points.js'

/** A commit with the backing string of every overlay that changes, and the chain that comes of it. */
export interface CommitOutcome {
  readonly job: CommitJob
  readonly backings: ReadonlyMap<string, Backing>
  readonly after: Chain
  /** Images that nobody reads any more, uppermost first. */
  readonly dropped: ReadonlyArray<Image>
  /** Images whose nodes QEMU has no more use for, uppermost first. */
  readonly unused: ReadonlyArray<Image>
}

/** The one string that QEMU writes into every overlay that it has open, or a refusal where they would need two. */
const oneString = (job: CommitJob, backings: ReadonlyMap<string, Backing>): Refusal | undefined => {
  const strings = new Set(job.repointed.qemu.map(({ name }) => backings.get(name)?.header))
  const why = 'QEMU writes one string into every overlay that it has open, and here they differ'
  return strings.size > 1
    ? refuse({ _tag: 'BackingStringUnknown', image: job.top.name, backing: job.base.name, why })
    : undefined
}

/** The backing of every overlay that is repointed. */
export const newBackings = (job: CommitJob): E.Either<Refusal, ReadonlyMap<string, Backing>> => {
  const { qemu, header } = job.repointed
  const below = reachOf(job.chain, job.top, job.base)
  const backings = new Map<string, Backing>()
  for (const [by, overlays] of [['qemu', qemu] as const, ['header', header] as const]) {
    for (const overlay of overlays) {
      const backing = backingOfReach(overlay, reachThrough(overlay, below))
      if (E.isLeft(backing)) return backing
      backings.set(overlay.name, by === 'qemu' ? asStored(job.hypervisor.via, backing.right, job.base) : backing.right)
    }
  }
  const refusal = oneString(job, backings)
  return refusal === undefined ? E.right(backings) : E.left(refusal)
}

/** The top's file stays where it alone holds what somebody needs, which a base that is larger does not show. */
const neededOf = ({ request, top, base }: CommitJob): ReadonlySet<string> => {
  const held = pointImages(request.points ?? []).has(top.name) && base.sizeBytes > top.sizeBytes
  return new Set(held || knownReaders(top).length > 0 ? [top.name] : [])
}

/** The chain after a commit, and what falls off it. */
export const settle = (job: CommitJob, backings: ReadonlyMap<string, Backing>): CommitOutcome => {
  const { chain, base, top, hypervisor } = job
  const survivorBytes = Math.max(base.sizeBytes, top.sizeBytes)
  const keeps = job.active === 'yes' && job.request.end === 'keep'
  const grown = { ...base, sizeBytes: survivorBytes, allocatedBytes: undefined }
  const { after, dropped } = keeps
    ? { after: withImages(chain, new Map(chain.images).set(base.name, grown)), dropped: [] }
    : collapse({
        chain,
        span: job.span,
        survivor: base,
        survivorBytes,
        backings,
        active: job.active === 'yes' ? base.name : chain.active,
        needed: neededOf(job),
      })
  const filtered = keeps || job.active === 'no' ? after : withFilters(after, top)
  const nodes = settleNodes(chain, filtered)
  const settled = hypervisor.guest === 'shut-off' ? withoutNodes(nodes.after) : nodes.after
  return { job, backings, after: settled, dropped, unused: nodes.unused }
}

/** After a pivot the filters that stood above the old active image stand above the new one. */
const withFilters = (after: Chain, top: Image): Chain => {
  const base = after.images.get(after.active)
  if (base?.node === undefined || top.node === undefined || top.node.filters.length === 0) return after
  const node = { ...base.node, filters: top.node.filters }
  return withImages(after, new Map(after.images).set(base.name, { ...base, node }))
}
