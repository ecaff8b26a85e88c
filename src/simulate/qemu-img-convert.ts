import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { emptyLayer } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { zeroRun } from '../content/run.js'
import { view } from '../content/view.js'
import { traitsOf } from '../model/format.js'
import type { Format } from '../model/format.js'
import { allocatedRanges, layerFrom, paste, storable, stretches } from './cells.js'
import { qemuImgRefuses, unmodelled } from './fault.js'
import type { Fault, Outcome } from './fault.js'
import { fileOf, headerPath, inodeOf, withLayer, writeFile } from './files.js'
import { blankFile } from './job-create.js'
import { viewOfStored } from './observe.js'
import { creationOptions, formatOption, operandPath } from './qemu-img-argv.js'
import type { Parsed } from './qemu-img-argv.js'
import { lockRefusal, openOperand, openPath } from './qemu-img-open.js'
import type { Opened } from './qemu-img-open.js'
import { savedWanted, temporarilyLoaded } from './qemu-img-load.js'
import type { FileHeader, World } from './world.js'

interface Target {
  readonly path: string
  readonly inode: string | undefined
  readonly format: Format
  readonly header: FileHeader | undefined
}

const targetOf = (world: World, parsed: Parsed): E.Either<Fault, Target> => {
  const [, operand, another] = parsed.operands
  if (operand === undefined || another !== undefined) return unmodelled('qemu-img convert of more than one image')
  const path = operandPath(world, operand)
  if (E.isLeft(path)) return path
  const format = formatOption(parsed, '-O')
  if (E.isLeft(format)) return format
  const backing = formatOption(parsed, '-F')
  if (E.isLeft(backing)) return backing
  const string = parsed.options.get('-B')
  const inode = inodeOf(world, path.right)
  const header = string === undefined ? undefined : { string, format: backing.right }
  if (header !== undefined && header.format === undefined)
    return qemuImgRefuses('Use of backing file requires explicit backing format')
  const target = { path: path.right, inode, format: format.right ?? 'raw', header }
  return (inode === undefined ? undefined : lockRefusal(world, { path: path.right, inode }, 'write')) ?? E.right(target)
}

/** What is converted: an image with its chain, and what it stores itself, now or in a snapshot inside. */
interface Source extends Opened {
  readonly own: Layer
}

/** All that the source shows; in a new image zeroes need no storing. */
const flat = (world: World, { chain: [, ...below], own }: Source): Layer => {
  const shown = viewOfStored(world, below)
  return view(shown === undefined ? [own] : [shown, own])
}

const dataOnly = (layer: Layer): Layer =>
  layerFrom(layer.sizeBytes, stretches(layer.sizeBytes, [layer]), ({ cells: [cell] }) =>
    cell?.kind === 'zero' ? undefined : cell,
  )

/**
 * With `-B`: only what the source itself stores, and zeroes where it has no backing file or one that ends before it. What the images below hold
 * is left out, so the result is right only where the new backing file shows the same.
 */
const shallow = (world: World, { own, chain: [, below] }: Source, backing: Opened): Layer => {
  const shortBytes = below === undefined ? 0 : fileOf(world, below.inode).layer.sizeBytes
  const newBytes = fileOf(world, backing.image.inode).layer.sizeBytes
  const edges = [own, emptyLayer(Math.min(shortBytes, own.sizeBytes)), emptyLayer(Math.min(newBytes, own.sizeBytes))]
  return layerFrom(own.sizeBytes, stretches(own.sizeBytes, edges), ({ cells: [cell], startBytes, endBytes }) => {
    if (cell?.kind === 'data') return cell
    const zeroes = cell !== undefined || startBytes >= shortBytes
    return zeroes && startBytes < newBytes ? zeroRun(startBytes, endBytes) : undefined
  })
}

const reads = (opened: Opened | undefined, { inode }: Target): boolean =>
  opened?.chain.some((image) => image.inode === inode) ?? false

const intoNew = (world: World, parsed: Parsed, what: { source: Source; target: Target }): Outcome => {
  const { source, target } = what
  const { path, format, header } = target
  if (header !== undefined && traitsOf(format).holds === 'base')
    return qemuImgRefuses(`Backing file not supported for file format '${format}'`)
  const backing =
    header === undefined
      ? E.right(undefined)
      : openPath(world, { path: headerPath(path, header.string), format: header.format }, 'read')
  if (E.isLeft(backing)) return backing
  if (reads(backing.right, target)) return unmodelled('qemu-img convert over an image of its own new chain')
  const layer = backing.right === undefined ? dataOnly(flat(world, source)) : shallow(world, source, backing.right)
  return pipe(
    creationOptions(parsed.options.get('-o')),
    E.map(({ clusterBytes, version }) =>
      writeFile(world, path, {
        ...blankFile(0),
        format,
        layer: storable(format, layer),
        ...(traitsOf(format).records === 'format' ? { clusterBytes, version } : {}),
        header,
      }),
    ),
  )
}

/** With `-n`: over what is there, zeroes written out. A larger target keeps its tail. */
const intoOld = (world: World, { source, target }: { source: Source; target: Target }): Outcome => {
  if (target.inode === undefined) return qemuImgRefuses(`Could not open '${target.path}': No such file or directory`)
  if (target.header !== undefined) return unmodelled('qemu-img convert -n -B')
  const old = fileOf(world, target.inode)
  if (old.format !== target.format)
    return target.format === 'raw'
      ? unmodelled(`qemu-img convert -n -O raw over a ${old.format} image`)
      : qemuImgRefuses(`Image is not in ${target.format} format`)
  if (old.layer.sizeBytes < source.own.sizeBytes) return qemuImgRefuses('output file is smaller than input file')
  const layer = flat(world, source)
  return E.right(withLayer(world, target.inode, paste(old.layer, layer, allocatedRanges(layer))))
}

/** What QEMU has not flushed is not in the file, and nobody can say what that is: with `-U` a state that is written is none. */
const isInFlux = (world: World, images: Opened['chain']): boolean =>
  images.some((image) => lockRefusal(world, image, 'read') !== undefined)

/** What is to be converted: with `-l` a snapshot inside, whose tables QEMU has flushed when it was taken. */
const sourceOf = (world: World, parsed: Parsed): E.Either<Fault, Source> => {
  const wanted = savedWanted(parsed.options.get('-l'))
  if (E.isLeft(wanted)) return wanted
  const opened = openOperand(world, parsed, parsed.options.has('-U') ? 'share' : 'read')
  if (E.isLeft(opened)) return opened
  const { image, chain } = opened.right
  if (isInFlux(world, wanted.right === undefined ? chain : chain.slice(1)))
    return unmodelled(`qemu-img convert -U of '${image.path}', which shows what is being written`)
  const own =
    wanted.right === undefined
      ? E.right(fileOf(world, image.inode).layer)
      : temporarilyLoaded(world, image.inode, wanted.right)
  return pipe(
    own,
    E.map((layer) => ({ image, chain, own: layer })),
  )
}

/** With `-c`: QEMU fails where it comes to a cluster that is there, which is not modelled. */
const compressedRefusal = (world: World, parsed: Parsed, { format, inode }: Target): Outcome | undefined => {
  if (!parsed.options.has('-c')) return undefined
  if (format !== 'qcow2') return qemuImgRefuses('Compression not supported for this file format')
  const filled = parsed.options.has('-n') && inode !== undefined && fileOf(world, inode).layer.runs.length > 0
  return filled ? unmodelled('compressed data over clusters that are there') : undefined
}

/** `qemu-img convert` of one image. */
export const convert = (world: World, parsed: Parsed): Outcome => {
  const source = sourceOf(world, parsed)
  if (E.isLeft(source)) return source
  const target = targetOf(world, parsed)
  if (E.isLeft(target)) return target
  const what = { source: source.right, target: target.right }
  if (reads(what.source, what.target))
    return qemuImgRefuses(`Could not open '${what.target.path}': Failed to get "write" lock`)
  const compressed = compressedRefusal(world, parsed, what.target)
  if (compressed !== undefined) return compressed
  return parsed.options.has('-n') ? intoOld(world, what) : intoNew(world, parsed, what)
}
