import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { qemuImgRefuses, unmodelled } from './fault.js'
import type { Outcome } from './fault.js'
import { fileOf } from './files.js'
import type { Parsed } from './qemu-img-argv.js'
import { openOperand } from './qemu-img-open.js'
import { appliedIn, dropSaved, restoreLayer, savedIn, saveLayer } from './saved-layer.js'
import type { World } from './world.js'

const create = (world: World, inode: string, name: string): Outcome =>
  fileOf(world, inode).format === 'qcow2'
    ? E.right(saveLayer(world, inode, { name, vmStateBytes: 0 }))
    : qemuImgRefuses(`Could not create snapshot '${name}': Operation not supported`)

const apply = (world: World, inode: string, name: string): Outcome => {
  const { bitmaps, format } = fileOf(world, inode)
  const saved = appliedIn(world, inode, name)
  const front = `Could not apply snapshot '${name}'`
  if (format !== 'qcow2') return qemuImgRefuses(`${front}: Operation not supported`)
  if (bitmaps.length > 0) return qemuImgRefuses(`${front}: Device has active dirty bitmaps`)
  return saved === undefined
    ? qemuImgRefuses(`${front}: Failed to load snapshot: No such file or directory`)
    : E.right(restoreLayer(world, inode, saved))
}

const remove = (world: World, inode: string, name: string): Outcome => {
  const saved = savedIn(world, inode, name)
  return saved === undefined
    ? qemuImgRefuses(`Could not delete snapshot '${name}': snapshot not found`)
    : E.right(dropSaved(world, inode, saved))
}

const verbs = { '-c': create, '-a': apply, '-d': remove } as const

/** `qemu-img snapshot`: what a qcow2 image itself stores is saved inside it, brought back, or forgotten. */
export const snapshot = (world: World, parsed: Parsed): Outcome => {
  const given = (['-c', '-a', '-d'] as const).filter((option) => parsed.options.has(option))
  const [verb, another] = given
  if (another !== undefined) return unmodelled('qemu-img snapshot with two verbs')
  if (verb === undefined) return E.right(world)
  const name = parsed.options.get(verb) ?? ''
  return pipe(
    openOperand(world, parsed, 'write'),
    E.flatMap(({ image }) => verbs[verb](world, image.inode, name)),
  )
}
