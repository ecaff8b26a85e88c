import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Checked, Measured } from '../operation/commit-room.js'
import type { DecodeError } from './decode-error.js'
import { parsedJson } from './json-text.js'
import { read, record, size } from './shape.js'

const measureWire = record({ required: size, 'fully-allocated': size }, { bitmaps: size })
const checkWire = record({ 'image-end-offset': size }, { 'allocated-clusters': size })

/**
 * Reads what `qemu-img measure --output=json` prints. Left: `TextWrong`, `ShapeWrong`.
 *
 * @example
 * import { decodeMeasure } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const read = decodeMeasure('{ "bitmaps": 0, "required": 11862016, "fully-allocated": 67436544 }')
 * E.isRight(read) ? read.right.requiredBytes : read.left // => 11862016
 *
 * @since 0.2.0
 */
export const decodeMeasure = (input: unknown): E.Either<DecodeError, Measured> =>
  pipe(
    parsedJson(input),
    E.flatMap((json) => read(measureWire, json)),
    E.map((wire) => ({
      requiredBytes: wire.required,
      fullyAllocatedBytes: wire['fully-allocated'],
      bitmapsBytes: wire.bitmaps ?? 0,
    })),
  )

/**
 * Reads what `qemu-img check --output=json` prints of a qcow2 image. Left: `TextWrong`, `ShapeWrong`.
 *
 * @example
 * import { decodeCheck } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const read = decodeCheck('{ "image-end-offset": 5570560, "total-clusters": 1024, "allocated-clusters": 80, "format": "qcow2" }')
 * E.isRight(read) ? read.right : read.left // => { imageEndBytes: 5570560, allocatedClusters: 80 }
 *
 * @since 0.2.0
 */
export const decodeCheck = (input: unknown): E.Either<DecodeError, Checked> =>
  pipe(
    parsedJson(input),
    E.flatMap((json) => read(checkWire, json)),
    E.map((wire) => ({ imageEndBytes: wire['image-end-offset'], allocatedClusters: wire['allocated-clusters'] ?? 0 })),
  )
