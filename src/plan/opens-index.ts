import type { Chain } from '../model/chain.js'
import { path } from '../model/chain-query.js'
import { normalPath } from '../model/header.js'
import { placesOf } from '../model/image.js'
import type { Image } from '../model/image.js'
import { locationString } from '../model/location.js'
import type { Access } from '../model/opening.js'

/** The chains that calls are about: before their plan, and when it has ended. For a call outside a plan twice the same. */
export interface Chains {
  readonly before: Chain
  readonly after: Chain
}

/** Those chains with their images to be found by place and by node. */
export interface Index extends Chains {
  readonly places: ReadonlyMap<string, Image>
  readonly nodes: ReadonlyMap<string, Image>
}

/** Images, and how they are opened. */
export type Open = readonly [images: ReadonlyArray<Image>, access: Access]

/** Makes images easy to find; linear. */
export const indexOf = (chains: Chains): Index => {
  const places = new Map<string, Image>()
  const nodes = new Map<string, Image>()
  for (const image of [...chains.after.images.values(), ...chains.before.images.values()]) {
    for (const location of placesOf(image)) places.set(normalPath(locationString(location)), image)
    for (const node of [image.node?.format, image.node?.storage]) if (node !== undefined) nodes.set(node, image)
  }
  return { ...chains, places, nodes }
}

const listed = (image: Image | undefined): ReadonlyArray<Image> => (image === undefined ? [] : [image])

/** The image at a place, as a command line or a definition names it. */
export const at = ({ places }: Index, text: string | null | undefined): ReadonlyArray<Image> =>
  text === undefined || text === null
    ? []
    : listed(places.get(normalPath(text.startsWith('file:') ? text.slice('file:'.length) : text)))

/** The image of a node of the running QEMU. */
export const ofNode = ({ nodes }: Index, node: string | undefined): ReadonlyArray<Image> =>
  node === undefined ? [] : listed(nodes.get(node))

/** The images that headers lead to, or are to lead to. */
export const backing = ({ before, after }: Index, images: ReadonlyArray<Image>): ReadonlyArray<Image> =>
  images.flatMap(({ name }) =>
    [before, after].flatMap((chain) => listed(chain.images.get(chain.images.get(name)?.backing?.image ?? ''))),
  )

/** Images with all that lies below them, as it is and as it is to be: what is below is read. */
export const chained = (
  { before, after }: Index,
  images: ReadonlyArray<Image>,
  access: Access,
): ReadonlyArray<Open> => {
  const below = images.flatMap(({ name }) => [before, after].flatMap((chain) => (path(chain, name) ?? []).slice(0, -1)))
  return [
    [images, access],
    [below, access === 'header' ? 'header' : 'read'],
  ]
}
