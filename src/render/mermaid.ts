import type { Chain } from '../model/chain.js'
import type { Image } from '../model/image.js'
import type { Mark } from '../model/picture.js'
import { nameText } from '../model/print-picture.js'

/** Text for a label in quotes: whatever Mermaid or the HTML behind it could read as syntax is an entity code. */
const label = (text: string): string =>
  Array.from(text, (character) =>
    /^[A-Za-z0-9 ._/]$/.test(character) ? character : `#${String(character.codePointAt(0) ?? 0)};`,
  ).join('')

const labelOf = (image: Image, marks: ReadonlyArray<Mark>): string => {
  const format = image.format === 'qcow2' ? '' : `:${image.format}`
  return label(`${nameText(image.name)}${format}${marks.join('')}`)
}

/**
 * Draws a chain as a Mermaid flowchart: base on the left, an arrow from each overlay to its backing file, the active image
 * marked `^` and drawn with a thick border.
 *
 * `marks` as {@link marksOfPlan} gives them. Any name is safe. Mermaid itself stops at 500 arrows and 50,000 characters
 * unless it is configured otherwise.
 *
 * @example
 * import { mermaid, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- top^')
 * const lines = E.isRight(parsed) ? mermaid(parsed.right.chain).split('\n') : []
 * lines[2] // => '  i1["top#94;"]:::active --> i0'
 *
 * @since 0.1.0
 */
export const mermaid = (chain: Chain, marks: ReadonlyMap<string, ReadonlyArray<Mark>> = new Map()): string => {
  const places = new Map(Array.from(chain.images.keys(), (name, place) => [name, place]))
  const lines = Array.from(chain.images.values(), (image, place) => {
    const active = image.name === chain.active
    const shown: ReadonlyArray<Mark> = [...(marks.get(image.name) ?? []), ...(active ? (['^'] as const) : [])]
    const backing = image.backing === undefined ? undefined : places.get(image.backing.image)
    const arrow = backing === undefined ? '' : ` --> i${String(backing)}`
    return `  i${String(place)}["${labelOf(image, shown)}"]${active ? ':::active' : ''}${arrow}`
  })
  return ['flowchart RL', ...lines, '  classDef active stroke-width:4px'].join('\n')
}
