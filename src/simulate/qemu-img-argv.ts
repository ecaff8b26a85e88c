import * as E from 'fp-ts/lib/Either.js'

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
  convert: { values: ['-f', '-O', '-B', '-F', '-o', '-t', '-T'], flags: ['-n', '-q', '-p'] },
  resize: { values: ['-f'], flags: ['-q', '--shrink'] },
  snapshot: { values: ['-f', '-c', '-a', '-d'], flags: ['-l', '-q', '-U'] },
  info: { values: ['-f'], flags: ['-U', '--backing-chain', '--output=json'] },
} as const satisfies { readonly [command: string]: Spelling }

interface Spelling {
  readonly values: ReadonlyArray<string>
  readonly flags: ReadonlyArray<string>
}

/** A subcommand of qemu-img that is modelled. */
export type Subcommand = keyof typeof known

/** An argument vector, taken apart. */
export interface Parsed {
  readonly command: Subcommand
  readonly options: ReadonlyMap<string, string>
  readonly operands: ReadonlyArray<string>
}

const isSubcommand = (name: string): name is Subcommand => Object.hasOwn(known, name)

interface Bits {
  readonly options: Map<string, string>
  readonly operands: Array<string>
}

/** Takes one argument; gives back how many it has used up, or none where it is not known. */
const take = (bits: Bits, spelling: Spelling, rest: ReadonlyArray<string>): 0 | 1 | 2 => {
  const [argument = '', next] = rest
  if (argument === '-' || !argument.startsWith('-')) {
    bits.operands.push(argument)
    return 1
  }
  if (spelling.flags.includes(argument)) {
    bits.options.set(argument, '')
    return 1
  }
  if (spelling.values.includes(argument)) {
    if (next === undefined) return 0
    bits.options.set(argument, next)
    return 2
  }
  const short = argument.slice(0, 2)
  if (!spelling.values.includes(short)) return 0
  bits.options.set(short, argument.slice(2))
  return 1
}

/** Reads an argument vector as getopt does: options anywhere, `--` ends them. An option that is not modelled is a fault. */
export const parseArgv = (argv: ReadonlyArray<string>): E.Either<Fault<never>, Parsed> => {
  const [, command = ''] = argv
  if (!isSubcommand(command)) return unmodelled(`qemu-img ${command}`)
  const bits: Bits = { options: new Map(), operands: [] }
  for (let at = 2; at < argv.length;) {
    if (argv[at] === '--') {
      for (const operand of argv.slice(at + 1)) bits.operands.push(operand)
      break
    }
    const used = take(bits, known[command], argv.slice(at, at + 2))
    if (used === 0) return unmodelled(`qemu-img ${command} ${argv[at] ?? ''}`)
    at += used
  }
  return E.right({ command, options: bits.options, operands: bits.operands })
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
