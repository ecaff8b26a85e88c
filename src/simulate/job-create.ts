import { emptyLayer, solid } from '../content/layer.js'
import { isFormat } from '../model/format.js'
import { headerBytes, largestHeaderBytes } from '../model/header.js'
import { fileOf, inodeOf, isKept, withFile, writeFile } from './files.js'
import type { NewContents } from './files.js'
import { nodeOf } from './graph.js'
import { abort, dismissed } from './job-finish.js'
import type { CreateWork, Job, NewFile, NewQcow2 } from './job.js'
import { noSuchNode } from './qmp-check.js'
import { withJob } from './qmp-start.js'
import { lookup } from './table.js'
import type { World } from './world.js'

/** A plain file of that size, all zeroes. */
export const blankFile = (sizeBytes: number): NewContents => ({
  format: 'raw',
  layer: solid(emptyLayer(sizeBytes)),
  header: undefined,
  clusterBytes: undefined,
  version: undefined,
  internalSnapshots: [],
  bitmaps: [],
  access: 'read-write',
})

const isOpen = (world: World, path: string): boolean => {
  const inode = inodeOf(world, path)
  if (inode === undefined) return false
  const open = world.qemu !== undefined && lookup(world.qemu.open, inode) !== undefined
  return open || isKept(fileOf(world, inode), 'write')
}

const createFile = (world: World, { path, sizeBytes }: NewFile): World | string => {
  if (isOpen(world, path)) return 'Failed to get "write" lock'
  return writeFile(world, path, blankFile(sizeBytes))
}

const createQcow2 = (world: World, what: NewQcow2): World | string => {
  const storage = nodeOf(world, what.storage)
  if (storage === undefined) return noSuchNode(what.storage)
  const [user] = storage.users
  if (user !== undefined)
    return `Permission conflict on node '${what.storage}': permissions 'write, resize' are both required by an unnamed block device (uses node '${what.storage}' as 'root' child) and unshared by node '${user}' (uses node '${what.storage}' as 'file' child).`
  if (what.sizeBytes % 512 !== 0) return 'Image size must be a multiple of 512 bytes'
  const header = what.backing
  if (header !== undefined && headerBytes(header.string) > largestHeaderBytes)
    return `Could not assign backing file '${header.string}'`
  const format = header?.format !== undefined && isFormat(header.format) ? header.format : undefined
  return withFile(world, storage.file, {
    ...blankFile(0),
    access: fileOf(world, storage.file).access,
    format: 'qcow2',
    version: 3,
    clusterBytes: what.clusterBytes,
    layer: emptyLayer(what.sizeBytes),
    header: header === undefined ? undefined : { string: header.string, format },
  })
}

/** Does what a `blockdev-create` job is for. Everything that can go wrong ends in the job's error. */
export const create = (world: World, job: Job, { what }: CreateWork): World => {
  const made = what.driver === 'file' ? createFile(world, what) : createQcow2(world, what)
  if (typeof made === 'string') return abort(world, job, made)
  return job.autoDismiss ? dismissed(made, job.id) : withJob(made, job.id, { status: 'concluded' })
}
