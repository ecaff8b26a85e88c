import * as E from 'fp-ts/lib/Either.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Layer } from '../content/layer.js'
import { defaultClusterBytes, layerOfPattern, patternOfLayer } from '../content/pattern.js'
import { chain } from './chain.js'
import type { Chain } from './chain.js'
import type { ModelError } from './chain-error.js'
import { traitsOf } from './format.js'
import type { Image, ImageDescription, LiveNode } from './image.js'
import { isAbsolute } from './location.js'
import { parsePicture } from './parse-picture.js'
import { marksInOrder, wrongAt } from './picture.js'
import type { Mark, NotationError, Picture, PictureImage } from './picture.js'
import { printPicture } from './print-picture.js'

/**
 * What a picture leaves open, for {@link parseChain}.
 *
 * - `disk`: its name; `vda`.
 * - `directory`: where the images are, each under its own name; `/images`.
 * - `headers`: `absolute`, the whole path of the backing file, or `relative` to the directory; `absolute`.
 * - `clusterBytes`: one character of contents, and the cluster size of formats with clusters; 65,536.
 * - `sizeBytes`: of images with no contents; four clusters.
 * - `nodes`: the images of the active path are open in a QEMU: each named by the monitor, or only the active one and the
 *   rest implicitly; left out, no image is open.
 *
 * @since 0.1.0
 */
export interface ParseOptions {
  readonly disk?: string
  readonly directory?: string
  readonly headers?: 'absolute' | 'relative'
  readonly clusterBytes?: number
  readonly sizeBytes?: number
  readonly nodes?: 'monitor' | 'implicit'
}

/**
 * A chain as a picture shows it, with the contents and the marks of the images that have any, by name.
 *
 * @since 0.1.0
 */
export interface ParsedChain {
  readonly chain: Chain
  readonly contents: ReadonlyMap<string, Layer>
  readonly marks: ReadonlyMap<string, ReadonlyArray<Mark>>
}

/** Reads a lone `*` as the wiki means it where nothing is marked `^`: as the active image. */
const activePlace = (picture: Picture): number | undefined => {
  const marked = (mark: Mark): ReadonlyArray<number> =>
    picture.images.flatMap((image, place) => (image.marks.includes(mark) ? [place] : []))
  const [active, another] = marked('^')
  if (active !== undefined) return another === undefined ? active : undefined
  const [lone, ...others] = marked('*')
  if (lone === undefined || others.length > 0 || picture.images[lone]?.marks.length !== 1) return undefined
  return picture.images.some((image) => image.backing === lone) ? undefined : lone
}

/** A node name that QEMU takes, and no other image has: names that are none themselves go by their place. */
const nodeStem = (name: string, place: number): string =>
  /^(?!.*\.\.)[A-Za-z][\w.-]{0,22}$/.test(name) ? name : `image..${place}`

const liveNodes = (picture: Picture, active: number, nodes: ParseOptions['nodes']): ReadonlyMap<number, LiveNode> => {
  const found = new Map<number, LiveNode>()
  for (let place: number | undefined = nodes === undefined ? undefined : active; place !== undefined;) {
    const image: PictureImage | undefined = picture.images[place]
    const stem = nodeStem(image?.name ?? '', place)
    const owner = nodes === 'implicit' && place !== active ? 'implicit' : 'monitor'
    found.set(place, { format: `${stem}-format`, storage: `${stem}-storage`, owner, filters: [] })
    place = image?.backing
  }
  return found
}

const describe = (picture: Picture, active: number, options: ParseOptions): ReadonlyArray<ImageDescription> => {
  const { directory = '/images', clusterBytes = defaultClusterBytes, sizeBytes = 4 * clusterBytes } = options
  const nodes = liveNodes(picture, active, options.nodes)
  const pathTo = (name: string): string => `${directory}/${name}`
  const relative = (name: string): string => (isAbsolute(name) ? `./${name}` : name)
  return picture.images.map((image, place) => {
    const { name, format = 'qcow2', contents } = image
    const backing = image.backing === undefined ? undefined : picture.images[image.backing]
    const node = nodes.get(place)
    const header = options.headers === 'relative' ? relative : pathTo
    return {
      name,
      format,
      sizeBytes: contents === undefined ? sizeBytes : Array.from(contents).length * clusterBytes,
      location: { _tag: 'File', path: pathTo(name) },
      otherReaders: [],
      ...(traitsOf(format).records === 'format' ? { clusterBytes } : {}),
      ...(node === undefined ? {} : { node }),
      ...(backing === undefined
        ? {}
        : { backing: { image: backing.name, header: header(backing.name), format: backing.format ?? 'qcow2' } }),
    }
  })
}

const contentsOf = (picture: Picture, clusterBytes: number | undefined): ReadonlyMap<string, Layer> => {
  const layers = new Map<string, Layer>()
  for (const { name, contents } of picture.images)
    if (contents !== undefined) layers.set(name, layerOfPattern(contents, clusterBytes))
  return layers
}

/** The marks besides the one that says which image is active. */
const marksOf = (picture: Picture, active: number): ReadonlyMap<string, ReadonlyArray<Mark>> => {
  const found = new Map<string, ReadonlyArray<Mark>>()
  const lone = picture.images[active]?.marks.includes('^') !== true
  for (const [place, { name, marks }] of picture.images.entries()) {
    const modified = lone && place === active ? [] : marks.filter((mark) => mark !== '^')
    if (modified.length > 0) found.set(name, modified)
  }
  return found
}

/**
 * Reads a chain in the libvirt wiki's notation.
 *
 * `base <- a^` is the image `a` with the backing file `base`; `^` marks the active image, and where no image has it a lone
 * `*` on an image without overlays does, as the wiki itself writes it. Branches stand in parentheses,
 * `base <- (a <- b^, c)`; trees beside each other are separated by `;`. `base:raw` names a format other than qcow2,
 * `a[x-0-]` gives contents, one character a cluster: `-` hole, `0` zeroes, else data. A name with syntax in it is a JSON
 * string. `*` and `+` are marks of a plan, and come back in `marks`.
 *
 * Refuses with one `NotationWrong`, or with every problem that {@link chain} finds. Linear; no depth is too deep.
 *
 * @example
 * import { parseChain } from 'backing-chain'
 *
 * parseChain('base <- a <-') // => { _tag: 'Left', left: [{ _tag: 'NotationWrong', at: 12, expected: 'the name of an image', found: 'the end' }] }
 *
 * @since 0.1.0
 */
export const parseChain = (
  text: string,
  options: ParseOptions = {},
): E.Either<ReadonlyNonEmptyArray<NotationError | ModelError>, ParsedChain> => {
  const parsed = parsePicture(text)
  if (E.isLeft(parsed)) return E.left([parsed.left])
  const picture = parsed.right
  const active = activePlace(picture)
  const image = active === undefined ? undefined : picture.images[active]
  if (active === undefined || image === undefined)
    return E.left([wrongAt(text, text.length, 'exactly one image marked "^" as the active one')])
  const made = chain(options.disk ?? 'vda', describe(picture, active, options), image.name)
  if (E.isLeft(made)) return made
  const contents = contentsOf(picture, options.clusterBytes)
  return E.right({ chain: made.right, contents, marks: marksOf(picture, active) })
}

/**
 * What {@link printChain} writes besides the images.
 *
 * - `contents`: of images by name, at `clusterBytes` (65,536) a character; `?` where a cluster is not uniform or its source
 *   is not one character. A layer of more than 4,096 clusters is left out.
 * - `marks`: `*` and `+` of images by name; `^` always stands at the active one and nowhere else.
 *
 * @since 0.1.0
 */
export interface PrintOptions {
  readonly contents?: ReadonlyMap<string, Layer>
  readonly marks?: ReadonlyMap<string, ReadonlyArray<Mark>>
  readonly clusterBytes?: number
}

const largestPattern = 4096

const patternOf = (layer: Layer | undefined, clusterBytes: number): string | undefined =>
  layer === undefined || layer.sizeBytes > largestPattern * clusterBytes
    ? undefined
    : patternOfLayer(layer, clusterBytes).replace(/[[\]]/g, '?')

/**
 * Writes a chain in the libvirt wiki's notation, the inverse of {@link parseChain}.
 *
 * Law: names, backing relationships, formats, contents and marks are what `parseChain(printChain(chain))` reads; images
 * stand in the order of writing, and sizes, locations and headers are its defaults. Linear; no depth is too deep.
 *
 * @example
 * import { parseChain, printChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base:raw <- (old, "a b" <- top*)')
 * E.isRight(parsed) ? printChain(parsed.right.chain) : '' // => 'base:raw <- (old, "a b" <- top^)'
 *
 * @since 0.1.0
 */
export const printChain = (of: Chain, options: PrintOptions = {}): string => {
  const places = new Map(Array.from(of.images.keys(), (name, place) => [name, place]))
  const drawn = (image: Image): PictureImage => ({
    name: image.name,
    backing: image.backing === undefined ? undefined : places.get(image.backing.image),
    format: image.format === 'qcow2' ? undefined : image.format,
    contents: patternOf(options.contents?.get(image.name), options.clusterBytes ?? defaultClusterBytes),
    marks: marksInOrder.filter((mark) =>
      mark === '^' ? image.name === of.active : options.marks?.get(image.name)?.includes(mark),
    ),
  })
  return printPicture({ images: Array.from(of.images.values(), drawn) })
}
