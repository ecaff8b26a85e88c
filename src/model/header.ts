import { hasProtocol, isAbsolute, locationString, pathOf } from './location.js'
import type { Location } from './location.js'

/**
 * The largest backing string that a qcow2 header can hold, in bytes (QEMU: 1,023).
 *
 * @since 0.1.0
 */
export const largestHeaderBytes = 1023

/** The length of a string in UTF-8, which is what a header counts. */
export const headerBytes = (text: string): number => {
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return bytes
}

/**
 * Reads a backing string as QEMU does: relative to the directory of the string that the overlay was opened by.
 *
 * `..` and symbolic links are left alone, as QEMU leaves them. An absolute string and a `protocol:` string stand for
 * themselves.
 *
 * @example
 * import { combineHeader } from 'backing-chain'
 *
 * combineHeader('/images/vm/a.qcow2', '../base.qcow2') // => '/images/vm/../base.qcow2'
 *
 * @since 0.1.0
 */
export const combineHeader = (openedAs: string, header: string): string => {
  if (isAbsolute(header)) return header
  const slash = openedAs.lastIndexOf('/')
  const protocol = hasProtocol(openedAs) ? openedAs.indexOf(':') : -1
  return openedAs.slice(0, Math.max(slash, protocol) + 1) + header
}

/**
 * The backing string that reaches the end of a row of links from where the first one stands.
 *
 * `headers` are the strings as stored, the uppermost overlay's first. Each is combined as QEMU combines it when it opens
 * the chain, so the result resolves to the same file, and is relative exactly where every link was.
 *
 * @example
 * import { composeHeaders } from 'backing-chain'
 *
 * composeHeaders(['../b/b.qcow2', '../a/a.qcow2']) // => '../b/../a/a.qcow2'
 *
 * @since 0.1.0
 */
export const composeHeaders = (headers: ReadonlyArray<string>): string =>
  headers.reduce((reached, header) => combineHeader(reached, header), '')

/** A part of a path that is empty, `.` or `..`. */
const unfolded = /\/\.{0,2}(?:\/|$)/

/** Removes `.` and `..` from an absolute path, for comparing two spellings of it; links are not known here. */
export const normalPath = (path: string): string => {
  if (!path.startsWith('/') || !unfolded.test(path)) return path
  const kept: Array<string> = []
  for (const part of path.split('/')) {
    if (part === '..') kept.pop()
    else if (part !== '' && part !== '.') kept.push(part)
  }
  return `/${kept.join('/')}`
}

/** The folder that a path is in, as it is compared, with the slash at its end. */
export const folderOf = (path: string): string => {
  const folded = normalPath(path)
  return folded.slice(0, folded.lastIndexOf('/') + 1)
}

/** A relative string that QEMU does not read as `protocol:...`. */
const unlikeProtocol = (relative: string): string => (hasProtocol(relative) ? `./${relative}` : relative)

/**
 * The relative backing string that leads from an absolute path to another one.
 *
 * Textual: where a folder on the way is a symbolic link, a `..` leads elsewhere.
 *
 * @example
 * import { relativeHeader } from 'backing-chain'
 *
 * relativeHeader('/images/vm/a.qcow2', '/images/base.qcow2') // => '../base.qcow2'
 *
 * @since 0.2.0
 */
export const relativeHeader = (overlay: string, backing: string): string => {
  const from = folderOf(overlay).split('/').slice(1, -1)
  const to = normalPath(backing).split('/').slice(1)
  const differs = from.findIndex((part, index) => part !== to[index] || index === to.length - 1)
  const common = differs < 0 ? from.length : differs
  return unlikeProtocol([...from.slice(common).map(() => '..'), ...to.slice(common)].join('/'))
}

/** A relative string with another name at its end. */
export const withLastName = (header: string, path: string): string =>
  unlikeProtocol(header.slice(0, header.lastIndexOf('/') + 1) + path.slice(path.lastIndexOf('/') + 1))

/** Where an image is, as it is compared: `.` and `..` folded. */
export const placeOf = ({ location }: { readonly location: Location }): string => normalPath(locationString(location))

/** True for two spellings of one path; what has none is nowhere. */
export const samePath = (one: string | undefined, other: string | undefined): boolean =>
  one !== undefined && other !== undefined && normalPath(one) === normalPath(other)

/**
 * True where a backing string, read from where the overlay is, spells the path of the location.
 *
 * Textual: `..` is folded, symbolic links are not followed. Strings that are no path must be equal. `file:` before a
 * relative path never reaches: QEMU reads that from its own working directory.
 *
 * @since 0.1.0
 */
export const headerReaches = (overlay: Location, header: string, backing: Location): boolean => {
  const to = pathOf(backing)
  const from = pathOf(overlay)
  if (to === undefined) return backing._tag === 'Network' ? header === backing.uri : header.startsWith('json:')
  const plain = header.startsWith('file:') ? header.slice('file:'.length) : header
  if (plain !== header && !isAbsolute(plain)) return false
  if (from === undefined) return normalPath(plain) === normalPath(to)
  return normalPath(combineHeader(from, plain)) === normalPath(to)
}
