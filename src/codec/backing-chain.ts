import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import { chain } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import type { ImageDescription } from '../model/image.js'
import { modelWrong, unlessUnlinked } from './decode-error.js'
import type { DecodeError, LinkProblem } from './decode-error.js'
import { comparable, leadsElsewhere } from './filename.js'
import { describe, nameIn } from './image-description.js'
import type { ChainOptions } from './image-description.js'
import { infoOf, infoWire } from './image-info.js'
import type { ImageInfo } from './image-info.js'
import { parsedJson } from './json-text.js'
import { list, read } from './shape.js'

/** An image and the one listed below it; a path is a row of these, base first. */
interface Placed {
  readonly info: ImageInfo
  readonly below: ImageInfo | undefined
}

const baseFirst = (activeFirst: ReadonlyArray<ImageInfo>): ReadonlyArray<Placed> =>
  activeFirst.map((info, index) => ({ info, below: activeFirst[index + 1] })).reverse()

const linkProblems = ({ info, below }: Placed): ReadonlyArray<LinkProblem> => {
  const image = info.filename
  const backing = info.backing?.resolved
  if (below === undefined) return backing === undefined ? [] : [{ _tag: 'BackingNotListed', image, backing }]
  const listed = below.filename
  if (backing === undefined) return [{ _tag: 'BackingNotRecorded', image, listed }]
  return leadsElsewhere(backing, listed) ? [{ _tag: 'BackingElsewhere', image, backing, listed }] : []
}

/** What two descriptions of one image must agree on. How much is allocated may have changed from one to the other. */
const facts = (of: ImageInfo): ReadonlyMap<string, unknown> =>
  new Map<string, unknown>([
    ['format', of.format],
    ['sizeBytes', of.sizeBytes],
    ['clusterBytes', of.clusterBytes],
    ['version', of.version],
    ['dataFile', of.dataFile],
    ['encryption', of.encryption],
    ['backing', of.backing && { ...of.backing, resolved: comparable(of.backing.resolved) }],
    ['bitmaps', of.bitmaps],
    ['internalSnapshots', of.internalSnapshots],
  ])

const contradictions = (known: ImageInfo, other: ImageInfo): ReadonlyArray<LinkProblem> => {
  const others = facts(other)
  return Array.from(facts(known)).flatMap(([fact, value]): ReadonlyArray<LinkProblem> => {
    const values = [JSON.stringify([value]), JSON.stringify([others.get(fact)])] as const
    return values[0] === values[1] ? [] : [{ _tag: 'FactsDiffer', image: known.filename, fact, values }]
  })
}

interface Merged {
  readonly problems: ReadonlyArray<LinkProblem>
  readonly images: ReadonlyArray<ImageDescription>
}

/** Every image of several paths once; an image that two paths share has to be the same in both. */
const merged = (branches: ReadonlyArray<ReadonlyArray<Placed>>, options: ChainOptions): Merged => {
  const problems: Array<LinkProblem> = []
  const images: Array<ImageDescription> = []
  const earlier = new Map<string, ImageInfo>()
  const known = ({ filename }: ImageInfo): ImageInfo | undefined =>
    earlier.size === 0 ? undefined : earlier.get(comparable(filename))
  for (const branch of branches) {
    const fresh: Array<ImageInfo> = []
    for (const placed of branch) {
      const { info, below } = placed
      const before = known(info)
      problems.push(...linkProblems(placed), ...(before === undefined ? [] : contradictions(before, info)))
      if (before !== undefined) continue
      fresh.push(info)
      images.push(describe(info, below && (known(below) ?? below).filename, options))
    }
    if (branches.length > 1) for (const info of fresh) earlier.set(comparable(info.filename), info)
  }
  return { problems, images }
}

/** The chain of several paths, each active first as QEMU prints it; the first path is that of the guest. */
export const chainOfBranches = (
  branches: ReadonlyNonEmptyArray<ReadonlyNonEmptyArray<ImageInfo>>,
  options: ChainOptions,
): E.Either<DecodeError, Chain> => {
  const { problems, images } = merged(branches.map(baseFirst), options)
  const active = nameIn(options, branches[0][0].filename)
  return pipe(
    unlessUnlinked(problems, images),
    E.flatMap((linked) => E.mapLeft(modelWrong)(chain(options.disk, linked, active))),
  )
}

const notEmpty =
  <A>(path: string) =>
  (values: ReadonlyArray<A>): E.Either<DecodeError, ReadonlyNonEmptyArray<A>> =>
    isNonEmpty(values)
      ? E.right(values)
      : E.left({
          _tag: 'ShapeWrong',
          problems: [{ path, expected: 'an array with an element', actual: 'an array of 0' }],
        })

const infos = list(infoWire)

/**
 * Reads the chain that `qemu-img info --backing-chain --output=json` prints, active first, as a {@link Chain}.
 *
 * An image is named by its file name as printed, unless `options.nameOf` says otherwise. Who backs whom is told by the
 * order; each backing string has to lead to the file that is listed next (`BackingElsewhere`, `BackingNotRecorded`), and
 * the last image may have none (`BackingNotListed`). Give absolute paths to qemu-img: a relative one stays relative.
 *
 * Left, in this order: `TextWrong`, `ShapeWrong`, `LinkWrong`, `ModelWrong` (what {@link chain} refuses: a backing format
 * that is not recorded is `BackingFormatMissing`).
 *
 * @example
 * import { decodeBackingChain } from 'backing-chain/codec'
 * import { printChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const printed = `[
 *   { "filename": "/vm/a.qcow2", "format": "qcow2", "virtual-size": 65536,
 *     "backing-filename": "base.raw", "full-backing-filename": "/vm/base.raw", "backing-filename-format": "raw" },
 *   { "filename": "/vm/base.raw", "format": "raw", "virtual-size": 65536 }
 * ]`
 * const nameOf = (filename: string): string => filename.slice('/vm/'.length)
 * const decoded = decodeBackingChain(printed, { disk: 'vda', nameOf })
 * E.isRight(decoded) ? printChain(decoded.right) : decoded.left // => 'base.raw:raw <- a.qcow2^'
 *
 * @since 0.1.0
 */
export const decodeBackingChain = (input: unknown, options: ChainOptions): E.Either<DecodeError, Chain> =>
  pipe(
    parsedJson(input),
    E.flatMap((json) => read(infos, json)),
    E.map((wires) => wires.map(infoOf)),
    E.flatMap(notEmpty('$')),
    E.flatMap((path) => chainOfBranches([path], options)),
  )

const allParsed = (inputs: ReadonlyArray<unknown>): E.Either<DecodeError, ReadonlyArray<unknown>> => {
  const parsed: Array<unknown> = []
  for (const [index, input] of inputs.entries()) {
    const json = parsedJson(input)
    if (E.isLeft(json))
      return json.left._tag === 'TextWrong' ? E.left({ ...json.left, why: `output ${index}: ${json.left.why}` }) : json
    parsed.push(json.right)
  }
  return E.right(parsed)
}

/**
 * Reads several outputs of `qemu-img info --backing-chain --output=json` as one {@link Chain}: branches that share a base.
 *
 * The active image is the first one of the first output. The same file name is the same image (`..` in absolute paths is
 * folded, symbolic links are not known), and has to be described alike in every output (`FactsDiffer`), except for how
 * much is allocated: there the first output counts.
 *
 * Left: as {@link decodeBackingChain}; paths begin with the number of the output.
 *
 * @example
 * import { decodeBranches } from 'backing-chain/codec'
 * import { printChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const base = { filename: 'base', format: 'qcow2', 'virtual-size': 65536 }
 * const backing = { 'backing-filename': 'base', 'backing-filename-format': 'qcow2' }
 * const outputs = [
 *   [{ ...base, ...backing, filename: 'a' }, base],
 *   [{ ...base, ...backing, filename: 'b' }, base],
 * ]
 * const decoded = decodeBranches(outputs, { disk: 'vda' })
 * E.isRight(decoded) ? printChain(decoded.right) : decoded.left // => 'base <- (a^, b)'
 *
 * @since 0.1.0
 */
export const decodeBranches = (outputs: ReadonlyArray<unknown>, options: ChainOptions): E.Either<DecodeError, Chain> =>
  pipe(
    allParsed(outputs),
    E.flatMap((parsed) => read(list(infos), parsed)),
    E.map((branches) => branches.map((branch) => branch.map(infoOf))),
    E.flatMap(E.traverseArrayWithIndex((index, branch) => notEmpty<ImageInfo>(`$[${index}]`)(branch))),
    E.flatMap(notEmpty('$')),
    E.flatMap((branches) => chainOfBranches(branches, options)),
  )
