import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { emptyLayer } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { product } from '../content/override.js'
import { flush, liveLayer } from './cache.js'
import type { Job } from './job.js'
import { insert, lookup, without } from './table.js'
import { withProcess } from './world.js'
import type { SimNode, World } from './world.js'

/** The node of that name in the running QEMU, or nothing. */
export const nodeOf = (world: World, name: string): SimNode | undefined =>
  world.qemu === undefined ? undefined : lookup(world.qemu.nodes, name)

/** A node that is known to be there. */
export const knownNode = (world: World, name: string): SimNode => {
  const node = nodeOf(world, name)
  if (node === undefined) throw new Error(`unreachable: no node ${JSON.stringify(name)}`)
  return node
}

/** The world with a node changed. */
export const withNode = (world: World, name: string, change: Partial<SimNode>): World =>
  world.qemu === undefined
    ? world
    : withProcess(world, { nodes: insert(world.qemu.nodes, name, { ...knownNode(world, name), ...change }) })

/** The nodes from one down to the lowest, uppermost first. */
export const downFrom = (world: World, name: string): ReadonlyArray<SimNode> => {
  const found: Array<SimNode> = []
  for (let at = nodeOf(world, name); at !== undefined;) {
    found.push(at)
    at = at.backing === undefined ? undefined : nodeOf(world, at.backing)
  }
  return found
}

/** The nodes from `top` down to above `base`; to the lowest where there is no base, or where base is not below. */
export const between = (world: World, top: string | undefined, base: string | undefined): ReadonlyArray<SimNode> => {
  const found: Array<SimNode> = []
  for (let at = top === undefined ? undefined : nodeOf(world, top); at !== undefined && at.name !== base;) {
    found.push(at)
    at = at.backing === undefined ? undefined : nodeOf(world, at.backing)
  }
  return found
}

/** What the layers of some nodes, uppermost first, are together: holes remain where all of them have one. */
export const productOf = (world: World, nodes: ReadonlyArray<SimNode>): Layer => {
  const layers: ReadonlyArray<Layer> = nodes.map(({ file }) => liveLayer(world, file)).reverse()
  return isNonEmpty(layers) ? product(layers) : emptyLayer(0)
}

const dropName = (names: ReadonlyArray<string>, name: string): ReadonlyArray<string> =>
  names.filter((other) => other !== name)

const opened = (world: World, node: SimNode, change: 'open' | 'close'): World => {
  if (world.qemu === undefined || node.kind === 'storage') return world
  const others = dropName(lookup(world.qemu.open, node.file) ?? [], node.name)
  const names = change === 'open' ? [...others, node.name] : others
  const open = names.length === 0 ? without(world.qemu.open, node.file) : insert(world.qemu.open, node.file, names)
  return withProcess(world, { open })
}

/** Adds a node and ties it to its storage node and its backing node. */
export const addNode = (world: World, node: SimNode): World => {
  if (world.qemu === undefined) return world
  let nodes = insert(world.qemu.nodes, node.name, node)
  const storage = node.storage === undefined ? undefined : lookup(nodes, node.storage)
  if (storage !== undefined) nodes = insert(nodes, storage.name, { ...storage, users: [...storage.users, node.name] })
  const backing = node.backing === undefined ? undefined : lookup(nodes, node.backing)
  if (backing !== undefined)
    nodes = insert(nodes, backing.name, { ...backing, overlays: [...backing.overlays, node.name] })
  return opened(withProcess(world, { nodes }), node, 'open')
}

const needs = ({ held, work }: Job, name: string): boolean =>
  held.has(name) || (work._tag === 'Backup' && work.source === name)

const isLoose = (world: World, node: SimNode): boolean =>
  node.owner === 'implicit' &&
  node.kind === 'format' &&
  node.overlays.length === 0 &&
  world.qemu?.root !== node.name &&
  !(world.qemu?.jobs.some((job) => job.status !== 'concluded' && needs(job, node.name)) ?? false)

const takeOut = (world: World, node: SimNode): World => {
  const closed = opened(flush(world, node.file), node, 'close')
  if (closed.qemu === undefined) return closed
  let left = withProcess(closed, { nodes: without(closed.qemu.nodes, node.name) })
  const storage = node.storage === undefined ? undefined : nodeOf(left, node.storage)
  if (storage !== undefined)
    left =
      storage.owner === 'implicit'
        ? withProcess(left, { nodes: without(left.qemu?.nodes ?? closed.qemu.nodes, storage.name) })
        : withNode(left, storage.name, { users: dropName(storage.users, node.name) })
  if (node.backing !== undefined)
    left = withNode(left, node.backing, { overlays: dropName(knownNode(left, node.backing).overlays, node.name) })
  return left
}

/** Drops nodes that nobody refers to any more, from this one downwards: implicit ones live as long as someone does. */
export const dropLoose = (world: World, name: string | undefined): World => {
  let left = world
  for (let at = name === undefined ? undefined : nodeOf(left, name); at !== undefined && isLoose(left, at);) {
    left = takeOut(left, at)
    at = at.backing === undefined ? undefined : nodeOf(left, at.backing)
  }
  return left
}

/** Closes a node, and whatever lived only through it. */
export const removeNode = (world: World, name: string): World => {
  const node = knownNode(world, name)
  return dropLoose(takeOut(world, node), node.backing)
}

/** Gives a node another backing node, or none. */
export const setBacking = (world: World, name: string, backing: string | undefined): World => {
  const node = knownNode(world, name)
  let changed = withNode(world, name, { backing })
  if (node.backing !== undefined)
    changed = withNode(changed, node.backing, { overlays: dropName(knownNode(changed, node.backing).overlays, name) })
  if (backing !== undefined)
    changed = withNode(changed, backing, { overlays: [...dropName(knownNode(changed, backing).overlays, name), name] })
  return node.backing === backing ? changed : dropLoose(changed, node.backing)
}

/** Lets the guest's disk read another node. */
export const setRoot = (world: World, name: string): World => {
  const old = world.qemu?.root
  return dropLoose(withProcess(world, { root: name }), old === name ? undefined : old)
}

/** A node name that nobody has given: `#block` and a number, as QEMU makes them. */
export const freshName = (world: World): { readonly name: string; readonly world: World } => {
  const counter = (world.qemu?.counter ?? 0) + 1
  return { name: `#block${counter}`, world: withProcess(world, { counter }) }
}
