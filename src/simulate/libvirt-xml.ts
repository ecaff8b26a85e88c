import type { XmlElement } from '../model/xml.js'
import { isFormat } from '../model/format.js'
import type { Format } from '../model/format.js'
import type { Source } from './world.js'

/** The first child of that name. */
export const childOf = (of: XmlElement | undefined, name: string): XmlElement | undefined => {
  for (const child of of?.children ?? []) if (typeof child !== 'string' && child.name === name) return child
  return undefined
}

/** Every child of that name. */
export const childrenOf = (of: XmlElement | undefined, name: string): ReadonlyArray<XmlElement> =>
  (of?.children ?? []).flatMap((child) => (typeof child !== 'string' && child.name === name ? [child] : []))

/** The path in a `<source>` element; nothing where it is no file and no block device. */
export const sourcePath = (of: XmlElement | undefined): string | undefined => {
  const attributes = childOf(of, 'source')?.attributes
  return attributes?.['file'] ?? attributes?.['dev']
}

/** The format that an element's `<driver>` or `<format>` child names. */
export const formatIn = (of: XmlElement | undefined, child: 'driver' | 'format'): Format | undefined => {
  const type = childOf(of, child)?.attributes['type']
  return type !== undefined && isFormat(type) ? type : undefined
}

/** What nested `<backingStore>` elements say, base first; nothing where one of them cannot be read. */
export interface StoredBelow {
  readonly backingStore: ReadonlyArray<Source>
  readonly terminated: boolean
}

/** Reads the `<backingStore>` elements of a disk; an empty one says that there is nothing below. */
export const storedBelow = (disk: XmlElement): StoredBelow | undefined => {
  const found: Array<Source> = []
  for (let at = childOf(disk, 'backingStore'); at !== undefined; at = childOf(at, 'backingStore')) {
    if (at.children.length === 0) return { backingStore: found.reverse(), terminated: true }
    const path = sourcePath(at)
    const format = formatIn(at, 'format')
    if (path === undefined || format === undefined) return undefined
    found.push({ path, format })
  }
  return { backingStore: found.reverse(), terminated: false }
}

/** The text in the first child of that name. */
export const textIn = (of: XmlElement | undefined, child: string): string | undefined => {
  const found = childOf(of, child)
  if (found === undefined) return undefined
  return found.children
    .filter((part) => typeof part === 'string')
    .join('')
    .trim()
}
