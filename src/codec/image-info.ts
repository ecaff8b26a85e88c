import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'

import { formats } from '../model/format.js'
import type { Format } from '../model/format.js'
import { combineHeader } from '../model/header.js'
import type { Bitmap, InternalSnapshot } from '../model/image.js'
import type { DecodeError } from './decode-error.js'
import { parsedJson } from './json-text.js'
import { anything, flag, isObject, list, oneOf, ownMember, read, record, size, text } from './shape.js'

/**
 * What `qemu-img info` says about one image.
 *
 * - `filename`: as printed. `backing.header` is the string as stored, `backing.resolved` where it leads from there.
 * - `backing.format` is missing where the header does not store one, and where QEMU does not say it (qcow).
 * - `dataFile.name` is as stored: relative to the image.
 * - `storage`: the driver under the format (`file`, `host_device`, `nbd`), which QEMU tells since 8.0.
 * - `damage`: `dirty` where the image was not closed, `corrupt` where QEMU has marked it so.
 *
 * @since 0.1.0
 */
export interface ImageInfo {
  readonly filename: string
  readonly format: Format
  readonly sizeBytes: number
  readonly allocatedBytes: number | undefined
  readonly clusterBytes: number | undefined
  readonly version: 2 | 3 | undefined
  readonly backing:
    { readonly header: string; readonly resolved: string; readonly format: Format | undefined } | undefined
  readonly dataFile: { readonly name: string; readonly layout: 'raw' | 'mapped' } | undefined
  readonly encryption: 'luks' | 'aes' | undefined
  readonly bitmaps: ReadonlyArray<Bitmap>
  readonly internalSnapshots: ReadonlyArray<InternalSnapshot>
  readonly storage: string | undefined
  readonly damage: ReadonlyArray<'dirty' | 'corrupt'>
}

const bitmapWire = record({ name: text, granularity: size, flags: list(oneOf('in-use', 'auto')) }, {})

const qcow2Wire = record(
  {},
  {
    compat: oneOf('0.10', '1.1'),
    corrupt: flag,
    bitmaps: list(bitmapWire),
    'data-file': text,
    'data-file-raw': flag,
    encrypt: record({ format: oneOf('luks', 'aes') }, {}),
  },
)

const noSpecifics = record({}, {})
const qcow2Specifics = record({}, { data: qcow2Wire })

/** Other formats put other things under the same names. */
const specificWire: typeof qcow2Specifics = new t.Type(
  'an object',
  qcow2Specifics.is,
  (value, context) =>
    isObject(value) && ownMember(value, 'type') === 'qcow2'
      ? qcow2Specifics.validate(value, context)
      : noSpecifics.validate(value, context),
  t.identity,
)

const childWire = record({ name: text, info: record({ format: text }, {}) }, {})

const format = oneOf(...formats)

/** `ImageInfo` of QAPI, as far as a chain needs it. */
export const infoWire = record(
  { filename: text, format, 'virtual-size': size },
  {
    'actual-size': size,
    'cluster-size': size,
    'backing-filename': text,
    'full-backing-filename': text,
    'backing-filename-format': format,
    encrypted: flag,
    'dirty-flag': flag,
    snapshots: list(record({ id: text, name: text }, { 'vm-state-size': size })),
    'format-specific': specificWire,
    children: list(childWire),
    'backing-image': anything,
  },
)

type InfoWire = t.TypeOf<typeof infoWire>
type Qcow2 = t.TypeOf<typeof qcow2Wire>

const bitmapOf = (wire: t.TypeOf<typeof bitmapWire>): Bitmap => ({
  name: wire.name,
  granularityBytes: wire.granularity,
  state: wire.flags.includes('in-use') ? 'inconsistent' : wire.flags.includes('auto') ? 'recording' : 'disabled',
})

const backingOf = (wire: InfoWire): ImageInfo['backing'] => {
  const header = wire['backing-filename']
  if (header === undefined) return undefined
  const resolved = wire['full-backing-filename'] ?? combineHeader(wire.filename, header)
  return { header, resolved, format: wire['backing-filename-format'] }
}

const encryptionOf = (wire: InfoWire, qcow2: Qcow2): ImageInfo['encryption'] => {
  if (wire.format === 'luks') return 'luks'
  return qcow2.encrypt?.format ?? (wire.encrypted === true ? 'aes' : undefined)
}

const dataFileOf = (qcow2: Qcow2): ImageInfo['dataFile'] => {
  const name = qcow2['data-file']
  return name === undefined ? undefined : { name, layout: qcow2['data-file-raw'] === true ? 'raw' : 'mapped' }
}

const versions = { '0.10': 2, '1.1': 3 } as const

/** What the wire says, in the words of this library. */
export const infoOf = (wire: InfoWire): ImageInfo => {
  const qcow2 = wire['format-specific']?.data ?? {}
  return {
    filename: wire.filename,
    format: wire.format,
    sizeBytes: wire['virtual-size'],
    allocatedBytes: wire['actual-size'],
    clusterBytes: wire['cluster-size'],
    version: qcow2.compat === undefined ? undefined : versions[qcow2.compat],
    backing: backingOf(wire),
    dataFile: dataFileOf(qcow2),
    encryption: encryptionOf(wire, qcow2),
    bitmaps: (qcow2.bitmaps ?? []).map(bitmapOf),
    internalSnapshots: (wire.snapshots ?? []).map((one) => ({
      id: one.id,
      name: one.name,
      vmStateBytes: one['vm-state-size'] ?? 0,
    })),
    storage: wire.children?.find((child) => child.name === 'file')?.info.format,
    damage: [
      ...(wire['dirty-flag'] === true ? (['dirty'] as const) : []),
      ...(qcow2.corrupt === true ? (['corrupt'] as const) : []),
    ],
  }
}

/**
 * Reads what `qemu-img info --output=json` prints about one image: its text, or the text parsed.
 *
 * The backing file is not opened by that program; a chain is read by {@link decodeBackingChain}. Members that this
 * library does not know are ignored. While a QEMU has the image open for writing, its recording bitmaps are marked in use
 * in the file and read as `inconsistent` here; {@link decodeNamedBlockNodes} knows better.
 *
 * Left: `TextWrong`, then `ShapeWrong`: a format that this library does not know, and a number that is not an integer from
 * 0 to 2^53 - 1, are problems too.
 *
 * @example
 * import { decodeImageInfo } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const decoded = decodeImageInfo('{"filename":"a.raw","format":"raw","virtual-size":9223372036854775808}')
 * E.isLeft(decoded) ? decoded.left : decoded.right
 * // => { _tag: 'ShapeWrong', problems: [{ path: '$.virtual-size', expected: 'an integer from 0 to 9007199254740991', actual: '9223372036854776000' }] }
 *
 * @since 0.1.0
 */
export const decodeImageInfo = (input: unknown): E.Either<DecodeError, ImageInfo> =>
  pipe(
    parsedJson(input),
    E.flatMap((json) => read(infoWire, json)),
    E.map(infoOf),
  )
