import type { Layer } from '../content/layer.js'
import { traitsOf } from '../model/format.js'
import { combineHeader, normalPath } from '../model/header.js'
import { isAbsolute } from '../model/location.js'
import { resized, storable } from './cells.js'
import { entriesOf, insert, lookup, without } from './table.js'
import type { FileHeader, Incident, SimFile, World } from './world.js'

/** One spelling for each path: `.` and `..` are folded, links are not followed. What is no path stands for itself. */
export const keyOf = (path: string): string => (isAbsolute(path) ? normalPath(path) : path.replace(/^(\.\/+)+/, ''))

/** The inode that a path names, or nothing. */
export const inodeOf = (world: World, path: string): string | undefined => lookup(world.paths, keyOf(path))

/**
 * The file at a path, or nothing.
 *
 * @since 0.1.0
 */
export const fileAt = (world: World, path: string): SimFile | undefined => {
  const inode = inodeOf(world, path)
  return inode === undefined ? undefined : lookup(world.files, inode)
}

/** The file of an inode that is known to be there. */
export const fileOf = (world: World, inode: string): SimFile => {
  const file = lookup(world.files, inode)
  if (file === undefined) throw new Error(`unreachable: no inode ${inode}`)
  return file
}

/**
 * Every path that names a file, in the order of their spelling.
 *
 * @since 0.1.0
 */
export const pathsOf = (world: World): ReadonlyArray<string> =>
  entriesOf(world.paths)
    .map(([path]) => path)
    .sort((a, b) => (a < b ? -1 : 1))

/** The path that a header string leads to from an image of that path; a `json:` string stands for itself. */
export const headerPath = (overlay: string, header: string): string => {
  if (header.startsWith('json:')) return header
  const plain = header.startsWith('file:') ? header.slice('file:'.length) : header
  return keyOf(header.startsWith('file:') ? plain : combineHeader(overlay, plain))
}

const note = (readers: World['readers'], file: SimFile, change: 'add' | 'drop'): World['readers'] => {
  if (file.header === undefined) return readers
  let noted = readers
  for (const path of file.paths) {
    const target = headerPath(path, file.header.string)
    const others = (lookup(noted, target) ?? []).filter((other) => other !== path)
    noted =
      change === 'drop' && others.length === 0
        ? without(noted, target)
        : insert(noted, target, change === 'add' ? [...others, path] : others)
  }
  return noted
}

/** The world with an inode changed; keeps the index of readers. */
export const withFile = (world: World, inode: string, change: Partial<SimFile>): World => {
  const old = fileOf(world, inode)
  const file = { ...old, ...change }
  const moved = file.paths !== old.paths || file.header !== old.header
  const readers = moved ? note(note(world.readers, old, 'drop'), file, 'add') : world.readers
  return { ...world, readers, files: insert(world.files, inode, file) }
}

/**
 * The world with what QEMU's user may do with a file changed: it may not be able to write an image that it has open for reading.
 *
 * The same world where there is no such file.
 *
 * @since 0.1.0
 */
export const withAccess = (world: World, path: string, access: SimFile['access']): World => {
  const inode = inodeOf(world, path)
  return inode === undefined ? world : withFile(world, inode, { access })
}

/**
 * The world with somebody besides who has a file open, to read or to write it, or nobody any more.
 *
 * The same world where there is no such file.
 *
 * @example
 * import { parseChain } from 'backing-chain'
 * import { perform, withOutside, worldOf } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const done = pipe(
 *   parseChain('base <- active^'),
 *   E.chainW(({ chain, contents }) => worldOf(chain, contents, { guest: 'shut-off' })),
 *   E.map((world) => withOutside(world, '/images/active', 'read')),
 *   E.chainW((world) => perform(world, { _tag: 'QemuImg', argv: ['qemu-img', 'snapshot', '-c', 's', '/images/active'] })),
 * )
 * E.isLeft(done) && '_tag' in done.left && done.left._tag === 'Refused' ? done.left.desc.split('\n')[0] : ''
 * // => `Could not open '/images/active': Failed to get "write" lock`
 *
 * @since 0.2.0
 */
export const withOutside = (world: World, path: string, outside: SimFile['outside']): World => {
  const inode = inodeOf(world, path)
  return inode === undefined ? world : withFile(world, inode, { outside })
}

/** True where somebody outside keeps a file from being opened so. */
export const isKept = ({ outside }: SimFile, want: 'read' | 'write'): boolean =>
  outside === 'write' || (outside === 'read' && want === 'write')

/** The world with another backing string in an image's header. */
export const withHeader = (world: World, inode: string, header: FileHeader | undefined): World =>
  withFile(world, inode, { header })

/** The world with the durable contents of an inode changed; its format decides what can be stored. */
export const withLayer = (world: World, inode: string, layer: Layer): World =>
  withFile(world, inode, { layer: storable(fileOf(world, inode).format, layer) })

const incident = (world: World, path: string, inode: string): Incident | undefined => {
  const nodes = world.qemu === undefined ? [] : (lookup(world.qemu.open, inode) ?? [])
  const headers = lookup(world.readers, path) ?? []
  const { outside } = fileOf(world, inode)
  if (nodes.length + headers.length === 0 && outside === undefined) return undefined
  return { _tag: 'RemovedWhileRead', path, nodes, headers, ...(outside === undefined ? {} : { outside }) }
}

const withIncident = (world: World, seen: Incident | undefined): World =>
  seen === undefined ? world : { ...world, incidents: [...world.incidents, seen] }

/** What a new file is made of. */
export type NewContents = Omit<SimFile, 'paths'>

/** The world with a file written at a path: a new one, or the one that is there, truncated and overwritten. */
export const writeFile = (world: World, path: string, contents: NewContents): World => {
  const known = inodeOf(world, path)
  const name = keyOf(path)
  if (known !== undefined) return withIncident(withFile(world, known, contents), incident(world, name, known))
  const inode = `inode-${world.inodes}`
  const file: SimFile = { ...contents, paths: [name] }
  return {
    ...world,
    inodes: world.inodes + 1,
    paths: insert(world.paths, name, inode),
    files: insert(world.files, inode, file),
    readers: note(world.readers, file, 'add'),
  }
}

/** Takes a name away; the file lives on where it has another, or is open. Notes who still read it. */
export const unlink = (world: World, path: string): World => {
  const name = keyOf(path)
  const inode = inodeOf(world, path)
  if (inode === undefined) return world
  const seen = incident(world, name, inode)
  const unnamed = withFile(world, inode, { paths: fileOf(world, inode).paths.filter((other) => other !== name) })
  return withIncident({ ...unnamed, paths: without(unnamed.paths, name) }, seen)
}

/** Gives a file another name besides. */
export const link = (world: World, path: string, to: string): World => {
  const inode = inodeOf(world, path)
  if (inode === undefined) return world
  const name = keyOf(to)
  const named = withFile(world, inode, { paths: [...fileOf(world, inode).paths, name] })
  return { ...named, paths: insert(named.paths, name, inode) }
}

/** A layer in another size, with QEMU's rule for what appears: explicit zeroes where the backing file would show. */
export const grown = (layer: Layer, sizeBytes: number, backingBytes: number | undefined): Layer =>
  resized(layer, sizeBytes, backingBytes !== undefined && backingBytes > layer.sizeBytes ? 'zeroes' : 'holes')

/**
 * Why an image cannot be enlarged, in qemu-img's words; nothing where it can. Only qcow2 of version 3 can have what is new read zero
 * over a backing file that is longer than it was.
 */
export const growthRefusal = (
  { format, version, internalSnapshots, layer }: SimFile,
  backingBytes: number | undefined,
): string | undefined => {
  if (version === 2 && internalSnapshots.length > 0) return "Can't resize a v2 image which has snapshots"
  if (traitsOf(format).grows === 'no') return 'Image format driver does not support resize'
  if (backingBytes === undefined || backingBytes <= layer.sizeBytes) return undefined
  if (format !== 'qcow2') return 'Block driver does not support requested flags'
  return version === 2 ? 'Failed to zero out new clusters: Operation not supported' : undefined
}
