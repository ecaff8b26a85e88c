import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'

import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import type { Format } from '../model/format.js'
import type { Image } from '../model/image.js'
import { parseChain } from '../model/notation.js'
import type { ParseOptions } from '../model/notation.js'
import type { PictureImage } from '../model/picture.js'
import { printPicture } from '../model/print-picture.js'
import type { Contents } from '../plan/contents.js'
import { arbitraryPattern } from './layer.js'

/**
 * How random chains look.
 *
 * - `maxImages` (7), `maxClusters` (6, of 65,536 bytes).
 * - `shape`: `path`, one chain with the active image on top; `tree`, with branches; `forest`, the default, also with trees
 *   beside each other and the active image anywhere.
 * - `sizes`: `equal`, or `any`, the default, so that images are shorter and longer than what lies below them.
 * - `nodes`, `headers`: as in `parseChain`; without `headers` either.
 * - `extras`: `some` images have other readers, bitmaps, internal snapshots, encryption or a format whose backing file is
 *   hard to change; `none` by default.
 *
 * @since 0.1.0
 */
export interface ChainOptions extends Pick<ParseOptions, 'nodes' | 'headers'> {
  readonly maxImages?: number
  readonly maxClusters?: number
  readonly shape?: 'path' | 'tree' | 'forest'
  readonly sizes?: 'equal' | 'any'
  readonly extras?: 'none' | 'some'
}

/**
 * A chain, and what each of its images stores. Data of each image has a source of its own.
 *
 * @since 0.1.0
 */
export interface FilledChain {
  readonly chain: Chain
  readonly contents: Contents
}

/** One image before it has a place: `below` and the pattern are cut to what is there when it gets one. */
interface Draft {
  readonly below: number
  readonly pattern: string
  readonly format: Format | undefined
}

const letters = Array.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')

const letterOf = (place: number): string =>
  letters[place] ?? String.fromCodePoint(0x4e00 + ((place - letters.length) % 0x5000))

/** The place of the backing file of the image at `place`: the one before it half of the time, an earlier one, or none. */
const backingPlace = (place: number, below: number, shape: ChainOptions['shape']): number | undefined => {
  if (place === 0) return undefined
  const choice = below % (2 * place + 2)
  if (shape !== 'path' && choice < place) return choice
  return (shape ?? 'forest') === 'forest' && choice === place ? undefined : place - 1
}

const drawn = (draft: Draft, place: number, options: ChainOptions): PictureImage => {
  const backing = backingPlace(place, draft.below, options.shape)
  const format = draft.format === 'raw' && backing !== undefined ? undefined : draft.format
  const solidPattern = format === 'raw' ? draft.pattern.replace(/-/g, '0') : draft.pattern
  const contents = solidPattern.replace(/x/g, letterOf(place))
  return { name: `i${String(place)}`, backing, format, contents, marks: [] }
}

const arbitraryDraft = (options: ChainOptions): fc.Arbitrary<Draft> => {
  const maxClusters = options.maxClusters ?? 6
  const cells = fc.constantFrom('-', '0', 'x')
  const pattern =
    options.sizes === 'equal'
      ? fc.string({ unit: cells, minLength: maxClusters, maxLength: maxClusters })
      : arbitraryPattern({ maxClusters, sources: 'x' })
  const overlay: ReadonlyArray<Format | undefined> =
    options.extras === 'some' ? [undefined, undefined, 'qed'] : [undefined]
  return fc.record({
    below: fc.nat({ max: 1_000_000 }),
    pattern,
    format: fc.constantFrom<Format | undefined>('raw', ...overlay),
  })
}

const arbitraryExtras: fc.Arbitrary<Partial<Image>> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.constant({ otherReaders: ['vm2'] }) },
  { weight: 1, arbitrary: fc.constant({ otherReaders: 'unknown' as const }) },
  { weight: 1, arbitrary: fc.constant({ encryption: 'luks' as const }) },
  {
    weight: 1,
    arbitrary: fc.constant({ bitmaps: [{ name: 'bitmap', granularityBytes: 65536, state: 'recording' as const }] }),
  },
  { weight: 1, arbitrary: fc.constant({ internalSnapshots: [{ id: '1', name: 'inside', vmStateBytes: 0 }] }) },
)

const withExtras = (of: FilledChain, extras: ReadonlyArray<Partial<Image>>): FilledChain => {
  const images = new Map<string, Image>()
  for (const image of of.chain.images.values()) {
    const extra = image.format === 'qcow2' ? extras[images.size] : undefined
    images.set(image.name, { ...image, ...extra })
  }
  return { ...of, chain: withImages(of.chain, images) }
}

const build = (drafts: ReadonlyArray<Draft>, activeChoice: number, options: ChainOptions): FilledChain => {
  const active =
    options.shape === 'path' ? drafts.length - 1 : Math.min(activeChoice % (2 * drafts.length), drafts.length - 1)
  const images = drafts.map((draft, place): PictureImage => {
    const image = drawn(draft, place, options)
    return place === active ? { ...image, marks: ['^'] } : image
  })
  const parsed = parseChain(printPicture({ images }), options)
  if (E.isLeft(parsed)) throw new Error(`unreachable: ${JSON.stringify(parsed.left)}`)
  return { chain: parsed.right.chain, contents: parsed.right.contents }
}

/**
 * Random chains with their contents.
 *
 * @since 0.1.0
 */
export const arbitraryChain = (options: ChainOptions = {}): fc.Arbitrary<FilledChain> => {
  const headers = options.headers === undefined ? fc.constantFrom('absolute', 'relative') : fc.constant(options.headers)
  const maxLength = options.maxImages ?? 7
  const extras = options.extras === 'some' ? arbitraryExtras : fc.constant({})
  return fc
    .record({
      drafts: fc.array(arbitraryDraft(options), { minLength: 1, maxLength }),
      active: fc.nat({ max: 1_000_000 }),
      headers,
      extras: fc.array(extras, { minLength: maxLength, maxLength }),
    })
    .map((of) => withExtras(build(of.drafts, of.active, { ...options, headers: of.headers }), of.extras))
}
