import * as E from 'fp-ts/lib/Either.js'

import type { Chain } from '../model/chain.js'
import { activeImage, path } from '../model/chain-query.js'
import { normalPath } from '../model/header.js'
import { locationString, pathOf } from '../model/location.js'
import type { Machine } from '../model/machine.js'
import { copiedImages, copyPath, copyReach, copySubvolume, copyVolume, isIn, isVolume } from '../model/storage-copy.js'
import { isBelow } from '../model/storage-level.js'
import type { LevelBelow, StorageLevel } from '../model/storage-level.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import type { LevelObjection } from '../plan/passed-over.js'
import { heldBackOf } from './held-back.js'
import type { LevelRequest } from './level-request.js'
import type { TakeDisk, TakeRequest } from './machine-request.js'
import { take } from './take.js'
import { takenPaths } from './taken-path.js'

/** A snapshot that levels are asked for. `paths`: those that are taken, with what takes them. */
export interface LevelJob {
  readonly machine: Machine
  readonly request: LevelRequest
  readonly host: MachineHost
  readonly disks: ReadonlyArray<string>
  readonly paths: ReadonlyMap<string, string>
}

/** Why a level cannot hold what is asked of it, or nothing. */
export type Objection = LevelObjection<MachineRefusal> | undefined

/** The disks that are to be in the snapshot, and the paths that are taken. */
export const levelJob = (machine: Machine, request: LevelRequest, host: MachineHost): LevelJob => ({
  machine,
  request,
  host,
  disks: Array.from(machine.disks.keys()).filter((disk) => request.leave?.includes(disk) !== true),
  paths: takenPaths(machine, request.reserved ?? []),
})

/** What `take` is asked for when each disk is taken so; the others are left out. */
export const takeRequestOf = (
  { machine, request }: LevelJob,
  modes: ReadonlyMap<string, TakeDisk['mode']>,
): TakeRequest => {
  const { levels: _levels, prefer: _prefer, leave: _leave, pause: _pause, overlays, ...rest } = request
  const disks = Array.from(machine.disks.keys(), (disk): readonly [string, TakeDisk] => {
    const mode = modes.get(disk) ?? 'no'
    const overlay = overlays?.get(disk)
    return [disk, mode === 'external' && overlay !== undefined ? { mode, overlay } : { mode }]
  })
  return { ...rest, disks: new Map(disks) }
}

/** True where snapshots inside are of all disks or of none: with memory, and wherever libvirt takes them. */
export const isAllOrNone = ({ request, host }: LevelJob): boolean =>
  host.via === 'libvirt' || (request.memory !== undefined && request.memory._tag !== 'None')

const memoryObjection = ({ request, host }: LevelJob, level: StorageLevel): Objection => {
  const { _tag: memory } = request.memory ?? { _tag: 'None' }
  if (memory === 'None') return undefined
  const kept =
    memory === 'Internal'
      ? level._tag === 'QemuInternal'
      : level._tag !== 'QemuInternal' && (host.via === 'libvirt' || level._tag === 'QemuExternal')
  return kept ? undefined : { _tag: 'KeepsNoMemory' }
}

const pauseObjection = ({ machine, request }: LevelJob, level: StorageLevel): Objection => {
  const inside = level._tag === 'QemuInternal' && request.memory?._tag === 'Internal'
  const pauses = request.pause === 'never' && machine.state === 'running' && (isBelow(level) || inside)
  return pauses ? { _tag: 'NeedsPause' } : undefined
}

/** What QEMU does by itself is for `take` to judge: the disk alone, or with all others where it has to be so. */
const byQemu = (job: LevelJob, disk: string, level: StorageLevel): Objection => {
  const inside = level._tag === 'QemuInternal'
  const mode = inside ? 'internal' : 'external'
  const disks = inside && isAllOrNone(job) ? job.disks : [disk]
  const planned = take(job.machine, takeRequestOf(job, new Map(disks.map((one) => [one, mode]))), job.host)
  return E.isLeft(planned) ? { _tag: 'TakeRefuses', refusal: planned.left } : undefined
}

const reserved =
  /^(?:snapshot|pvmove)|_(?:cdata|cmeta|corig|mimage|mlog|pmspare|rimage|rmeta|tdata|tmeta|vdata|vorigin|wcorig)/

/** True for a name that LVM gives to volumes and groups. */
const isVolumeName = (name: string): boolean =>
  /^[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]*$/.test(name) &&
  name !== '.' &&
  name !== '..' &&
  name.length <= 127 &&
  !reserved.test(name)

const nameObjection = (level: LevelBelow, snapshot: string): Objection => {
  if (level._tag !== 'Lvm') return undefined
  const { group, volume, kind } = level
  const name = [group, volume, copyVolume(volume, snapshot)].find((one) => !isVolumeName(one))
  if (name !== undefined) return { _tag: 'NameUnfit', name }
  const room = kind === 'thin' ? 1 : kind.thickBytes
  return Number.isSafeInteger(room) && room > 0 ? undefined : { _tag: 'SizeUnfit', sizeBytes: room }
}

const absolute = (level: LevelBelow): Objection => {
  const paths = level._tag === 'Btrfs' ? [level.subvolume, level.snapshots] : []
  const folder = level._tag === 'Reflink' && level.folder !== undefined ? [level.folder] : []
  const found = [...paths, ...folder].find((one) => !one.startsWith('/'))
  return found === undefined ? undefined : { _tag: 'PathNotAbsolute', path: found }
}

const placeObjection = (chain: Chain, level: LevelBelow): Objection => {
  const { name, location } = activeImage(chain)
  const file = pathOf(location)
  const elsewhere = (wanted: string): Objection => ({ _tag: 'NotThere', image: name, wanted })
  switch (level._tag) {
    case 'Lvm':
      return location._tag === 'BlockDevice' && isVolume(level, location.path)
        ? undefined
        : elsewhere(`the volume ${level.group}/${level.volume}`)
    case 'Btrfs': {
      if (location._tag !== 'File' || file === undefined || !isIn(level.subvolume, file))
        return elsewhere(`the subvolume ${level.subvolume}`)
      const { snapshots, subvolume } = level
      const inside = isIn(subvolume, snapshots) || normalPath(snapshots) === normalPath(subvolume)
      return inside ? { _tag: 'SnapshotsInside', snapshots, subvolume } : undefined
    }
    case 'Reflink':
      return location._tag === 'File' && location.path.startsWith('/')
        ? undefined
        : elsewhere('a file of absolute path')
    case 'Other':
      return undefined
  }
}

/** A copy of an image leads to the data file where it is, which nobody keeps for it. */
const dataObjection = ({ request }: LevelJob, chain: Chain, level: LevelBelow): Objection => {
  const copied = new Set<string>(copiedImages(chain, level, request.name).map(({ name }) => name))
  const apart = (path(chain) ?? []).find(({ name, dataFile }) => copied.has(name) && dataFile !== undefined)
  return apart === undefined ? undefined : { _tag: 'DataFileApart', image: apart.name }
}

const takenObjection = ({ paths, request }: LevelJob, chain: Chain, level: LevelBelow): Objection => {
  const { name } = request
  const active = locationString(activeImage(chain).location)
  const to = level._tag === 'Btrfs' ? copySubvolume(level, name) : copyPath(level, name, { file: active, active })
  if (to === undefined) return undefined
  for (const [taken, by] of paths)
    if (taken === normalPath(to) || (level._tag === 'Btrfs' && isIn(to, taken)))
      return { _tag: 'PathTaken', path: to, by }
  return undefined
}

const headerObjection = ({ request }: LevelJob, chain: Chain, level: LevelBelow): Objection => {
  const reach = copyReach(chain, level, request.name)
  return reach._tag === 'LeadsAway'
    ? { _tag: 'HeaderLeadsAway', image: reach.image.name, header: reach.header }
    : undefined
}

/** A block job writes while vCPUs stand still, and so does anybody else. */
const busyObjection = ({ host, request }: LevelJob, chain: Chain, level: LevelBelow): Objection => {
  const [job] = host.jobs?.get(chain.disk) ?? []
  if (job !== undefined) return { _tag: 'JobActive', job: job.id, kind: job.kind }
  const copied = new Set<string>(copiedImages(chain, level, request.name).map(({ name }) => name))
  const writer = host.opened
    ?.get(chain.disk)
    ?.find(({ image, access, by }) => access === 'write' && by._tag !== 'ThisGuest' && copied.has(image))
  return writer === undefined ? undefined : { _tag: 'WrittenByOther', image: writer.image, by: writer.by }
}

/** libvirt suspends no guest that is paused, so QEMU flushes nothing; where memory is kept it does so by itself. */
const heldBackObjection = ({ machine, request, host }: LevelJob, chain: Chain): Objection => {
  const kept = request.memory !== undefined && request.memory._tag !== 'None'
  const asked = host.via === 'libvirt' && machine.state === 'paused' && host.heldBack === undefined && !kept
  const image = asked ? heldBackOf(chain) : undefined
  return image === undefined ? undefined : { _tag: 'HeldBack', image }
}

const belowQemu = (job: LevelJob, chain: Chain, level: LevelBelow): Objection =>
  absolute(level) ??
  nameObjection(level, job.request.name) ??
  placeObjection(chain, level) ??
  dataObjection(job, chain, level) ??
  busyObjection(job, chain, level) ??
  heldBackObjection(job, chain) ??
  takenObjection(job, chain, level) ??
  headerObjection(job, chain, level)

/** Why a level cannot hold what is asked of it, as far as this disk alone tells. */
export const levelObjection = (job: LevelJob, chain: Chain, level: StorageLevel): Objection =>
  memoryObjection(job, level) ??
  pauseObjection(job, level) ??
  (isBelow(level) ? belowQemu(job, chain, level) : byQemu(job, chain.disk, level))
