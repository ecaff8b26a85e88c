import * as E from 'fp-ts/lib/Either.js'

/** The options of a subcommand: those that take a value, and those that take none. */
export interface Spelling {
  readonly values: ReadonlyArray<string>
  readonly flags: ReadonlyArray<string>
}

/** An argument vector, taken apart. An option that is given twice has its last value, as with qemu-img. */
export interface ParsedArgv<Command> {
  readonly command: Command
  readonly options: ReadonlyMap<string, string>
  readonly operands: ReadonlyArray<string>
}

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
  if (argument.startsWith('--') || !spelling.values.includes(short)) return 0
  bits.options.set(short, argument.slice(2))
  return 1
}

/**
 * Reads argument vectors of qemu-img as getopt does, options anywhere, `--` ends them, of the subcommands in a table. Left: the part that
 * is not in it.
 */
export const argvReader =
  <Command extends string>(known: { readonly [C in Command]: Spelling }) =>
  (argv: ReadonlyArray<string>): E.Either<string, ParsedArgv<Command>> => {
    const isKnown = (name: string): name is Command => Object.hasOwn(known, name)
    const [, command = ''] = argv
    if (!isKnown(command)) return E.left(`qemu-img ${command}`)
    const bits: Bits = { options: new Map(), operands: [] }
    for (let at = 2; at < argv.length;) {
      if (argv[at] === '--') {
        for (const operand of argv.slice(at + 1)) bits.operands.push(operand)
        break
      }
      const used = take(bits, known[command], argv.slice(at, at + 2))
      if (used === 0) return E.left(`qemu-img ${command} ${argv[at] ?? ''}`)
      at += used
    }
    return E.right({ command, options: bits.options, operands: bits.operands })
  }

/** The subcommands of qemu-img 10.0 that open images, with the options that take a value and those that take none. */
const known = {
  amend: { values: ['-f', '-o', '-t'], flags: ['-p', '-q', '--force'] },
  bitmap: {
    values: ['-f', '-b', '-F', '-g', '--merge'],
    flags: ['--add', '--remove', '--clear', '--enable', '--disable'],
  },
  check: { values: ['-f', '-r', '-T'], flags: ['-q', '-U', '--output=json', '--output=human'] },
  commit: { values: ['-f', '-b', '-t', '-r'], flags: ['-d', '-q', '-p'] },
  compare: { values: ['-f', '-F', '-T'], flags: ['-s', '-p', '-q', '-U'] },
  convert: {
    values: ['-f', '-O', '-B', '-F', '-o', '-l', '-S', '-m', '-r', '-t', '-T'],
    flags: ['-n', '-c', '-q', '-p', '-W', '-U', '--bitmaps', '--skip-broken-bitmaps', '--target-is-zero', '--salvage'],
  },
  create: { values: ['-f', '-b', '-F', '-o'], flags: ['-u', '-q'] },
  info: { values: ['-f'], flags: ['-U', '--backing-chain', '--output=json', '--output=human'] },
  map: { values: ['-f', '-s', '-l'], flags: ['-U', '--output=json', '--output=human'] },
  measure: { values: ['-f', '-O', '-o', '-l', '--size'], flags: ['-U', '--output=json', '--output=human'] },
  rebase: { values: ['-f', '-b', '-F', '-t', '-T'], flags: ['-u', '-U', '-q', '-p', '-c'] },
  resize: { values: ['-f', '--preallocation'], flags: ['-q', '--shrink'] },
  snapshot: { values: ['-f', '-c', '-a', '-d'], flags: ['-l', '-q', '-U'] },
} as const satisfies { readonly [command: string]: Spelling }

/** A subcommand of qemu-img that is known here. */
export type Subcommand = keyof typeof known

/** An argument vector of one of them. */
export type QemuImgArguments = ParsedArgv<Subcommand>

/** Reads an argument vector of qemu-img. Left: the part that it does not know. */
export const parseQemuImg = argvReader<Subcommand>(known)
