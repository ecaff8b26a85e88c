import type { Machine } from '../model/machine.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'
import type { ImageDevice } from './machine-request.js'
import type { CommitRequest } from './request.js'

/** What a commit into an image is told of its device; of several that are said of one image, the one that lacks most. */
export const deviceOf = (
  devices: ReadonlyArray<ImageDevice>,
  of: { readonly disk: string; readonly image: string },
): Pick<CommitRequest, 'device'> => {
  const lacking = ({ neededBytes, presentBytes }: ImageDevice): number => neededBytes - presentBytes
  const [worst] = devices
    .filter(({ disk, image }) => disk === of.disk && image === of.image)
    .sort((a, b) => lacking(b) - lacking(a))
  if (worst === undefined) return {}
  const { presentBytes, neededBytes } = worst
  return { device: { presentBytes, neededBytes } }
}

/** Refuses devices of disks and images that are not there: what is said of them would be passed over in silence. */
export const devicesGuard = (
  { disks }: Machine,
  devices: ReadonlyArray<ImageDevice> | undefined,
): MachineRefusal | undefined => {
  for (const { disk, image } of devices ?? []) {
    const chain = disks.get(disk)
    if (chain === undefined) return refuseMachine({ _tag: 'DiskNotFound', disk })
    if (!chain.images.has(image))
      return refuseMachine({ _tag: 'DiskRefused', disk, refusal: refuse({ _tag: 'ImageNotInChain', image }) })
  }
  return undefined
}
