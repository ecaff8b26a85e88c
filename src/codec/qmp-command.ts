import * as E from 'fp-ts/lib/Either.js'

import { memberPath, show } from './decode-error.js'
import type { DecodeError, Problem } from './decode-error.js'
import { decodeEntries } from './qmp-schema.js'
import type { EntryOf, SchemaEntries, SchemaEntry } from './qmp-schema.js'
import { isObject, ownMember } from './shape.js'
import type { JsonObject } from './shape.js'

/** A value that has to be of a type. Work is listed and not called, so that no depth of a command is a depth of the stack. */
interface Task {
  readonly value: unknown
  readonly type: string
  readonly path: string
}

/** What looking at one value gives: problems, and values inside it that have still to be looked at. */
interface Outcome {
  readonly problems: ReadonlyArray<Problem>
  readonly tasks: ReadonlyArray<Task>
}

const fine: Outcome = { problems: [], tasks: [] }

const wrong = (path: string, expected: string, actual: unknown): Outcome => ({
  problems: [{ path, expected, actual: show(actual) }],
  tasks: [],
})

const isDeprecated = (of: { readonly features?: ReadonlyArray<string> }): boolean =>
  of.features?.includes('deprecated') ?? false

const notDeprecated = 'something that is not deprecated'

/** The JSON types of `query-qmp-schema`: what each is called, and what is of it. */
const jsonTypes: ReadonlyMap<string, readonly [string, (value: unknown) => boolean]> = new Map([
  ['string', ['a string', (value: unknown) => typeof value === 'string']],
  ['int', ['an integer', (value: unknown) => Number.isSafeInteger(value)]],
  ['number', ['a number', (value: unknown) => Number.isFinite(value)]],
  ['boolean', ['true or false', (value: unknown) => typeof value === 'boolean']],
  ['null', ['null', (value: unknown) => value === null]],
  ['value', ['anything', (value: unknown) => value !== undefined]],
])

const checkBuiltin = ({ value, path }: Task, entry: EntryOf<'builtin'>): Outcome => {
  const [expected, is] = jsonTypes.get(entry['json-type']) ?? ['a known type', () => false]
  return is(value) ? fine : wrong(path, expected, value)
}

const checkEnum = ({ value, path }: Task, entry: EntryOf<'enum'>): Outcome => {
  const named = (entry.values ?? []).map((name) => ({ name, features: [] }))
  const members = entry.members ?? named
  const found = members.find(({ name }) => name === value)
  if (found === undefined) return wrong(path, `one of ${members.map(({ name }) => show(name)).join(', ')}`, value)
  return isDeprecated(found) ? wrong(path, notDeprecated, value) : fine
}

const checkArray = ({ value, path }: Task, entry: EntryOf<'array'>): Outcome => {
  if (!Array.isArray(value)) return wrong(path, 'an array', value)
  const elements: ReadonlyArray<unknown> = value
  const type = entry['element-type']
  return {
    problems: [],
    tasks: elements.map((element, index) => ({ value: element, type, path: `${path}[${index}]` })),
  }
}

/** The JSON type by which QEMU chooses the branch of an alternate. */
const jsonTypeOf = (entry: SchemaEntry | undefined): string => {
  switch (entry?.['meta-type']) {
    case 'builtin':
      return entry['json-type']
    case 'enum':
      return 'string'
    case 'array':
      return 'array'
    case 'object':
      return 'object'
    case 'alternate':
    case 'command':
    case 'event':
    case undefined:
      return 'nothing'
  }
}

const chooses = (jsonType: string, value: unknown): boolean => {
  if (jsonType === 'object') return isObject(value)
  return jsonType === 'array' ? Array.isArray(value) : (jsonTypes.get(jsonType)?.[1](value) ?? false)
}

const checkAlternate = (task: Task, entry: EntryOf<'alternate'>, entries: SchemaEntries): Outcome => {
  const branches = entry.members.map(({ type }) => ({ type, jsonType: jsonTypeOf(entries.get(type)) }))
  const found = branches.find(({ jsonType }) => chooses(jsonType, task.value))
  if (found !== undefined) return { problems: [], tasks: [{ ...task, type: found.type }] }
  return wrong(task.path, branches.map(({ jsonType }) => jsonType).join(' or '), task.value)
}

type Member = EntryOf<'object'>['members'][number]

/** The members that an object has: its own, and those of the variant that its tag chooses. */
const membersOf = (value: JsonObject, type: string, entries: SchemaEntries): ReadonlyMap<string, Member> => {
  const members = new Map<string, Member>()
  const seen = new Set<string>([type])
  for (const at of seen) {
    const entry = entries.get(at)
    if (entry?.['meta-type'] !== 'object') continue
    for (const member of entry.members) members.set(member.name, member)
    const chosen = entry.tag === undefined ? undefined : ownMember(value, entry.tag)
    const variant = entry.variants?.find((one) => one.case === chosen)
    if (variant !== undefined) seen.add(variant.type)
  }
  return members
}

const isOptional = (member: Member): boolean => Object.hasOwn(member, 'default')

const checkObject = ({ value, type, path }: Task, entries: SchemaEntries): Outcome => {
  if (!isObject(value)) return wrong(path, 'an object', value)
  const members = membersOf(value, type, entries)
  const problems: Array<Problem> = []
  const tasks: Array<Task> = []
  for (const member of members.values()) {
    if (!Object.hasOwn(value, member.name) && !isOptional(member))
      problems.push({ path: memberPath(path, member.name), expected: 'the mandatory member', actual: 'nothing' })
  }
  for (const [name, inner] of Object.entries(value)) {
    const at = memberPath(path, name)
    const member = members.get(name)
    if (member === undefined) problems.push({ path: at, expected: 'no such member', actual: show(inner) })
    else {
      if (isDeprecated(member)) problems.push({ path: at, expected: notDeprecated, actual: show(inner) })
      tasks.push({ value: inner, type: member.type, path: at })
    }
  }
  return { problems, tasks }
}

const check = (task: Task, entries: SchemaEntries): Outcome => {
  const entry = entries.get(task.type)
  switch (entry?.['meta-type']) {
    case 'builtin':
      return checkBuiltin(task, entry)
    case 'enum':
      return checkEnum(task, entry)
    case 'array':
      return checkArray(task, entry)
    case 'alternate':
      return checkAlternate(task, entry, entries)
    case 'object':
      return checkObject(task, entries)
    case 'command':
    case 'event':
    case undefined:
      return wrong(task.path, `a type that the schema has, not ${show(task.type)}`, task.value)
  }
}

const checkAll = (first: Task, entries: SchemaEntries): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const tasks: Array<Task> = [first]
  for (const task of tasks) {
    const outcome = check(task, entries)
    for (const problem of outcome.problems) problems.push(problem)
    for (const more of outcome.tasks) tasks.push(more)
  }
  return problems
}

const envelope: ReadonlySet<string> = new Set(['execute', 'exec-oob', 'arguments', 'id'])

const checkCommand = (command: unknown, entries: SchemaEntries): ReadonlyArray<Problem> => {
  if (!isObject(command)) return wrong('$', 'an object', command).problems
  const key = Object.hasOwn(command, 'exec-oob') ? 'exec-oob' : 'execute'
  const name = ownMember(command, key)
  const problems = Object.entries(command)
    .filter(([member]) => !envelope.has(member))
    .map(([member, value]) => ({ path: memberPath('$', member), expected: 'no such member', actual: show(value) }))
  const entry = typeof name === 'string' ? entries.get(name) : undefined
  if (entry?.['meta-type'] !== 'command')
    return [...problems, { path: `$.${key}`, expected: 'a command that this QEMU has', actual: show(name) }]
  if (isDeprecated(entry)) problems.push({ path: `$.${key}`, expected: notDeprecated, actual: show(name) })
  const value = Object.hasOwn(command, 'arguments') ? ownMember(command, 'arguments') : {}
  return [...problems, ...checkAll({ value, type: entry['arg-type'], path: '$.arguments' }, entries)]
}

/**
 * Makes a check of QMP commands from the reply to `query-qmp-schema`; for many commands, since the schema is read once.
 *
 * The check is that of {@link validateQmpCommand}. Left: `TextWrong`, `ShapeWrong`.
 *
 * @example
 * import { qmpValidator } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const check = qmpValidator([])
 * E.isRight(check) ? check.right({ execute: 'query-block' }) : check.left
 * // => [{ path: '$.execute', expected: 'a command that this QEMU has', actual: '"query-block"' }]
 *
 * @since 0.1.0
 */
export const qmpValidator = (reply: unknown): E.Either<DecodeError, (command: unknown) => ReadonlyArray<Problem>> =>
  E.map((entries: SchemaEntries) => (command: unknown) => checkCommand(command, entries))(decodeEntries(reply))

/**
 * Says what is wrong with a QMP command, as it would go down the socket, by the schema of the QEMU that it is for.
 *
 * The command exists; each member is known and each mandatory one is there, those of the variant included; types, enum
 * values and alternates are right; and nothing is deprecated: command, argument or enum value. No problem, no elements.
 * A schema that cannot be read is a problem too. Sizes and other ranges inside `int` are not in a schema.
 *
 * @example
 * import { validateQmpCommand } from 'backing-chain/codec'
 *
 * const schema = [
 *   { 'meta-type': 'command', name: 'job-dismiss', 'arg-type': '15', 'ret-type': '0' },
 *   { 'meta-type': 'object', name: '15', members: [{ name: 'id', type: 'str' }] },
 *   { 'meta-type': 'builtin', name: 'str', 'json-type': 'string' },
 * ]
 * validateQmpCommand(schema, { execute: 'job-dismiss', arguments: { job: 'j' } }).map((problem) => problem.path)
 * // => ['$.arguments.id', '$.arguments.job']
 *
 * @since 0.1.0
 */
export const validateQmpCommand = (reply: unknown, command: unknown): ReadonlyArray<Problem> => {
  const validator = qmpValidator(reply)
  if (E.isRight(validator)) return validator.right(command)
  const { left } = validator
  return left._tag === 'ShapeWrong'
    ? left.problems.map((problem) => ({ ...problem, path: `schema: ${problem.path}` }))
    : [{ path: 'schema', expected: 'JSON', actual: 'something else' }]
}
