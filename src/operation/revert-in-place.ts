import { activeImage, readersOf } from '../model/chain-query.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import type { HeldDisk, RevertJob } from './revert-job.js'

const refusedDisk = (disk: string, refusal: Refusal): MachineRefusal =>
  refuseMachine({ _tag: 'DiskRefused', disk, refusal })

/** Refuses to make the active image anew where that would lose what nobody has given up. */
export const inPlaceGuard = ({ request, kept }: RevertJob, { chain }: HeldDisk): MachineRefusal | undefined => {
  const active = activeImage(chain)
  const { disk } = chain
  const [reader, ...readers] = readersOf(chain, active.name)
  if (reader !== undefined)
    return refusedDisk(disk, refuse({ _tag: 'ImageShared', image: active.name, readers: [reader, ...readers] }))
  const why = 'the image that is active now is made anew'
  const inside = kept.filter(({ disks }) => {
    const own = disks.get(disk)
    return own?.mode === 'internal' && own.image === active.name
  })
  const points = inside.map(({ name }) => ({ snapshot: name, disk, image: active.name }))
  const present = { snapshot: undefined, disk, image: active.name }
  const keeps = [{ _tag: 'KeepPresent' }] as const
  if (points[0] !== undefined)
    return refuseMachine({ _tag: 'PointsLost', lost: [points[0], ...points.slice(1)], why }, keeps)
  if (request.present !== 'discard') return refuseMachine({ _tag: 'PointsLost', lost: [present], why }, keeps)
  const plain = active.location._tag === 'File' && active.dataFile === undefined
  const other = 'only an image that is in one file can be made anew under the path of another'
  return plain ? undefined : refusedDisk(disk, refuse({ _tag: 'NotThisWay', via: 'qemu-img', why: other }))
}
