import type { Wait } from '../../call/wait.js'
import type { Chain } from '../../model/chain.js'
import type { Image } from '../../model/image.js'
import type { QmpHypervisor, StorageDaemonHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { End } from '../request.js'
import { reopened } from './storage-daemon-node.js'
import { chainIs, qmp } from './step.js'

/** Whose monitor it is: the guest's own, or that of a storage daemon, which has no guest. */
export type Monitored = QmpHypervisor | StorageDaemonHypervisor

const concluded = (job: string): Wait => ({ _tag: 'QmpJob', job, status: 'concluded' })

/** The name of an image's format node; the guards have seen to it that there is one. */
export const formatNode = (image: Image): string => {
  if (image.node === undefined) throw new Error(`unreachable: no node for ${JSON.stringify(String(image.name))}`)
  return image.node.format
}

/** Clears a job that has concluded: its id is taken until then, and it still holds its nodes. */
export const dismiss = (job: string): Step =>
  qmp(
    { execute: 'job-dismiss', arguments: { id: job } },
    'a concluded job keeps its id and its nodes until it is dismissed',
  )

/** Looks at the chain before anything depends on it; `query-block` is safe at any time. */
export const observe = (after: Chain): Step =>
  qmp({ execute: 'query-block' }, 'a job that is gone proves nothing: see that the chain is as planned', chainIs(after))

/** Closes the nodes that the monitor owns and the guest no longer reads, uppermost first, format before storage. */
export const closeNodes = (unused: ReadonlyArray<Image>): ReadonlyArray<Step> =>
  unused.flatMap(({ name, node }) => {
    if (node === undefined || node.owner === 'implicit') return []
    const nodes = node.storage === undefined ? [node.format] : [node.format, node.storage]
    return nodes.map((id) =>
      qmp(
        { execute: 'blockdev-del', arguments: { 'node-name': id } },
        `QEMU has no more use for ${JSON.stringify(String(name))}`,
      ),
    )
  })

/** Has QEMU write its caches out: `stop` flushes every image, also where the guest is paused already. */
export const flush = ({ guest }: QmpHypervisor, why: string): ReadonlyArray<Step> => [
  qmp({ execute: 'stop' }, why),
  ...(guest === 'running' ? [qmp({ execute: 'cont' }, 'the guest goes on')] : []),
]

/** A job that is held, the chain that it is at, and the image that it has written. */
export interface Held {
  readonly job: string
  readonly chain: Chain
  readonly written: Image
}

/** Lets a job that is held finalize, with what it has copied flushed before it rewrites a header. */
export const finalizeFlushed = (
  hypervisor: Monitored,
  { job, chain, written }: Held,
  why: { readonly flush: string; readonly finalize: string },
): ReadonlyArray<Step> => [
  ...(hypervisor.via === 'qmp' ? flush(hypervisor, why.flush) : [qmp(reopened(chain, written), why.flush)]),
  qmp({ execute: 'job-finalize', arguments: { id: job } }, why.finalize, concluded(job)),
]

/** Ends a job that is ready: into the other image, or with everything left where it is. */
export const endReady = (
  end: End | undefined,
  job: string,
  why: { readonly pivot: string; readonly keep: string },
): Step =>
  end === 'pivot'
    ? qmp({ execute: 'job-complete', arguments: { id: job } }, why.pivot, concluded(job))
    : qmp({ execute: 'block-job-cancel', arguments: { device: job } }, why.keep, concluded(job))
