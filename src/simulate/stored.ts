import * as E from 'fp-ts/lib/Either.js'

import { isFormat } from '../model/format.js'
import type { Format } from '../model/format.js'
import type { Fault, Refuser } from './fault.js'
import { fileOf, headerPath, inodeOf } from './files.js'
import type { FileHeader, World } from './world.js'

/**
 * How a program is told of an image: its path, the format to open it with (nothing: as it is), and its backing file (nothing:
 * as its header says; `null`: none).
 */
export interface Reference {
  readonly path: string
  readonly format: Format | undefined
  readonly backing: Reference | null | undefined
}

/** An image on disk as the one above it, or whoever opened it, named it. */
export interface StoredImage {
  readonly path: string
  readonly inode: string
  readonly format: Format
  readonly header: FileHeader | undefined
}

/** The members of a JSON object, whatever it has. */
const membersOf = (value: unknown): ReadonlyMap<string, unknown> =>
  new Map<string, unknown>(typeof value === 'object' && value !== null ? Object.entries(value) : [])

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

const parsed = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** What a `json:` descriptor says; only local files, in the spellings that QEMU itself writes. */
const descriptorOf = (value: unknown): Reference | undefined => {
  const members = membersOf(value)
  const file = members.get('file')
  const path =
    textOf(membersOf(file).get('filename')) ?? textOf(members.get('file.filename')) ?? textOf(members.get('filename'))
  if (path === undefined) return undefined
  const driver = textOf(members.get('driver'))
  const backing = members.get('backing')
  return {
    path,
    format: driver !== undefined && isFormat(driver) ? driver : undefined,
    backing: backing === null ? null : backing === undefined ? undefined : descriptorOf(backing),
  }
}

/** What a header refers to, read from where its image is. */
export const referenceOf = (world: World, overlay: string, header: FileHeader): Reference => {
  const path = headerPath(overlay, header.string)
  const plain: Reference = { path, format: header.format, backing: undefined }
  if (!path.startsWith('json:') || inodeOf(world, path) !== undefined) return plain
  return descriptorOf(parsed(path.slice('json:'.length))) ?? plain
}

const open = (world: World, from: Reference, by: Refuser): E.Either<Fault, StoredImage> => {
  const inode = inodeOf(world, from.path)
  const refused = (desc: string): E.Either<Fault, never> => E.left({ _tag: 'Refused', by, class: 'GenericError', desc })
  if (inode === undefined) return refused(`Could not open '${from.path}': No such file or directory`)
  const file = fileOf(world, inode)
  const format = from.format ?? file.format
  if (format === file.format) return E.right({ path: from.path, inode, format, header: file.header })
  if (format !== 'raw') return refused(`Image is not in ${format} format`)
  return E.left({
    _tag: 'Unmodelled',
    desc: `'${from.path}' is ${file.format} and is opened as raw: its container's bytes`,
  })
}

const nextOf = (world: World, at: Reference, image: StoredImage): Reference | undefined => {
  if (at.backing !== undefined) return at.backing ?? undefined
  return image.header === undefined ? undefined : referenceOf(world, image.path, image.header)
}

/** How far a program gets with opening a chain, uppermost first, and what stops it. */
export interface Walk {
  readonly images: ReadonlyArray<StoredImage>
  readonly fault: Fault | undefined
  /** The path of the image that is not there, where that is what stopped it. */
  readonly missing: string | undefined
}

/**
 * Opens image after image, each by the header of the one above it.
 *
 * A loop is a `Hang`: QEMU that opens one read-only never returns. Linear, never recursive.
 */
export const walkChain = (world: World, from: Reference, by: Refuser): Walk => {
  const images: Array<StoredImage> = []
  const seen = new Set<string>()
  for (let at: Reference | undefined = from; at !== undefined;) {
    const image: E.Either<Fault, StoredImage> = open(world, at, by)
    if (E.isLeft(image)) {
      const missing = inodeOf(world, at.path) === undefined ? at.path : undefined
      return { images, fault: image.left, missing }
    }
    if (seen.has(image.right.inode))
      return { images, fault: { _tag: 'Hang', by, desc: `'${at.path}' is its own backing file` }, missing: undefined }
    seen.add(image.right.inode)
    images.push(image.right)
    at = nextOf(world, at, image.right)
  }
  return { images, fault: undefined, missing: undefined }
}

/** The images that a program opens for one, uppermost first, or what stops it. */
export const storedChain = (
  world: World,
  from: Reference,
  by: Refuser,
): E.Either<Fault, ReadonlyArray<StoredImage>> => {
  const { images, fault } = walkChain(world, from, by)
  return fault === undefined ? E.right(images) : E.left(fault)
}
