import type { Image } from '../model/image.js'
import type { Machine } from '../model/machine.js'
import { imageOfDisk } from '../model/snapshot.js'
import type { Snapshot } from '../model/snapshot.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'

/** An internal snapshot that goes while its image stays. */
export interface GoingInside {
  readonly disk: string
  readonly image: Image
  readonly name: string
}

/** Where snapshots are inside images. */
export const insideOf = ({ disks }: Machine, snapshots: ReadonlyArray<Snapshot>): ReadonlyArray<GoingInside> =>
  snapshots.flatMap(({ name, disks: own }) =>
    Array.from(own).flatMap(([disk, held]): ReadonlyArray<GoingInside> => {
      const image = held.mode === 'internal' ? disks.get(disk)?.images.get(imageOfDisk(held) ?? '') : undefined
      return image === undefined ? [] : [{ disk, image, name }]
    }),
  )

/**
 * Refuses to take a snapshot out of an image that has several of its name: qemu-img and libvirt delete by name alone, the first
 * that they find, and nobody has said that this is the one.
 */
export const severalGuard = (going: ReadonlyArray<GoingInside>, via: Hypervisor['via']): MachineRefusal | undefined => {
  const found = going.find(({ image, name }) => image.internalSnapshots.filter((one) => one.name === name).length > 1)
  if (found === undefined) return undefined
  const { disk, image, name } = found
  const why = `${JSON.stringify(String(image.name))} has several snapshots ${JSON.stringify(name)} inside, and the first would go`
  return refuseMachine({ _tag: 'DiskRefused', disk, refusal: refuse({ _tag: 'NotThisWay', via, why }) }, [
    { _tag: 'Forget', snapshots: [name] },
  ])
}
