import type { Layer } from '../content/layer.js'
import { liveLayer } from './cache.js'
import { fileOf, withFile } from './files.js'
import type { SavedLayer, World } from './world.js'

/** The internal snapshot of that name in a file: the first. */
export const savedIn = (world: World, inode: string, name: string): SavedLayer | undefined =>
  fileOf(world, inode).internalSnapshots.find((one) => one.name === name)

/** The one that qemu-img applies: that with the number, if there is one, else the first of that name. */
export const appliedIn = (world: World, inode: string, text: string): SavedLayer | undefined =>
  fileOf(world, inode).internalSnapshots.find(({ id }) => id === text) ?? savedIn(world, inode, text)

/** Saves what an image stores itself under a name; numbers go up. */
export const saveLayer = (world: World, inode: string, what: Pick<SavedLayer, 'name' | 'vmStateBytes'>): World => {
  const { internalSnapshots } = fileOf(world, inode)
  const id = String(Math.max(0, ...internalSnapshots.map((one) => Number(one.id))) + 1)
  const saved = { ...what, id, layer: liveLayer(world, inode) }
  return withFile(world, inode, { internalSnapshots: [...internalSnapshots, saved] })
}

/** What is saved under a name becomes what the image stores, its size too. */
export const restoreLayer = (world: World, inode: string, { layer }: { readonly layer: Layer }): World =>
  withFile(world, inode, { layer })

/** Forgets what is saved under a number. */
export const dropSaved = (world: World, inode: string, { id }: Pick<SavedLayer, 'id'>): World =>
  withFile(world, inode, { internalSnapshots: fileOf(world, inode).internalSnapshots.filter((one) => one.id !== id) })
