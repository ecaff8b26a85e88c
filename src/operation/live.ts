import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { activePath, path } from '../model/chain-query.js'
import type { Image } from '../model/image.js'

/** Images that a QEMU has open after an operation, and those whose nodes it then has no use for, uppermost first. */
export interface Nodes {
  readonly after: Chain
  readonly unused: ReadonlyArray<Image>
}

const markPath = (chain: Chain, name: string, marked: Set<string>): void => {
  for (let at = chain.images.get(name); at !== undefined && !marked.has(at.name);) {
    marked.add(at.name)
    at = at.backing === undefined ? undefined : chain.images.get(at.backing.image)
  }
}

/**
 * Takes the nodes away from images that the guest no longer reads: whatever is neither on the new path of the active image
 * nor under another image that QEMU has open for itself.
 */
export const settleNodes = (before: Chain, after: Chain): Nodes => {
  const old = activePath(before)
  const wasOnPath = new Set(old.map(({ name }) => String(name)))
  const used = new Set<string>()
  markPath(after, after.active, used)
  for (const image of after.images.values())
    if (image.node !== undefined && !wasOnPath.has(image.name)) markPath(after, image.name, used)
  const images = new Map(after.images)
  for (const image of after.images.values())
    if (image.node !== undefined && !used.has(image.name)) images.set(image.name, { ...image, node: undefined })
  const unused = [...old].reverse().filter((image) => image.node !== undefined && !used.has(image.name))
  return { after: withImages(after, images), unused }
}

/** The chain as it is when no QEMU has it open: node names are valid in one process only. */
export const withoutNodes = (chain: Chain): Chain =>
  withImages(chain, new Map(Array.from(chain.images, ([name, image]) => [name, { ...image, node: undefined }])))

/** The node that the guest's device is attached to: the uppermost filter, or the format node itself. */
export const rootNode = (image: Image): string | undefined => image.node?.filters.at(-1) ?? image.node?.format

/** The images of a chain that are read through `upTo`, as a set of names. */
export const namesBelow = (chain: Chain, upTo: string): ReadonlySet<string> =>
  new Set((path(chain, upTo) ?? []).map(({ name }) => String(name)))
