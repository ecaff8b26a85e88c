import type { QemuImgArguments, Subcommand } from '../call/qemu-img-argv.js'
import type { Access } from '../model/opening.js'
import { at, backing, chained } from './opens-index.js'
import type { Index, Open } from './opens-index.js'

type Opens = (index: Index, parsed: QemuImgArguments) => ReadonlyArray<Open>

/** With `-U` nobody is kept out, and nobody keeps it out. */
const reading = ({ options }: QemuImgArguments): Access => (options.has('-U') ? 'header' : 'read')

const reads: Opens = (index, parsed) =>
  parsed.operands.flatMap((operand) => chained(index, at(index, operand), reading(parsed)))

/** Of a snapshot inside an image that is written the data stay, and with `-U` it can be read; what lies below has to stay as well. */
const readsInside: Opens = (index, parsed) =>
  parsed.operands.flatMap((operand) => {
    const images = at(index, operand)
    return chained(index, images, 'read').map(([opened, access]): Open => [
      opened,
      opened === images ? reading(parsed) : access,
    ])
  })

const writes: Opens = (index, { operands }) => chained(index, at(index, operands[0]), 'write')

/** What each subcommand opens, and how; FACTS-qemu section 6, and run on QEMU 10.0 and 7.2. */
const table: { readonly [S in Subcommand]: Opens } = {
  create: (index, { operands, options }) => {
    const made = at(index, operands[0])
    return [
      [made, 'write'],
      [options.has('-u') ? [] : backing(index, made), 'header'],
    ]
  },
  commit: (index, parsed) => {
    const top = at(index, parsed.operands[0])
    const named = at(index, parsed.options.get('-b'))
    const base = named.length > 0 ? named : backing(index, top).slice(0, 1)
    return [...chained(index, top, 'write'), [base, 'write']]
  },
  rebase: (index, parsed) =>
    parsed.options.has('-u') ? [[at(index, parsed.operands[0]), 'write']] : writes(index, parsed),
  info: (index, parsed) =>
    parsed.options.has('--backing-chain') ? reads(index, parsed) : [[at(index, parsed.operands[0]), reading(parsed)]],
  snapshot: (index, parsed) => (parsed.options.has('-l') ? reads : writes)(index, parsed),
  check: (index, parsed) => (parsed.options.has('-r') ? writes : reads)(index, parsed),
  convert: (index, parsed) => {
    const { operands, options } = parsed
    const to = at(index, operands.at(-1))
    const from = { ...parsed, operands: operands.slice(0, -1) }
    return [...(options.has('-l') ? readsInside : reads)(index, from), ...chained(index, to, 'write')]
  },
  bitmap: (index, { operands, options }) => [
    [at(index, operands[0]), 'write'],
    [at(index, options.get('-b')), 'read'],
  ],
  compare: reads,
  map: reads,
  measure: reads,
  amend: writes,
  resize: writes,
}

/** What a run of qemu-img opens. */
export const qemuImgOpens: Opens = (index, parsed) => table[parsed.command](index, parsed)
