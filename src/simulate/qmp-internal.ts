import * as E from 'fp-ts/lib/Either.js'

import type { SnapshotDeleteInternal, SnapshotInternal } from '../call/qmp.js'
import { flush } from './cache.js'
import { qemuRefuses } from './fault.js'
import type { Outcome } from './fault.js'
import { fileOf } from './files.js'
import { nodeOf } from './graph.js'
import { letsGo } from './job.js'
import { isBackedUp, noSuchNode } from './qmp-check.js'
import { dropSaved, saveLayer } from './saved-layer.js'
import type { SimNode, World } from './world.js'

/** True for the filter that the disk's device is attached to: what it is named for reaches the format node below. */
export const isRootFilter = (world: World, name: string): boolean =>
  world.qemu !== undefined && nodeOf(world, world.qemu.root)?.filters.at(-1) === name

/** The node of that name, or the format node below the filter of that name at the disk's root. */
export const nodeOrBelow = (world: World, name: string): SimNode | undefined =>
  nodeOf(world, name) ?? (isRootFilter(world, name) ? nodeOf(world, world.qemu?.root ?? '') : undefined)

/** True where a copy, or a commit of the active image, has laid its filter over a node. */
const isMirrored = (world: World, name: string): boolean =>
  world.qemu?.jobs.some((job) => job.work._tag === 'Mirror' && job.work.source === name && !letsGo(job)) ?? false

/** A node that nothing but a disk's device uses; QEMU gives it by its own name only where no filter is above it. */
const isRoot = (world: World, node: SimNode, given: string): boolean =>
  node.kind === 'format' &&
  node.overlays.length === 0 &&
  (node.filters.length === 0 || node.name !== given) &&
  !isMirrored(world, node.name) &&
  !isBackedUp(world, node.name)

/** `blockdev-snapshot-internal-sync`: flushes one image, and saves inside it what it stores. The guest is not stopped. */
export const snapshotInternal = (world: World, { device, name }: SnapshotInternal['arguments']): Outcome => {
  const node = nodeOrBelow(world, device)
  if (node === undefined) return qemuRefuses(noSuchNode(device))
  if (!isRoot(world, node, device)) return qemuRefuses('Need a root block node')
  if (node.access === 'read-only') return qemuRefuses(`Device '${device}' is read only`)
  const { format, internalSnapshots } = fileOf(world, node.file)
  if (format !== 'qcow2')
    return qemuRefuses(`Block format '${format}' used by device '${device}' does not support internal snapshots`)
  if (name === '') return qemuRefuses('Name is empty')
  return internalSnapshots.some((one) => one.name === name)
    ? qemuRefuses(`Snapshot with name '${name}' already exists on device '${device}'`)
    : E.right(saveLayer(flush(world, node.file), node.file, { name, vmStateBytes: 0 }))
}

/** `blockdev-snapshot-delete-internal-sync`: the first that has both the id and the name, where both are given. */
export const snapshotDeleteInternal = (world: World, args: SnapshotDeleteInternal['arguments']): Outcome => {
  const { device, id, name } = args
  const node = nodeOrBelow(world, device)
  if (node === undefined) return qemuRefuses(noSuchNode(device))
  if (!isRoot(world, node, device)) return qemuRefuses('Need a root block node')
  if (id === undefined && name === undefined) return qemuRefuses('Name or id must be provided')
  const saved = fileOf(world, node.file).internalSnapshots.find(
    (one) => (id === undefined || one.id === id) && (name === undefined || one.name === name),
  )
  return saved === undefined
    ? qemuRefuses(
        `Snapshot with id '${id ?? 'null'}' and name '${name ?? 'null'}' does not exist on device '${device}'`,
      )
    : E.right(dropSaved(world, node.file, saved))
}
