import * as E from 'fp-ts/lib/Either.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { ModelError } from '../model/chain-error.js'
import type { MachineError } from '../model/machine-error.js'

/**
 * One thing that is wrong with the shape of an input: where, what should be there, and what is.
 *
 * `path` is written as in JavaScript, from the whole input `$`: `$[1].format-specific.data.bitmaps[0].granularity`; a
 * member whose name is no plain word is quoted. `actual` is short, and never the whole of something large.
 *
 * @since 0.1.0
 */
export interface Problem {
  readonly path: string
  readonly expected: string
  readonly actual: string
}

/**
 * Why pieces that are well-formed each by itself do not fit together.
 *
 * - `BackingElsewhere`: the backing string of the image leads to another file than the one listed below it.
 * - `BackingNotListed`: the image has a backing file, and nothing is listed below it.
 * - `BackingNotRecorded`: the image records no backing file, yet one is listed below it.
 * - `FactsDiffer`: two descriptions of the same image say different things.
 * - `NodeMissing`, `NodeAmbiguous`: no node, or several, have the image's file open.
 * - `FiltersUnordered`: the replies do not tell which of these filters lies above which.
 * - `InfoMissing`: nothing describes this image.
 * - `LocationUnknown`: the disk's source is of a type that says no path and no URI.
 * - `TargetUnknown`: there is no such node.
 *
 * @since 0.1.0
 */
export type LinkProblem =
  | { readonly _tag: 'BackingElsewhere'; readonly image: string; readonly backing: string; readonly listed: string }
  | { readonly _tag: 'BackingNotListed'; readonly image: string; readonly backing: string }
  | { readonly _tag: 'BackingNotRecorded'; readonly image: string; readonly listed: string }
  | {
      readonly _tag: 'FactsDiffer'
      readonly image: string
      readonly fact: string
      readonly values: readonly [string, string]
    }
  | { readonly _tag: 'NodeMissing'; readonly image: string; readonly location: string }
  | { readonly _tag: 'NodeAmbiguous'; readonly image: string; readonly nodes: ReadonlyArray<string> }
  | { readonly _tag: 'FiltersUnordered'; readonly image: string; readonly filters: ReadonlyArray<string> }
  | { readonly _tag: 'InfoMissing'; readonly image: string }
  | { readonly _tag: 'LocationUnknown'; readonly disk: string; readonly type: string }
  | { readonly _tag: 'TargetUnknown'; readonly node: string }

/**
 * Why an input could not be decoded. Each stage gives all its problems at once; a later one runs only after the earlier
 * ones found nothing.
 *
 * - `TextWrong`: it is no JSON, or no XML that this library reads.
 * - `ShapeWrong`: a member is missing, has another type, is not exact.
 * - `LinkWrong`: the pieces do not fit together.
 * - `ModelWrong`: they fit, and are no chain: what {@link chain} says.
 * - `MachineWrong`: they are chains, and no machine: what {@link machine} says.
 *
 * @since 0.1.0
 */
export type DecodeError =
  | { readonly _tag: 'TextWrong'; readonly language: 'JSON' | 'XML'; readonly why: string }
  | { readonly _tag: 'ShapeWrong'; readonly problems: ReadonlyNonEmptyArray<Problem> }
  | { readonly _tag: 'LinkWrong'; readonly problems: ReadonlyNonEmptyArray<LinkProblem> }
  | { readonly _tag: 'ModelWrong'; readonly problems: ReadonlyNonEmptyArray<ModelError> }
  | { readonly _tag: 'MachineWrong'; readonly problems: ReadonlyNonEmptyArray<MachineError> }

/** The value, unless there are problems with its shape. */
export const unlessWrong = <A>(problems: ReadonlyArray<Problem>, value: A): E.Either<DecodeError, A> =>
  isNonEmpty(problems) ? E.left({ _tag: 'ShapeWrong', problems }) : E.right(value)

/** The value, unless its pieces do not fit together. */
export const unlessUnlinked = <A>(problems: ReadonlyArray<LinkProblem>, value: A): E.Either<DecodeError, A> =>
  isNonEmpty(problems) ? E.left({ _tag: 'LinkWrong', problems }) : E.right(value)

/** What the model says about it, as a decode error. */
export const modelWrong = (problems: ReadonlyNonEmptyArray<ModelError>): DecodeError => ({
  _tag: 'ModelWrong',
  problems,
})

/** What the model says about a machine, as a decode error. */
export const machineWrong = (problems: ReadonlyNonEmptyArray<MachineError>): DecodeError => ({
  _tag: 'MachineWrong',
  problems,
})

const longest = 60

/** A value in a few words. Never walks into it, so that neither depth nor size matters. */
export const show = (value: unknown): string => {
  if (typeof value === 'string')
    return value.length <= longest ? JSON.stringify(value) : `${JSON.stringify(value.slice(0, longest))}...`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (value === undefined) return 'nothing'
  if (value === null || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** The path of a member of what is at `path`. */
export const memberPath = (path: string, key: string): string => {
  if (/^\d+$/.test(key)) return `${path}[${key}]`
  return /^[A-Za-z_][\w-]*$/.test(key) ? `${path}.${key}` : `${path}[${show(key)}]`
}
