import type { Reader } from '../model/chain-query.js'
import { nameText } from '../model/print-picture.js'
import type { Refusal } from '../plan/refusal.js'
import { alternativeText, names, openerText, statesText, viaText } from './alternative.js'
import { digits, sizeText } from './size.js'

type ByTag = { readonly [R in Refusal as R['_tag']]: R }

const readerText = (reader: Reader): string =>
  reader._tag === 'Overlay' ? `its overlay ${nameText(reader.image)}` : nameText(reader.reader)

const takenBy = {
  image: 'an image of the chain has it',
  location: 'an image of the chain is stored there',
  node: 'QEMU has a node of that name',
  'own backing': 'it would be its own backing file',
  header: 'the backing string of an image of the chain leads there',
  definition: "libvirt's definition names it",
} as const

const destinationIs = {
  size: 'has the wrong size',
  relative: 'is named by a relative path',
  exists: 'exists already',
  missing: 'does not exist',
  format: 'has the wrong format',
  contents: 'does not show the same contents',
} as const

/** What each refusal says; one that is missing here does not compile. */
const texts: { readonly [T in keyof ByTag]: (refusal: ByTag[T]) => string } = {
  ImageNotInChain: ({ image }) => `There is no image ${nameText(image)} in the chain.`,
  TopNotAboveBase: ({ top, base }) =>
    `${nameText(top)} is not above ${nameText(base)}: no chain leads down from the one to the other.`,
  NothingBelow: ({ image }) => `${nameText(image)} has no backing file, so there is nothing below it to work on.`,
  NotOnActivePath: ({ image, active }) =>
    `The running guest does not read ${nameText(image)}: it is not on the path below the active image ${nameText(active)}.`,
  GuestStateWrong: ({ via, guest, needs }) =>
    `The guest is ${statesText([guest])}; through ${viaText(via)} this needs a guest that is ${statesText(needs)}.`,
  NotThisWay: ({ via, why }) => `This cannot be done through ${viaText(via)}: ${why}.`,
  CapabilityMissing: ({ missing }) =>
    `The host lacks ${missing
      .map(
        ({ feature, program, since, found }) => `\`${feature}\` (${program} ${since}; found: ${found ?? 'no version'})`,
      )
      .join(', ')}.`,
  JobOverlaps: ({ job, kind, images }) =>
    `The ${kind} job ${nameText(job)} is still at work on images that this would touch: ${names(images)}.`,
  ActiveNeedsPivotDecision: ({ active }) =>
    `${nameText(active)} is the active image: say whether the commit ends with a pivot to the base (\`end: 'pivot'\`) or without (\`end: 'keep'\`).`,
  PivotOnlyForActive: ({ top, active }) =>
    `${nameText(top)} is not the active image, ${nameText(active)} is: only a commit of the active image ends with a pivot or without one.`,
  ImageShared: ({ image, readers }) =>
    `${nameText(image)} has other readers, which would then see other contents: ${readers.map(readerText).join(', ')}.`,
  FormatCannotChangeBacking: ({ image, format }) =>
    `${nameText(image)} is in the format ${format}, whose backing file cannot be changed.`,
  FormatCannotHoldOverlay: ({ image, format }) =>
    `${nameText(image)} would need a backing file, and the format ${format} cannot have one.`,
  BaseLargerThanTop: ({ base, baseBytes, top, topBytes }) =>
    `The base ${nameText(base)} is larger than ${nameText(top)}, and a commit does not shrink it, so the guest would see a larger disk with old data at its end: ${sizeText(baseBytes)} over ${sizeText(topBytes)}.`,
  ShortImageExposesBase: ({ base, baseBytes, short, shortBytes, overlay, overlayBytes }) =>
    `${nameText(short)} is shorter than both its overlay and what lies below it, and QEMU would let old data of ${nameText(base)} show through beyond its end: ${nameText(base)} has ${sizeText(baseBytes)}, ${nameText(short)} has ${sizeText(shortBytes)}, ${nameText(overlay)} has ${sizeText(overlayBytes)}.`,
  BaseDeviceTooSmall: ({ base, presentBytes, neededBytes }) =>
    `The device of the base ${nameText(base)} is too small for what the base becomes: ${sizeText(presentBytes)}, and ${sizeText(neededBytes)} are needed.`,
  BaseNotGrowable: ({ base, baseBytes, topBytes, why }) =>
    `The base ${nameText(base)} has ${sizeText(baseBytes)}, the data needs ${sizeText(topBytes)}, and it cannot grow: ${why}.`,
  InternalSnapshotsLost: ({ lost, why }) =>
    `Internal snapshots would be lost: ${lost.map(({ image, snapshots }) => `${names(snapshots)} in ${nameText(image)}`).join('; ')} (${why}).`,
  BitmapsLost: ({ lost }) =>
    `Dirty bitmaps would be lost: ${lost.map(({ image, bitmaps }) => `${names(bitmaps)} in ${nameText(image)}`).join('; ')}.`,
  PlaintextLeak: ({ from, to }) =>
    `What is encrypted in ${names(from)} would be stored in the clear in ${nameText(to)}.`,
  BackingStringTooLong: ({ image, header, headerBytes, largestBytes }) =>
    `The backing string for ${nameText(image)} has ${digits(headerBytes)} bytes, and a header holds at most ${digits(largestBytes)}: ${JSON.stringify(header.slice(0, 60))}${header.length > 60 ? '...' : ''}.`,
  BackingStringUnknown: ({ image, backing, why }) =>
    `It is not known by which string ${nameText(image)} would reach ${nameText(backing)}: ${why}.`,
  PathNotAbsolute: ({ image, path }) => `The path of ${nameText(image)} is not absolute: ${JSON.stringify(path)}.`,
  LocationNotAddressable: ({ image, via, why }) =>
    `${nameText(image)} cannot be named through ${viaText(via)} where it is stored: ${why}.`,
  NodeUnknown: ({ image }) => `The guest's QEMU has ${nameText(image)} open, and its node name is not known.`,
  NodeNameInvalid: ({ node, why }) => `QEMU does not take ${JSON.stringify(node)} as a name: ${why}.`,
  FilterAbove: ({ image, filters, why }) =>
    `There are filter nodes above ${nameText(image)}, ${names(filters)}: ${why}.`,
  NameTaken: ({ name, by }) => `The name ${nameText(name)} is taken: ${takenBy[by]}.`,
  DestinationWrong: ({ name, why, detail }) => `The destination ${nameText(name)} ${destinationIs[why]}: ${detail}.`,
  PointUnknown: ({ point, image, why }) =>
    why === 'active'
      ? `The point in time ${nameText(point)} is tied to ${nameText(image)}, the active image, which the guest still writes.`
      : `The point in time ${nameText(point)} is tied to ${nameText(image)}, which is not in the chain.`,
  PointInTimeLost: ({ points }) =>
    `Points in time would be lost: ${points.map(({ point, image }) => `${nameText(point)} (image ${nameText(image)})`).join(', ')}.`,
  ImageOpen: ({ image, step, wants, by, held }) =>
    `Step ${digits(step)}, counted from 0, would have ${openerText(by)} open ${nameText(image)} to ${wants} it, while ${openerText(held.by)} has it open to ${held.access} it.`,
}

const textOf = <T extends keyof ByTag>(tag: T, refusal: ByTag[T]): string => texts[tag](refusal)

/**
 * Says in plain English why there is no plan, with the facts, and which other ways there are, one a line.
 *
 * Names stand as in the notation, sizes for reading and exact.
 *
 * @example
 * import { explainRefusal } from 'backing-chain'
 *
 * const text = explainRefusal({ _tag: 'NodeUnknown', image: 'a b', alternatives: [] })
 * text // => `The guest's QEMU has "a b" open, and its node name is not known.`
 *
 * @since 0.1.0
 */
export const explainRefusal = (refusal: Refusal): string => {
  const ways = refusal.alternatives.map((alternative) => `- ${alternativeText(alternative)}`)
  return [textOf(refusal._tag, refusal), ...(ways.length === 0 ? [] : ['Instead:', ...ways])].join('\n')
}
