import * as E from 'fp-ts/lib/Either.js'

import type { BlockdevSnapshot, TransactionAction } from '../call/qmp.js'
import { isFormat, traitsOf } from '../model/format.js'
import { flush } from './cache.js'
import { qemuRefuses } from './fault.js'
import type { Outcome } from './fault.js'
import { fileOf, withFile } from './files.js'
import { nodeOf, setBacking, setRoot, withNode } from './graph.js'
import { blockdevBackup } from './qmp-backup.js'
import { noSuchNode, objectionToBusy, objectionToChange } from './qmp-check.js'
import type { Objection } from './qmp-check.js'
import { snapshotInternal } from './qmp-internal.js'
import type { SimNode, World } from './world.js'

const objectionTo = (world: World, overlay: SimNode): Objection => {
  const used = overlay.overlays.length > 0 || world.qemu?.root === overlay.name
  if (used || objectionToBusy(world, overlay.name) !== undefined) return 'The overlay is already in use'
  if (overlay.backing !== undefined) return 'The overlay already has a backing image'
  if (!isFormat(overlay.driver) || traitsOf(overlay.driver).holds === 'base')
    return 'The overlay does not support backing images'
  return overlay.access === 'read-only' ? 'Block node is read-only' : undefined
}

/**
 * `blockdev-snapshot`: the overlay comes between the disk and its node, which is flushed and closed for writing.
 *
 * No header is written, and neither the size of the overlay nor what it holds or names is looked at.
 */
export const blockdevSnapshot = (world: World, args: BlockdevSnapshot['arguments']): Outcome => {
  const node = nodeOf(world, args.node)
  if (node === undefined) return qemuRefuses(noSuchNode(args.node))
  const busy = objectionToChange(world, node)
  if (busy !== undefined) return qemuRefuses(busy)
  const overlay = nodeOf(world, args.overlay)
  if (overlay === undefined) return qemuRefuses(noSuchNode(args.overlay))
  const objection = objectionTo(world, overlay)
  if (objection !== undefined) return qemuRefuses(objection)
  const frozen = withNode(flush(world, node.file), node.name, { access: 'read-only' })
  const laid = setBacking(frozen, overlay.name, node.name)
  return E.right(world.qemu?.root === node.name ? setRoot(laid, overlay.name) : laid)
}

type BitmapAdd = Extract<TransactionAction, { readonly type: 'block-dirty-bitmap-add' }>['data']

const objectionToBitmap = (world: World, node: SimNode, data: BitmapAdd): Objection => {
  const file = fileOf(world, node.file)
  if (file.bitmaps.some(({ name }) => name === data.name)) return `Bitmap already exists: ${data.name}`
  if (data.granularity < 512 || !Number.isInteger(Math.log2(data.granularity)))
    return 'Granularity must be power of 2 and at least 512'
  return data.persistent && file.version === 2 ? 'Cannot store dirty bitmaps in qcow2 v2 files' : undefined
}

/** A bitmap that is not persistent leaves no trace in a file, and is not modelled further. */
const addBitmap = (world: World, data: BitmapAdd): Outcome => {
  const node = nodeOf(world, data.node)
  if (node === undefined) return qemuRefuses(noSuchNode(data.node))
  const objection = objectionToBitmap(world, node, data)
  if (objection !== undefined) return qemuRefuses(objection)
  if (!data.persistent) return E.right(world)
  const bitmap = { name: data.name, granularityBytes: data.granularity, state: 'recording' } as const
  return E.right(withFile(world, node.file, { bitmaps: [...fileOf(world, node.file).bitmaps, bitmap] }))
}

const acted = (world: World, action: TransactionAction): Outcome => {
  switch (action.type) {
    case 'blockdev-backup':
      return blockdevBackup(world, action.data)
    case 'blockdev-snapshot':
      return blockdevSnapshot(world, action.data)
    case 'blockdev-snapshot-internal-sync':
      return snapshotInternal(world, action.data)
    case 'block-dirty-bitmap-add':
      return addBitmap(world, action.data)
  }
}

/** `transaction`: all actions or none; each sees what those before it did. */
export const transaction = (world: World, actions: ReadonlyArray<TransactionAction>): Outcome => {
  let done: Outcome = E.right(world)
  for (const action of actions) {
    if (E.isLeft(done)) return done
    done = acted(done.right, action)
  }
  return done
}
