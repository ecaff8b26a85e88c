import type { Image } from '../../model/image.js'
import type { Step } from '../../plan/plan.js'
import { formatNode } from './qmp-step.js'
import { qmp } from './step.js'

/** Takes a snapshot out of an active image, with its memory if it has any: id and name both have to fit. */
export const internalRemoval = (name: string, image: Image): Step => {
  const id = image.internalSnapshots.find((one) => one.name === name)?.id
  const of = { device: formatNode(image), ...(id === undefined ? {} : { id }), name }
  return qmp(
    { execute: 'blockdev-snapshot-delete-internal-sync', arguments: of },
    'takes the internal snapshot out of its image, which QEMU has open',
  )
}
