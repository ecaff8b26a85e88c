import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { resized } from './cells.js'
import { qemuImgRefuses } from './fault.js'
import type { Outcome } from './fault.js'
import { fileOf, grown, growthRefusal, inodeOf, withLayer } from './files.js'
import { operandPath, parseArgv, sizeOf } from './qemu-img-argv.js'
import type { Parsed } from './qemu-img-argv.js'
import { commit } from './qemu-img-commit.js'
import { convert } from './qemu-img-convert.js'
import { create } from './qemu-img-create.js'
import { lockRefusal, openOperand } from './qemu-img-open.js'
import type { Opened } from './qemu-img-open.js'
import { rebase } from './qemu-img-rebase.js'
import { snapshot } from './qemu-img-snapshot.js'
import { storedChain } from './stored.js'
import type { World } from './world.js'

/** The size that a `resize` comes to: absolute, or relative with a sign. */
const newSize = (oldBytes: number, text: string): number | undefined => {
  const sign = text.startsWith('+') ? 1 : text.startsWith('-') ? -1 : 0
  const bytes = sizeOf(sign === 0 ? text : text.slice(1))
  if (bytes === undefined) return undefined
  return sign === 0 ? bytes : oldBytes + sign * bytes
}

const resizeTo = (world: World, { image, chain }: Opened, size: { bytes: number; shrink: boolean }): Outcome => {
  const file = fileOf(world, image.inode)
  if (size.bytes % 512 !== 0 && file.format !== 'raw') return qemuImgRefuses('The new size must be a multiple of 512')
  const bytes = Math.ceil(size.bytes / 512) * 512
  if (bytes < file.layer.sizeBytes && !size.shrink)
    return qemuImgRefuses('Use the --shrink option to perform a shrink operation.')
  const below = chain[1] === undefined ? undefined : fileOf(world, chain[1].inode).layer.sizeBytes
  const stuck = growthRefusal(file, bytes > file.layer.sizeBytes ? below : undefined)
  if (stuck !== undefined) return qemuImgRefuses(stuck)
  const layer = bytes < file.layer.sizeBytes ? resized(file.layer, bytes, 'holes') : grown(file.layer, bytes, below)
  return E.right(withLayer(world, image.inode, layer))
}

/** `qemu-img resize`: what is new reads zero, whatever lies below. */
const resize = (world: World, parsed: Parsed): Outcome =>
  pipe(
    openOperand(world, parsed, 'write'),
    E.flatMap((opened) => {
      const oldBytes = fileOf(world, opened.image.inode).layer.sizeBytes
      const bytes = newSize(oldBytes, parsed.operands[1] ?? '')
      if (bytes === undefined || bytes < 0)
        return qemuImgRefuses(`Invalid image size specified: ${parsed.operands[1] ?? ''}`)
      return resizeTo(world, opened, { bytes, shrink: parsed.options.has('--shrink') })
    }),
  )

/** `qemu-img info`: changes nothing. Alone it opens one file; with `--backing-chain` all, and a loop is refused. */
const info = (world: World, parsed: Parsed): Outcome => {
  const path = operandPath(world, parsed.operands[0] ?? '')
  if (E.isLeft(path)) return path
  const inode = inodeOf(world, path.right)
  if (inode === undefined) return qemuImgRefuses(`Could not open '${path.right}': No such file or directory`)
  const locked = parsed.options.has('-U') ? undefined : lockRefusal(world, { path: path.right, inode }, 'read')
  if (locked !== undefined) return locked
  if (!parsed.options.has('--backing-chain')) return E.right(world)
  const chain = storedChain(world, { path: path.right, format: undefined, backing: undefined }, 'qemu-img')
  if (E.isRight(chain)) {
    const busy = parsed.options.has('-U') ? [] : chain.right.flatMap((image) => lockRefusal(world, image, 'read') ?? [])
    return busy[0] ?? E.right(world)
  }
  return chain.left._tag === 'Hang' ? qemuImgRefuses(`Backing file '${path.right}' creates an infinite loop.`) : chain
}

/** Carries out one run of qemu-img. It ends when the call returns; what it wrote is on disk then. */
export const performQemuImg = (world: World, argv: ReadonlyArray<string>): Outcome => {
  const parsed = parseArgv(argv)
  if (E.isLeft(parsed)) return parsed
  switch (parsed.right.command) {
    case 'create':
      return create(world, parsed.right)
    case 'commit':
      return commit(world, parsed.right)
    case 'rebase':
      return rebase(world, parsed.right)
    case 'convert':
      return convert(world, parsed.right)
    case 'resize':
      return resize(world, parsed.right)
    case 'snapshot':
      return snapshot(world, parsed.right)
    case 'info':
      return info(world, parsed.right)
  }
}
