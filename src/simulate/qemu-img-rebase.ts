import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { emptyLayer } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { override } from '../content/override.js'
import { sameBytes } from '../content/run.js'
import { traitsOf } from '../model/format.js'
import { layerFrom, stretches } from './cells.js'
import { holds, noSpace } from './device.js'
import { qemuImgRefuses } from './fault.js'
import type { Fault, Outcome } from './fault.js'
import { fileOf, headerPath, inodeOf, withHeader, withLayer } from './files.js'
import { viewOfStored } from './observe.js'
import { formatOption, operandPath } from './qemu-img-argv.js'
import type { Parsed } from './qemu-img-argv.js'
import { headerRefusal, lockRefusal, openOperand, openPath } from './qemu-img-open.js'
import type { Opened } from './qemu-img-open.js'
import type { FileHeader, World } from './world.js'

/** What `-b` and `-F` say: an empty `-b`, or none, takes the backing file away. */
const headerFor = (parsed: Parsed): E.Either<Fault, FileHeader | undefined> =>
  pipe(
    formatOption(parsed, '-F'),
    E.map((format) => {
      const string = parsed.options.get('-b') ?? ''
      return string === '' ? undefined : { string, format }
    }),
  )

/** The header in the form in which the image stores it. */
const stored = (world: World, inode: string, header: FileHeader | undefined): World => {
  const records = traitsOf(fileOf(world, inode).format).records === 'format'
  return withHeader(world, inode, header === undefined || records ? header : { ...header, format: undefined })
}

/** `rebase -u`: the header and nothing else; not even the old or new backing file has to be there. */
const unsafe = (world: World, parsed: Parsed, header: FileHeader | undefined): Outcome => {
  const path = operandPath(world, parsed.operands[0] ?? '')
  if (E.isLeft(path)) return path
  const inode = inodeOf(world, path.right)
  if (inode === undefined) return qemuImgRefuses(`Could not open '${path.right}': No such file or directory`)
  const refused =
    lockRefusal(world, { path: path.right, inode }, 'write') ?? headerRefusal(fileOf(world, inode).format, header)
  return refused ?? E.right(stored(world, inode, header))
}

/** What is read below an image as far as the image reaches: zero where there is nothing, or it is shorter. */
const below = (world: World, chain: Opened['chain'], sizeBytes: number): Layer =>
  override(viewOfStored(world, chain) ?? emptyLayer(0), emptyLayer(sizeBytes))

const newChain = (
  world: World,
  image: Opened['image'],
  header: FileHeader | undefined,
): E.Either<Fault, Opened['chain']> => {
  if (header === undefined) return E.right([])
  const opened = openPath(world, { path: headerPath(image.path, header.string), format: header.format }, 'read')
  const front = `Could not open new backing file '${header.string}': `
  if (E.isRight(opened)) {
    const itself = opened.right.chain.some(({ inode }) => inode === image.inode)
    return itself ? qemuImgRefuses(`${front}Failed to get shared "write" lock`) : E.right(opened.right.chain)
  }
  return opened.left._tag === 'Refused' ? qemuImgRefuses(front + opened.left.desc) : opened
}

/**
 * Safe mode: takes up whatever a hole would read differently from the new backing file, and only then rewrites the header.
 *
 * qemu-img finds out that the header cannot be written only after it has copied; nothing that is read changes by it, and here
 * nothing changes at all; so where the device is full.
 */
const safe = (world: World, { image, chain }: Opened, header: FileHeader | undefined): Outcome => {
  const own = fileOf(world, image.inode).layer
  return pipe(
    newChain(world, image, header),
    E.flatMap((fresh) => {
      const refused = headerRefusal(image.format, header)
      if (refused !== undefined) return refused
      const views = [own, below(world, chain.slice(1), own.sizeBytes), below(world, fresh, own.sizeBytes)]
      const kept = layerFrom(own.sizeBytes, stretches(own.sizeBytes, views), ({ cells: [mine, old, next] }) => {
        if (mine !== undefined) return mine
        return old !== undefined && next !== undefined && sameBytes(old, next) ? undefined : old
      })
      if (!holds(world, image.inode, kept)) return qemuImgRefuses(`Error while writing to COW image: ${noSpace}`)
      return E.right(stored(withLayer(world, image.inode, kept), image.inode, header))
    }),
  )
}

/** `qemu-img rebase`, safe and with `-u`. */
export const rebase = (world: World, parsed: Parsed): Outcome => {
  const header = headerFor(parsed)
  if (E.isLeft(header)) return header
  if (parsed.options.has('-u')) return unsafe(world, parsed, header.right)
  if (!parsed.options.has('-b')) return qemuImgRefuses('Must specify backing file (-b) or use unsafe mode (-u)')
  return pipe(
    openOperand(world, parsed, 'write'),
    E.flatMap((opened) => safe(world, opened, header.right)),
  )
}
