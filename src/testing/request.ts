import * as fc from 'fast-check'

import type { Chain } from '../model/chain.js'
import { activeImage, activePath, backingOf, path } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import { locationString } from '../model/location.js'
import type {
  AddOverlayRequest,
  CommitRequest,
  CommonRequest,
  CopyRequest,
  End,
  NewImage,
  PullRequest,
  RenameRequest,
} from '../operation/request.js'
import type { Point } from '../plan/plan.js'

const namesOf = (chain: Chain): ReadonlyArray<string> => Array.from(chain.images.keys())

const arbitraryName = (chain: Chain): fc.Arbitrary<string> => fc.constantFrom(...namesOf(chain))

/** An image with a backing file, mostly one that the guest reads; now and then any image. */
const arbitraryOverlay = (chain: Chain): fc.Arbitrary<string> => {
  const withBacking = (images: Iterable<Image>): ReadonlyArray<string> =>
    Array.from(images).flatMap(({ name, backing }) => (backing === undefined ? [] : [name]))
  const weighted = [withBacking(activePath(chain)), withBacking(chain.images.values()), namesOf(chain)]
  const choices = weighted.flatMap((names, index) =>
    names.length === 0 ? [] : [{ weight: 9 - 4 * index, arbitrary: fc.constantFrom(...names) }],
  )
  return fc.oneof(...choices)
}

/** An image below another one, now and then any image. */
const arbitraryBelow = (chain: Chain, above: string): fc.Arbitrary<string> => {
  const below = (path(chain, above) ?? []).map(({ name }) => String(name)).filter((name) => name !== above)
  return below.length === 0
    ? arbitraryName(chain)
    : fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...below) }, { weight: 1, arbitrary: arbitraryName(chain) })
}

/**
 * Random points in time: any of the images that the guest does not write, each tied to at most one.
 *
 * @since 0.1.0
 */
export const arbitraryPoints = (chain: Chain): fc.Arbitrary<ReadonlyArray<Point>> =>
  fc
    .subarray(namesOf(chain).filter((name) => name !== chain.active))
    .map((images) => images.map((image) => ({ point: `at ${image}`, image })))

const arbitraryCommon = (chain: Chain): fc.Arbitrary<CommonRequest> =>
  fc
    .record({
      points: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: arbitraryPoints(chain) }),
      leftovers: fc.constantFrom('keep' as const, 'remove' as const),
      accept: fc.constantFrom([], ['PlaintextLeak', 'BitmapsLost', 'InternalSnapshotsLost'] as const),
    })
    .map((common): CommonRequest => common)

const arbitraryEnd: fc.Arbitrary<End> = fc.constantFrom('pivot', 'keep')

/**
 * Random commits: `top` is any image, `base` mostly one below it or left out, `end` mostly there exactly where `top` is the
 * active image.
 *
 * @since 0.1.0
 */
export const arbitraryCommitRequest = (chain: Chain): fc.Arbitrary<CommitRequest> =>
  arbitraryOverlay(chain).chain((top) =>
    fc
      .record({
        common: arbitraryCommon(chain),
        base: fc.option(arbitraryBelow(chain, top), { nil: undefined, freq: 4 }),
        end: arbitraryEnd,
        odd: fc.integer({ min: 0, max: 9 }).map((n) => n === 9),
        short: fc.constantFrom(undefined, 'refuse' as const, 'grow' as const, 'grow' as const),
      })
      .map(({ common, base, end, odd, short }) => ({
        ...common,
        top,
        ...(short === undefined ? {} : { short }),
        ...(base === undefined ? {} : { base }),
        ...((top === chain.active) === odd ? {} : { end }),
      })),
  )

/**
 * Random pulls: `into` is any image, `base` mostly one below it or left out.
 *
 * @since 0.1.0
 */
export const arbitraryPullRequest = (chain: Chain): fc.Arbitrary<PullRequest> =>
  arbitraryOverlay(chain).chain((into) =>
    fc
      .record({
        common: arbitraryCommon(chain),
        base: fc.option(arbitraryBelow(chain, into), { nil: undefined, freq: 2 }),
      })
      .map(({ common, base }) => ({ ...common, into, ...(base === undefined ? {} : { base }) })),
  )

/** A new image under a free name, now and then under one that is taken; one made before has a size and a header. */
const arbitraryNewImage = (chain: Chain, backing: Image | undefined): fc.Arbitrary<NewImage> => {
  const { sizeBytes } = activeImage(chain)
  return fc
    .record({
      name: fc.oneof({ weight: 19, arbitrary: fc.constant('new') }, { weight: 1, arbitrary: arbitraryName(chain) }),
      format: fc.constantFrom<NewImage['format']>('qcow2', 'qcow2', 'qcow2', 'qcow2', 'raw'),
      made: fc.constantFrom(undefined, undefined, 'now' as const, 'before' as const),
      sizeBytes: fc.constantFrom(sizeBytes, sizeBytes, sizeBytes, sizeBytes + 65536),
    })
    .map(({ name, format, made, sizeBytes: size }) => ({
      name,
      location: { _tag: 'File', path: `/images/${name}` },
      format,
      ...(made === undefined ? {} : { made }),
      ...(made !== 'before' ? {} : { sizeBytes: size }),
      ...(made !== 'before' || backing === undefined ? {} : { header: locationString(backing.location) }),
    }))
}

/**
 * Random overlays.
 *
 * @since 0.1.0
 */
export const arbitraryAddOverlayRequest = (chain: Chain): fc.Arbitrary<AddOverlayRequest> =>
  fc.record({ overlay: arbitraryNewImage(chain, activeImage(chain)), points: arbitraryPoints(chain) })

/**
 * Random copies: full or shallow, to a new image, ended with a pivot or without; a shallow one now and then onto another
 * image, which mostly does not show the same.
 *
 * @since 0.1.0
 */
export const arbitraryCopyRequest = (chain: Chain): fc.Arbitrary<CopyRequest> =>
  fc.constantFrom('full' as const, 'shallow' as const).chain((depth) =>
    fc
      .record({
        common: arbitraryCommon(chain),
        to: arbitraryNewImage(chain, depth === 'full' ? undefined : backingOf(chain, activeImage(chain))),
        onto: depth === 'full' ? fc.constant(undefined) : fc.option(arbitraryName(chain), { nil: undefined, freq: 2 }),
        end: arbitraryEnd,
      })
      .map(({ common, to, onto, end }) => ({ ...common, to, depth, end, ...(onto === undefined ? {} : { onto }) })),
  )

/**
 * Random renames: of any image, to a free path in its own folder or in another one, now and then to one that is taken; mostly
 * under another name too.
 *
 * @since 0.2.0
 */
export const arbitraryRenameRequest = (chain: Chain): fc.Arbitrary<RenameRequest> => {
  const free = fc.constantFrom('/images/new', '/images/deeper/new', '/new', '/elsewhere/in/new:1', '/images/new:1')
  const taken = fc.constantFrom(...Array.from(chain.images.values(), ({ location }) => locationString(location)))
  return fc
    .record({
      image: arbitraryName(chain),
      to: fc.oneof({ weight: 9, arbitrary: free }, { weight: 1, arbitrary: taken }),
      name: fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(undefined, 'new') },
        { weight: 1, arbitrary: arbitraryName(chain) },
      ),
      points: arbitraryPoints(chain),
    })
    .map(({ name, ...of }) => ({ ...of, ...(name === undefined ? {} : { name }) }))
}
