import * as E from 'fp-ts/lib/Either.js'

import type { Chain } from '../model/chain.js'
import { isAbsolute, pathOf } from '../model/location.js'
import { combineHeader, composeHeaders, headerBytes, headerReaches, largestHeaderBytes } from '../model/header.js'
import type { Backing, Image } from '../model/image.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'

/** How an image further down is reached: the strings of the links on the way, combined, or that nobody can combine them. */
export interface Reach {
  readonly to: Image
  readonly header: string
  readonly relative: 'all the way' | 'not everywhere'
  readonly lost: 'below a json: string' | undefined
}

/** The strings combined: nothing before the last absolute one counts, and none gets shorter than the folder that it is in. */
const composed = (headers: ReadonlyArray<string>): string => {
  const from = headers.findLastIndex(isAbsolute)
  let reached = ''
  for (let index = Math.max(from, 0); index < headers.length; index++) {
    reached = combineHeader(reached, headers[index] ?? '')
    if (reached.lastIndexOf('/') > largestHeaderBytes) break
  }
  return reached
}

/**
 * Reads the stored strings of the links from an image down to one below it, as QEMU reads them when it opens the chain.
 *
 * Combining is associative, so the strings of a whole span are combined once and put behind each overlay's own.
 */
export const reachOf = (chain: Chain, from: Image, to: Image): Reach => {
  const headers: Array<string> = []
  for (let at: Image | undefined = from; at?.backing !== undefined && at.name !== to.name;) {
    headers.push(at.backing.header)
    at = chain.images.get(at.backing.image)
  }
  const isLost = headers.some((text, index) => !isAbsolute(text) && headers[index - 1]?.startsWith('json:') === true)
  return {
    to,
    header: composed(headers),
    relative: headers.every((text) => !isAbsolute(text)) ? 'all the way' : 'not everywhere',
    lost: isLost ? 'below a json: string' : undefined,
  }
}

/** The same reach from one overlay further up. */
export const reachThrough = (overlay: Image, below: Reach): Reach => {
  if (overlay.backing === undefined || below.header === '') return { ...below, header: overlay.backing?.header ?? '' }
  const { header } = overlay.backing
  const stays = isAbsolute(header) || below.relative === 'not everywhere' ? 'not everywhere' : 'all the way'
  const isLost = header.startsWith('json:') && !isAbsolute(below.header)
  return {
    to: below.to,
    header: composeHeaders([header, below.header]),
    relative: stays,
    lost: isLost ? 'below a json: string' : below.lost,
  }
}

/**
 * What an overlay's header has to say so that an image further down becomes its backing file.
 *
 * What was relative stays relative and leads to the same file. Refuses `BackingStringUnknown` below a `json:` string, and
 * `BackingStringTooLong`: QEMU crashes when a commit cannot store the string.
 */
export const backingOfReach = (overlay: Image, { to, header, lost }: Reach): E.Either<Refusal, Backing> => {
  const why = 'a relative string below a json: string is relative to a file that only QEMU can tell'
  return lost === undefined
    ? checkedBacking(overlay.name, { image: to.name, header, format: to.format })
    : E.left(refuse({ _tag: 'BackingStringUnknown', image: overlay.name, backing: to.name, why }))
}

/** What libvirt itself writes where it is not asked for a relative string: the path. */
export const asStored = (via: Hypervisor['via'], backing: Backing, base: Image): Backing => {
  const path = pathOf(base.location)
  return via === 'libvirt' && path !== undefined && isAbsolute(backing.header) ? { ...backing, header: path } : backing
}

/** Refuses a backing string that no header can hold. */
export const checkedBacking = (overlay: string, backing: Backing): E.Either<Refusal, Backing> => {
  const bytes = headerBytes(backing.header)
  const facts = { image: overlay, header: backing.header, headerBytes: bytes, largestBytes: largestHeaderBytes }
  return bytes > largestHeaderBytes
    ? E.left(refuse({ _tag: 'BackingStringTooLong', ...facts }, [{ _tag: 'GiveHeader', image: overlay }]))
    : E.right(backing)
}

/** The images whose stored backing string does not plainly spell the path of the image that it stands for. */
export const unclearHeaders = (chain: Chain, images: Iterable<Image>): ReadonlyArray<string> => {
  const unclear: Array<string> = []
  for (const image of images) {
    const backing = image.backing === undefined ? undefined : chain.images.get(image.backing.image)
    if (image.backing === undefined || backing === undefined) continue
    if (!headerReaches(image.location, image.backing.header, backing.location)) unclear.push(image.name)
  }
  return unclear
}
