import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { emptyLayer } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { product } from '../content/override.js'
import { allocatedRanges } from './cells.js'
import { endsBefore, noSpace, writtenWithin } from './device.js'
import { qemuImgRefuses } from './fault.js'
import type { Fault, Outcome } from './fault.js'
import { fileOf, grown, growthRefusal, headerPath, keyOf, withLayer } from './files.js'
import type { Parsed } from './qemu-img-argv.js'
import { lockRefusal, openOperand } from './qemu-img-open.js'
import type { Opened } from './qemu-img-open.js'
import type { StoredImage } from './stored.js'
import type { World } from './world.js'

/** The place of the base in the chain: `-b` is matched from where the image is, and the default is its own backing file. */
const baseAt = ({ image, chain }: Opened, parsed: Parsed): E.Either<Fault, number> => {
  const given = parsed.options.get('-b')
  if (given === undefined) return chain.length < 2 ? qemuImgRefuses('Image does not have a backing file') : E.right(1)
  const path = headerPath(image.path, given)
  const place = chain.findIndex((one, index) => index > 0 && keyOf(one.path) === path)
  return place < 0
    ? qemuImgRefuses(`Did not find '${given}' in the backing chain of '${parsed.operands[0] ?? ''}'`)
    : E.right(place)
}

/** Makes base at least that large, or says why it cannot grow. */
const enlarged = (
  world: World,
  [base, below]: readonly [StoredImage, ...ReadonlyArray<StoredImage>],
  sizeBytes: number,
): World | string => {
  const file = fileOf(world, base.inode)
  if (file.layer.sizeBytes >= sizeBytes) return world
  const backingBytes = below === undefined ? undefined : fileOf(world, below.inode).layer.sizeBytes
  if (endsBefore(world, base.inode, sizeBytes)) return 'Invalid argument'
  if (growthRefusal(file, backingBytes) !== undefined) return 'Operation not supported'
  return withLayer(world, base.inode, grown(file.layer, sizeBytes, backingBytes))
}

const productOfStored = (world: World, images: ReadonlyArray<StoredImage>): Layer => {
  const layers: ReadonlyArray<Layer> = images.map(({ inode }) => fileOf(world, inode).layer).reverse()
  return isNonEmpty(layers) ? product(layers) : emptyLayer(0)
}

const committed = (world: World, { image, chain }: Opened, place: number): Outcome => {
  const [base, below] = chain.slice(place)
  if (base === undefined) return qemuImgRefuses('Image does not have a backing file')
  const refused = lockRefusal(world, base, 'write')
  if (refused !== undefined) return refused
  const source = productOfStored(world, chain.slice(0, place))
  const sizeBytes = fileOf(world, image.inode).layer.sizeBytes
  const ready = enlarged(world, below === undefined ? [base] : [base, below], sizeBytes)
  if (typeof ready === 'string') return qemuImgRefuses(`Block job failed: ${ready}`)
  const { layer, full } = writtenWithin(ready, base.inode, { from: source, ranges: allocatedRanges(source) })
  const done = withLayer(ready, base.inode, layer)
  return full
    ? E.left({ _tag: 'Failed', by: 'qemu-img', desc: `Block job failed: ${noSpace}`, world: done })
    : E.right(done)
}

/**
 * `qemu-img commit`: what lies above the base goes into it; a smaller base grows, a larger one keeps its tail. No header is
 * rewritten. Without `-d` and `-b` the image is emptied.
 */
export const commit = (world: World, parsed: Parsed): Outcome => {
  const opened = openOperand(world, parsed, 'write')
  if (E.isLeft(opened)) return opened
  const { image } = opened.right
  const keeps = parsed.options.has('-d') || parsed.options.has('-b')
  return pipe(
    baseAt(opened.right, parsed),
    E.flatMap((place) => committed(world, opened.right, place)),
    E.map((done) =>
      keeps ? done : withLayer(done, image.inode, emptyLayer(fileOf(done, image.inode).layer.sizeBytes)),
    ),
  )
}
