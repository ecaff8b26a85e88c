import * as E from 'fp-ts/lib/Either.js'

import { hasProtocol } from '../model/location.js'
import type { Location } from '../model/location.js'
import { normalPath } from '../model/header.js'
import { parsedJson } from './json-text.js'
import { isObject, ownMember } from './shape.js'
import type { JsonObject } from './shape.js'

/** What a `json:{...}` file name says: the drivers from the outermost inwards, and the path where it ends in one. */
export interface Descriptor {
  readonly drivers: ReadonlyArray<string>
  readonly path: string | undefined
}

const stringOr = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** What is under `file`, which a user may also write flat: `"file.filename"`. */
const inner = (of: JsonObject): JsonObject | undefined => {
  const nested = ownMember(of, 'file')
  if (isObject(nested)) return nested
  const flat = Object.entries(of).filter(([key]) => key.startsWith('file.'))
  return flat.length === 0 ? undefined : Object.fromEntries(flat.map(([key, value]) => [key.slice(5), value]))
}

const readDescriptor = (json: string): Descriptor => {
  const parsed = parsedJson(json.slice('json:'.length))
  const drivers: Array<string> = []
  let path: string | undefined
  for (
    let at = E.isRight(parsed) && isObject(parsed.right) ? parsed.right : undefined;
    at !== undefined;
    at = inner(at)
  ) {
    const driver = stringOr(ownMember(at, 'driver'))
    if (driver !== undefined) drivers.push(driver)
    path = driver === undefined || isPathDriver(driver) ? stringOr(ownMember(at, 'filename')) : undefined
  }
  return { drivers, path }
}

const isPathDriver = (driver: string): boolean => driver === 'file' || driver.startsWith('host_')

/** What a file name says as a descriptor; nothing for one that is none. */
export const descriptorOf = (filename: string): Descriptor | undefined =>
  filename.startsWith('json:') ? readDescriptor(filename) : undefined

/** A `file:` string as the path that QEMU makes of it; a colon in it must not look like a protocol. */
const withoutFile = (filename: string): string => {
  if (!filename.startsWith('file:')) return filename
  const path = filename.slice('file:'.length)
  return hasProtocol(path) ? `./${path}` : path
}

/**
 * The string by which two spellings of a file name are compared: descriptors opened up, `file:` taken off, `.` and `..` of
 * absolute paths folded. Symbolic links are not known here.
 */
export const comparable = (filename: string): string =>
  normalPath(withoutFile(descriptorOf(filename)?.path ?? filename))

/** The path that a file name comes down to; nothing where it is no file or device of this host. */
const reached = (filename: string): string | undefined => {
  const path = comparable(filename)
  return hasProtocol(path) ? undefined : path
}

/**
 * True where a backing string cannot lead to what was opened: to another path, or to a path where there is none. QEMU
 * respells what is on the network, so that any two such names may be the same.
 */
export const leadsElsewhere = (backing: string, opened: string): boolean =>
  backing !== opened && reached(backing) !== reached(opened)

/** Where the image of a file name is stored, as far as the name tells; `isDevice` tells what a path alone does not. */
export const locationOf = (filename: string, isDevice: (path: string) => boolean): Location => {
  if (filename.startsWith('json:')) return { _tag: 'Descriptor', json: filename }
  const device = /^host_(device|cdrom):/.exec(filename)
  if (device !== null) return { _tag: 'BlockDevice', path: filename.slice(device[0].length) }
  const path = withoutFile(filename)
  if (hasProtocol(path)) return { _tag: 'Network', uri: path }
  return { _tag: isDevice(path) ? 'BlockDevice' : 'File', path }
}
