import * as E from 'fp-ts/lib/Either.js'

import type { DecodeError } from './decode-error.js'

const why = (error: unknown): string => {
  if (error instanceof RangeError) return 'nested deeper than this JavaScript engine can read'
  return error instanceof Error ? error.message : 'not JSON'
}

/**
 * Text is parsed; anything else is taken as parsed already.
 *
 * Of a key that stands twice the last one counts, as everywhere in JavaScript.
 */
export const parsedJson = (input: unknown): E.Either<DecodeError, unknown> => {
  if (typeof input !== 'string') return E.right(input)
  return E.tryCatch(
    (): unknown => JSON.parse(input),
    (error) => ({ _tag: 'TextWrong', language: 'JSON', why: why(error) }),
  )
}
