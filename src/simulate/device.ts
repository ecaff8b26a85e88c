import { defaultClusterBytes } from '../content/pattern.js'
import type { Layer } from '../content/layer.js'
import { liveLayer } from './cache.js'
import { paste } from './cells.js'
import { fileOf, inodeOf, withFile } from './files.js'
import type { Range } from './job.js'
import type { SimFile, World } from './world.js'

/**
 * The world with a file on a device of that size, which nothing is written beyond.
 *
 * A raw image takes its size of it, any other whole clusters of data, those of its snapshots too; tables are not counted. The same
 * world where there is no such file.
 *
 * @example
 * import { parseChain } from 'backing-chain'
 * import { perform, withDevice, worldOf } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const done = pipe(
 *   parseChain('base[aa--] <- active[-bb-]^'),
 *   E.chainW(({ chain, contents }) => worldOf(chain, contents, { guest: 'shut-off' })),
 *   E.map((world) => withDevice(world, '/images/base', 131_072)),
 *   E.chainW((world) => perform(world, { _tag: 'QemuImg', argv: ['qemu-img', 'commit', '/images/active'] })),
 * )
 * E.isLeft(done) && '_tag' in done.left && done.left._tag === 'Failed' ? done.left.desc : ''
 * // => 'Block job failed: No space left on device'
 *
 * @since 0.2.0
 */
export const withDevice = (world: World, path: string, deviceBytes: number | undefined): World => {
  const inode = inodeOf(world, path)
  return inode === undefined ? world : withFile(world, inode, { deviceBytes })
}

/** What a layer stores in each of its clusters, as far as that is data. */
const clustersOf = (layer: Layer, bytes: number): ReadonlyArray<string> => {
  const clusters = new Map<number, string>()
  for (const run of layer.runs) {
    if (run.kind === 'zero') continue
    for (let at = Math.floor(run.startBytes / bytes); at * bytes < run.endBytes; at++) {
      const [from, to] = [Math.max(run.startBytes - at * bytes, 0), Math.min(run.endBytes - at * bytes, bytes)]
      clusters.set(at, `${clusters.get(at) ?? ''} ${String(from)}-${String(to)} ${run.source}`)
    }
  }
  return Array.from(clusters, ([at, stored]) => `${String(at)}:${stored}`)
}

/** What an image takes of its device when it stores that layer; a cluster that a snapshot shares is there once. */
const takenBytes = ({ format, clusterBytes, internalSnapshots }: SimFile, layer: Layer): number => {
  if (format === 'raw') return layer.sizeBytes
  const bytes = clusterBytes ?? defaultClusterBytes
  const layers = [layer, ...internalSnapshots.map((saved) => saved.layer)]
  return new Set(layers.flatMap((one) => clustersOf(one, bytes))).size * bytes
}

/** True where the device of a file has room for a layer; a file that is on none has. */
export const holds = (world: World, inode: string, layer: Layer): boolean => {
  const file = fileOf(world, inode)
  return file.deviceBytes === undefined || takenBytes(file, layer) <= file.deviceBytes
}

/** True where a raw image cannot grow to that size: it is as large as its device at most. */
export const endsBefore = (world: World, inode: string, sizeBytes: number): boolean => {
  const { format, deviceBytes } = fileOf(world, inode)
  return format === 'raw' && deviceBytes !== undefined && deviceBytes < sizeBytes
}

export const noSpace = 'No space left on device'

/** What is to be written over an image: the ranges of a layer. */
export interface Pieces {
  readonly from: Layer
  readonly ranges: ReadonlyArray<Range>
}

/** What an image stores when pieces have been written over it, as far as there was room; `full` where there was not. */
export interface Written {
  readonly layer: Layer
  readonly full: boolean
}

const inClusters = (ranges: ReadonlyArray<Range>, bytes: number): ReadonlyArray<Range> =>
  ranges.flatMap(({ startBytes, endBytes }) => {
    const first = Math.floor(startBytes / bytes)
    const count = Math.ceil(endBytes / bytes) - first
    return Array.from({ length: count }, (_, at) => ({
      startBytes: Math.max(startBytes, (first + at) * bytes),
      endBytes: Math.min(endBytes, (first + at + 1) * bytes),
    }))
  })

/** Writes pieces over what an image stores, cluster by cluster until its device is full. */
export const writtenWithin = (world: World, inode: string, { from, ranges }: Pieces): Written => {
  const old = liveLayer(world, inode)
  const whole = paste(old, from, ranges)
  if (holds(world, inode, whole)) return { layer: whole, full: false }
  let layer = old
  for (const range of inClusters(ranges, fileOf(world, inode).clusterBytes ?? defaultClusterBytes)) {
    const next = paste(layer, from, [range])
    if (!holds(world, inode, next)) break
    layer = next
  }
  return { layer, full: true }
}
