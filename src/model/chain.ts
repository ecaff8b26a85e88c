import * as E from 'fp-ts/lib/Either.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { imageProblems, makeImage } from './chain-image.js'
import type { ModelError } from './chain-error.js'
import { normalPath } from './header.js'
import { locationString } from './location.js'
import { loops } from './loop.js'
import { isImageName, placesOf } from './image.js'
import type { Image, ImageDescription, ImageName } from './image.js'

/**
 * The backing chain of one disk: every image that matters to it, and the active one.
 *
 * The path from the active image down to its base is the chain in the narrow sense. Side branches and siblings are part
 * of the value, and so is a tree beside it that somebody still needs (what a full pull leaves, or the chain that a
 * shallow copy moves onto). Opaque; made only by {@link chain} and by the operations.
 *
 * @since 0.1.0
 */
export interface Chain {
  readonly Chain: unique symbol
  readonly disk: string
  readonly images: ReadonlyMap<string, Image>
  readonly active: ImageName
}

const brandChain = (disk: string, images: ReadonlyMap<string, Image>, active: ImageName): Chain =>
  // eslint-disable-next-line @typescript-eslint/consistent-type-assertions -- the smart constructor of Chain
  ({ disk, images, active }) as Chain

const treeProblems = (images: ReadonlyMap<string, Image>): ReadonlyArray<ModelError> => {
  const problems: Array<ModelError> = []
  for (const image of images.values()) {
    if (image.backing === undefined) continue
    const { image: backing, format: recorded } = image.backing
    const actual = images.get(backing)?.format
    if (backing === image.name) problems.push({ _tag: 'SelfBacking', image: image.name })
    else if (actual === undefined) problems.push({ _tag: 'DanglingBacking', image: image.name, backing })
    else if (actual !== recorded)
      problems.push({ _tag: 'BackingFormatWrong', image: image.name, backing, recorded, actual })
  }
  for (const loop of loops<string>(images.keys(), (at) => images.get(at)?.backing?.image))
    if (loop.length > 1) problems.push({ _tag: 'BackingLoop', images: loop })
  return problems
}

/**
 * Makes the backing chain of one disk from its images, in any order, and the name of the active one.
 *
 * Gives all problems at once, image by image in the order given, then those of the tree: `NameInvalid`, `NameDuplicate`,
 * `SizeUnsafe` (not an integer from 0 to 2^53 - 1: beyond that a JavaScript number is no longer exact, and an offset that
 * is off by one is somebody else's cluster), `ClusterSizeInvalid`, `FormatCannotHaveBacking`, `BackingFormatMissing`
 * (QEMU would probe, and what a guest wrote into a raw image decides the answer), `BackingFormatWrong`, `HeaderTooLong`,
 * `SelfBacking`, `DanglingBacking`, `BackingLoop` (QEMU hangs when it opens one read-only), `ActiveMissing`,
 * `LocationShared`, `NodeShared`.
 *
 * @example
 * import { chain } from 'backing-chain'
 *
 * const made = chain('vda', [{ name: 'a', format: 'qcow2', sizeBytes: 65536, location: { _tag: 'File', path: '/a' } }], 'b')
 * made // => { _tag: 'Left', left: [{ _tag: 'ActiveMissing', active: 'b' }] }
 *
 * @since 0.1.0
 */
export const chain = (
  disk: string,
  descriptions: ReadonlyArray<ImageDescription>,
  active: string,
): E.Either<ReadonlyNonEmptyArray<ModelError>, Chain> => {
  const images = new Map<string, Image>()
  let problems: Array<ModelError> = []
  for (const description of descriptions) {
    const found = imageProblems(description)
    problems.push(...found)
    if (images.has(description.name)) problems.push({ _tag: 'NameDuplicate', name: description.name })
    const made = found.length === 0 ? makeImage(description) : undefined
    if (made !== undefined) images.set(description.name, made)
  }
  if (problems.length === 0) problems = [...treeProblems(images), ...sharingProblems(images)]
  if (problems.length === 0 && !images.has(active)) problems.push({ _tag: 'ActiveMissing', active })
  return isNonEmpty(problems) || !isImageName(active)
    ? E.left(isNonEmpty(problems) ? problems : [{ _tag: 'ActiveMissing', active }])
    : E.right(brandChain(disk, images, active))
}

const sharingProblems = (images: ReadonlyMap<string, Image>): ReadonlyArray<ModelError> => {
  const problems: Array<ModelError> = []
  const places = new Map<string, ImageName>()
  const nodes = new Map<string, ImageName>()
  for (const image of images.values()) {
    const { name, node } = image
    for (const location of placesOf(image)) {
      const place = normalPath(locationString(location))
      const other = places.get(place)
      if (other !== undefined) problems.push({ _tag: 'LocationShared', images: [other, name], location })
      places.set(place, name)
    }
    for (const id of node === undefined ? [] : [node.format, ...(node.storage === undefined ? [] : [node.storage])]) {
      const holder = nodes.get(id)
      if (holder !== undefined) problems.push({ _tag: 'NodeShared', images: [holder, name], node: id })
      nodes.set(id, name)
    }
  }
  return problems
}

/** The chain with another set of images; trusts its caller, who has only changed what keeps it a chain. */
export const withImages = (of: Chain, images: ReadonlyMap<string, Image>, active: ImageName = of.active): Chain =>
  brandChain(of.disk, images, active)
