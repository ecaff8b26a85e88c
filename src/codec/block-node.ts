import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type * as t from 'io-ts'

import { isFormat } from '../model/format.js'
import type { Bitmap } from '../model/image.js'
import { unlessWrong } from './decode-error.js'
import type { DecodeError, Problem } from './decode-error.js'
import { descriptorOf } from './filename.js'
import { infoOf, infoWire } from './image-info.js'
import type { ImageInfo } from './image-info.js'
import { parsedJson } from './json-text.js'
import { anything, flag, isObject, list, ownMember, read, record, size, text } from './shape.js'

/**
 * A node of a running QEMU's block graph, as a monitor reports it.
 *
 * - `role`: what its driver makes it: an image format, a filter (throttle, copy-on-read, what a block job inserts), or
 *   storage (everything else).
 * - `file`: the file name that QEMU gives it; `backingFile` that of its backing file, if it has one.
 * - `imageDriver`: the driver of the node that a filter lies above, other filters left out, where the reply tells; of any
 *   other node its own.
 * - `filtersBelow`: how many other filters lie between a filter and that node, as far as the reply tells.
 * - `images`: what is known of the image and of those below it, base first; the reply to a `flat` query has no more than
 *   the image itself, and storage has none.
 * - `bitmaps`: its persistent dirty bitmaps. Here a bitmap in use is no inconsistent one.
 *
 * @since 0.1.0
 */
export interface BlockNode {
  readonly name: string
  readonly driver: string
  readonly role: 'format' | 'filter' | 'storage'
  readonly access: 'read-only' | 'read-write'
  readonly file: string
  readonly backingFile: string | undefined
  readonly imageDriver: string | undefined
  readonly filtersBelow: number
  readonly images: ReadonlyArray<ImageInfo>
  readonly bitmaps: ReadonlyArray<Bitmap>
}

/** The drivers of QEMU that hand through what is below them (`is_filter` in `block/*.c`). */
const filterDrivers: ReadonlySet<string> = new Set([
  ...['throttle', 'copy-on-read', 'copy-before-write', 'compress', 'preallocate', 'backup-top'],
  ...['commit_top', 'mirror_top', 'blkdebug', 'blklogwrites', 'blkreplay', 'blkverify', 'replication'],
])

const isFilter = (driver: string): boolean => filterDrivers.has(driver)

const dirtyBitmapWire = record(
  { granularity: size },
  { name: text, recording: flag, persistent: flag, inconsistent: flag },
)

/** `BlockDeviceInfo` of QAPI, as far as a chain needs it. */
export const nodeWire = record(
  { 'node-name': text, drv: text, ro: flag, file: text, image: anything },
  { backing_file: text, 'dirty-bitmaps': list(dirtyBitmapWire) },
)

type NodeWire = t.TypeOf<typeof nodeWire>

const bitmapOf = (wire: t.TypeOf<typeof dirtyBitmapWire>): ReadonlyArray<Bitmap> => {
  if (wire.name === undefined || wire.persistent !== true) return []
  const state = wire.inconsistent === true ? 'inconsistent' : wire.recording === true ? 'recording' : 'disabled'
  return [{ name: wire.name, granularityBytes: wire.granularity, state }]
}

/** What stands in `image` and, one inside the other, in `backing-image`: active first, filters among them. */
interface Layers {
  readonly drivers: ReadonlyArray<string>
  readonly images: ReadonlyArray<ImageInfo>
  readonly problems: ReadonlyArray<Problem>
}

const layerWire = record({ format: text }, { 'backing-image': anything })

const opened = (info: ImageInfo): ImageInfo => ({
  ...info,
  filename: descriptorOf(info.filename)?.path ?? info.filename,
})

const problemsOf = (decoded: E.Either<DecodeError, unknown>): ReadonlyArray<Problem> =>
  E.isLeft(decoded) && decoded.left._tag === 'ShapeWrong' ? decoded.left.problems : []

const layersOf = (image: unknown, root: string): Layers => {
  const drivers: Array<string> = []
  const images: Array<ImageInfo> = []
  const problems: Array<Problem> = []
  let path = root
  for (let at = image; at !== undefined; at = isObject(at) ? ownMember(at, 'backing-image') : undefined) {
    const layer = read(layerWire, at, path)
    const driver = E.isRight(layer) ? layer.right.format : ''
    drivers.push(driver)
    const info = isFormat(driver) ? E.map(infoOf)(read(infoWire, at, path)) : undefined
    if (info !== undefined && E.isRight(info)) images.push(opened(info.right))
    problems.push(...problemsOf(layer), ...(info === undefined ? [] : problemsOf(info)))
    path += '.backing-image'
  }
  return { drivers, images, problems }
}

/** Whose image a filter shows, and how many filters lie between. A filter of a job bears the name of what it lies above. */
const placeOf = (wire: NodeWire, layers: Layers): Pick<BlockNode, 'imageDriver' | 'filtersBelow'> => {
  if (!isFilter(wire.drv)) return { imageDriver: wire.drv, filtersBelow: 0 }
  const named = descriptorOf(wire.file)?.drivers ?? []
  const nested = layers.drivers.length > 1 ? layers.drivers.slice(1) : undefined
  const below = nested ?? (named[0] === wire.drv ? named.slice(1) : named)
  const first = below.findIndex((driver) => !isFilter(driver))
  return { imageDriver: below[first], filtersBelow: Math.max(first, 0) }
}

/** The node of a wire, with the problems of the images in it. */
export const nodeOf = (wire: NodeWire, path: string): E.Either<DecodeError, BlockNode> => {
  const layers = layersOf(wire.image, `${path}.image`)
  const role = isFormat(wire.drv) ? 'format' : isFilter(wire.drv) ? 'filter' : 'storage'
  return unlessWrong(layers.problems, {
    name: wire['node-name'],
    driver: wire.drv,
    role,
    access: wire.ro ? 'read-only' : 'read-write',
    file: wire.file,
    backingFile: wire.backing_file,
    ...placeOf(wire, layers),
    images: role === 'storage' ? [] : layers.images.slice().reverse(),
    bitmaps: (wire['dirty-bitmaps'] ?? []).flatMap(bitmapOf),
  })
}

/** A QMP reply, whole or what is in its `return`. */
export const replyOf = (json: unknown): unknown =>
  isObject(json) && Object.hasOwn(json, 'return') ? ownMember(json, 'return') : json

/** All values, or the problems of all that have some. */
export const allOf = <A, B>(
  values: ReadonlyArray<A>,
  decode: (value: A, index: number) => E.Either<DecodeError, B>,
): E.Either<DecodeError, ReadonlyArray<B>> => {
  const found: Array<B> = []
  const problems: Array<Problem> = []
  for (const [index, value] of values.entries()) {
    const decoded = decode(value, index)
    if (E.isRight(decoded)) found.push(decoded.right)
    else if (decoded.left._tag !== 'ShapeWrong') return decoded
    else for (const problem of decoded.left.problems) problems.push(problem)
  }
  return unlessWrong(problems, found)
}

/**
 * Reads the reply to `query-named-block-nodes`, flat or not: the whole reply or its `return`, text or parsed.
 *
 * Ask without `flat` where filters are stacked: only then does the reply always tell which lies above which. QEMU (7.2 and
 * 10.0) crashes on this query while a pull is concluded and not yet dismissed.
 *
 * Left: `TextWrong`, `ShapeWrong`.
 *
 * @example
 * import { decodeNamedBlockNodes } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const image = { filename: '/vm/a.qcow2', format: 'qcow2', 'virtual-size': 65536 }
 * const decoded = decodeNamedBlockNodes({
 *   return: [{ 'node-name': 'libvirt-1-format', drv: 'qcow2', ro: false, file: '/vm/a.qcow2', image }],
 * })
 * const nodes = E.isRight(decoded) ? decoded.right : []
 * nodes.map(({ name, role, access }) => [name, role, access]) // => [['libvirt-1-format', 'format', 'read-write']]
 *
 * @since 0.1.0
 */
export const decodeNamedBlockNodes = (reply: unknown): E.Either<DecodeError, ReadonlyArray<BlockNode>> =>
  pipe(
    parsedJson(reply),
    E.flatMap((json) => read(list(nodeWire), replyOf(json))),
    E.flatMap((wires) => allOf(wires, (wire, index) => nodeOf(wire, `$[${index}]`))),
  )

/**
 * A drive as the guest's device sees it: `device` is the name of a `-drive` and empty for a `-blockdev`, `qdev` the path of
 * the guest's device, `root` the node that it reads and writes (nothing where no medium is inserted).
 *
 * @since 0.1.0
 */
export interface BlockDevice {
  readonly device: string
  readonly qdev: string | undefined
  readonly root: BlockNode | undefined
}

const deviceWire = record({ device: text }, { qdev: text, inserted: nodeWire })

/**
 * Reads the reply to `query-block`: the whole reply or its `return`, text or parsed.
 *
 * `root.images` are the whole chain, base first. QEMU leaves the filters of running jobs out of this reply.
 *
 * Left: `TextWrong`, `ShapeWrong`.
 *
 * @example
 * import { decodeQueryBlock } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const decoded = decodeQueryBlock('{ "return": [{ "device": "", "qdev": "/machine/peripheral/cd0", "type": "unknown" }] }')
 * E.isRight(decoded) ? decoded.right : decoded.left
 * // => [{ device: '', qdev: '/machine/peripheral/cd0', root: undefined }]
 *
 * @since 0.1.0
 */
export const decodeQueryBlock = (reply: unknown): E.Either<DecodeError, ReadonlyArray<BlockDevice>> =>
  pipe(
    parsedJson(reply),
    E.flatMap((json) => read(list(deviceWire), replyOf(json))),
    E.flatMap((wires) =>
      allOf(wires, ({ device, qdev, inserted }, index) => {
        const none: E.Either<DecodeError, BlockNode | undefined> = E.right(undefined)
        const root = inserted === undefined ? none : nodeOf(inserted, `$[${index}].inserted`)
        return E.map((node: BlockNode | undefined) => ({ device, qdev, root: node }))(root)
      }),
    ),
  )
