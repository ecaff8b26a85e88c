import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { activePath } from '../model/chain-query.js'
import { knownReaders } from '../model/image.js'
import type { Image, LiveNode } from '../model/image.js'
import { dropUnread } from './collapse.js'
import { closedBelow } from './copy-job.js'
import type { CopyJob } from './copy-job.js'
import { nodeNames, takenNodes } from './identifier.js'
import { settleNodes, withoutNodes } from './live.js'
import type { Placed } from './new-image.js'
import { pointImages } from './points.js'

/** A copy, and the chain that comes of it. */
export interface CopyOutcome {
  readonly job: CopyJob
  readonly placed: Placed
  /** The images under the copy that QEMU does not have open yet, base first. */
  readonly opened: ReadonlyArray<Placed>
  readonly after: Chain
  readonly dropped: ReadonlyArray<Image>
  readonly unused: ReadonlyArray<Image>
}

const withNode = (images: Map<string, Image>, name: string, node: LiveNode | undefined): Map<string, Image> => {
  const image = images.get(name)
  return image === undefined ? images : images.set(name, { ...image, node })
}

const stays = (job: CopyJob) => {
  const points = pointImages(job.request.points ?? [])
  return (image: Image): boolean => points.has(image.name) || knownReaders(image).length > 0
}

/** Through a monitor the plan opens what lies under the copy itself, down to the first image that QEMU has open. */
const openedBy = ({ chain, hypervisor, below }: CopyJob): ReadonlyArray<Placed> => {
  if (hypervisor.via !== 'qmp' && hypervisor.via !== 'storage-daemon') return []
  const taken = new Set(takenNodes(chain))
  return closedBelow(chain, below).map((image) => {
    const names = nodeNames(chain, image.name, taken)
    taken.add(names.format).add(names.storage)
    return { image, node: { ...names, owner: 'monitor', filters: [] } }
  })
}

/** The chain after a copy. */
export const settleCopy = (job: CopyJob, placed: Placed): CopyOutcome => {
  const { chain, hypervisor, request } = job
  const opened = openedBy(job)
  const images = new Map(chain.images).set(placed.image.name, placed.image)
  if (request.end === 'keep') {
    const kept = withImages(chain, images)
    const settled = hypervisor.guest === 'shut-off' ? withoutNodes(kept) : kept
    return { job, placed, opened, after: settled, dropped: [], unused: [] }
  }
  if (hypervisor.via === 'qmp') {
    withNode(images, placed.image.name, placed.node)
    for (const { image, node } of opened) withNode(images, image.name, node)
  }
  const dropped = dropUnread(images, [...activePath(chain)].reverse(), stays(job))
  const nodes = settleNodes(chain, withImages(chain, images, placed.image.name))
  const after = hypervisor.guest === 'shut-off' ? withoutNodes(nodes.after) : nodes.after
  return { job, placed, opened, after, dropped, unused: nodes.unused }
}
