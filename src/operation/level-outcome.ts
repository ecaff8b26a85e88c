import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { activeImage, activePath } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import { locationString } from '../model/location.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { isSnapshotName } from '../model/snapshot.js'
import type { Snapshot, SnapshotName } from '../model/snapshot.js'
import { copiedImages, copyPath, copyReach, copySubvolume, copyVolume } from '../model/storage-copy.js'
import type { StorageCopy } from '../model/storage-copy.js'
import { isBelow } from '../model/storage-level.js'
import type { StorageLevel } from '../model/storage-level.js'
import type { MachineAssumption } from '../plan/machine-plan.js'
import { pointsIn } from './copy-points.js'
import { recordStep } from './dialect/libvirt-snapshot.js'
import type { LevelJob } from './level-unfit.js'
import type { Draft } from './machine-lane.js'
import { recordTaken, snapshotsTaken } from './take-record.js'

const copyOf = ({ machine, request }: LevelJob, chain: Chain, level: StorageLevel): ReadonlyArray<StorageCopy> => {
  if (!isBelow(level)) return []
  const { name: snapshot } = request
  const image = activeImage(chain)
  const active = locationString(image.location)
  const reach = copyReach(chain, level, snapshot)
  const open = machine.state !== 'shut-off'
  const images = copiedImages(chain, level, snapshot)
  const inside = images.map(({ name }) => name)
  return [
    {
      disk: chain.disk,
      snapshot,
      level,
      path: copyPath(level, snapshot, { file: active, active }),
      image,
      chain: activePath(chain).map(({ name }) => name),
      inside,
      images,
      points: pointsIn(machine, chain.disk, inside),
      reads: reach._tag === 'Reads' ? reach.reads.map(({ name }) => name) : [],
      losesBitmaps: image.bitmaps.flatMap(({ name, state }) => (open && state !== 'inconsistent' ? [name] : [])),
    },
  ]
}

/** What the levels below QEMU have afterwards. */
export const copiesOf = (job: LevelJob, chosen: ReadonlyMap<string, StorageLevel>): ReadonlyArray<StorageCopy> =>
  Array.from(job.machine.disks.values()).flatMap((chain) => {
    const level = chosen.get(chain.disk)
    return level === undefined ? [] : copyOf(job, chain, level)
  })

/** What a copy is called among the readers of an image. */
export const readerName = ({ snapshot, path, disk }: StorageCopy): string => `${snapshot} at ${path ?? disk}`

/** Images that a copy reads have it among their readers, so that nobody writes to them; where nobody knew them they stay unknown. */
const read = (image: Image, by: string): Image =>
  image.otherReaders === 'unknown' ? image : { ...image, otherReaders: [...image.otherReaders, by] }

const unread = (image: Image, by: string): Image =>
  image.otherReaders === 'unknown'
    ? image
    : { ...image, otherReaders: image.otherReaders.filter((reader) => reader !== by) }

/** The disks with readers of their images added, or taken away. */
export const withReaders = (
  machine: Machine,
  copies: ReadonlyArray<StorageCopy>,
  change: 'add' | 'drop' = 'add',
): Machine['disks'] => {
  const disks = new Map(machine.disks)
  for (const copy of copies) {
    const chain = disks.get(copy.disk)
    if (chain === undefined || copy.reads.length === 0) continue
    const images = new Map(chain.images)
    for (const image of chain.images.values())
      if (copy.reads.includes(image.name))
        images.set(image.name, change === 'add' ? read(image, readerName(copy)) : unread(image, readerName(copy)))
    disks.set(copy.disk, withImages(chain, images))
  }
  return disks
}

const snapshotOf = (
  { machine, request, host }: LevelJob,
  name: SnapshotName,
  disks: ReadonlyArray<CopiedDisk>,
): Snapshot => {
  const snapshot: Snapshot = {
    name,
    parent: machine.current,
    description: request.description,
    creationTime: request.creationTime,
    // Of a snapshot that it calls `shutoff`, and of which it has no file, libvirt takes it that all disks are inside their images.
    state: machine.state === 'shut-off' && host.via !== 'libvirt' ? 'shutoff' : 'disk-snapshot',
    memory: { _tag: 'None' },
    disks: new Map(disks.map(({ disk, mode }) => [disk, { mode }])),
    recorded: undefined,
  }
  return host.via === 'libvirt' ? { ...snapshot, recorded: recordTaken(machine, snapshot, disks) } : snapshot
}

interface CopiedDisk {
  readonly disk: string
  readonly mode: 'manual' | 'no'
}

/** The machine with a snapshot of which levels below QEMU have every disk; of libvirt's records the one of the last snapshot changes. */
export const withCopied = (job: LevelJob, copies: ReadonlyArray<StorageCopy>): Machine => {
  const { machine, request } = job
  const { name, metadata } = request
  if (metadata === 'none' || !isSnapshotName(name)) return machine
  const taken = new Set(copies.map(({ disk }) => disk))
  const disks = Array.from(machine.disks.keys(), (disk) => ({ disk, mode: taken.has(disk) ? 'manual' : 'no' }) as const)
  return withMachine(machine, snapshotsTaken(machine, snapshotOf(job, name, disks)))
}

/** libvirt comes to know of a snapshot that it has not taken. */
export const recordCopied = ({ machine, request }: LevelJob, after: Machine): ReadonlyArray<Draft> => {
  const record = after.snapshots.get(request.name)?.recorded
  if (record === undefined) return []
  const why = 'libvirt writes the snapshot down as it is told: it has not taken it'
  return [{ step: recordStep(machine.name, record, why), begins: [request.name] }]
}

const storedOn = ({ level }: StorageCopy): string => {
  switch (level._tag) {
    case 'Lvm':
      return `the volume ${level.group}/${level.volume}`
    case 'Btrfs':
      return `the subvolume ${level.subvolume}`
    case 'Reflink':
      return 'a file system that shares blocks between files'
    case 'Other':
      return level.name
  }
}

/** What has to be free for a copy: of a subvolume the whole snapshot of it. */
export const placeOfCopy = ({ level, snapshot, path }: StorageCopy): string | undefined =>
  level._tag === 'Btrfs' ? copySubvolume(level, snapshot) : path

/** What is relied on of one copy: that the disk is where the level is, that the place is free, that the copy can be read. */
export const copyAssumptions = (copy: StorageCopy): ReadonlyArray<MachineAssumption> => {
  const { disk, level, image, reads, snapshot } = copy
  const place = placeOfCopy(copy)
  const room = level._tag === 'Lvm' && level.kind !== 'thin' ? level.kind.thickBytes : undefined
  const volume = level._tag === 'Lvm' ? `${level.group}/${copyVolume(level.volume, snapshot)}` : ''
  return [
    { _tag: 'StoredOn', disk, path: locationString(image.location), on: storedOn(copy) },
    ...(place === undefined ? [] : [{ _tag: 'OfDisk', disk, assumption: { _tag: 'NothingAt', path: place } } as const]),
    ...(room === undefined ? [] : [{ _tag: 'CopyHolds', disk, volume, sizeBytes: room } as const]),
    ...(reads.length === 0
      ? []
      : [{ _tag: 'CopyReads', disk, path: copy.path ?? locationString(image.location), images: reads } as const]),
  ]
}
