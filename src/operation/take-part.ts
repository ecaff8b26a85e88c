import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { activeImage } from '../model/chain-query.js'
import type { DiskPart, MachineAssumption } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { plannedOverlay } from './add-overlay.js'
import type { PlannedOverlay } from './add-overlay.js'
import { fatesOf } from './fates.js'
import { hypervisorOf } from './machine-hypervisor.js'
import { nodesElsewhereGuard } from './new-image.js'
import type { NewImage } from './request.js'
import { disksTaken } from './take-job.js'
import type { TakeJob } from './take-job.js'

/** What the snapshot does to one disk. */
export type TakenDisk =
  | { readonly mode: 'external'; readonly disk: string; readonly overlay: PlannedOverlay }
  | { readonly mode: 'internal'; readonly disk: string; readonly before: Chain; readonly after: Chain }
  | { readonly mode: 'manual' | 'no'; readonly disk: string }

/** libvirt makes no external snapshot of a shut-off domain with checkpoints, whose bitmaps these are; others stop following. */
const bitmapGuard = ({ machine, request, host }: TakeJob, chain: Chain): Refusal | undefined => {
  const { name, bitmaps } = activeImage(chain)
  if (host.via !== 'libvirt' || machine.state !== 'shut-off' || bitmaps.length === 0) return undefined
  if (request.accept?.includes('BitmapsLost') === true) return undefined
  return refuse({ _tag: 'BitmapsLost', lost: [{ image: name, bitmaps: bitmaps.map((bitmap) => bitmap.name) }] }, [
    { _tag: 'Accept', tag: 'BitmapsLost' },
  ])
}

const overlaid = (job: TakeJob, chain: Chain, overlay: NewImage): E.Either<Refusal, TakenDisk> => {
  const { machine, request, host } = job
  const refusal =
    bitmapGuard(job, chain) ?? (host.via === 'qmp' ? nodesElsewhereGuard(machine, job.overlays, chain.disk) : undefined)
  if (refusal !== undefined) return E.left(refusal)
  const accept = request.accept === undefined ? {} : { accept: request.accept }
  return pipe(
    plannedOverlay(chain, { overlay, ...accept }, hypervisorOf(machine, host, chain.disk)),
    E.map((planned): TakenDisk => ({ mode: 'external', disk: chain.disk, overlay: planned })),
  )
}

/** QEMU counts the ids of internal snapshots up. The memory is in the first disk; how large it gets nobody can say before. */
const withInside = ({ request, memory, disks }: TakeJob, chain: Chain): Chain => {
  const { name } = request
  const isFirst = disksTaken({ disks }, 'internal')[0] === chain.disk
  const active = activeImage(chain)
  const ids = active.internalSnapshots.map(({ id }) => Number(id)).filter(Number.isInteger)
  const vmStateBytes = memory._tag === 'Internal' && isFirst ? 1 : 0
  const added = { id: String(Math.max(0, ...ids) + 1), name, vmStateBytes }
  const image = { ...active, internalSnapshots: [...active.internalSnapshots, added] }
  return withImages(chain, new Map(chain.images).set(active.name, image))
}

const takenDisk = (job: TakeJob, chain: Chain): E.Either<Refusal, TakenDisk> => {
  const { disk } = chain
  const { mode = 'no' } = job.disks.get(disk) ?? {}
  const overlay = job.overlays.get(disk)
  if (overlay !== undefined) return overlaid(job, chain, overlay)
  return mode === 'internal'
    ? E.right({ mode, disk, before: chain, after: withInside(job, chain) })
    : E.right({ mode: mode === 'manual' ? 'manual' : 'no', disk })
}

/** What the snapshot does to every disk, or the first reason against it. */
export const takenDisks = (job: TakeJob): E.Either<MachineRefusal, ReadonlyArray<TakenDisk>> => {
  const disks: Array<TakenDisk> = []
  for (const [disk, chain] of job.machine.disks) {
    const taken = takenDisk(job, chain)
    if (E.isLeft(taken)) return E.left(refuseMachine({ _tag: 'DiskRefused', disk, refusal: taken.left }))
    disks.push(taken.right)
  }
  return E.right(disks)
}

/** The chain of a disk afterwards. */
export const chainAfter = (taken: TakenDisk): Chain | undefined => {
  if (taken.mode === 'external') return taken.overlay.plan.after
  return taken.mode === 'internal' ? taken.after : undefined
}

/** What happens to a disk, as a factor of the plan; nothing where nothing does. */
export const partOf = (taken: TakenDisk): ReadonlyArray<DiskPart> => {
  if (taken.mode === 'external') {
    const { before, after, contents, fates } = taken.overlay.plan
    return [{ before, after, contents, fates }]
  }
  if (taken.mode !== 'internal') return []
  const { before, after } = taken
  return [{ before, after, contents: [], fates: fatesOf(before, after, []) }]
}

/** What a disk's part relies on; that a saved state is absent is said of the machine, once. */
export const diskAssumptions = (
  taken: TakenDisk,
  seenBy: (disk: string) => number,
): ReadonlyArray<MachineAssumption> => {
  const { disk } = taken
  if (taken.mode !== 'external') return []
  return taken.overlay.plan.assumes
    .filter(({ _tag }) => _tag !== 'NoManagedSave')
    .map((assumption) => ({
      _tag: 'OfDisk',
      disk,
      assumption: assumption._tag === 'StartsWith' ? { ...assumption, from: seenBy(disk) + 1 } : assumption,
    }))
}
