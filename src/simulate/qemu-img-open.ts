import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Format } from '../model/format.js'
import { headerBytes, largestHeaderBytes } from '../model/header.js'
import { traitsOf } from '../model/format.js'
import { qemuImgRefuses } from './fault.js'
import type { Fault } from './fault.js'
import { fileOf, isKept } from './files.js'
import { nodeOf } from './graph.js'
import { formatOption, operandPath } from './qemu-img-argv.js'
import type { Parsed } from './qemu-img-argv.js'
import { storedChain } from './stored.js'
import type { StoredImage } from './stored.js'
import { lookup } from './table.js'
import type { FileHeader, World } from './world.js'

/** What the locks of a running QEMU say to a qemu-img that wants to read or write a file. */
export const lockRefusal = (
  world: World,
  image: { readonly path: string; readonly inode: string },
  want: 'read' | 'write',
): E.Either<Fault, never> | undefined => {
  const nodes = world.qemu === undefined ? [] : (lookup(world.qemu.open, image.inode) ?? [])
  const lock = want === 'write' ? '"write" lock' : 'shared "write" lock'
  const denied =
    want === 'write' ? nodes.length > 0 : nodes.some((name) => nodeOf(world, name)?.access === 'read-write')
  if (denied || isKept(fileOf(world, image.inode), want))
    return qemuImgRefuses(
      `Could not open '${image.path}': Failed to get ${lock}\nIs another process using the image [${image.path}]?`,
    )
  return want === 'write' && fileOf(world, image.inode).access === 'read-only'
    ? qemuImgRefuses(`Could not open '${image.path}': Permission denied`)
    : undefined
}

/** An image that qemu-img has opened with its chain: uppermost first, the image itself included. */
export interface Opened {
  readonly image: StoredImage
  readonly chain: ReadonlyArray<StoredImage>
}

/** How an image is opened: `share` is `-U`, which asks for no locks and heeds none. */
export type Want = 'read' | 'write' | 'share'

/** Opens the image of the first operand, with all that it reads, and checks the locks: all are read, the image itself as wanted. */
export const openOperand = (world: World, parsed: Parsed, want: Want): E.Either<Fault, Opened> =>
  pipe(
    operandPath(world, parsed.operands[0] ?? ''),
    E.flatMap((path) =>
      pipe(
        formatOption(parsed, '-f'),
        E.flatMap((format) => openPath(world, { path, format }, want)),
      ),
    ),
  )

/** Opens an image by its path. */
export const openPath = (
  world: World,
  from: { readonly path: string; readonly format: Format | undefined },
  want: Want,
): E.Either<Fault, Opened> => {
  const chain = storedChain(world, { ...from, backing: undefined }, 'qemu-img')
  if (E.isLeft(chain)) return chain
  const [image, ...below] = chain.right
  if (image === undefined) return qemuImgRefuses(`Could not open '${from.path}'`)
  if (want === 'share') return E.right({ image, chain: chain.right })
  const refused = lockRefusal(world, image, want)
  if (refused !== undefined) return refused
  for (const one of below) {
    const locked = lockRefusal(world, one, 'read')
    if (locked !== undefined) return locked
  }
  return E.right({ image, chain: chain.right })
}

/** What speaks against a header in an image of that format. */
export const headerRefusal = (format: Format, header: FileHeader | undefined): E.Either<Fault, never> | undefined => {
  const front = `Could not change the backing file to '${header?.string ?? ''}'`
  if (traitsOf(format).holds !== 'overlay') return qemuImgRefuses(`${front}: Operation not supported`)
  if (header === undefined) return undefined
  if (traitsOf(format).records === 'format' && header.format === undefined)
    return qemuImgRefuses(`${front}: backing format must be specified`)
  return headerBytes(header.string) > largestHeaderBytes
    ? qemuImgRefuses('No space left in the file header')
    : undefined
}
