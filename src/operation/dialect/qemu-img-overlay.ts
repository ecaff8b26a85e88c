import type { QemuImgHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { Image } from '../../model/image.js'
import type { OverlayOutcome } from '../overlay-outcome.js'
import { mend, observe } from './qemu-img-step.js'
import { operand, qemuImg } from './step.js'

/** Makes a qcow2 image with a header and no data. `-u` leaves the backing file closed: its guest may be running. */
export const createImage = (image: Image, check: 'backing' | 'nothing', why: string): Step => {
  const backing = image.backing === undefined ? [] : ['-F', image.backing.format, '-b', image.backing.header]
  const cluster = image.clusterBytes === undefined ? [] : ['-o', `cluster_size=${image.clusterBytes}`]
  const open = check === 'nothing' ? ['-u'] : []
  return qemuImg(
    ['create', '-f', image.format, ...open, ...backing, ...cluster, operand(image), String(image.sizeBytes)],
    why,
  )
}

/** A new overlay as qemu-img command lines, for a guest that is shut off. */
export const qemuImgOverlay = (outcome: OverlayOutcome, hypervisor: QemuImgHypervisor): ReadonlyArray<Step> => {
  const { job, placed, after } = outcome
  const made = job.request.overlay.made === 'before'
  return [
    ...(made
      ? []
      : [createImage(placed.image, 'backing', 'makes the overlay, with the size and the backing string given')]),
    observe(after),
    ...mend(hypervisor, job.chain, after),
  ]
}
