import * as E from 'fp-ts/lib/Either.js'

import { libvirtRefuses } from './fault.js'
import type { Fault } from './fault.js'
import { fileAt, headerPath, keyOf } from './files.js'
import { downFrom } from './graph.js'
import { activePath, ancestorsIn, descendantsIn } from './machine-tree.js'
import type { MachineWorld, SimSnapshot } from './machine-world.js'
import type { Source, World } from './world.js'

/**
 * How libvirt merges one disk of a snapshot: `overlay` goes down into `base`, which held the point in time.
 *
 * `siblings` are images of other branches whose header leads to the overlay; `marked` is the snapshot that bears the mark of an
 * unfinished deletion meanwhile.
 */
export interface Merge {
  readonly disk: string
  readonly overlay: string
  readonly base: Source
  readonly active: boolean
  readonly siblings: ReadonlyArray<Source>
  readonly marked: string | undefined
}

/** The nearest snapshot before one that has a disk. */
export const parentForDisk = (machine: MachineWorld, name: string, disk: string): SimSnapshot | undefined =>
  ancestorsIn(machine, name).find(({ disks }) => (disks.get(disk)?.mode ?? 'no') !== 'no')

/** The snapshot that comes after one on the way to the current one. */
const nextOnPath = (machine: MachineWorld, name: string): SimSnapshot | undefined => {
  const path = activePath(machine)
  return path[path.findIndex((one) => one.name === name) - 1]
}

/** Images that snapshots of other branches name, whose header leads to the overlay. */
const siblingsOf = (machine: MachineWorld, snapshot: SimSnapshot, { world, overlay }: Below): ReadonlyArray<Source> => {
  const path = new Set(activePath(machine).map(({ name }) => name))
  const found = new Map<string, Source>()
  for (const { name, domain } of descendantsIn(machine, snapshot.name)) {
    const then = domain?.get(world.disk)
    const header = then === undefined ? undefined : fileAt(world, then.path)?.header
    if (then === undefined || header === undefined || path.has(name)) continue
    if (headerPath(then.path, header.string) === keyOf(overlay)) found.set(keyOf(then.path), then)
  }
  return Array.from(found.values(), ({ path: place, format }) => ({ path: place, format }))
}

interface Below {
  readonly world: World
  readonly overlay: string
}

const merged = (
  machine: MachineWorld,
  snapshot: SimSnapshot,
  { world, overlay }: Below,
): E.Either<Fault<never>, Merge> => {
  const then = snapshot.domain?.get(world.disk)
  const chain = downFrom(world, world.qemu?.root ?? '')
  const at = chain.findIndex(({ openedAs }) => keyOf(openedAs) === keyOf(overlay))
  const below = chain[at + 1]
  if (at < 0) return libvirtRefuses('invalid argument: could not find base disk source in disk source chain')
  if (below === undefined) return libvirtRefuses('operation failed: failed to find parent disk source in backing chain')
  if (then === undefined || keyOf(below.openedAs) !== keyOf(then.path))
    return libvirtRefuses('operation failed: snapshot VM disk source and parent disk source are not the same')
  const parent = parentForDisk(machine, snapshot.name, world.disk)
  if (parent?.disks.get(world.disk)?.mode === 'internal')
    return libvirtRefuses(
      'Operation not supported: deleting external snapshot that has internal snapshot as parent not supported',
    )
  return E.right({
    disk: world.disk,
    overlay,
    base: { path: then.path, format: then.format },
    active: at === 0,
    siblings: siblingsOf(machine, snapshot, { world, overlay }),
    marked: parent?.name,
  })
}

/** How libvirt merges one disk, or what it says against that. */
const mergeOf = (machine: MachineWorld, snapshot: SimSnapshot, disk: string): E.Either<Fault<never>, Merge> => {
  const world = machine.worlds.get(disk)
  if (snapshot.disks.get(disk)?.deleteInProgress === true)
    return libvirtRefuses(
      `Requested operation is not valid: snapshot disk '${disk}' was target of not completed snapshot delete`,
    )
  if (snapshot.domain?.get(disk) === undefined)
    return libvirtRefuses(`operation failed: failed to find disk '${disk}' in snapshot VM XML`)
  if (world === undefined) return libvirtRefuses(`invalid argument: disk '${disk}' not found in domain`)
  const active = downFrom(world, world.qemu?.root ?? '')[0]?.openedAs
  const overlay =
    machine.current === snapshot.name ? active : nextOnPath(machine, snapshot.name)?.domain?.get(disk)?.path
  return overlay === undefined
    ? libvirtRefuses('invalid argument: could not find base disk source in disk source chain')
    : merged(machine, snapshot, { world, overlay })
}

/** The disks that a snapshot has in external files. */
export const externalDisks = ({ disks }: SimSnapshot): ReadonlyArray<string> =>
  Array.from(disks).flatMap(([disk, { mode }]) => (mode === 'external' ? [disk] : []))

/** How libvirt merges all disks of a snapshot of a guest that runs. */
export const mergesOf = (
  machine: MachineWorld,
  snapshot: SimSnapshot,
): E.Either<Fault<never>, ReadonlyArray<Merge>> => {
  const merges: Array<Merge> = []
  for (const disk of externalDisks(snapshot)) {
    const merge = mergeOf(machine, snapshot, disk)
    if (E.isLeft(merge)) return merge
    merges.push(merge.right)
  }
  return E.right(merges)
}
