import { layerOfRuns, solid } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { override } from '../content/override.js'
import { flush, liveLayer, writeCached } from './cache.js'
import { allocatedRanges, paste, runsIn, takeRanges, withRange } from './cells.js'
import { endsBefore, noSpace, writtenWithin } from './device.js'
import type { Pieces } from './device.js'
import { fileOf, grown, growthRefusal, withLayer } from './files.js'
import { between, downFrom, knownNode, nodeOf, productOf } from './graph.js'
import type { CommitWork, MirrorWork, Range, StreamWork } from './job.js'
import { clusterBytesOf } from './qmp-mirror.js'
import type { SimNode, World } from './world.js'

/** What one step of copying comes to. `work` is undefined when there is nothing left to copy. */
export type Copied<W> =
  | { readonly _tag: 'Copied'; readonly world: World; readonly work: W }
  | { readonly _tag: 'Done' }
  | { readonly _tag: 'Failed'; readonly error: string; readonly world?: World }

/** Makes an image at least that large, as a commit does to its base before it copies; or the reason why it cannot be. */
const enlarged = (world: World, node: SimNode, sizeBytes: number): World | string => {
  if (liveLayer(world, node.file).sizeBytes >= sizeBytes) return world
  const below = node.backing === undefined ? undefined : nodeOf(world, node.backing)
  const backingBytes = below === undefined ? undefined : liveLayer(world, below.file).sizeBytes
  const flushed = flush(world, node.file)
  if (endsBefore(world, node.file, sizeBytes)) return 'Invalid argument'
  if (growthRefusal(fileOf(flushed, node.file), backingBytes) !== undefined) return 'Operation not supported'
  return withLayer(flushed, node.file, grown(fileOf(flushed, node.file).layer, sizeBytes, backingBytes))
}

/** The ranges from an offset on. */
const rangesFrom = (layer: Layer, atBytes: number): ReadonlyArray<Range> =>
  allocatedRanges(layerOfRuns(layer.sizeBytes, runsIn(layer, { startBytes: atBytes, endBytes: layer.sizeBytes })))

/** Writes pieces into the cache of an image, as far as its device goes: beyond that the job fails. */
const copiedTo = <W>(world: World, { inode, ...pieces }: Pieces & { readonly inode: string }, work: W): Copied<W> => {
  const { layer, full } = writtenWithin(world, inode, pieces)
  const copied = writeCached(world, inode, layer)
  return full ? { _tag: 'Failed', error: noSpace, world: copied } : { _tag: 'Copied', world: copied, work }
}

/**
 * One step of an intermediate commit: enlarges base first, then copies at most `limitBytes` of what is allocated above it.
 *
 * It stops at the end of `top`: beyond it base keeps what it has, even where the overlay of top read zeroes.
 */
export const copyCommit = (world: World, work: CommitWork, limitBytes: number | undefined): Copied<CommitWork> => {
  const base = knownNode(world, work.base)
  const source = productOf(world, between(world, work.top, work.base))
  if (work.atBytes === undefined) {
    const ready = enlarged(world, base, source.sizeBytes)
    if (typeof ready === 'string') return { _tag: 'Failed', error: ready }
    return { _tag: 'Copied', world: ready, work: { ...work, atBytes: 0 } }
  }
  const { taken } = takeRanges(rangesFrom(source, work.atBytes), limitBytes)
  const last = taken[taken.length - 1]
  if (last === undefined) return { _tag: 'Done' }
  return copiedTo(world, { inode: base.file, from: source, ranges: taken }, { ...work, atBytes: last.endBytes })
}

/**
 * One step of a stream: copies at most `limitBytes` of what the images between have where the target has a hole.
 *
 * The product of what lies between is as large as the uppermost of it. Where that is shorter than the target the rest stays a hole,
 * as in QEMU, which stops at the end of the target's own backing file.
 */
export const copyStream = (world: World, work: StreamWork, limitBytes: number | undefined): Copied<StreamWork> => {
  const target = knownNode(world, work.target)
  const nodes = between(world, target.backing, work.base)
  const own = liveLayer(world, target.file)
  const below = layerOfRuns(own.sizeBytes, runsIn(productOf(world, nodes), { startBytes: 0, endBytes: own.sizeBytes }))
  const { taken } = takeRanges(rangesFrom(below, work.atBytes), limitBytes)
  const last = taken[taken.length - 1]
  if (last === undefined) return { _tag: 'Done' }
  const pulled = paste(layerOfRuns(own.sizeBytes, []), below, taken)
  const copied = writeCached(world, target.file, override(pulled, own))
  return { _tag: 'Copied', world: copied, work: { ...work, atBytes: last.endBytes } }
}

/** What a mirror has to copy when it begins: everything, or what is allocated above the part that the target shares. */
const firstDirty = (world: World, work: MirrorWork): ReadonlyArray<Range> => {
  const source = knownNode(world, work.source)
  const own = liveLayer(world, source.file)
  if (work.commits) return allocatedRanges(productOf(world, between(world, work.source, work.target)))
  return work.sync === 'top' && source.backing !== undefined
    ? allocatedRanges(own)
    : [{ startBytes: 0, endBytes: own.sizeBytes }]
}

const beginMirror = (world: World, work: MirrorWork): Copied<MirrorWork> => {
  const target = knownNode(world, work.target)
  const sizeBytes = liveLayer(world, knownNode(world, work.source).file).sizeBytes
  const ready = work.commits ? enlarged(world, target, sizeBytes) : world
  if (typeof ready === 'string') return { _tag: 'Failed', error: ready }
  if (!work.commits && liveLayer(world, target.file).sizeBytes !== sizeBytes)
    return { _tag: 'Failed', error: 'Source and target image have different sizes' }
  const dirty = firstDirty(world, work).filter(({ startBytes, endBytes }) => startBytes < endBytes)
  return { _tag: 'Copied', world: ready, work: { ...work, dirty } }
}

/** The ranges with their ends moved out to whole clusters of the target. */
const wholeClusters = (ranges: ReadonlyArray<Range>, bytes: number, sizeBytes: number): ReadonlyArray<Range> =>
  ranges.reduce<ReadonlyArray<Range>>(
    (all, range) =>
      withRange(all, {
        startBytes: Math.floor(range.startBytes / bytes) * bytes,
        endBytes: Math.min(sizeBytes, Math.ceil(range.endBytes / bytes) * bytes),
      }),
    [],
  )

/** Copies ranges of what the guest reads to a mirror's target, with what that does to the rest of a larger cluster. */
export const copyRanges = (world: World, work: MirrorWork, ranges: ReadonlyArray<Range>): World => {
  const target = knownNode(world, work.target)
  const seen = solid(productOf(world, downFrom(world, work.source)))
  const old = liveLayer(world, target.file)
  if (work.padding === 'none') return writeCached(world, target.file, paste(old, seen, ranges))
  const whole = wholeClusters(ranges, clusterBytesOf(world, target), old.sizeBytes)
  if (work.padding === 'whole clusters') return writeCached(world, target.file, paste(old, seen, whole))
  const zeroes = paste(layerOfRuns(old.sizeBytes, []), solid(layerOfRuns(old.sizeBytes, [])), whole)
  return writeCached(world, target.file, paste(override(zeroes, old), seen, ranges))
}

/** One step of a mirror: looks what there is to copy first, then copies at most `limitBytes` of what is dirty. */
export const copyMirror = (world: World, work: MirrorWork, limitBytes: number | undefined): Copied<MirrorWork> => {
  if (work.dirty === undefined) return beginMirror(world, work)
  const { taken, rest } = takeRanges(work.dirty, limitBytes)
  if (taken.length === 0) return { _tag: 'Done' }
  if (work.commits) {
    const seen = solid(productOf(world, downFrom(world, work.source)))
    const { file } = knownNode(world, work.target)
    return copiedTo(world, { inode: file, from: seen, ranges: taken }, { ...work, dirty: rest })
  }
  return { _tag: 'Copied', world: copyRanges(world, work, taken), work: { ...work, dirty: rest } }
}
