import { traitsOf, isFormat } from '../model/format.js'
import { fileOf, headerPath, keyOf } from './files.js'
import { downFrom } from './graph.js'
import type { SimNode, World } from './world.js'

/** How QEMU writes down one image with what it was opened with, its backing file left out or put in. */
const descriptor = (node: SimNode, backing: string | undefined): string => {
  const file = `"file": {"driver": "file", "filename": ${JSON.stringify(node.openedAs)}}`
  return `{${backing === undefined ? '' : `"backing": ${backing}, `}"driver": ${JSON.stringify(node.driver)}, ${file}}`
}

/** What lies below a node as QEMU would name it: the plain name, and the descriptor. */
interface Named {
  readonly node: SimNode
  readonly name: string
  readonly descriptor: string
}

/**
 * True where QEMU holds that a node's backing file is not the one that its header would lead to: it compares the strings,
 * so an absolute path and a relative header differ, unless QEMU opened the backing file by that header itself.
 */
const isOverridden = (world: World, node: SimNode, below: Named | undefined): boolean => {
  const header = fileOf(world, node.file).header?.string
  if (below === undefined || header === undefined) return below !== undefined || header !== undefined
  if (header === below.name) return false
  return !(below.node.owner === 'implicit' && headerPath(node.openedAs, header) === keyOf(below.name))
}

/**
 * The name that QEMU gives a node by itself: the path that it was opened by, or a `json:` descriptor of it and of all that
 * lies below, where something below was not opened the way its overlay's header says.
 *
 * It is what a header gets where a command leaves `backing-file` out.
 */
export const filenameOf = (world: World, name: string): string => {
  let below: Named | undefined
  for (const node of downFrom(world, name).slice().reverse()) {
    const holds = isFormat(node.driver) && traitsOf(node.driver).holds !== 'base'
    const overridden = holds && isOverridden(world, node, below)
    const text = descriptor(node, overridden ? (below?.descriptor ?? 'null') : undefined)
    below = { node, descriptor: text, name: overridden ? `json:${text}` : node.openedAs }
  }
  return below?.name ?? ''
}
