import * as E from 'fp-ts/lib/Either.js'

import { qemuRefuses } from './fault.js'
import type { Outcome } from './fault.js'
import { fileOf, isKept } from './files.js'
import { addNode, freshName, nodeOf, setBacking } from './graph.js'
import { newNode } from './node.js'
import { referenceOf, walkChain } from './stored.js'
import type { StoredImage } from './stored.js'
import { lookup } from './table.js'
import type { FileHeader, SimNode, World } from './world.js'

const prefix = 'Could not open backing file: '

const isWritten = (world: World, image: StoredImage): boolean =>
  isKept(fileOf(world, image.inode), 'read') ||
  (world.qemu === undefined ? [] : (lookup(world.qemu.open, image.inode) ?? [])).some(
    (name) => nodeOf(world, name)?.access === 'read-write',
  )

const implicit = (image: StoredImage, name: string): SimNode =>
  newNode({
    name,
    kind: 'format',
    driver: image.format,
    file: image.inode,
    openedAs: image.path,
    owner: 'implicit',
    access: 'read-only',
    named: 'made up',
  })

const addBelow = (world: World, node: SimNode, images: ReadonlyArray<StoredImage>): Outcome => {
  let below = world
  let above = node.name
  for (const [depth, image] of images.entries()) {
    if (isWritten(world, image)) return qemuRefuses(`${prefix.repeat(depth + 1)}Failed to get shared "write" lock`)
    const { name, world: counted } = freshName(below)
    below = setBacking(addNode(counted, implicit(image, name)), above, name)
    above = name
  }
  return E.right(below)
}

/**
 * Opens what lies below a node as its header says, in nodes of QEMU's own that live as long as it does.
 *
 * Each level puts its own words in front of what went wrong below it.
 */
export const openBelow = (world: World, node: SimNode, header: FileHeader): Outcome => {
  const { images, fault } = walkChain(world, referenceOf(world, node.openedAs, header), 'QEMU')
  const front = prefix.repeat(images.length + 1)
  if (fault !== undefined) return E.left(fault._tag === 'Refused' ? { ...fault, desc: front + fault.desc } : fault)
  return addBelow(world, node, images)
}
