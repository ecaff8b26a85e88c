import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { solid } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { view } from '../content/view.js'
import type { Format } from '../model/format.js'
import { unmodelled } from './fault.js'
import type { Fault } from './fault.js'
import { fileOf } from './files.js'
import { downFrom, productOf } from './graph.js'
import { quit } from './process.js'
import { bootReference, start } from './start.js'
import { storedChain } from './stored.js'
import type { StoredImage } from './stored.js'
import type { World } from './world.js'

/**
 * An image of the chain that the running QEMU has, or that a program would open.
 *
 * @since 0.1.0
 */
export interface SeenImage {
  readonly path: string
  readonly format: string
  /** The node of a live chain. */
  readonly node: string | undefined
  /** The backing string that the image's header stores now. */
  readonly header: string | undefined
}

const seen = (world: World, image: StoredImage): SeenImage => ({
  path: image.path,
  format: image.format,
  node: undefined,
  header: fileOf(world, image.inode).header?.string,
})

/** The chain that the nodes of a running QEMU show from a node on, base first. */
export const chainFrom = (world: World, name: string): ReadonlyArray<SeenImage> =>
  downFrom(world, name)
    .map((node) => ({
      path: node.openedAs,
      format: node.driver,
      node: node.name,
      header: fileOf(world, node.file).header?.string,
    }))
    .reverse()

/**
 * The chain of the guest's disk in the running QEMU, base first; empty where none runs.
 *
 * @since 0.1.0
 */
export const liveChain = (world: World): ReadonlyArray<SeenImage> =>
  world.qemu === undefined ? [] : chainFrom(world, world.qemu.root)

/**
 * The chain that a program finds on disk from an image downwards by the headers, base first.
 *
 * Faults: `Refused` where an image is missing or of another format than its overlay says, `Hang` for a loop.
 *
 * @since 0.1.0
 */
export const durableChain = (world: World, path: string): E.Either<Fault, ReadonlyArray<SeenImage>> =>
  pipe(
    storedChain(world, { path, format: undefined, backing: undefined }, 'qemu-img'),
    E.map((images) => images.map((image) => seen(world, image)).reverse()),
  )

/**
 * The chain that the guest's disk would have after the next start, base first: what libvirt stores of it overrides the headers.
 *
 * @since 0.1.0
 */
export const startChain = (world: World): E.Either<Fault, ReadonlyArray<SeenImage>> =>
  pipe(
    storedChain(world, bootReference(world.boot), 'QEMU'),
    E.map((images) => images.map((image) => seen(world, image)).reverse()),
  )

/** What stored images, uppermost first, show together. */
export const viewOfStored = (world: World, images: ReadonlyArray<StoredImage>): Layer | undefined => {
  const layers: ReadonlyArray<Layer> = images.map(({ inode }) => fileOf(world, inode).layer).reverse()
  return isNonEmpty(layers) ? view(layers) : undefined
}

/**
 * What a program reads from an image as it is on disk, through its header: `qemu-img convert` of it.
 *
 * What a running QEMU holds only in its cache is not seen. `format` opens it with a format; left out, with its own.
 *
 * @since 0.1.0
 */
export const fileView = (world: World, path: string, format?: Format): E.Either<Fault, Layer> =>
  pipe(
    storedChain(world, { path, format, backing: undefined }, 'qemu-img'),
    E.flatMap((images) => {
      const shown = viewOfStored(world, images)
      return shown === undefined ? unmodelled('an empty chain') : E.right(shown)
    }),
  )

/**
 * What the guest reads from its disk now; where it is shut off, what it would read after the next start.
 *
 * Gives nothing where it cannot be started. A storage daemon that runs ends first, in order.
 *
 * @since 0.1.0
 */
export const guestView = (of: World): Layer | undefined => {
  const world = of.qemu?.guest === 'none' ? quit(of) : of
  const running = world.qemu === undefined ? start(world) : E.right(world)
  if (E.isLeft(running) || running.right.qemu === undefined) return undefined
  return solid(productOf(running.right, downFrom(running.right, running.right.qemu.root)))
}
