import { backingOf } from '../model/chain-query.js'
import { knownReaders } from '../model/image.js'
import type { Image } from '../model/image.js'
import { refuse } from '../plan/refusal.js'
import type { CommitJob } from './commit-job.js'
import type { Guard } from './guard.js'
import { stuck } from './guard-size.js'

/** An overlay that would show the base's old data beyond the end of the top, and how far the top has to reach that it does not. */
export interface Short {
  readonly overlay: Image
  readonly needBytes: number
}

/** Every overlay that reads zeroes now where it would read the base's old data. */
export const shortUnder = ({ top, base, repointed: { qemu, header } }: CommitJob): ReadonlyArray<Short> =>
  [...qemu, ...header]
    .map((overlay) => ({ overlay, needBytes: Math.min(overlay.sizeBytes, base.sizeBytes) }))
    .filter(({ needBytes }) => top.sizeBytes < needBytes)

/**
 * The size to which a short top is enlarged first, where that was asked for and can be done: nobody may have it open. What is
 * new of it reads zero, as every overlay reads there already.
 */
export const growthOf = (job: CommitJob): number | undefined => {
  if (job.request.short !== 'grow' || job.hypervisor.via !== 'qemu-img') return undefined
  const short = shortUnder(job)
  return short.length === 0 ? undefined : Math.max(...short.map(({ needBytes }) => needBytes))
}

/** Refuses to enlarge a top that cannot grow, or that somebody else has. */
export const topGrowthGuard: Guard<CommitJob> = (job) => {
  const toBytes = growthOf(job)
  if (toBytes === undefined) return undefined
  const { top, chain } = job
  const [first, ...rest] = knownReaders(top).map((reader) => ({ _tag: 'Other', reader }) as const)
  if (first !== undefined) return refuse({ _tag: 'ImageShared', image: top.name, readers: [first, ...rest] })
  const odd = toBytes % 512 === 0 ? undefined : 'qemu-img sets sizes in steps of 512 bytes'
  const why = stuck(top, backingOf(chain, top)) ?? odd
  return why === undefined
    ? undefined
    : refuse({
        _tag: 'NotThisWay',
        via: 'qemu-img',
        why: `${JSON.stringify(String(top.name))} would have to grow, and ${why}`,
      })
}
