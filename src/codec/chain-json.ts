import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'

import { chain } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { formats } from '../model/format.js'
import type { Image, ImageDescription } from '../model/image.js'
import type { Location } from '../model/location.js'
import { modelWrong } from './decode-error.js'
import type { DecodeError } from './decode-error.js'
import { describeImage } from './image-description.js'
import { parsedJson } from './json-text.js'
import { exact, isObject, list, oneOf, ownMember, read, shape, size, tagged, text } from './shape.js'

/**
 * A chain as JSON of our own: `JSON.stringify` writes it, {@link decodeChain} reads it. Inside is what `version` says.
 *
 * @since 0.1.0
 */
export interface EncodedChain {
  readonly format: 'backing-chain/chain'
  readonly version: 1
  readonly [member: string]: unknown
}

export const location = tagged('_tag', {
  File: exact({ _tag: oneOf('File'), path: text }, {}),
  BlockDevice: exact({ _tag: oneOf('BlockDevice'), path: text }, {}),
  Network: exact({ _tag: oneOf('Network'), uri: text }, {}),
  Descriptor: exact({ _tag: oneOf('Descriptor'), json: text }, {}),
} satisfies { readonly [T in Location['_tag']]: t.Decoder<unknown, Location & { readonly _tag: T }> })

export const format = oneOf(...formats)

const names = list(text)

type Readers = ReadonlyArray<string> | 'unknown'

const readers = new t.Type<Readers, Readers, unknown>(
  '"unknown" or an array of strings',
  (value): value is Readers => value === 'unknown' || names.is(value),
  (value, context) =>
    value === 'unknown'
      ? t.success(value)
      : Array.isArray(value)
        ? names.validate(value, context)
        : t.failure(value, context),
  t.identity,
)

const version = shape('2 or 3', (value): value is 2 | 3 => value === 2 || value === 3)

const bitmap = exact({ name: text, granularityBytes: size, state: oneOf('recording', 'disabled', 'inconsistent') }, {})

const node = exact({ format: text, owner: oneOf('monitor', 'implicit'), filters: names }, { storage: text })

const image = exact(
  {
    name: text,
    format,
    sizeBytes: size,
    location,
    bitmaps: list(bitmap),
    internalSnapshots: list(exact({ id: text, name: text, vmStateBytes: size }, {})),
    otherReaders: readers,
  },
  {
    clusterBytes: size,
    version,
    backing: exact({ image: text, header: text, format }, {}),
    dataFile: exact({ location, layout: oneOf('raw', 'mapped') }, {}),
    encryption: oneOf('luks', 'aes'),
    allocatedBytes: size,
    node,
  },
)

/** What a chain is inside a plan. */
export const chainBody = exact({ disk: text, active: text, images: list(image) }, {})

const chainWire = exact(
  { format: oneOf('backing-chain/chain'), version: t.literal(1), disk: text, active: text, images: list(image) },
  {},
)

const describeWire = ({ node: found, ...rest }: t.TypeOf<typeof image>): ImageDescription =>
  found === undefined ? rest : { ...rest, node: { ...found, storage: found.storage } }

/** The chain of a body, if it is one. */
export const chainOfBody = (body: t.TypeOf<typeof chainBody>): E.Either<DecodeError, Chain> =>
  E.mapLeft(modelWrong)(chain(body.disk, body.images.map(describeWire), body.active))

const encodeImage = (of: Image): object => {
  const { node: found, ...rest } = describeImage(of)
  if (found === undefined) return rest
  const { storage, ...others } = found
  return { ...rest, node: storage === undefined ? others : found }
}

/** What a chain is inside a plan, as JSON. */
export const encodeBody = (of: Chain): object => ({
  disk: of.disk,
  active: of.active,
  images: Array.from(of.images.values(), encodeImage),
})

/** The version of our own JSON, looked at before anything else, so that a newer one is not a heap of problems. */
export const checkedVersion =
  (expected: string) =>
  (json: unknown): E.Either<DecodeError, unknown> => {
    const head = exact({ format: oneOf(expected), version: t.literal(1) }, {})
    const found = isObject(json) ? { format: ownMember(json, 'format'), version: ownMember(json, 'version') } : json
    return E.map(() => json)(read(head, found))
  }

/**
 * Writes a chain as versioned JSON.
 *
 * Law: `decodeChain(encodeChain(c))` is `c`, through `JSON.stringify` too.
 *
 * @example
 * import { decodeChain, encodeChain } from 'backing-chain/codec'
 * import { parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- a^')
 * const chain = E.isRight(parsed) ? parsed.right.chain : undefined
 * const decoded = chain && decodeChain(JSON.stringify(encodeChain(chain)))
 * decoded // => E.right(chain)
 *
 * @since 0.1.0
 */
export const encodeChain = (of: Chain): EncodedChain => ({
  format: 'backing-chain/chain',
  version: 1,
  ...encodeBody(of),
})

/**
 * Reads a chain that {@link encodeChain} wrote: text or parsed.
 *
 * Nothing is lost in silence: another version, and a member that this version does not know, are problems.
 *
 * Left: `TextWrong`, `ShapeWrong`, `ModelWrong`.
 *
 * @example
 * import { decodeChain } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const decoded = decodeChain('{ "format": "backing-chain/chain", "version": 2 }')
 * E.isLeft(decoded) ? decoded.left : decoded.right
 * // => { _tag: 'ShapeWrong', problems: [{ path: '$.version', expected: '1', actual: '2' }] }
 *
 * @since 0.1.0
 */
export const decodeChain = (input: unknown): E.Either<DecodeError, Chain> =>
  pipe(
    parsedJson(input),
    E.flatMap(checkedVersion('backing-chain/chain')),
    E.flatMap((json) => read(chainWire, json)),
    E.flatMap(({ disk, active, images }) => chainOfBody({ disk, active, images })),
  )
