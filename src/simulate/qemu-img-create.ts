import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { emptyLayer } from '../content/layer.js'
import { traitsOf } from '../model/format.js'
import type { Format } from '../model/format.js'
import { storable } from './cells.js'
import { qemuImgRefuses, unmodelled } from './fault.js'
import type { Fault, Outcome } from './fault.js'
import { fileOf, headerPath, inodeOf, writeFile } from './files.js'
import { blankFile } from './job-create.js'
import { creationOptions, formatOption, operandPath, sizeOf } from './qemu-img-argv.js'
import type { Parsed } from './qemu-img-argv.js'
import { lockRefusal } from './qemu-img-open.js'
import { storedChain } from './stored.js'
import type { FileHeader, World } from './world.js'

/** A new image, as far as the command line says. */
interface Wanted {
  readonly path: string
  readonly format: Format
  readonly header: FileHeader | undefined
}

const wantedOf = (world: World, parsed: Parsed): E.Either<Fault, Wanted> => {
  const path = operandPath(world, parsed.operands[0] ?? '')
  const format = formatOption(parsed, '-f')
  const backing = formatOption(parsed, '-F')
  if (E.isLeft(path)) return path
  if (E.isLeft(format)) return format
  if (E.isLeft(backing)) return backing
  const string = parsed.options.get('-b')
  const header = string === undefined ? undefined : { string, format: backing.right }
  return E.right({ path: path.right, format: format.right ?? 'raw', header })
}

const refusal = (world: World, { path, format, header }: Wanted): E.Either<Fault, never> | undefined => {
  const inode = inodeOf(world, path)
  const locked = inode === undefined ? undefined : lockRefusal(world, { path, inode }, 'write')
  if (locked !== undefined) return locked
  if (header === undefined) return undefined
  if (traitsOf(format).holds === 'base')
    return qemuImgRefuses(`${path}: Backing file not supported for file format '${format}'`)
  if (path === header.string)
    return qemuImgRefuses(`${path}: Error: Trying to create an image with the same filename as the backing file`)
  return header.format === undefined
    ? qemuImgRefuses(`${path}: Backing file specified without backing format`)
    : undefined
}

/** The size given, or that of the backing file, which is opened unless `-u` says not to; up to a multiple of 512. */
const sizeFor = (world: World, parsed: Parsed, { path, header }: Wanted): E.Either<Fault, number> => {
  const text = parsed.operands[1]
  const given = text === undefined ? undefined : sizeOf(text)
  if (text !== undefined && given === undefined) return qemuImgRefuses(`Invalid image size specified: ${text}`)
  const rounded = (bytes: number): number => Math.ceil(bytes / 512) * 512
  const missing = qemuImgRefuses(`${path}: Image creation needs a size parameter`)
  if (header === undefined || parsed.options.has('-u')) return given === undefined ? missing : E.right(rounded(given))
  const below = { path: headerPath(path, header.string), format: undefined, backing: undefined }
  return pipe(
    storedChain(world, below, 'qemu-img'),
    E.flatMap(([image]) => {
      if (given !== undefined) return E.right(rounded(given))
      if (image === undefined) return missing
      if (header.format !== image.format)
        return unmodelled(`the size of '${image.path}' opened as ${header.format ?? '?'}`)
      return E.right(rounded(fileOf(world, image.inode).layer.sizeBytes))
    }),
  )
}

/** `qemu-img create`: over whatever is there, unless a running QEMU has it open. */
export const create = (world: World, parsed: Parsed): Outcome => {
  const wanted = wantedOf(world, parsed)
  if (E.isLeft(wanted)) return wanted
  const refused = refusal(world, wanted.right)
  if (refused !== undefined) return refused
  const size = sizeFor(world, parsed, wanted.right)
  if (E.isLeft(size)) return size
  const { path, format, header } = wanted.right
  return pipe(
    creationOptions(parsed.options.get('-o')),
    E.map(({ clusterBytes, version }) =>
      writeFile(world, path, {
        ...blankFile(0),
        format,
        layer: storable(format, emptyLayer(size.right)),
        ...(traitsOf(format).records === 'format' ? { clusterBytes, version } : {}),
        header:
          header === undefined || traitsOf(format).records === 'format' ? header : { ...header, format: undefined },
      }),
    ),
  )
}
