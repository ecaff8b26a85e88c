import type * as E from 'fp-ts/lib/Either.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import { chain } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { activeImage } from '../model/chain-query.js'
import type { ModelError } from '../model/chain-error.js'
import type { Image, ImageDescription, LiveNode } from '../model/image.js'
import { locationString } from '../model/location.js'
import { liveLayer } from './cache.js'
import { fileOf, inodeOf, keyOf } from './files.js'
import { nodeOf } from './graph.js'
import { referenceOf } from './stored.js'
import { lookup } from './table.js'
import type { SimFile, World } from './world.js'

/** The node that a caller has named for a file, as QEMU would report it. */
const liveNode = (world: World, inode: string): LiveNode | undefined => {
  const names = world.qemu === undefined ? [] : (lookup(world.qemu.open, inode) ?? [])
  const node = names.map((name) => nodeOf(world, name)).find((one) => one?.named === 'by caller')
  if (node === undefined) return undefined
  return { format: node.name, storage: node.storage, owner: node.owner, filters: node.filters }
}

/** What names the image at each path; an image that nobody has named goes by its path. */
type Naming = ReadonlyMap<string, Image>

const backingOfFile = (
  world: World,
  path: string,
  file: SimFile,
): { path: string; format: SimFile['format'] | undefined } | undefined => {
  if (file.header === undefined) return undefined
  const to = referenceOf(world, path, file.header)
  const inode = inodeOf(world, to.path)
  return { path: to.path, format: to.format ?? (inode === undefined ? undefined : fileOf(world, inode).format) }
}

/** What a caller has told of an image and no file shows. */
const toldOf = (image: Image | undefined): Partial<ImageDescription> => ({
  ...(image?.dataFile === undefined ? {} : { dataFile: image.dataFile }),
  ...(image?.encryption === undefined ? {} : { encryption: image.encryption }),
  ...(image?.allocatedBytes === undefined ? {} : { allocatedBytes: image.allocatedBytes }),
  ...(image === undefined ? {} : { otherReaders: image.otherReaders }),
})

/** What an image's header says of its backing file, by the name that the chain has for it. */
const describeBacking = (
  world: World,
  naming: Naming,
  at: { path: string; file: SimFile },
): Partial<ImageDescription> => {
  const backing = backingOfFile(world, at.path, at.file)
  if (backing === undefined || at.file.header === undefined) return {}
  const image = naming.get(keyOf(backing.path))?.name ?? backing.path
  const header = at.file.header.string
  return { backing: { image, header, ...(backing.format === undefined ? {} : { format: backing.format }) } }
}

const describe = (world: World, naming: Naming, path: string): ImageDescription | undefined => {
  const inode = inodeOf(world, path)
  if (inode === undefined) return undefined
  const file = fileOf(world, inode)
  const image = naming.get(path)
  const node = liveNode(world, inode)
  return {
    ...toldOf(image),
    name: image?.name ?? path,
    format: file.format,
    sizeBytes: liveLayer(world, inode).sizeBytes,
    location: image?.location ?? { _tag: 'File', path },
    bitmaps: file.bitmaps,
    internalSnapshots: file.internalSnapshots.map(({ id, name: tag, vmStateBytes }) => ({
      id,
      name: tag,
      vmStateBytes,
    })),
    ...(file.clusterBytes === undefined ? {} : { clusterBytes: file.clusterBytes }),
    ...(file.version === undefined ? {} : { version: file.version }),
    ...(node === undefined ? {} : { node }),
    ...describeBacking(world, naming, { path, file }),
  }
}

/** The paths of what is read from some images downwards, each once, as the headers say. */
const reachable = (world: World, from: ReadonlyArray<string>): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const start of from) {
    for (let at: string | undefined = start; at !== undefined && !found.has(at);) {
      const inode = inodeOf(world, at)
      if (inode === undefined) break
      found.add(at)
      const below: string | undefined = backingOfFile(world, at, fileOf(world, inode))?.path
      at = below === undefined ? undefined : keyOf(below)
    }
  }
  return found
}

/** The path of the image that the guest's disk reads, or will; the chain's own active image where only the caller knows. */
const activePathOf = (world: World, naming: Chain): string => {
  if (world.qemu !== undefined) return nodeOf(world, world.qemu.root)?.openedAs ?? world.boot.path
  return world.boot.keeper === 'libvirt' ? world.boot.path : locationString(activeImage(naming).location)
}

/**
 * What the files, and the running QEMU if there is one, say of the images that a chain names: a chain to hold against a plan's
 * `after`.
 *
 * Backing strings, formats, sizes, bitmaps and versions come from the files, nodes from the running QEMU, and the active image is
 * the one that the guest's disk reads, or that libvirt would start it from, or else `naming`'s own. Images that are gone are left out; whatever else is read by
 * one that is there is added under its path as its name. What no file shows (other readers, encryption, allocation) is `naming`'s.
 * Refuses as {@link chain} does: a dangling header is `DanglingBacking`, a loop `BackingLoop`.
 *
 * @since 0.1.0
 */
export const observeChain = (world: World, naming: Chain): E.Either<ReadonlyNonEmptyArray<ModelError>, Chain> => {
  const names: Naming = new Map(
    Array.from(naming.images.values()).map((image) => [keyOf(locationString(image.location)), image]),
  )
  const active = keyOf(activePathOf(world, naming))
  const paths = reachable(world, [...names.keys(), active])
  const descriptions = Array.from(paths).flatMap((path) => describe(world, names, path) ?? [])
  return chain(naming.disk, descriptions, names.get(active)?.name ?? active)
}
