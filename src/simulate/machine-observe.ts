import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import type { Layer } from '../content/layer.js'
import { view } from '../content/view.js'
import { unmodelled } from './fault.js'
import type { Fault } from './fault.js'
import { fileOf, keyOf } from './files.js'
import { diskOfPath } from './machine-files.js'
import type { MachineWorld, SavedMemory, SnapshotRecordDisk, StoredDisk } from './machine-world.js'
import { fileView, guestView } from './observe.js'
import { savedIn } from './saved-layer.js'
import { storedChain } from './stored.js'
import type { World } from './world.js'

/**
 * What a program reads from an internal snapshot of an image: what was saved, over what lies below the image today.
 *
 * Faults: as `fileView` has them; `Refused` where there is no such snapshot.
 *
 * @since 0.2.0
 */
export const insideView = (world: World, path: string, snapshot: string): E.Either<Fault, Layer> =>
  pipe(
    storedChain(world, { path, format: undefined, backing: undefined }, 'qemu-img'),
    E.flatMap(([image, ...below]): E.Either<Fault, Layer> => {
      const saved = image === undefined ? undefined : savedIn(world, image.inode, snapshot)
      if (saved === undefined)
        return E.left({
          _tag: 'Refused',
          by: 'qemu-img',
          class: 'exit 1',
          desc: `Failed to load snapshot: Can't find snapshot`,
        })
      const layers = [saved.layer, ...below.map(({ inode }) => fileOf(world, inode).layer)].reverse()
      return isNonEmpty(layers) ? E.right(view(layers)) : unmodelled('an empty chain')
    }),
  )

/**
 * What the guest reads from each disk now; where it is shut off, what it would read after the next start. A disk that cannot be
 * started is left out.
 *
 * @since 0.2.0
 */
export const guestViews = ({ worlds }: MachineWorld): ReadonlyMap<string, Layer> =>
  new Map(
    Array.from(worlds).flatMap(([disk, world]) => {
      const shown = guestView(world)
      return shown === undefined ? [] : [[disk, shown] as const]
    }),
  )

/**
 * What a program reads from an image on disk through its header, or with `snapshot` from an internal snapshot of it, wherever
 * the image is.
 *
 * @since 0.2.0
 */
export const machineFileView = (machine: MachineWorld, path: string, snapshot?: string): E.Either<Fault, Layer> => {
  const world = machine.worlds.get(diskOfPath(machine, path) ?? '')
  if (world === undefined)
    return E.left({
      _tag: 'Refused',
      by: 'qemu-img',
      class: 'exit 1',
      desc: `Could not open '${path}': No such file or directory`,
    })
  return snapshot === undefined ? fileView(world, path) : insideView(world, path, snapshot)
}

/** One disk of a snapshot as it is listed. */
export interface ListedDisk {
  readonly mode: SnapshotRecordDisk['mode']
  readonly path: string | undefined
}

/**
 * A snapshot as `virsh snapshot-dumpxml` would show it, as far as it matters: `domain` has each disk's source first, and then what is
 * stored below it, uppermost first. Paths are spelled without `.` and `..`.
 *
 * @since 0.2.0
 */
export interface ListedSnapshot {
  readonly parent: string | undefined
  readonly state: string
  readonly memory: SavedMemory
  readonly disks: ReadonlyMap<string, ListedDisk>
  readonly revertDisks: ReadonlyMap<string, ListedDisk> | undefined
  readonly domain: ReadonlyMap<string, ReadonlyArray<string>> | undefined
  readonly inactiveDomain: ReadonlyMap<string, ReadonlyArray<string>> | undefined
  readonly deleteInProgress: ReadonlyArray<string>
}

const listedDisks = (disks: ReadonlyMap<string, SnapshotRecordDisk>): ReadonlyMap<string, ListedDisk> =>
  new Map(
    Array.from(disks, ([disk, { mode, source }]) => [
      disk,
      { mode, path: source === undefined ? undefined : keyOf(source.path) },
    ]),
  )

const listedDomain = (domain: ReadonlyMap<string, StoredDisk>): ReadonlyMap<string, ReadonlyArray<string>> =>
  new Map(
    Array.from(domain, ([disk, { path, backingStore }]) => [
      disk,
      [path, ...backingStore.map((one) => one.path).reverse()].map(keyOf),
    ]),
  )

/**
 * What libvirt would list of a machine's snapshots: to hold against what was predicted.
 *
 * @since 0.2.0
 */
export const metadataOf = ({
  snapshots,
  current,
}: MachineWorld): {
  readonly current: string | undefined
  readonly snapshots: ReadonlyMap<string, ListedSnapshot>
} => ({
  current,
  snapshots: new Map(
    Array.from(snapshots.values(), (one) => [
      one.name,
      {
        parent: one.parent,
        state: one.state,
        memory: one.memory,
        disks: listedDisks(one.disks),
        revertDisks: one.revertDisks === undefined ? undefined : listedDisks(one.revertDisks),
        domain: one.domain === undefined ? undefined : listedDomain(one.domain),
        inactiveDomain: one.inactiveDomain === undefined ? undefined : listedDomain(one.inactiveDomain),
        deleteInProgress: Array.from(one.disks).flatMap(([disk, { deleteInProgress }]) =>
          deleteInProgress ? [disk] : [],
        ),
      },
    ]),
  ),
})
