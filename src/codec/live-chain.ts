import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { chain } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { activePath } from '../model/chain-query.js'
import type { Image, LiveNode } from '../model/image.js'
import { locationString } from '../model/location.js'
import { chainOfBranches } from './backing-chain.js'
import type { BlockNode } from './block-node.js'
import { modelWrong, unlessUnlinked } from './decode-error.js'
import type { DecodeError, LinkProblem } from './decode-error.js'
import { comparable } from './filename.js'
import { describeImage } from './image-description.js'
import type { ChainOptions } from './image-description.js'
import type { ImageInfo } from './image-info.js'

/**
 * Who owns a node, as far as its name tells: `implicit` for the names `#block...` that only QEMU itself can give, else
 * `monitor`.
 *
 * That is right where every node was added by itself, as libvirt does it. A node that was named inside its overlay's own
 * options (`backing.node-name=...`) goes with the overlay and is `implicit` too, and no reply tells: say so yourself.
 *
 * @example
 * import { ownerByName } from 'backing-chain/codec'
 *
 * ownerByName({ name: '#block123' }) // => 'implicit'
 *
 * @since 0.1.0
 */
export const ownerByName = (node: Pick<BlockNode, 'name'>): LiveNode['owner'] =>
  node.name.startsWith('#') ? 'implicit' : 'monitor'

type Index = ReadonlyMap<string, ReadonlyArray<BlockNode>>

const byFile = (nodes: ReadonlyArray<BlockNode>): Index => {
  const index = new Map<string, Array<BlockNode>>()
  for (const node of nodes) {
    const file = comparable(node.file)
    const known = index.get(file)
    if (known === undefined) index.set(file, [node])
    else known.push(node)
  }
  return index
}

interface Found {
  readonly format: BlockNode
  readonly storage: BlockNode | undefined
  readonly filters: ReadonlyArray<BlockNode>
}

const ordered = (filters: ReadonlyArray<BlockNode>): ReadonlyArray<BlockNode> =>
  filters.slice().sort((a, b) => a.filtersBelow - b.filtersBelow)

const names = (nodes: ReadonlyArray<BlockNode>): ReadonlyArray<string> => nodes.map(({ name }) => name)

/** The nodes that have the image open; libvirt gives a raw image no format node, so there storage stands for it. */
const find = (image: Image, index: Index): E.Either<LinkProblem | undefined, Found> => {
  const same = index.get(comparable(locationString(image.location))) ?? []
  const storages = same.filter(({ role }) => role === 'storage')
  const formats = same.filter(({ role, driver }) => role === 'format' && driver === image.format)
  const bare = formats.length === 0 && image.format === 'raw'
  const [format, another] = bare ? storages : formats
  if (format === undefined) return E.left(undefined)
  if (another !== undefined || storages.length > 1)
    return E.left({ _tag: 'NodeAmbiguous', image: image.name, nodes: names([...formats, ...storages]) })
  const lies = (node: BlockNode): boolean => (node.imageDriver ?? format.driver) === format.driver
  const filters = ordered(same.filter((node) => node.role === 'filter' && lies(node)))
  if (filters.some(({ filtersBelow }, place) => filtersBelow !== place))
    return E.left({ _tag: 'FiltersUnordered', image: image.name, filters: names(filters) })
  return E.right({ format, storage: bare ? undefined : storages[0], filters })
}

const missing = (image: Image): LinkProblem => ({
  _tag: 'NodeMissing',
  image: image.name,
  location: locationString(image.location),
})

/**
 * Gives every image of a chain the node that a running QEMU has for it, found by its file.
 *
 * Each image on the path of the guest must be open (`NodeMissing`); one beside it may be, and has no node where it is not.
 * `NodeAmbiguous` where several nodes have the same file open: leave out those of other disks. Filters are recorded lowest
 * first; `FiltersUnordered` where the reply does not tell their order (ask without `flat`).
 *
 * Left: `LinkWrong`, `ModelWrong`.
 *
 * @example
 * import { attachNodes, decodeBackingChain, decodeNamedBlockNodes } from 'backing-chain/codec'
 * import { activeImage } from 'backing-chain'
 * import { pipe } from 'fp-ts/lib/function.js'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const image = { filename: '/vm/a.qcow2', format: 'qcow2', 'virtual-size': 65536 }
 * const decoded = decodeNamedBlockNodes([
 *   { 'node-name': 'a', drv: 'qcow2', ro: false, file: '/vm/a.qcow2', image },
 *   { 'node-name': 'a-storage', drv: 'file', ro: false, file: '/vm/a.qcow2', image: { ...image, format: 'file' } },
 * ])
 * const nodes = E.isRight(decoded) ? decoded.right : []
 * const attached = pipe(
 *   decodeBackingChain([image], { disk: 'vda' }),
 *   E.flatMap((chain) => attachNodes(chain, nodes)),
 * )
 * E.isRight(attached) ? activeImage(attached.right).node : attached.left
 * // => { format: 'a', storage: 'a-storage', owner: 'monitor', filters: [] }
 *
 * @since 0.1.0
 */
export const attachNodes = (
  of: Chain,
  nodes: ReadonlyArray<BlockNode>,
  ownerOf: (node: BlockNode) => LiveNode['owner'] = ownerByName,
): E.Either<DecodeError, Chain> => {
  const index = byFile(nodes)
  const needed = new Set<string>(activePath(of).map(({ name }) => name))
  const problems: Array<LinkProblem> = []
  const images = Array.from(of.images.values(), (image) => {
    const found = find(image, index)
    if (E.isLeft(found)) {
      const problem = found.left ?? (needed.has(image.name) ? missing(image) : undefined)
      if (problem !== undefined) problems.push(problem)
      return describeImage({ ...image, node: undefined })
    }
    const { format, storage, filters } = found.right
    const owner = ownerOf(format)
    return describeImage(image, { format: format.name, storage: storage?.name, owner, filters: names(filters) })
  })
  return pipe(
    unlessUnlinked(problems, images),
    E.flatMap((attached) => E.mapLeft(modelWrong)(chain(of.disk, attached, of.active))),
  )
}

/**
 * What {@link chainOfNodes} needs to know besides {@link ChainOptions}: the name of the node that the guest's device reads
 * and writes (`root` of {@link decodeQueryBlock}), and who owns each node.
 *
 * @since 0.1.0
 */
export interface LiveOptions extends ChainOptions {
  readonly root: string
  readonly ownerOf?: (node: BlockNode) => LiveNode['owner']
}

const formatNodeOf = (index: Index, file: string): BlockNode | undefined =>
  index.get(comparable(file))?.find((node) => node.role === 'format')

/** Everything that is read through a node, active first, one reply reaching further than another. */
const readThrough = (root: BlockNode, index: Index): ReadonlyArray<ImageInfo> => {
  const infos: Array<ImageInfo> = []
  const seen = new Set<BlockNode>()
  let at = root.images.length > 0 ? root : formatNodeOf(index, root.file)
  while (at !== undefined && !seen.has(at)) {
    seen.add(at)
    for (const info of at.images.slice().reverse()) infos.push(info)
    const below = at.images[0]?.backing?.resolved
    at = below === undefined ? undefined : formatNodeOf(index, below)
  }
  return infos
}

/** With what only the node knows: whether a bitmap is inconsistent or just in use, and what the storage is. */
const withNode = (info: ImageInfo, index: Index): ImageInfo => {
  const same = index.get(comparable(info.filename)) ?? []
  const writer = same.find((node) => node.role === 'format' && node.access === 'read-write')
  return {
    ...info,
    bitmaps: writer?.bitmaps ?? info.bitmaps,
    storage: same.find((node) => node.role === 'storage')?.driver ?? info.storage,
  }
}

/**
 * Makes the chain of a disk from what a running QEMU says of its nodes, with the nodes attached.
 *
 * The headers that QEMU reports are those of the files; where the backing file that is open is another one, this is
 * `BackingElsewhere`.
 *
 * Left: `LinkWrong` (`TargetUnknown`, `InfoMissing` where `root` shows no image, then as {@link decodeBackingChain} and
 * {@link attachNodes}), `ModelWrong`.
 *
 * @example
 * import { chainOfNodes, decodeNamedBlockNodes } from 'backing-chain/codec'
 * import { printChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const image = { filename: '/vm/a.qcow2', format: 'qcow2', 'virtual-size': 65536 }
 * const decoded = decodeNamedBlockNodes([
 *   { 'node-name': 'a', drv: 'qcow2', ro: false, file: '/vm/a.qcow2', image },
 *   { 'node-name': 'a-storage', drv: 'file', ro: false, file: '/vm/a.qcow2', image: { ...image, format: 'file' } },
 * ])
 * const nodes = E.isRight(decoded) ? decoded.right : []
 * const made = chainOfNodes(nodes, { disk: 'vda', root: 'a', nameOf: (filename) => filename.slice('/vm/'.length) })
 * E.isRight(made) ? printChain(made.right) : made.left // => 'a.qcow2^'
 *
 * @since 0.1.0
 */
export const chainOfNodes = (nodes: ReadonlyArray<BlockNode>, options: LiveOptions): E.Either<DecodeError, Chain> => {
  const index = byFile(nodes)
  const root = nodes.find(({ name }) => name === options.root)
  if (root === undefined)
    return E.left({ _tag: 'LinkWrong', problems: [{ _tag: 'TargetUnknown', node: options.root }] })
  const infos = readThrough(root, index).map((info) => withNode(info, index))
  if (!isNonEmpty(infos)) return E.left({ _tag: 'LinkWrong', problems: [{ _tag: 'InfoMissing', image: root.file }] })
  return pipe(
    chainOfBranches([infos], options),
    E.flatMap((made) => attachNodes(made, nodes, options.ownerOf)),
  )
}
