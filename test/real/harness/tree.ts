// A tree of real images from a line of the wiki's notation with contents, one character a cell of 64 KiB.

import * as E from 'fp-ts/lib/Either.js'
import { mkdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { chain, layerOfPattern, parsePicture, solid } from 'backing-chain'
import type { Chain, Contents, ImageDescription, Layer, LiveNode, Picture } from 'backing-chain'
import type { QemuVersion } from '../lab/binaries.js'
import { cellBytes, createImages, type ImageSpec } from '../lab/images.js'

export interface TreeOptions {
  /** The backing strings: whole paths, the default, or relative to the overlay's folder, or made from the backing file's path. */
  readonly headers?: 'absolute' | 'relative' | ((backing: string) => string)
  /** The folder of each image under the tree's own; the tree's own where left out. */
  readonly folders?: Readonly<Record<string, string>>
  /** The cluster size of each image; 65,536 where left out. */
  readonly clusters?: Readonly<Record<string, number>>
  /** The file of each image; its name where left out. */
  readonly files?: Readonly<Record<string, string>>
}

/** Images on disk, and what was put into them. */
export interface Tree {
  readonly folder: string
  readonly active: string
  readonly images: ReadonlyArray<ImageDescription>
  readonly contents: Contents
  /** What was written, as the notation has it, by image. */
  readonly cells: ReadonlyMap<string, string>
}

/** The value of an Either that has to be right; throws with the left one. */
export const right = <A>(of: E.Either<unknown, A>): A => {
  if (E.isRight(of)) return of.right
  throw new Error(JSON.stringify(of.left))
}

const relativeHeader = (from: string, to: string): string => {
  const text = relative(dirname(from), to)
  return text.includes(':') ? `./${text}` : text
}

const headerOf = (headers: TreeOptions['headers'], from: string, to: string): string => {
  if (typeof headers === 'function') return headers(to)
  return headers === 'relative' ? relativeHeader(from, to) : to
}

const describe = (picture: Picture, folder: string, options: TreeOptions): ReadonlyArray<ImageDescription> => {
  const pathTo = (name: string): string =>
    join(folder, options.folders?.[name] ?? '', options.files?.[name] ?? name.replaceAll('/', '_'))
  return picture.images.map(({ name, format = 'qcow2', contents = '----', backing }) => {
    const below = backing === undefined ? undefined : picture.images[backing]
    const path = pathTo(name)
    const to = below === undefined ? '' : pathTo(below.name)
    const header = headerOf(options.headers, path, to)
    return {
      name,
      format,
      sizeBytes: contents.length * cellBytes,
      location: { _tag: 'File', path },
      otherReaders: [],
      ...(format === 'qcow2' ? { clusterBytes: options.clusters?.[name] ?? cellBytes } : {}),
      ...(below === undefined ? {} : { backing: { image: below.name, header, format: below.format ?? 'qcow2' } }),
    }
  })
}

export const pathOf = (image: ImageDescription): string => {
  if (image.location._tag === 'File') return image.location.path
  throw new Error(`${image.name} is no file`)
}

const specOf = (image: ImageDescription, cells: string): ImageSpec => {
  const { format, backing, sizeBytes } = image
  if (format !== 'raw' && format !== 'qcow2') throw new Error(`the lab makes no ${format}`)
  const below = backing?.format === undefined ? {} : { backing: { header: backing.header, format: backing.format } }
  const cluster = image.clusterBytes === undefined ? {} : { clusterBytes: image.clusterBytes }
  return { path: pathOf(image), format, sizeBytes, cells, ...cluster, ...below }
}

/**
 * Makes the images of a picture such as `base:raw[ab0c] <- a[-c--] <- (b[--d-]^, s[e---])`. The lengths of the contents are
 * the sizes; images with none have four cells.
 */
export const buildTree = async (
  folder: string,
  notation: string,
  options: TreeOptions & { readonly version: QemuVersion },
): Promise<Tree> => {
  const picture = right(parsePicture(notation))
  const images = describe(picture, folder, options)
  const cells = new Map<string, string>()
  const contents = new Map<string, Layer>()
  const specs: ImageSpec[] = []
  let active = ''
  for (const [place, { name, format, contents: written = '----', marks }] of picture.images.entries()) {
    const image = images[place]
    if (image === undefined) throw new Error('no such place')
    if (marks.includes('^')) active = name
    cells.set(name, written)
    contents.set(name, format === 'raw' ? solid(layerOfPattern(written)) : layerOfPattern(written))
    await mkdir(dirname(pathOf(image)), { recursive: true })
    specs.push(specOf(image, written))
  }
  await createImages(specs, options.version)
  return { folder, active, images, contents, cells }
}

/** The chain value of a tree; with nodes where a QEMU has images open. */
export const chainOf = (tree: Tree, nodes: ReadonlyMap<string, LiveNode> = new Map()): Chain => {
  const images = tree.images.map((image) => {
    const node = nodes.get(image.name)
    return node === undefined ? image : { ...image, node }
  })
  return right(chain('vda', images, tree.active))
}

/** The images of the tree that are read through one of them, base first. */
export const pathTo = (tree: Tree, upTo: string = tree.active): ReadonlyArray<ImageDescription> => {
  const found: ImageDescription[] = []
  for (let name: string | undefined = upTo; name !== undefined;) {
    const image = tree.images.find((one) => one.name === name)
    if (image !== undefined) found.unshift(image)
    name = image?.backing?.image
  }
  return found
}
