import { withFile, fileOf } from './files.js'
import { flushAll } from './cache.js'
import { entriesOf } from './table.js'
import type { World } from './world.js'

/** Bitmaps that were recording when QEMU died say nothing any more. */
const spoilBitmaps = (world: World): World => {
  let spoilt = world
  for (const [, node] of world.qemu === undefined ? [] : entriesOf(world.qemu.nodes)) {
    const { bitmaps } = fileOf(world, node.file)
    if (node.kind === 'storage' || node.access === 'read-only' || !bitmaps.some(({ state }) => state === 'recording'))
      continue
    spoilt = withFile(spoilt, node.file, {
      bitmaps: bitmaps.map((bitmap) => (bitmap.state === 'recording' ? { ...bitmap, state: 'inconsistent' } : bitmap)),
    })
  }
  return spoilt
}

const gone = (world: World): World => ({
  ...world,
  qemu: undefined,
  domain: world.domain === undefined ? undefined : { ...world.domain, job: undefined, event: undefined },
})

/**
 * What is left after `kill -9` of QEMU: the files as they are on disk. Whatever was only in its cache is lost.
 *
 * Law: `kill(kill(world))` equals `kill(world)`.
 *
 * @since 0.1.0
 */
export const kill = (world: World): World => gone(spoilBitmaps(world))

/**
 * What is left after QEMU has ended in order: everything is flushed, and jobs that still ran are cancelled.
 *
 * @since 0.1.0
 */
export const quit = (world: World): World => gone(flushAll(world))
