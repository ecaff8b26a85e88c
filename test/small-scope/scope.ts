import * as E from 'fp-ts/lib/Either.js'

import { chain, layer } from '../../src/index.js'
import type {
  AddOverlayRequest,
  Chain,
  CommitRequest,
  Contents,
  CopyRequest,
  Format,
  ImageDescription,
  Layer,
  PullRequest,
  RenameRequest,
  Run,
} from '../../src/index.js'

/**
 * The exhaustive small scope: every tree of at most four images, each of one to three clusters, raw or qcow2 at its base,
 * with every choice of the active image.
 *
 * Contents are exhausted too, in one go. What an operation does to one offset depends on what the images hold there, and on
 * sizes, and on nothing at other offsets. So each cluster is cut into one piece for each way in which the images can hold
 * one offset (hole, zero or data in each: 3 to the power of the number of images), and all of them go through every plan.
 */
export interface Small {
  readonly chain: Chain
  readonly contents: Contents
}

const pieceBytes = 512

/** What image `place` holds in piece `piece`: 0 a hole, 1 zeroes, 2 data. */
const cell = (place: number, piece: number): number => Math.floor(piece / 3 ** place) % 3

const layerOf = (place: number, format: Format, { clusters, pieces }: { clusters: number; pieces: number }): Layer => {
  const runs = Array.from({ length: clusters * pieces }, (_, index): ReadonlyArray<Run> => {
    const at = { startBytes: index * pieceBytes, endBytes: (index + 1) * pieceBytes }
    const what = cell(place, index % pieces)
    if (what === 2) return [{ kind: 'data', source: `i${place}`, ...at }]
    return what === 1 || format === 'raw' ? [{ kind: 'zero', ...at }] : []
  })
  const made = layer(clusters * pieces * pieceBytes, runs.flat())
  if (E.isLeft(made)) throw new Error(JSON.stringify(made.left))
  return made.right
}

/** Every list of `length` numbers, the one at `index` below `limits(index)`. */
const tuples = (length: number, limit: (index: number) => number): ReadonlyArray<ReadonlyArray<number>> =>
  Array.from({ length }).reduce<ReadonlyArray<ReadonlyArray<number>>>(
    (lists, _, index) =>
      lists.flatMap((list) => Array.from({ length: limit(index) }, (__, choice) => [...list, choice])),
    [[]],
  )

interface Shape {
  /** The backing file of each image but the first. */
  readonly below: ReadonlyArray<number>
  readonly clusters: ReadonlyArray<number>
  readonly active: number
  readonly base: Format
}

const bases: ReadonlyArray<Format> = ['qcow2', 'raw']

const shapesOf = (images: number): ReadonlyArray<Shape> =>
  tuples(images - 1, (index) => index + 1).flatMap((below) =>
    tuples(images, () => 3).flatMap((sizes) =>
      Array.from({ length: images }).flatMap((_, active) =>
        bases.map((base) => ({ below, clusters: sizes.map((size) => size + 1), active, base })),
      ),
    ),
  )

/** One path, with the active image on top. */
const isPath = ({ below, active }: Shape): boolean =>
  below.every((at, index) => at === index) && active === below.length

const built = (shape: Shape, nodes: 'open' | 'closed'): Small => {
  const formats = shape.clusters.map((_, place): Format => (place === 0 ? shape.base : 'qcow2'))
  const pieces = 3 ** shape.clusters.length
  const onPath = new Set<number>()
  for (let at: number | undefined = shape.active; at !== undefined; at = at === 0 ? undefined : shape.below[at - 1])
    onPath.add(at)
  const images = shape.clusters.map((clusters, place): ImageDescription => {
    const below = place === 0 ? undefined : shape.below[place - 1]
    const node = { format: `i${place}-format`, storage: `i${place}-storage`, owner: 'monitor', filters: [] } as const
    return {
      name: `i${place}`,
      format: formats[place] ?? 'qcow2',
      sizeBytes: clusters * pieces * pieceBytes,
      location: { _tag: 'File', path: `/images/i${place}` },
      otherReaders: [],
      ...(below === undefined
        ? {}
        : { backing: { image: `i${below}`, header: `i${below}`, format: formats[below] ?? 'qcow2' } }),
      ...(nodes === 'open' && onPath.has(place) ? { node } : {}),
    }
  })
  const made = chain('vda', images, `i${shape.active}`)
  if (E.isLeft(made)) throw new Error(JSON.stringify(made.left))
  const contents = new Map(
    shape.clusters.map((clusters, place) => [
      `i${place}`,
      layerOf(place, formats[place] ?? 'qcow2', { clusters, pieces }),
    ]),
  )
  return { chain: made.right, contents }
}

/** Every small tree of a number of images. */
export const smallTrees = (images: number, nodes: 'open' | 'closed'): ReadonlyArray<Small> =>
  shapesOf(images).map((shape) => built(shape, nodes))

/** Every small chain of a number of images, with no branches, the active image on top. */
export const smallPaths = (images: number, nodes: 'open' | 'closed'): ReadonlyArray<Small> =>
  shapesOf(images)
    .filter(isPath)
    .map((shape) => built(shape, nodes))

const names = (of: Chain): ReadonlyArray<string> => Array.from(of.images.keys())
const leftovers = ['keep', 'remove'] as const

/** Every commit that can be asked of a chain, sensible or not. */
export const everyCommit = (of: Chain): ReadonlyArray<CommitRequest> =>
  names(of).flatMap((top) =>
    [undefined, ...names(of)].flatMap((base) =>
      ([undefined, 'pivot', 'keep'] as const).flatMap((end) =>
        leftovers.map((left) => ({
          top,
          leftovers: left,
          ...(base === undefined ? {} : { base }),
          ...(end === undefined ? {} : { end }),
        })),
      ),
    ),
  )

/** Every pull that can be asked of a chain. */
export const everyPull = (of: Chain): ReadonlyArray<PullRequest> =>
  names(of).flatMap((into) =>
    [undefined, ...names(of)].flatMap((base) =>
      leftovers.map((left) => ({ into, leftovers: left, ...(base === undefined ? {} : { base }) })),
    ),
  )

const fresh = { name: 'new', location: { _tag: 'File', path: '/images/new' } } as const

/** Every copy that can be asked of a chain, to a new image. */
export const everyCopy = (of: Chain): ReadonlyArray<CopyRequest> =>
  (['pivot', 'keep'] as const).flatMap((end) =>
    leftovers.flatMap((left): ReadonlyArray<CopyRequest> => [
      { to: { ...fresh, format: 'qcow2' }, depth: 'full', end, leftovers: left },
      { to: { ...fresh, format: 'raw' }, depth: 'full', end, leftovers: left },
      ...[undefined, ...names(of)].map((onto): CopyRequest => ({
        to: { ...fresh, format: 'qcow2' },
        depth: 'shallow',
        end,
        leftovers: left,
        ...(onto === undefined ? {} : { onto }),
      })),
    ]),
  )

/** The overlay that can be asked of a chain. */
export const everyOverlay = (): ReadonlyArray<AddOverlayRequest> => [{ overlay: { ...fresh, format: 'qcow2' } }]

/** Every rename that can be asked of a chain: in the image's folder and out of it, under its name and under another. */
export const everyRename = (of: Chain): ReadonlyArray<RenameRequest> =>
  names(of).flatMap((image) =>
    ['/images/new', '/elsewhere/new'].flatMap((to) => [
      { image, to },
      { image, to, name: 'new' },
    ]),
  )

/** Every commit that enlarges a short top first where it has to. */
export const everyGrowingCommit = (of: Chain): ReadonlyArray<CommitRequest> =>
  everyCommit(of).map((request) => ({ ...request, short: 'grow' }))
