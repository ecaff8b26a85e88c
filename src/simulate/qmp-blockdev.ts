import * as E from 'fp-ts/lib/Either.js'

import type { BlockdevAdd, BlockdevCreate, FormatOptions, StorageOptions } from '../call/qmp.js'
import { isFormat, traitsOf } from '../model/format.js'
import { qemuRefuses, unmodelled } from './fault.js'
import type { Outcome } from './fault.js'
import { fileOf, inodeOf, isKept } from './files.js'
import { addNode, nodeOf, removeNode } from './graph.js'
import { newNode } from './node.js'
import { openBelow } from './open.js'
import { noSuchNode, objectionToClosing, objectionToJobId, objectionToNodeName } from './qmp-check.js'
import type { Objection } from './qmp-check.js'
import { startJob } from './qmp-start.js'
import { lookup } from './table.js'
import type { SimNode, World } from './world.js'

const addStorage = (world: World, options: StorageOptions): Outcome => {
  const inode = inodeOf(world, options.filename)
  if (inode === undefined) return qemuRefuses(`Could not open '${options.filename}': No such file or directory`)
  return E.right(
    addNode(
      world,
      newNode({
        name: options['node-name'],
        kind: 'storage',
        driver: options.driver,
        file: inode,
        openedAs: options.filename,
        access: options['read-only'] === true ? 'read-only' : 'read-write',
        protocol: options['read-only'] === true ? 'read-only' : 'reopens',
      }),
    ),
  )
}

/** What the locks say to one more node on a file: QEMU locks against itself as against others. */
const objectionToLock = (world: World, inode: string, access: SimNode['access']): Objection => {
  const others = (world.qemu === undefined ? [] : (lookup(world.qemu.open, inode) ?? [])).map((name) =>
    nodeOf(world, name),
  )
  const file = fileOf(world, inode)
  if (isKept(file, access === 'read-write' ? 'write' : 'read'))
    return `Failed to get ${access === 'read-write' ? '' : 'shared '}"write" lock`
  if (others.length === 0) return undefined
  if (access === 'read-write') return 'Failed to get "write" lock'
  return others.some((other) => other?.access === 'read-write') ? 'Failed to get shared "write" lock' : undefined
}

const objectionToUser = (world: World, storage: SimNode, options: FormatOptions): Objection => {
  const [user] = storage.users
  const quiet = options['read-only'] === true && (user === undefined || nodeOf(world, user)?.access === 'read-only')
  if (user === undefined || quiet) return undefined
  const name = storage.name
  return `Permission conflict on node '${name}': permissions 'write, resize' are both required by node '${options['node-name']}' (uses node '${name}' as 'file' child) and unshared by node '${user}' (uses node '${name}' as 'file' child).`
}

const objectionToFormat = (world: World, storage: SimNode, options: FormatOptions): Objection => {
  const file = fileOf(world, storage.file)
  const writes = options['read-only'] !== true
  if (options.driver !== file.format && options.driver !== 'raw') return `Image is not in ${options.driver} format`
  if (writes && storage.protocol === 'read-only') return 'Block node is read-only'
  if (writes && file.access === 'read-only') return `Could not open '${storage.openedAs}': Permission denied`
  return (
    objectionToUser(world, storage, options) ??
    objectionToLock(world, storage.file, writes ? 'read-write' : 'read-only') ??
    (typeof options.backing === 'string' && nodeOf(world, options.backing) === undefined
      ? `Could not open backing file: ${noSuchNode(options.backing)}`
      : undefined)
  )
}

const addFormat = (world: World, options: FormatOptions): Outcome => {
  const storage = nodeOf(world, options.file)
  if (storage === undefined) return qemuRefuses(noSuchNode(options.file))
  const { driver, backing } = options
  if (!isFormat(driver)) return unmodelled(`blockdev-add of driver '${driver}'`)
  if (traitsOf(driver).holds === 'base' && backing !== undefined)
    return qemuRefuses("Parameter 'backing' is unexpected")
  const objection = objectionToFormat(world, storage, options)
  if (objection !== undefined) return qemuRefuses(objection)
  const file = fileOf(world, storage.file)
  if (driver !== file.format) return unmodelled(`'${storage.openedAs}' is ${file.format} and is opened as ${driver}`)
  const node = newNode({
    name: options['node-name'],
    kind: 'format',
    driver,
    file: storage.file,
    openedAs: storage.openedAs,
    storage: storage.name,
    backing: typeof backing === 'string' ? backing : undefined,
    access: options['read-only'] === true ? 'read-only' : 'read-write',
    protocol: storage.protocol,
  })
  const added = addNode(world, node)
  return backing === undefined && file.header !== undefined ? openBelow(added, node, file.header) : E.right(added)
}

const isFormatOptions = (options: StorageOptions | FormatOptions): options is FormatOptions => 'file' in options

/** `blockdev-add` of a storage node, or of a format node on one. */
export const blockdevAdd = (world: World, options: BlockdevAdd['arguments']): Outcome => {
  const objection = objectionToNodeName(world, options['node-name'])
  if (objection !== undefined) return qemuRefuses(objection)
  return isFormatOptions(options) ? addFormat(world, options) : addStorage(world, options)
}

/** `blockdev-del`: only what the monitor owns and nobody uses. */
export const blockdevDel = (world: World, name: string): Outcome => {
  const node = nodeOf(world, name)
  if (node === undefined) return qemuRefuses(`Failed to find node with node-name='${name}'`)
  const objection = objectionToClosing(world, node)
  if (objection !== undefined) return qemuRefuses(objection)
  return E.right(removeNode(world, name))
}

/** `blockdev-create`: a job that stays until it is dismissed. */
export const blockdevCreate = (world: World, args: BlockdevCreate['arguments']): Outcome => {
  const objection = objectionToJobId(world, args['job-id'])
  if (objection !== undefined) return qemuRefuses(objection)
  const { options } = args
  const job = { 'job-id': args['job-id'], 'auto-dismiss': false }
  if (options.driver === 'file') {
    const what = { driver: 'file', path: options.filename, sizeBytes: options.size } as const
    return startJob(world, job, { held: new Set(), work: { _tag: 'Create', what } })
  }
  const string = options['backing-file']
  const what = {
    driver: 'qcow2',
    storage: options.file,
    sizeBytes: options.size,
    clusterBytes: options['cluster-size'] ?? 65536,
    backing: string === undefined ? undefined : { string, format: options['backing-fmt'] },
  } as const
  return startJob(world, job, { held: new Set(), work: { _tag: 'Create', what } })
}
