import { path } from '../model/chain-query.js'
import { knownReaders } from '../model/image.js'
import type { Image } from '../model/image.js'
import type { Machine } from '../model/machine.js'
import { frozenIn, imageOfDisk } from '../model/snapshot.js'
import type { Snapshot } from '../model/snapshot.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { Point } from '../plan/plan.js'
import type { AcceptableTag } from '../plan/refusal.js'
import type { DeleteRequest } from './machine-request.js'

/** A deletion whose names have been found. */
export interface DeleteJob {
  readonly machine: Machine
  readonly request: DeleteRequest
  readonly host: MachineHost
  /** In the order of the machine's snapshots, each once. */
  readonly doomed: ReadonlyArray<Snapshot>
  readonly kept: ReadonlyArray<Snapshot>
}

/** Finds what a deletion names; the names are known to be there. */
export const deleteJob = (machine: Machine, request: DeleteRequest, host: MachineHost): DeleteJob => {
  const names = new Set(request.snapshots)
  const all = Array.from(machine.snapshots.values())
  return {
    machine,
    request,
    host,
    doomed: all.filter(({ name }) => names.has(name)),
    kept: all.filter(({ name }) => !names.has(name)),
  }
}

/** The points in time on a disk that stay, each with the image that was frozen. */
export const keptPoints = ({ kept }: Pick<DeleteJob, 'kept'>, disk: string): ReadonlyArray<Point> =>
  kept.flatMap((one) => {
    const image = frozenIn(one, disk)
    return image === undefined ? [] : [{ point: one.name, image }]
  })

/** The points in time on a disk that end. */
export const endedPoints = ({ doomed }: Pick<DeleteJob, 'doomed'>, disk: string): ReadonlyArray<Point> =>
  keptPoints({ kept: doomed }, disk)

/** Which of these snapshots are inside which images of a disk. */
export const insidePoints = (snapshots: ReadonlyArray<Snapshot>, disk: string): ReadonlyArray<Point> =>
  snapshots.flatMap(({ name, disks }) => {
    const own = disks.get(disk)
    return own?.mode === 'internal' && own.image !== undefined ? [{ point: name, image: own.image }] : []
  })

/** True for an image that somebody needs who is not to be deleted: it holds a point in time that stays, inside or frozen. */
const isKept = ({ kept }: DeleteJob, disk: string, image: Image): boolean =>
  kept.some(({ disks }) => imageOfDisk(disks.get(disk)) === image.name)

const frozenOf = (job: DeleteJob, disk: string): ReadonlySet<string> => {
  const chain = job.machine.disks.get(disk)
  return new Set(
    endedPoints(job, disk).flatMap(({ image: name }) => {
      const image = chain?.images.get(name)
      return image === undefined || isKept(job, disk, image) ? [] : [String(name)]
    }),
  )
}

/** Images above others that nobody needs: no point in time that stays is in them or above them, nor does the guest read them. */
const untiedAbove = (job: DeleteJob, disk: string, doomed: ReadonlySet<string>): ReadonlyArray<string> => {
  const chain = job.machine.disks.get(disk)
  if (chain === undefined) return []
  const needed = new Set<string>()
  for (const image of chain.images.values()) {
    if (image.name !== chain.active && !isKept(job, disk, image) && knownReaders(image).length === 0) continue
    for (const below of path(chain, image.name) ?? []) needed.add(below.name)
  }
  return Array.from(chain.images.values()).flatMap(({ name }) =>
    !needed.has(name) && path(chain, name)?.some((below) => doomed.has(below.name)) === true ? [name] : [],
  )
}

/** The images of a disk that only snapshots to be deleted need, and, where that is asked, what is tied to nothing above them. */
export const doomedImages = (job: DeleteJob, disk: string): ReadonlySet<string> => {
  const frozen = frozenOf(job, disk)
  return job.request.untied === 'remove' ? new Set([...frozen, ...untiedAbove(job, disk, frozen)]) : frozen
}

/** What a request may accept on a disk: where a snapshot that stays is inside an image, nobody accepts that it is lost. */
export const acceptedOn = (
  { kept }: Pick<DeleteJob, 'kept'>,
  disk: string,
  accept: ReadonlyArray<AcceptableTag>,
): ReadonlyArray<AcceptableTag> => {
  const inside = kept.some(({ disks }) => disks.get(disk)?.mode === 'internal')
  return inside ? accept.filter((tag) => tag !== 'InternalSnapshotsLost') : accept
}
