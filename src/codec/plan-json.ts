import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'

import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Call } from '../call/call.js'
import { features } from '../call/capability.js'
import type { Wait } from '../call/wait.js'
import { isImageName } from '../model/image.js'
import type { ImageName } from '../model/image.js'
import type { Assumption } from '../plan/assumption.js'
import type { Fate } from '../plan/fate.js'
import type { Plan } from '../plan/plan.js'
import { chainBody, chainOfBody, checkedVersion, encodeBody, format } from './chain-json.js'
import type { DecodeError } from './decode-error.js'
import { parsedJson } from './json-text.js'
import { libvirtCall } from './libvirt-json.js'
import { qmpCommand } from './qmp-json.js'
import { exact, list, oneOf, read, shape, size, tagged, text } from './shape.js'

/**
 * A plan as JSON of our own: `JSON.stringify` writes it, {@link decodePlan} reads it. Inside is what `version` says.
 *
 * @since 0.1.0
 */
export interface EncodedPlan {
  readonly format: 'backing-chain/plan'
  readonly version: 1
  readonly [member: string]: unknown
}

const imageName = shape(
  'a name: not empty, no NUL',
  (value): value is ImageName => typeof value === 'string' && isImageName(value),
)

type Argv = readonly ['qemu-img', ...ReadonlyArray<string>]

const argv = shape(
  'an array of strings, the first "qemu-img"',
  (value): value is Argv => list(text).is(value) && value[0] === 'qemu-img',
)

const files = tagged('operation', {
  remove: exact({ _tag: oneOf('Files'), operation: oneOf('remove'), path: text }, {}),
  rename: exact({ _tag: oneOf('Files'), operation: oneOf('rename'), path: text, to: text }, {}),
  link: exact({ _tag: oneOf('Files'), operation: oneOf('link'), path: text, to: text }, {}),
})

const call = tagged('_tag', {
  Qmp: exact({ _tag: oneOf('Qmp'), command: qmpCommand }, {}),
  Libvirt: exact({ _tag: oneOf('Libvirt'), function: libvirtCall }, {}),
  QemuImg: exact({ _tag: oneOf('QemuImg'), argv }, {}),
  Files: files,
} satisfies { readonly [T in Call['_tag']]: t.Decoder<unknown, Call & { readonly _tag: T }> })

const reported = exact({ image: text, format: text, location: text }, {})

const wait = tagged('_tag', {
  QmpJob: exact({ _tag: oneOf('QmpJob'), job: text, status: oneOf('ready', 'pending', 'concluded') }, {}),
  LibvirtJob: exact({ _tag: oneOf('LibvirtJob'), disk: text, status: oneOf('ready', 'completed', 'canceled') }, {}),
  ChainIs: exact({ _tag: oneOf('ChainIs'), disk: text, images: list(reported) }, {}),
} satisfies { readonly [T in Wait['_tag']]: t.Decoder<unknown, Wait & { readonly _tag: T }> })

const names = list(text)

const assumption = tagged('_tag', {
  NoOtherReaders: exact({ _tag: oneOf('NoOtherReaders'), images: names }, {}),
  Writable: exact({ _tag: oneOf('Writable'), images: names }, {}),
  NothingAt: exact({ _tag: oneOf('NothingAt'), path: text }, {}),
  MadeBefore: exact({ _tag: oneOf('MadeBefore'), image: text, path: text }, {}),
  HoldsNothing: exact({ _tag: oneOf('HoldsNothing'), image: text, path: text }, {}),
  NoManagedSave: exact({ _tag: oneOf('NoManagedSave'), domain: text }, {}),
  SnapshotsGo: exact({ _tag: oneOf('SnapshotsGo'), image: text, snapshots: names }, {}),
  SameContents: exact({ _tag: oneOf('SameContents'), left: text, right: text }, {}),
  Closed: exact({ _tag: oneOf('Closed'), images: names }, {}),
  StartsWith: exact({ _tag: oneOf('StartsWith'), image: text, path: text, from: size }, {}),
  DeviceHolds: exact({ _tag: oneOf('DeviceHolds'), image: text, sizeBytes: size }, {}),
  HeadersLead: exact({ _tag: oneOf('HeadersLead'), images: names }, {}),
  NoKillBeforeFlush: exact({ _tag: oneOf('NoKillBeforeFlush'), image: text, oldHeader: text }, {}),
  BitmapsStop: exact({ _tag: oneOf('BitmapsStop'), image: text, bitmaps: names }, {}),
} satisfies { readonly [T in Assumption['_tag']]: t.Decoder<unknown, Assumption & { readonly _tag: T }> })

const fate = oneOf('kept', 'written', 'repointed', 'redundant', 'invalid', 'removed', 'created')

const fates = shape(
  'an array of fates, not empty',
  (value): value is ReadonlyNonEmptyArray<Fate> => list(fate).is(value) && isNonEmpty(value),
)

const planWire = exact(
  {
    format: oneOf('backing-chain/plan'),
    version: t.literal(1),
    operation: oneOf('addOverlay', 'commit', 'pull', 'copy'),
    via: oneOf('qmp', 'libvirt', 'qemu-img'),
    before: chainBody,
    after: chainBody,
    steps: list(exact({ call, why: text }, { until: wait })),
    contents: list(exact({ image: imageName, span: list(imageName), sizeBytes: size }, {})),
    fates: list(exact({ image: text, fates }, {})),
    points: list(exact({ point: text, before: imageName, after: imageName, format, sizeBytes: size }, {})),
    requires: list(oneOf(...features)),
    assumes: list(assumption),
  },
  {},
)

/** Every part of a plan, so that one that is new here and not written is no plan that compiles. */
const planOfWire = (wire: t.TypeOf<typeof planWire>): E.Either<DecodeError, Plan> => {
  const { format: _format, version: _version, ...rest } = wire
  const before = chainOfBody(wire.before)
  const after = chainOfBody(wire.after)
  if (E.isLeft(before)) return before
  if (E.isLeft(after)) return after
  const found = new Map(wire.fates.map(({ image, fates: those }) => [image, those]))
  if (found.size < wire.fates.length)
    return E.left({
      _tag: 'ShapeWrong',
      problems: [{ path: '$.fates', expected: 'each image once', actual: `an array of ${wire.fates.length}` }],
    })
  return E.right({ ...rest, before: before.right, after: after.right, fates: found })
}

/**
 * Writes a plan as versioned JSON, so that it can be looked at, kept, and executed elsewhere.
 *
 * Law: `decodePlan(encodePlan(p))` is `p`, through `JSON.stringify` too.
 *
 * @example
 * import { decodePlan, encodePlan } from 'backing-chain/codec'
 * import { capabilitiesOfVersions, commit, parseChain } from 'backing-chain'
 * import { pipe } from 'fp-ts/lib/function.js'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const capabilities = capabilitiesOfVersions({ qemu: '10.0' })
 * const planned = pipe(
 *   parseChain('base <- a <- b^'),
 *   E.map(({ chain }) => commit(chain, { top: 'a', base: 'base' }, { via: 'qemu-img', guest: 'shut-off', capabilities })),
 * )
 * const plan = E.isRight(planned) && E.isRight(planned.right) ? planned.right.right : undefined
 * const decoded = plan && decodePlan(JSON.stringify(encodePlan(plan)))
 * decoded // => E.right(plan)
 *
 * @since 0.1.0
 */
export const encodePlan = (of: Plan): EncodedPlan => ({
  format: 'backing-chain/plan',
  version: 1,
  ...of,
  before: encodeBody(of.before),
  after: encodeBody(of.after),
  fates: Array.from(of.fates, ([image, those]) => ({ image, fates: those })),
})

/**
 * Reads a plan that {@link encodePlan} wrote: text or parsed.
 *
 * Nothing is lost in silence: another version, and a member that this version does not know, are problems. A plan that was
 * changed by hand is still a plan here; {@link checkPlan} judges it.
 *
 * Left: `TextWrong`, `ShapeWrong`, `ModelWrong`.
 *
 * @example
 * import { decodePlan } from 'backing-chain/codec'
 *
 * decodePlan('{ "format": "backing-chain/plan" ')._tag // => 'Left'
 *
 * @since 0.1.0
 */
export const decodePlan = (input: unknown): E.Either<DecodeError, Plan> =>
  pipe(
    parsedJson(input),
    E.flatMap(checkedVersion('backing-chain/plan')),
    E.flatMap((json) => read(planWire, json)),
    E.flatMap(planOfWire),
  )
