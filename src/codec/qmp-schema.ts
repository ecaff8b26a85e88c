import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type * as t from 'io-ts'

import type { QmpSchema } from '../call/capability.js'
import { replyOf } from './block-node.js'
import type { DecodeError } from './decode-error.js'
import { parsedJson } from './json-text.js'
import { anything, list, oneOf, read, record, tagged, text } from './shape.js'

const features = { features: list(text) }

const memberWire = record({ name: text, type: text }, { ...features, default: anything })

const entryWire = tagged('meta-type', {
  builtin: record({ 'meta-type': oneOf('builtin'), name: text, 'json-type': text }, features),
  enum: record(
    { 'meta-type': oneOf('enum'), name: text },
    { ...features, values: list(text), members: list(record({ name: text }, features)) },
  ),
  array: record({ 'meta-type': oneOf('array'), name: text, 'element-type': text }, features),
  object: record(
    { 'meta-type': oneOf('object'), name: text, members: list(memberWire) },
    { ...features, tag: text, variants: list(record({ case: text, type: text }, {})) },
  ),
  alternate: record(
    { 'meta-type': oneOf('alternate'), name: text, members: list(record({ type: text }, {})) },
    features,
  ),
  command: record({ 'meta-type': oneOf('command'), name: text, 'arg-type': text, 'ret-type': text }, features),
  event: record({ 'meta-type': oneOf('event'), name: text, 'arg-type': text }, features),
})

/** One entry of a schema: a command, an event or a type. */
export type SchemaEntry = t.TypeOf<typeof entryWire>

/** One kind of entry. */
export type EntryOf<Meta extends SchemaEntry['meta-type']> = SchemaEntry & { readonly 'meta-type': Meta }

/** The entries of a schema by their name; commands and events have names of their own, types are numbered. */
export type SchemaEntries = ReadonlyMap<string, SchemaEntry>

/** Reads the entries of a reply to `query-qmp-schema`. */
export const decodeEntries = (reply: unknown): E.Either<DecodeError, SchemaEntries> =>
  pipe(
    parsedJson(reply),
    E.flatMap((json) => read(list(entryWire), replyOf(json))),
    E.map((entries) => new Map(entries.map((entry) => [entry.name, entry]))),
  )

/** The names of all members that an object type has in one case or another; types may hold each other. */
const memberNames = (entries: SchemaEntries, type: string): ReadonlySet<string> => {
  const names = new Set<string>()
  const seen = new Set<string>([type])
  for (const at of seen) {
    const entry = entries.get(at)
    if (entry?.['meta-type'] !== 'object') continue
    for (const { name } of entry.members) names.add(name)
    for (const variant of entry.variants ?? []) seen.add(variant.type)
  }
  return names
}

/**
 * Reads the reply to `query-qmp-schema`: the commands and the names of their arguments, those of every variant included.
 *
 * The whole reply or its `return`, text or parsed. QEMU numbers its types, and in each version otherwise; the numbers are
 * resolved here and do not show.
 *
 * Left: `TextWrong`, `ShapeWrong`.
 *
 * @example
 * import { decodeQmpSchema } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const decoded = decodeQmpSchema(`[
 *   { "meta-type": "command", "name": "job-dismiss", "arg-type": "15", "ret-type": "0" },
 *   { "meta-type": "object", "name": "15", "members": [{ "name": "id", "type": "str" }] }
 * ]`)
 * E.isRight(decoded) ? Array.from(decoded.right.commands.get('job-dismiss') ?? []) : decoded.left // => ['id']
 *
 * @since 0.1.0
 */
export const decodeQmpSchema = (reply: unknown): E.Either<DecodeError, QmpSchema> =>
  pipe(
    decodeEntries(reply),
    E.map((entries) => ({
      commands: new Map(
        Array.from(entries.values()).flatMap((entry): ReadonlyArray<readonly [string, ReadonlySet<string>]> =>
          entry['meta-type'] === 'command' ? [[entry.name, memberNames(entries, entry['arg-type'])]] : [],
        ),
      ),
    })),
  )
