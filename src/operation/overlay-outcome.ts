import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import type { Image } from '../model/image.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import { withoutNodes } from './live.js'
import type { Placed } from './new-image.js'
import type { AddOverlayRequest } from './request.js'

/** A new overlay, and what it goes onto. */
export interface OverlayJob {
  readonly chain: Chain
  readonly request: AddOverlayRequest
  readonly hypervisor: Hypervisor
  readonly active: Image
}

/** A new overlay, made up. */
export interface OverlayOutcome {
  readonly job: OverlayJob
  readonly placed: Placed
  readonly after: Chain
}

/** The chain with the overlay on top. */
export const settleOverlay = (job: OverlayJob, placed: Placed): OverlayOutcome => {
  const { chain, active, hypervisor } = job
  const filters = active.node?.filters ?? []
  const old = active.node === undefined ? active : { ...active, node: { ...active.node, filters: [] } }
  const node = hypervisor.via === 'qmp' ? { ...placed.node, filters } : undefined
  const images = new Map(chain.images).set(old.name, old).set(placed.image.name, { ...placed.image, node })
  const after = withImages(chain, images, placed.image.name)
  return { job, placed, after: hypervisor.via === 'qemu-img' ? withoutNodes(after) : after }
}
