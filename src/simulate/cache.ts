import type { Layer } from '../content/layer.js'
import type { Run } from '../content/run.js'
import { layerOfRuns } from '../content/layer.js'
import { paste, storable } from './cells.js'
import { fileOf, withLayer } from './files.js'
import { emptyTable, entriesOf, insert, lookup, without } from './table.js'
import { withProcess } from './world.js'
import type { World } from './world.js'

/**
 * What an inode holds as the running QEMU sees it: from its cache where something has not reached the disk yet.
 *
 * The data of a cluster and the table that points to it are written apart; what is lost with the cache is the table, and
 * then the cluster reads as if it had never been written.
 */
export const liveLayer = (world: World, inode: string): Layer =>
  (world.qemu === undefined ? undefined : lookup(world.qemu.cache, inode)) ?? fileOf(world, inode).layer

/** Writes into the cache of the running QEMU; a kill loses it. */
export const writeCached = (world: World, inode: string, layer: Layer): World =>
  world.qemu === undefined
    ? withLayer(world, inode, layer)
    : withProcess(world, {
        cache: insert(world.qemu.cache, inode, storable(fileOf(world, inode).format, layer)),
      })

/** Brings one inode's cache to the disk. */
export const flush = (world: World, inode: string): World => {
  const cached = world.qemu === undefined ? undefined : lookup(world.qemu.cache, inode)
  if (world.qemu === undefined) return world
  const { unflushed } = world.qemu
  const whole = lookup(unflushed, inode) === undefined ? {} : { unflushed: without(unflushed, inode) }
  if (cached === undefined) return 'unflushed' in whole ? withProcess(world, whole) : world
  return withProcess(withLayer(world, inode, cached), { cache: without(world.qemu.cache, inode), ...whole })
}

/** Brings everything to the disk, as `stop` and a graceful end do. */
export const flushAll = (world: World): World => {
  if (world.qemu === undefined) return world
  let flushed = world
  for (const [inode, layer] of entriesOf(world.qemu.cache)) flushed = withLayer(flushed, inode, layer)
  return withProcess(flushed, { cache: emptyTable, unflushed: emptyTable })
}

/** The layer with one run written over it. */
export const written = (layer: Layer, run: Run): Layer => paste(layer, layerOfRuns(layer.sizeBytes, [run]), [run])

/** Remembers what a copy has of a qcow2 file from now on until QEMU flushes it. */
const withUnflushed = (world: World, inode: string): World => {
  const { format, layer } = fileOf(world, inode)
  if (world.qemu === undefined || format === 'raw' || lookup(world.qemu.unflushed, inode) !== undefined) return world
  return withProcess(world, { unflushed: insert(world.qemu.unflushed, inode, layer) })
}

/** What a program that copies a file, and asks nobody, has of it: not what QEMU has not flushed. */
export const copiedLayer = (world: World, inode: string): Layer =>
  (world.qemu === undefined ? undefined : lookup(world.qemu.unflushed, inode)) ?? fileOf(world, inode).layer

/**
 * Writes a run of the guest, to the disk and to what the cache holds of the file.
 *
 * A real write that the guest has not flushed can be lost by a kill. Here it is not: no plan promises anything about it, and a
 * law that compares a restart with what the guest saw last needs it. A copy that is made beside QEMU lacks it: see {@link copiedLayer}.
 */
export const writeThrough = (world: World, inode: string, run: Run): World => {
  const cached = world.qemu === undefined ? undefined : lookup(world.qemu.cache, inode)
  const noted = withUnflushed(world, inode)
  const durable = withLayer(noted, inode, written(fileOf(noted, inode).layer, run))
  return cached === undefined ? durable : writeCached(durable, inode, written(cached, run))
}
