import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'

import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import { features } from '../call/capability.js'
import { isImageName } from '../model/image.js'
import type { ImageName } from '../model/image.js'
import type { Fate } from '../plan/fate.js'
import type { Plan } from '../plan/plan.js'
import { assumption } from './assumption-json.js'
import { chainBody, chainOfBody, checkedVersion, encodeBody, format } from './chain-json.js'
import { show, unlessWrong } from './decode-error.js'
import type { DecodeError } from './decode-error.js'
import { parsedJson } from './json-text.js'
import { exact, list, oneOf, read, shape, size, text } from './shape.js'
import { cleanup, step } from './step-json.js'

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

/** The name of an image. */
export const imageName = shape(
  'a name: not empty, no NUL',
  (value): value is ImageName => typeof value === 'string' && isImageName(value),
)

const fate = oneOf('kept', 'written', 'repointed', 'redundant', 'invalid', 'removed', 'created', 'renamed')

const fates = shape(
  'an array of fates, not empty',
  (value): value is ReadonlyNonEmptyArray<Fate> => list(fate).is(value) && isNonEmpty(value),
)

/** What images hold afterwards. */
export const contents = list(
  exact(
    { image: imageName, span: list(imageName), sizeBytes: size },
    { grown: exact({ image: imageName, toBytes: size }, {}), inside: text },
  ),
)

/** What becomes of each image. */
export const fateList = list(exact({ image: text, fates }, {}))

type FateList = t.TypeOf<typeof fateList>

/** The fates of images, each of which is there once; `path` is where the list is. */
export const fatesOfWire = (wire: FateList, path: string): E.Either<DecodeError, Plan['fates']> => {
  const found = new Map(wire.map(({ image, fates: those }) => [image, those]))
  const problem = { path, expected: 'each image once', actual: show(wire) }
  return unlessWrong(found.size < wire.length ? [problem] : [], found)
}

/** The fates of images as JSON. */
export const encodeFates = (of: Plan['fates']): FateList =>
  Array.from(of, ([image, those]) => ({ image, fates: those }))

const planWire = exact(
  {
    format: oneOf('backing-chain/plan'),
    version: t.literal(1),
    operation: oneOf('addOverlay', 'commit', 'pull', 'copy', 'remove', 'rename'),
    via: oneOf('qmp', 'libvirt', 'qemu-img', 'storage-daemon'),
    before: chainBody,
    after: chainBody,
    steps: list(step),
    contents,
    fates: fateList,
    points: list(exact({ point: text, before: imageName, after: imageName, format, sizeBytes: size }, {})),
    requires: list(oneOf(...features)),
    assumes: list(assumption),
  },
  { finally: list(cleanup) },
)

/** Every part of a plan, so that one that is new here and not written is no plan that compiles. */
const planOfWire = (wire: t.TypeOf<typeof planWire>): E.Either<DecodeError, Plan> => {
  const { format: _format, version: _version, ...rest } = wire
  const before = chainOfBody(wire.before)
  const after = chainOfBody(wire.after)
  if (E.isLeft(before)) return before
  if (E.isLeft(after)) return after
  const found = fatesOfWire(wire.fates, '$.fates')
  if (E.isLeft(found)) return found
  return E.right({ ...rest, before: before.right, after: after.right, fates: found.right })
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
  fates: encodeFates(of.fates),
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
