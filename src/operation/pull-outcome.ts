import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Chain } from '../model/chain.js'
import { knownReaders } from '../model/image.js'
import type { Backing, Image } from '../model/image.js'
import type { Refusal } from '../plan/refusal.js'
import { asStored, backingOfReach, reachOf } from './backing-string.js'
import { collapse } from './collapse.js'
import { settleNodes, withoutNodes } from './live.js'
import { pointImages } from './points.js'
import type { PullJob } from './pull-job.js'

/** A pull, and the chain that comes of it. */
export interface PullOutcome {
  readonly job: PullJob
  readonly backing: Backing | undefined
  readonly after: Chain
  /** Images that nobody reads any more, uppermost first. */
  readonly dropped: ReadonlyArray<Image>
  /** Images whose nodes QEMU has no more use for, uppermost first. */
  readonly unused: ReadonlyArray<Image>
}

/** What the image's header says afterwards; nothing for a pull of everything. */
export const pullBacking = ({ chain, into, base, hypervisor }: PullJob): E.Either<Refusal, Backing | undefined> =>
  base === undefined
    ? E.right(undefined)
    : pipe(
        backingOfReach(into, reachOf(chain, into, base)),
        E.map((backing) => asStored(hypervisor.via, backing, base)),
      )

/** The chain after a pull, and what falls off it. */
export const settlePull = (job: PullJob, backing: Backing | undefined): PullOutcome => {
  const points = pointImages(job.request.points ?? [])
  const read = job.span.filter((image) => knownReaders(image).length > 0)
  const { after, dropped } = collapse({
    chain: job.chain,
    span: job.span,
    survivor: job.into,
    survivorBytes: job.into.sizeBytes,
    backings: new Map([[job.into.name, backing]]),
    active: job.chain.active,
    needed: new Set([...points, ...read.map(({ name }) => String(name))]),
  })
  const nodes = settleNodes(job.chain, after)
  const settled = job.hypervisor.guest === 'shut-off' ? withoutNodes(nodes.after) : nodes.after
  return { job, backing, after: settled, dropped, unused: nodes.unused }
}
