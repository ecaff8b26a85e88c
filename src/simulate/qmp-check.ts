import { fileOf, isKept } from './files.js'
import { nodeOf } from './graph.js'
import { letsGo, typeOf } from './job.js'
import type { Job } from './job.js'
import { lookup } from './table.js'
import type { SimNode, World } from './world.js'

/** What QEMU says against something, or nothing. */
export type Objection = string | undefined

/** The job of that id, or nothing. */
export const jobOf = (world: World, id: string): Job | undefined => world.qemu?.jobs.find((job) => job.id === id)

/** What speaks against a new job of that id. */
export const objectionToJobId = (world: World, id: string): Objection => {
  if (!/^[A-Za-z][A-Za-z0-9._-]*$/.test(id)) return `Invalid job ID '${id}'`
  return jobOf(world, id) === undefined ? undefined : `Job ID '${id}' already in use`
}

/** What speaks against a new node of that name. */
export const objectionToNodeName = (world: World, name: string): Objection => {
  if (!/^[A-Za-z][A-Za-z0-9._-]*$/.test(name)) return `Invalid node-name: '${name}'`
  if (name.length > 31) return 'Node name too long'
  return nodeOf(world, name) === undefined && !isFilter(world, name)
    ? undefined
    : `Duplicate nodes with node-name='${name}'`
}

const isFilter = (world: World, name: string): boolean => {
  const root = world.qemu === undefined ? undefined : nodeOf(world, world.qemu.root)
  return root?.filters.includes(name) ?? false
}

/** What QEMU says where nothing has that name. */
export const noSuchNode = (name: string): string => `Cannot find device='${name}' nor node-name='${name}'`

/** The job that holds a node, or nothing. */
export const holderOf = (world: World, name: string): Job | undefined =>
  world.qemu?.jobs.find((job) => !letsGo(job) && job.held.has(name))

/** What speaks against using a node that a job holds. */
export const objectionToBusy = (world: World, name: string): Objection => {
  const job = holderOf(world, name)
  return job === undefined
    ? undefined
    : `Node '${name}' is busy: block device is in use by block job: ${typeOf(job.work)}`
}

/** What speaks against using a node whose overlay reads it; QEMU names the overlay that came last. */
const objectionToBacking = (node: SimNode): Objection => {
  const overlay = node.overlays[node.overlays.length - 1]
  return overlay === undefined ? undefined : `Node '${node.name}' is busy: node is used as backing hd of '${overlay}'`
}

/** The job whose filter lies above a node. A stream takes its filter away when it concludes. */
const filterAbove = (world: World, name: string): Job | undefined =>
  world.qemu?.jobs.find((job) => {
    if (letsGo(job)) return false
    if (job.work._tag === 'Stream') return job.work.target === name && job.status !== 'concluded'
    return (job.work._tag === 'Mirror' || job.work._tag === 'Backup') && job.work.source === name
  })

const isCopiedTo = (world: World, name: string): boolean => {
  const job = holderOf(world, name)
  if (job === undefined || job.status === 'concluded') return false
  if (job.work._tag === 'Commit') return job.work.top === name || job.work.base === name
  return job.work._tag === 'Mirror' && job.work.target === name
}

/** A node whose overlay was given to it anew when a job concluded: the overlay's claim is then the later of the two. */
const isRelinked = (world: World, name: string): boolean => {
  const job = holderOf(world, name)
  if (job?.status !== 'concluded') return false
  return job.work._tag === 'Stream' ? job.work.target === name : job.work._tag === 'Commit' && job.work.base === name
}

/** What speaks against changing a node that a job holds or an overlay reads; of two, QEMU names the one that came last. */
export const objectionToChange = (world: World, node: SimNode): Objection => {
  const [busy, backing] = [objectionToBusy(world, node.name), objectionToBacking(node)]
  return isRelinked(world, node.name) ? (backing ?? busy) : (busy ?? backing)
}

/** What speaks against closing a node, in the order in which QEMU asks. */
export const objectionToClosing = (world: World, node: SimNode): Objection => {
  const { name } = node
  const isDisk = world.qemu?.root === name && filterAbove(world, name) === undefined
  if (isDisk || isCopiedTo(world, name)) return `Node ${name} is in use`
  const blocked = objectionToChange(world, node)
  if (blocked !== undefined) return blocked
  if (node.owner === 'implicit') return `Node ${name} is not owned by the monitor`
  return node.users.length > 0 || filterAbove(world, name) !== undefined ? `Block device ${name} is in use` : undefined
}

/** True where nothing but a disk uses a node: neither an overlay, nor a filter, nor a job that still holds it. */
export const isRootNode = (world: World, node: SimNode): boolean =>
  node.overlays.length === 0 &&
  node.filters.length === 0 &&
  holderOf(world, node.name) === undefined &&
  !isBackedUp(world, node.name)

/** True where a backup has laid its filter over a node; it holds the target alone. */
export const isBackedUp = (world: World, name: string): boolean =>
  world.qemu?.jobs.some((job) => job.work._tag === 'Backup' && job.work.source === name && !letsGo(job)) ?? false

/** What speaks against opening a node for writing. */
export const objectionToWriting = (world: World, node: SimNode): Objection => {
  if (node.access === 'read-write') return undefined
  if (node.protocol === 'read-only') return 'Block node is read-only'
  const others = world.qemu === undefined ? [] : (lookup(world.qemu.open, node.file) ?? [])
  if (others.length > 1 || isKept(fileOf(world, node.file), 'write')) return 'Failed to get "write" lock'
  return fileOf(world, node.file).access === 'read-only'
    ? `Could not open '${node.openedAs}': Permission denied`
    : undefined
}
