import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'

import { machine } from '../model/machine-make.js'
import type { Machine } from '../model/machine.js'
import { owed } from '../model/owed.js'
import type { SavedPlace, SavedState } from '../model/saved-state.js'
import type { Memory, Snapshot, SnapshotDescription, SnapshotDisk } from '../model/snapshot.js'
import { chainBody, chainOfBody, checkedVersion, encodeBody } from './chain-json.js'
import { machineWrong, show, unlessWrong } from './decode-error.js'
import type { DecodeError, Problem } from './decode-error.js'
import { parsedJson } from './json-text.js'
import { exact, list, oneOf, read, size, tagged, text } from './shape.js'
import { xmlElement } from './xml-json.js'

/**
 * A machine as JSON of our own: `JSON.stringify` writes it, {@link decodeMachine} reads it. Inside is what `version` says.
 *
 * @since 0.2.0
 */
export interface EncodedMachine {
  readonly format: 'backing-chain/machine'
  readonly version: 1
  readonly [member: string]: unknown
}

const memory = tagged('_tag', {
  None: exact({ _tag: oneOf('None') }, {}),
  Internal: exact({ _tag: oneOf('Internal') }, {}),
  External: exact({ _tag: oneOf('External'), path: text }, {}),
} satisfies { readonly [T in Memory['_tag']]: t.Decoder<unknown, Memory & { readonly _tag: T }> })

const held = tagged('mode', {
  external: exact({ mode: oneOf('external') }, { frozen: text }),
  internal: exact({ mode: oneOf('internal') }, { image: text }),
  manual: exact({ mode: oneOf('manual') }, {}),
  no: exact({ mode: oneOf('no') }, {}),
} satisfies { readonly [M in SnapshotDisk['mode']]: t.Decoder<unknown, { readonly mode: M }> })

const snapshot = exact(
  {
    name: text,
    state: oneOf('running', 'paused', 'shutoff', 'disk-snapshot'),
    memory,
    disks: list(exact({ disk: text, held }, {})),
  },
  { parent: text, description: text, creationTime: text, recorded: xmlElement },
)

const pin = exact({ path: text }, { format: text, sizeBytes: size })

const savedState = exact(
  {
    place: tagged('kind', {
      managed: exact({ kind: oneOf('managed') }, {}),
      file: exact({ kind: oneOf('file'), path: text }, {}),
    } satisfies { readonly [K in SavedPlace['kind']]: t.Decoder<unknown, SavedPlace & { readonly kind: K }> }),
    guest: oneOf('running', 'paused'),
    definition: xmlElement,
    known: oneOf('as printed', 'foreseen'),
    disks: oneOf('as saved', 'written since'),
  },
  { images: list(exact({ disk: text, images: list(pin) }, {})) },
)

const members = {
  name: text,
  state: oneOf('running', 'paused', 'shut-off'),
  disks: list(chainBody),
  snapshots: list(snapshot),
}

const others = {
  definitions: exact({}, { persistent: xmlElement, live: xmlElement }),
  current: text,
  saved: list(savedState),
  owed: list(exact({ disk: text, image: text, snapshot: text }, {})),
}

/** What a machine is inside a plan. */
export const machineBody = exact(members, others)

const machineWire = exact({ format: oneOf('backing-chain/machine'), version: t.literal(1), ...members }, others)

const describeWire = ({ disks, ...rest }: t.TypeOf<typeof snapshot>): SnapshotDescription => ({
  ...rest,
  disks: disks.map((one) => [one.disk, one.held]),
})

const savedOf = ({ images, ...rest }: t.TypeOf<typeof savedState>): SavedState => ({
  ...rest,
  ...(images === undefined
    ? {}
    : {
        images: new Map(
          images.map((one) => [
            one.disk,
            one.images.map(({ path, format, sizeBytes }) => ({ path, format, sizeBytes })),
          ]),
        ),
      }),
})

const repeated = (disks: ReadonlyArray<{ readonly disk: string }>, path: string): ReadonlyArray<Problem> =>
  new Set(disks.map(({ disk }) => disk)).size === disks.length
    ? []
    : [{ path, expected: 'each disk once', actual: show(disks) }]

/** A list of pairs is written where a map is meant. */
const twice = (body: t.TypeOf<typeof machineBody>, path: string): ReadonlyArray<Problem> => [
  ...body.snapshots.flatMap(({ disks }, index) => repeated(disks, `${path}.snapshots[${index}].disks`)),
  ...(body.saved ?? []).flatMap(({ images }, index) => repeated(images ?? [], `${path}.saved[${index}].images`)),
]

/** The machine of a body, if it is one; `path` is where the body is. */
export const machineOfBody = (body: t.TypeOf<typeof machineBody>, path = '$'): E.Either<DecodeError, Machine> => {
  const { name, state, definitions, current } = body
  const snapshots = body.snapshots.map(describeWire)
  return pipe(
    unlessWrong(twice(body, path), body.disks),
    E.flatMap(E.traverseArray(chainOfBody)),
    E.flatMap((disks) =>
      E.mapLeft(machineWrong)(
        machine({
          ...{ name, state, disks, snapshots },
          ...(definitions === undefined
            ? {}
            : { definitions: { persistent: definitions.persistent, live: definitions.live } }),
          ...(current === undefined ? {} : { current }),
          ...(body.saved === undefined ? {} : { saved: body.saved.map(savedOf) }),
          ...(body.owed === undefined ? {} : { owed: body.owed }),
        }),
      ),
    ),
  )
}

/** Without the members that are undefined, which JSON does not have. */
const written = (of: object): object =>
  Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined))

const encodeSnapshot = ({ disks, ...rest }: Snapshot): object => ({
  ...written(rest),
  disks: Array.from(disks, ([disk, one]) => ({ disk, held: written(one) })),
})

const encodeSaved = ({ images, ...rest }: SavedState): object => ({
  ...rest,
  ...(images === undefined
    ? {}
    : { images: Array.from(images, ([disk, all]) => ({ disk, images: all.map(written) })) }),
})

/** What a machine is inside a plan, as JSON. */
export const encodeMachineBody = (of: Machine): object => {
  const { name, state, disks, definitions, snapshots, current, saved } = of
  const owing = owed(of)
  return {
    ...{ name, state },
    disks: Array.from(disks.values(), encodeBody),
    snapshots: Array.from(snapshots.values(), encodeSnapshot),
    ...(definitions === undefined ? {} : { definitions: written(definitions) }),
    ...(current === undefined ? {} : { current }),
    ...(saved.length === 0 ? {} : { saved: saved.map(encodeSaved) }),
    ...(owing.length === 0 ? {} : { owed: owing }),
  }
}

/**
 * Writes a machine as versioned JSON: its chains, definitions and snapshots.
 *
 * Law: `decodeMachine(encodeMachine(m))` is `m`, through `JSON.stringify` too.
 *
 * @example
 * import { decodeMachine, encodeMachine } from 'backing-chain/codec'
 * import { machine } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const vm = machine({ name: 'vm', state: 'running', disks: [], snapshots: [{ name: 'monday', disks: [] }] })
 * const decoded = E.isRight(vm) ? decodeMachine(JSON.stringify(encodeMachine(vm.right))) : undefined
 * decoded // => vm
 *
 * @since 0.2.0
 */
export const encodeMachine = (of: Machine): EncodedMachine => ({
  format: 'backing-chain/machine',
  version: 1,
  ...encodeMachineBody(of),
})

/**
 * Reads a machine that {@link encodeMachine} wrote: text or parsed.
 *
 * Nothing is lost in silence: another version, and a member that this version does not know, are problems.
 *
 * Left: `TextWrong`, `ShapeWrong`, `ModelWrong`, `MachineWrong`.
 *
 * @example
 * import { decodeMachine } from 'backing-chain/codec'
 *
 * decodeMachine('{ "format": "backing-chain/chain" }')._tag // => 'Left'
 *
 * @since 0.2.0
 */
export const decodeMachine = (input: unknown): E.Either<DecodeError, Machine> =>
  pipe(
    parsedJson(input),
    E.flatMap(checkedVersion('backing-chain/machine')),
    E.flatMap((json) => read(machineWire, json)),
    E.flatMap((body) => machineOfBody(body)),
  )
