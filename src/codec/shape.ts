import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'

import { memberPath, show } from './decode-error.js'
import type { DecodeError, Problem } from './decode-error.js'

/** Any codec that reads what came from `JSON.parse`. */
interface Props {
  readonly [member: string]: t.Mixed
}

type Members<R extends Props, O extends Props> = t.TypeOf<t.TypeC<R>> & t.TypeOf<t.PartialC<O>>

/** What `{...}` in JSON gives. */
export interface JsonObject {
  readonly [member: string]: unknown
}

/** True for what `{...}` in JSON gives; an array is none. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The member of an object itself; what hangs on its prototype is no member. */
export const ownMember = (of: JsonObject, key: string): unknown => (Object.hasOwn(of, key) ? of[key] : undefined)

/** A shape whose name is what a problem says was expected. */
export const shape = <A>(name: string, is: (value: unknown) => value is A): t.Type<A, A, unknown> =>
  new t.Type(name, is, (value, context) => (is(value) ? t.success(value) : t.failure(value, context)), t.identity)

const isSize = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)

/** A number of bytes, or a count: exact, so a number that `JSON.parse` has rounded is none. */
export const size = shape(`an integer from 0 to ${Number.MAX_SAFE_INTEGER}`, isSize)

export const text = shape('a string', (value): value is string => typeof value === 'string')
export const flag = shape('true or false', (value): value is boolean => typeof value === 'boolean')
export const anything = shape('anything', (_value): _value is unknown => true)

/** Says at once that a value is right; only what is wrong somewhere is walked with a path in hand. */
const quickly = <A>(slow: t.Type<A, A, unknown>): t.Type<A, A, unknown> =>
  new t.Type(
    slow.name,
    slow.is,
    (value, context) => (slow.is(value) ? t.success(value) : slow.validate(value, context)),
    t.identity,
  )

/** A list; a wrong element is a problem of its own. */
export const list = <A>(of: t.Type<A, A, unknown>): t.Type<ReadonlyArray<A>, ReadonlyArray<A>, unknown> => {
  const array = t.readonlyArray(of, 'an array')
  const isEach = (values: ReadonlyArray<unknown>): boolean => {
    for (const value of values) if (!of.is(value)) return false // `every` passes over the holes of an array
    return true
  }
  const is = (value: unknown): value is ReadonlyArray<A> => Array.isArray(value) && isEach(value)
  return quickly(new t.Type('an array', is, (value, context) => array.validate(value, context), t.identity))
}

/** One of these strings. */
export const oneOf = <S extends string>(...values: ReadonlyArray<S>): t.Type<S, S, unknown> => {
  const known: ReadonlySet<unknown> = new Set(values)
  const is = (value: unknown): value is S => known.has(value)
  return shape(values.length === 1 ? show(values[0]) : `one of ${values.map(show).join(', ')}`, is)
}

const noSuchMember = shape('no such member', (_value): _value is never => false)

const pick = (of: JsonObject, keys: ReadonlyArray<string>): JsonObject =>
  Object.fromEntries<unknown>(
    keys.flatMap((key): ReadonlyArray<readonly [string, unknown]> => {
      const value = ownMember(of, key)
      return value === undefined ? [] : [[key, value]]
    }),
  )

const strangers = (of: JsonObject, known: ReadonlySet<string>, context: t.Context): t.Errors =>
  Object.keys(of)
    .filter((key) => !known.has(key) && of[key] !== undefined)
    .map((key) => ({ value: of[key], context: t.appendContext(context, key, noSuchMember, of[key]) }))

/** A check of members by plain loops: no path, no allocation. */
const allMembers = (members: Props, absent: boolean): ((value: JsonObject) => boolean) => {
  const entries = Object.entries(members)
  return (value) => {
    for (const [key, codec] of entries) {
      const member = ownMember(value, key)
      if (!(absent && member === undefined) && !codec.is(member)) return false
    }
    return true
  }
}

/** True where an object has no member besides these, and none that is there and undefined. */
const noOthers = (value: JsonObject, known: ReadonlySet<string>): boolean => {
  for (const key of Object.keys(value)) if (!known.has(key) || value[key] === undefined) return false
  return true
}

/**
 * An object with these members. Reads own members only, so `__proto__` is a member like any other. Other members are
 * ignored, as QEMU adds some in each version, or refused.
 */
export const record = <R extends Props, O extends Props>(
  required: R,
  optional: O,
  others: 'ignored' | 'refused' = 'ignored',
): t.Type<Members<R, O>, Members<R, O>, unknown> => {
  const [needed, allowed] = [t.type(required), t.partial(optional)]
  const [neededKeys, allowedKeys] = [Object.keys(required), Object.keys(optional)]
  const [hasNeeded, hasAllowed] = [allMembers(required, false), allMembers(optional, true)]
  const known = new Set([...neededKeys, ...allowedKeys])
  const is = (value: unknown): value is Members<R, O> =>
    isObject(value) && hasNeeded(value) && hasAllowed(value) && (others === 'ignored' || noOthers(value, known))
  const validate: t.Validate<unknown, Members<R, O>> = (value, context) => {
    if (!isObject(value)) return t.failure(value, context)
    const a = needed.validate(pick(value, neededKeys), context)
    const b = allowed.validate(pick(value, allowedKeys), context)
    const errors = others === 'refused' ? strangers(value, known, context) : []
    if (E.isRight(a) && E.isRight(b) && errors.length === 0) return t.success({ ...a.right, ...b.right })
    return t.failures([...(E.isLeft(a) ? a.left : []), ...(E.isLeft(b) ? b.left : []), ...errors])
  }
  return quickly(new t.Type('an object', is, validate, t.identity))
}

/** An object with exactly these members. */
export const exact = <R extends Props, O extends Props>(
  required: R,
  optional: O,
): t.Type<Members<R, O>, Members<R, O>, unknown> => record(required, optional, 'refused')

/** The member of a union that the string in `tag` chooses. */
export const tagged = <M extends Props>(
  tag: string,
  members: M,
): t.Type<t.TypeOf<M[keyof M]>, t.TypeOf<M[keyof M]>, unknown> => {
  const tags = oneOf(...Object.keys(members))
  const codecOf = (value: unknown): t.Mixed | undefined => {
    const found = isObject(value) ? ownMember(value, tag) : undefined
    return typeof found === 'string' && Object.hasOwn(members, found) ? members[found] : undefined
  }
  const is = (value: unknown): value is t.TypeOf<M[keyof M]> => codecOf(value)?.is(value) ?? false
  const validate: t.Validate<unknown, t.TypeOf<M[keyof M]>> = (value, context) => {
    if (!isObject(value)) return t.failure(value, context)
    const found = ownMember(value, tag)
    const result: t.Validation<unknown> | undefined = codecOf(value)?.validate(value, context)
    if (result === undefined) return t.failure(found, t.appendContext(context, tag, tags, found))
    if (E.isLeft(result)) return result
    return is(result.right) ? t.success(result.right) : t.failure(value, context)
  }
  return quickly(new t.Type('an object', is, validate, t.identity))
}

const problemOf = (error: t.ValidationError, root: string): Problem => {
  const path = error.context.slice(1).reduce((at, { key }) => memberPath(at, key), root)
  const last = error.context[error.context.length - 1]
  return { path, expected: last?.type.name ?? 'something else', actual: show(error.value) }
}

/** Reads a value by a codec; every problem has its path, from `root`. */
export const read = <A>(codec: t.Decoder<unknown, A>, value: unknown, root = '$'): E.Either<DecodeError, A> => {
  const result = codec.validate(value, [{ key: '', type: codec, actual: value }])
  if (E.isRight(result)) return result
  const problems = result.left.map((error) => problemOf(error, root))
  const [first, ...rest] = problems
  if (first === undefined) throw new Error('unreachable: a validation failed without an error')
  return E.left({ _tag: 'ShapeWrong', problems: [first, ...rest] })
}
