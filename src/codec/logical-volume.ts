import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { DecodeError } from './decode-error.js'
import { parsedJson } from './json-text.js'
import { list, read, record, text } from './shape.js'

/**
 * A logical volume as `lvs` lists it.
 *
 * - `origin`: of a snapshot, the volume that it is one of. `usedPercent`: how full a thick snapshot is.
 * - `validity`: a thick snapshot that ran full is `invalid`: what it held is lost.
 *
 * @since 0.2.0
 */
export interface LogicalVolume {
  readonly name: string
  readonly sizeBytes: number
  readonly origin: string | undefined
  readonly usedPercent: number | undefined
  readonly validity: 'valid' | 'invalid'
}

const volumeWire = record({ lv_name: text, lv_size: text, lv_attr: text }, { origin: text, snap_percent: text })
const reportWire = record({ report: list(record({ lv: list(volumeWire) }, {})) }, {})

/** The fifth letter is the state: `I` an invalid snapshot, `S` one that is suspended besides. */
const isInvalid = (attributes: string): boolean => attributes.charAt(4) === 'I' || attributes.charAt(4) === 'S'

/**
 * Reads what the `lvs` of a plan prints: `lvs --reportformat json --units b --nosuffix --options lv_name,lv_size,origin,lv_attr,snap_percent`.
 *
 * Left: `TextWrong`, `ShapeWrong`. Source: lvs(8) of LVM 2.03.16.
 *
 * @example
 * import { decodeLogicalVolumes } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const row = { lv_name: 'a.monday', lv_size: '8388608', origin: 'a', lv_attr: 'swi-I-s---', snap_percent: '100.00' }
 * const read = decodeLogicalVolumes({ report: [{ lv: [row] }] })
 * E.isRight(read) ? read.right.map(({ validity }) => validity) : read.left // => ['invalid']
 *
 * @since 0.2.0
 */
export const decodeLogicalVolumes = (input: unknown): E.Either<DecodeError, ReadonlyArray<LogicalVolume>> =>
  pipe(
    parsedJson(input),
    E.flatMap((json) => read(reportWire, json)),
    E.map(({ report }) =>
      report.flatMap(({ lv }) =>
        lv.map((row) => ({
          name: row.lv_name,
          sizeBytes: Number(row.lv_size),
          origin: row.origin === '' ? undefined : row.origin,
          usedPercent: row.snap_percent === undefined || row.snap_percent === '' ? undefined : Number(row.snap_percent),
          validity: isInvalid(row.lv_attr) ? ('invalid' as const) : ('valid' as const),
        })),
      ),
    ),
  )
