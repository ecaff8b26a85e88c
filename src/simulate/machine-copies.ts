import * as E from 'fp-ts/lib/Either.js'

import { copiedLayer } from './cache.js'
import { fileOf, inodeOf, keyOf, link, pathsOf, unlink, withFile, writeFile } from './files.js'
import { diskOfPath } from './machine-files.js'
import { mapWorlds, withWorld } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import type { SimFile, World } from './world.js'

/** Where a copy goes, and what may be done with it. */
export interface CopyTo {
  readonly path: string
  readonly access: SimFile['access']
}

const contentsOf = (world: World, path: string): Omit<SimFile, 'paths'> | undefined => {
  const inode = inodeOf(world, path)
  if (inode === undefined) return undefined
  const { paths: _paths, outside: _outside, ...file } = fileOf(world, inode)
  return { ...file, layer: copiedLayer(world, inode) }
}

const copied = (world: World, from: string, { path, access }: CopyTo): World => {
  const contents = contentsOf(world, from)
  return contents === undefined ? world : writeFile(world, path, { ...contents, access })
}

/** Copies a file as it is on disk, wherever it is; nothing where it is nowhere. */
export const copyFile = (machine: MachineWorld, from: string, to: CopyTo): MachineWorld | undefined => {
  const disk = diskOfPath(machine, from)
  const world = disk === undefined ? undefined : machine.worlds.get(disk)
  return disk === undefined || world === undefined ? undefined : withWorld(machine, disk, copied(world, from, to))
}

/** Has a file hold what another one of the same disk holds. */
export const overwriteFile = (machine: MachineWorld, from: string, to: string): MachineWorld | undefined => {
  const disk = diskOfPath(machine, to)
  const world = disk === undefined ? undefined : machine.worlds.get(disk)
  const inode = world === undefined ? undefined : inodeOf(world, to)
  const contents = world === undefined ? undefined : contentsOf(world, from)
  if (disk === undefined || world === undefined || inode === undefined || contents === undefined) return undefined
  return withWorld(machine, disk, withFile(world, inode, { ...contents, access: 'read-write' }))
}

/** Takes a file away, wherever it is. */
export const dropFile = (machine: MachineWorld, path: string): MachineWorld => {
  const disk = diskOfPath(machine, path)
  const world = disk === undefined ? undefined : machine.worlds.get(disk)
  return disk === undefined || world === undefined ? machine : withWorld(machine, disk, unlink(world, path))
}

const within = (world: World, folder: string): ReadonlyArray<string> =>
  pathsOf(world).filter((path) => path.startsWith(`${keyOf(folder)}/`))

/** Copies all that is in a subvolume, of every disk, but for what is in subvolumes inside it. */
export const copyFolder = (machine: MachineWorld, from: string, to: CopyTo): MachineWorld => {
  const nested = Array.from(machine.storage.subvolumes).filter((one) => one.startsWith(`${keyOf(from)}/`))
  return mapWorlds(machine, (world) =>
    within(world, from)
      .filter((path) => !nested.some((one) => path.startsWith(`${one}/`)))
      .reduce((at, path) => copied(at, path, { ...to, path: keyOf(to.path) + path.slice(keyOf(from).length) }), world),
  )
}

/** Takes all that is in a folder away. */
export const dropFolder = (machine: MachineWorld, folder: string): MachineWorld =>
  mapWorlds(machine, (world) => within(world, folder).reduce(unlink, world))

/** Gives a folder another name: whoever has a file of it open loses nothing. */
export const moveFolder = (machine: MachineWorld, from: string, to: string): MachineWorld =>
  mapWorlds(machine, (world) =>
    within(world, from).reduce((at, path) => {
      const named = link(at, path, keyOf(to) + path.slice(keyOf(from).length))
      return { ...unlink(named, path), incidents: at.incidents }
    }, world),
  )

/** True where a folder has anything of a disk in it. */
export const isFolder = (machine: MachineWorld, folder: string): boolean =>
  Array.from(machine.worlds.values()).some((world) => within(world, folder).length > 0)

/** What becomes of a machine where a file has to be there for it. */
export const orElse = <F>(made: MachineWorld | undefined, fault: F): E.Either<F, MachineWorld> =>
  made === undefined ? E.left(fault) : E.right(made)
