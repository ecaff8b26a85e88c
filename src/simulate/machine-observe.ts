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
 * @example
 * import { machine, parseChain, patternOfLayer } from 'backing-chain'
 * import { insideView, machineWorldOf, performMachine } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const world = pipe(
 *   parseChain('v[aa] <- v.1[-b]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'shut-off', disks: [chain] }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * const saved = pipe(
 *   world,
 *   E.flatMap((of) => performMachine(of, { _tag: 'QemuImg', argv: ['qemu-img', 'snapshot', '-c', 'i1', '/images/v.1'] })),
 * )
 * const disk = E.isRight(saved) ? saved.right.worlds.get('vda') : undefined
 * const seen = disk === undefined ? undefined : insideView(disk, '/images/v.1', 'i1')
 * seen !== undefined && E.isRight(seen) ? patternOfLayer(seen.right) : seen // => 'ab'
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
 * @example
 * import { machine, parseChain, patternOfLayer } from 'backing-chain'
 * import { guestViews, machineWorldOf } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const world = pipe(
 *   parseChain('v[aa] <- v.1[-b]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'shut-off', disks: [chain] }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * E.isRight(world) ? Array.from(guestViews(world.right).values(), (shown) => patternOfLayer(shown)) : [] // => ['ab']
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
 * @example
 * import { machine, parseChain, patternOfLayer } from 'backing-chain'
 * import { machineFileView, machineWorldOf } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const world = pipe(
 *   parseChain('v[aa] <- v.1[-b]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'shut-off', disks: [chain] }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * const seen = (path: string) => pipe(world, E.flatMap((of) => machineFileView(of, path)))
 * const [below, absent] = [seen('/images/v'), seen('/images/no')]
 * E.isRight(below) ? patternOfLayer(below.right) : below.left // => 'aa'
 * E.isLeft(absent) && 'desc' in absent.left ? absent.left.desc : ''
 * // => "Could not open '/images/no': No such file or directory"
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
 * @example
 * import { machine, parseChain } from 'backing-chain'
 * import type { XmlElement } from 'backing-chain'
 * import { machineWorldOf, metadataOf } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const xml = (name: string, attributes: XmlElement['attributes'], children: XmlElement['children']): XmlElement => ({
 *   name,
 *   attributes,
 *   children,
 * })
 * const disks = [xml('disk', { name: 'vda', snapshot: 'internal' }, [])]
 * const recorded = xml('domainsnapshot', {}, [xml('name', {}, ['monday']), xml('disks', {}, disks)])
 * const snapshots = [{ name: 'monday', disks: [['vda', { mode: 'internal' }]] as const, recorded }]
 * const world = pipe(
 *   parseChain('v[aa]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'shut-off', disks: [chain], snapshots, current: 'monday' }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * const listed = E.isRight(world) ? metadataOf(world.right) : undefined
 * listed?.current // => 'monday'
 * Array.from(listed?.snapshots.get('monday')?.disks ?? []) // => [['vda', { mode: 'internal', path: undefined }]]
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
