import { imageAt, overlayIndex } from '../model/chain-query.js'
import type { Chain } from '../model/chain.js'
import { knownReaders } from '../model/image.js'
import type { ImageName } from '../model/image.js'
import type { Machine } from '../model/machine.js'
import { imageOfDisk } from '../model/snapshot.js'
import type { SnapshotDisk } from '../model/snapshot.js'
import type { Loss } from '../plan/machine-refusal.js'
import type { LibvirtDeletion, LibvirtDiskDeletion } from './libvirt-delete.js'

/**
 * What libvirt does to the images of one disk.
 *
 * - `removed`: their files go, with the internal snapshots inside. `written`: they show something else than before, but keep the
 *   internal snapshots inside. `broken`: what they lie on was removed or written, and nobody has seen to them.
 * - `moved`: an image whose content is in another one afterwards.
 */
export interface DiskEffect {
  readonly removed: ReadonlySet<string>
  readonly written: ReadonlySet<string>
  readonly broken: ReadonlySet<string>
  readonly moved: ReadonlyMap<string, ImageName>
}

/** The images and all that is read through them. */
export const readThrough = (chain: Chain, images: Iterable<string>): ReadonlySet<string> => {
  const overlays = overlayIndex(chain)
  const found = new Set(images)
  for (const image of found) for (const { name } of overlays.get(image) ?? []) found.add(name)
  return found
}

const commitEffect = (chain: Chain, deletion: LibvirtDiskDeletion & { readonly way: 'commit' }): DiskEffect => {
  const overlay = imageAt(chain, deletion.overlay)?.name
  const base = imageAt(chain, deletion.base)?.name
  const repointed = new Set(deletion.siblings.map((path) => imageAt(chain, path)?.name))
  const active = readThroughBy(chain)
  const overlays = overlayIndex(chain)
  const left = [
    ...(overlays.get(overlay ?? '') ?? []).filter(({ name }) => !active.has(name) && !repointed.has(name)),
    ...(overlays.get(base ?? '') ?? []).filter(({ name }) => name !== overlay),
  ]
  return {
    removed: new Set(overlay === undefined ? [] : [overlay]),
    written: new Set(base === undefined ? [] : [base]),
    broken: readThrough(
      chain,
      left.map(({ name }) => name),
    ),
    moved: new Map(overlay === undefined || base === undefined ? [] : [[overlay, base]]),
  }
}

/** The images that the guest reads: QEMU sees to those itself. */
const readThroughBy = (chain: Chain): ReadonlySet<string> => {
  const found = new Set<string>()
  for (let at: string | undefined = chain.active; at !== undefined; at = chain.images.get(at)?.backing?.image)
    found.add(at)
  return found
}

/** Files that are unlinked, and images that are written, where nobody is repointed. */
export const plainEffect = (
  chain: Chain,
  { removed, written }: { readonly removed: ReadonlySet<string>; readonly written: ReadonlySet<string> },
): DiskEffect => {
  const broken = new Set(readThrough(chain, [...removed, ...written]))
  for (const image of [...removed, ...written]) broken.delete(image)
  return { removed, written, broken, moved: new Map() }
}

const effectOf = (chain: Chain, deletion: LibvirtDiskDeletion): DiskEffect => {
  if (deletion.way === 'commit') return commitEffect(chain, deletion)
  const gone = deletion.way === 'unlink' && deletion.file === 'unlinked' ? imageAt(chain, deletion.path) : undefined
  return plainEffect(chain, { removed: new Set(gone === undefined ? [] : [gone.name]), written: new Set() })
}

const survives = (disk: SnapshotDisk, { removed, written, broken, moved }: DiskEffect): SnapshotDisk => {
  const image = imageOfDisk(disk)
  if (image === undefined) return disk
  const gone = broken.has(image) || (disk.mode === 'internal' ? removed : written).has(image)
  if (disk.mode === 'internal') return gone ? { mode: 'internal', image: undefined } : disk
  if (gone || (removed.has(image) && !moved.has(image))) return { mode: 'external', frozen: undefined }
  return { mode: 'external', frozen: moved.get(image) ?? image }
}

/** Where the snapshots that stay have a disk afterwards; a point in time that is lost is in no image. */
export const disksAfterEffect = (
  { snapshots }: Machine,
  {
    disk,
    effect,
    deleted,
  }: { readonly disk: string; readonly effect: DiskEffect; readonly deleted: ReadonlySet<string> },
): ReadonlyMap<string, SnapshotDisk> => {
  const found = new Map<string, SnapshotDisk>()
  for (const { name, disks } of snapshots.values()) {
    const one = disks.get(disk)
    if (one !== undefined && !deleted.has(name)) found.set(name, survives(one, effect))
  }
  return found
}

/** Internal snapshots of files that go, of which the machine knows nothing. */
const unknownInside = (machine: Machine, chain: Chain, { removed, broken }: DiskEffect): ReadonlyArray<Loss> =>
  [...removed, ...broken].flatMap((image) =>
    (chain.images.get(image)?.internalSnapshots ?? []).flatMap(({ name }) => {
      const own = machine.snapshots.get(name)?.disks.get(chain.disk)
      const known = own?.mode === 'internal' && own.image === image
      return known ? [] : [{ snapshot: name, disk: chain.disk, image }]
    }),
  )

/** What nobody has a snapshot of: branches that end, the guest's present, and what others read. */
const untied = (machine: Machine, chain: Chain, effect: DiskEffect): ReadonlyArray<Loss> => {
  const tied = new Set(Array.from(machine.snapshots.values(), ({ disks }) => imageOfDisk(disks.get(chain.disk))))
  const overlays = overlayIndex(chain)
  const touched = [...effect.removed, ...effect.written, ...effect.broken]
  const ends = touched.flatMap((name) => {
    const image = chain.images.get(name)
    const read = image !== undefined && knownReaders(image).length > 0
    const end = !overlays.has(name) && image !== undefined && !tied.has(image.name) && !effect.moved.has(name)
    return read || end ? [name] : []
  })
  return ends.map((image) => ({ snapshot: undefined, disk: chain.disk, image }))
}

/** What is lost on one disk: points in time by the order of the snapshots, then what has no name. */
export const lossesOfEffect = (
  machine: Machine,
  {
    disk,
    effect,
    deleted,
  }: { readonly disk: string; readonly effect: DiskEffect; readonly deleted: ReadonlySet<string> },
): ReadonlyArray<Loss> => {
  const chain = machine.disks.get(disk)
  if (chain === undefined) return []
  const after = disksAfterEffect(machine, { disk, effect, deleted })
  const points = Array.from(after).flatMap(([snapshot, one]): ReadonlyArray<Loss> => {
    const image = imageOfDisk(machine.snapshots.get(snapshot)?.disks.get(disk))
    return image !== undefined && imageOfDisk(one) === undefined ? [{ snapshot, disk, image }] : []
  })
  return [...points, ...unknownInside(machine, chain, effect), ...untied(machine, chain, effect)]
}

const effects = (machine: Machine, { disks }: LibvirtDeletion): ReadonlyArray<readonly [string, DiskEffect]> =>
  disks.flatMap((one): ReadonlyArray<readonly [string, DiskEffect]> => {
    const chain = machine.disks.get(one.disk)
    return chain === undefined ? [] : [[one.disk, effectOf(chain, one)]]
  })

/**
 * What would be lost if libvirt deleted a snapshot so: points in time of other snapshots, internal snapshots inside files that go,
 * and images that nobody has a snapshot of (a branch without metadata, another reader), for which `snapshot` is nothing.
 *
 * By where the machine says that the points in time are, not by libvirt's records. What a damaged image holds does not count:
 * it is lost even if nothing was stored in what lay between.
 *
 * @since 0.2.0
 */
export const lossesOfDelete = (machine: Machine, deletion: LibvirtDeletion): ReadonlyArray<Loss> => {
  const deleted = new Set(deletion.deleted)
  return effects(machine, deletion).flatMap(([disk, effect]) => lossesOfEffect(machine, { disk, effect, deleted }))
}

/**
 * Where the snapshots that stay are after libvirt has deleted one, by name and disk; nothing for a point in time that is lost.
 *
 * @since 0.2.0
 */
export const pointsAfterDelete = (
  machine: Machine,
  deletion: LibvirtDeletion,
): ReadonlyMap<string, ReadonlyMap<string, SnapshotDisk>> => {
  const deleted = new Set(deletion.deleted)
  const after = new Map<string, Map<string, SnapshotDisk>>()
  for (const { name, disks } of machine.snapshots.values()) if (!deleted.has(name)) after.set(name, new Map(disks))
  for (const [disk, effect] of effects(machine, deletion))
    for (const [name, one] of disksAfterEffect(machine, { disk, effect, deleted })) after.get(name)?.set(disk, one)
  return after
}
