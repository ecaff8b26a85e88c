import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type * as t from 'io-ts'

import { replyOf } from './block-node.js'
import type { BlockNode } from './block-node.js'
import type { DecodeError } from './decode-error.js'
import { parsedJson } from './json-text.js'
import { list, read, record, size, text } from './shape.js'

const graphWire = record(
  {
    nodes: list(record({ id: size, type: text, name: text }, {})),
    edges: list(record({ parent: size, child: size, name: text }, {})),
  },
  {},
)

/** The edges by which a node reads its image and what lies below it; a copy's destination hangs on another. */
const reading: ReadonlySet<string> = new Set(['file', 'backing', 'data-file'])

interface Edges {
  readonly down: ReadonlyMap<string, ReadonlyArray<string>>
  readonly up: ReadonlyMap<string, ReadonlyArray<string>>
}

const edgesOf = ({ nodes, edges }: t.TypeOf<typeof graphWire>): Edges => {
  const names = new Map(nodes.flatMap(({ id, type, name }) => (type === 'block-driver' ? [[id, name] as const] : [])))
  const [down, up] = [new Map<string, Array<string>>(), new Map<string, Array<string>>()]
  const link = (index: Map<string, Array<string>>, from: string, to: string): void => {
    const known = index.get(from)
    if (known === undefined) index.set(from, [to])
    else known.push(to)
  }
  for (const edge of edges) {
    const [parent, child] = [names.get(edge.parent), names.get(edge.child)]
    if (parent === undefined || child === undefined || !reading.has(edge.name)) continue
    link(down, parent, child)
    link(up, child, parent)
  }
  return { down, up }
}

/** Everything below the root, and the filters that jobs have put above what is there. */
const belongingTo = (root: string, edges: Edges, filters: ReadonlySet<string>): ReadonlySet<string> => {
  const found = new Set([root])
  for (const name of found) {
    for (const child of edges.down.get(name) ?? []) found.add(child)
    for (const parent of edges.up.get(name) ?? []) if (filters.has(parent)) found.add(parent)
  }
  return found
}

/**
 * The nodes of one disk among those of a QEMU, told by the reply to `x-debug-query-block-graph` (7.2 and 10.0 have it).
 *
 * Needed where two disks of one guest read the same file, as each has a node of its own for it and no other reply tells
 * which is whose. `root` is the node that the guest's device reads and writes.
 *
 * Left: `TextWrong`, `ShapeWrong`, `LinkWrong` (`TargetUnknown`).
 *
 * @example
 * import { decodeNamedBlockNodes, nodesOfDisk } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const image = { filename: '/base', format: 'raw', 'virtual-size': 65536 }
 * const replied = ['one', 'two'].map((name) => ({ 'node-name': name, drv: 'raw', ro: true, file: '/base', image }))
 * const nodes = decodeNamedBlockNodes(replied)
 * const graph = { nodes: [{ id: 1, type: 'block-driver', name: 'one' }], edges: [] }
 * const found = E.isRight(nodes) ? nodesOfDisk(nodes.right, graph, 'one') : nodes
 * E.isRight(found) ? found.right.map(({ name }) => name) : found.left // => ['one']
 *
 * @since 0.1.0
 */
export const nodesOfDisk = (
  nodes: ReadonlyArray<BlockNode>,
  graph: unknown,
  root: string,
): E.Either<DecodeError, ReadonlyArray<BlockNode>> => {
  if (!nodes.some(({ name }) => name === root))
    return E.left({ _tag: 'LinkWrong', problems: [{ _tag: 'TargetUnknown', node: root }] })
  const filters = new Set(nodes.filter(({ role }) => role === 'filter').map(({ name }) => name))
  return pipe(
    parsedJson(graph),
    E.flatMap((json) => read(graphWire, replyOf(json))),
    E.map((wire) => belongingTo(root, edgesOf(wire), filters)),
    E.map((names) => nodes.filter(({ name }) => names.has(name))),
  )
}
