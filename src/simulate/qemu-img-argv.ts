import * as E from 'fp-ts/lib/Either.js'

import { argvReader } from '../call/qemu-img-argv.js'
import type { ParsedArgv, Spelling } from '../call/qemu-img-argv.js'
import { isFormat } from '../model/format.js'
import type { Format } from '../model/format.js'
import { hasProtocol } from '../model/location.js'
import { qemuImgRefuses, unmodelled } from './fault.js'
import type { Fault } from './fault.js'
import { inodeOf } from './files.js'
import type { World } from './world.js'

/** The subcommands that are modelled, with the options that take a value and those that take none. */
const known = {
  create: { values: ['-f', '-b', '-F', '-o'], flags: ['-u', '-q'] },
  commit: { values: ['-f', '-b', '-t', '-r'], flags: ['-d', '-q', '-p'] },
  rebase: { values: ['-f', '-b', '-F', '-t', '-T'], flags: ['-u', '-U', '-q', '-p'] },
  convert: { values: ['-f', '-O', '-B', '-F', '-o', '-l', '-r', '-t', '-T'], flags: ['-n', '-c', '-q', '-p', '-U'] },
  resize: { values: ['-f'], flags: ['-q', '--shrink'] },
  snapshot: { values: ['-f', '-c', '-a', '-d'], flags: ['-l', '-q', '-U'] },
  info: { values: ['-f'], flags: ['-U', '--backing-chain', '--output=json'] },
} as const satisfies { readonly [command: string]: Spelling }

/** A subcommand of qemu-img that is modelled. */
export type Subcommand = keyof typeof known

/** An argument vector, taken apart. */
export type Parsed = ParsedArgv<Subcommand>

const read = argvReader<Subcommand>(known)

/** Reads an argument vector as getopt does. An option that is not modelled is a fault. */
export const parseArgv = (argv: ReadonlyArray<string>): E.Either<Fault<never>, Parsed> => {
  const parsed = read(argv)
  return E.isLeft(parsed) ? unmodelled(parsed.left) : parsed
}

/** The path that an operand names: `file:` is taken off, any other protocol is looked up as it stands. */
export const operandPath = (world: World, operand: string): E.Either<Fault, string> => {
  if (inodeOf(world, operand) !== undefined && !operand.startsWith('file:')) return E.right(operand)
  if (operand.startsWith('file:')) return E.right(operand.slice('file:'.length))
  if (!hasProtocol(operand)) return E.right(operand)
  return qemuImgRefuses(`Could not open '${operand}': Unknown protocol '${operand.slice(0, operand.indexOf(':'))}'`)
}

/** The format that an option names, if it is given. */
export const formatOption = (parsed: Parsed, option: string): E.Either<Fault, Format | undefined> => {
  const name = parsed.options.get(option)
  if (name === undefined || isFormat(name)) return E.right(name)
  return qemuImgRefuses(`Unknown driver '${name}'`)
}

const units: { readonly [unit: string]: number } = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

/** A size as qemu-img reads it: a number, and a unit of 1024s. */
export const sizeOf = (text: string): number | undefined => {
  const found = /^(\d+(?:\.\d+)?)([bkmgt]?)$/i.exec(text)
  const size = Number(found?.[1] ?? NaN) * (units[(found?.[2] ?? '').toLowerCase()] ?? NaN)
  return Number.isSafeInteger(size) ? size : undefined
}

/** The `key=value` pairs of `-o`; `cluster_size` and `compat` are modelled. */
export const creationOptions = (
  text: string | undefined,
): E.Either<Fault, { readonly clusterBytes: number; readonly version: 2 | 3 }> => {
  let clusterBytes = 65536
  let version: 2 | 3 = 3
  for (const pair of text === undefined ? [] : text.split(',')) {
    const [key, value = ''] = pair.split('=')
    const size = sizeOf(value)
    if (key === 'cluster_size' && size !== undefined) clusterBytes = size
    else if (key === 'compat') version = value === '0.10' || value === 'v2' ? 2 : 3
    else return unmodelled(`qemu-img -o ${pair}`)
  }
  return E.right({ clusterBytes, version })
}
