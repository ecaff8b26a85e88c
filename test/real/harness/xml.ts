// Domain XML as data, and the chain of a disk in it.

import { parseXml, XmlElement as Parsed, XmlText } from '@rgrove/parse-xml'
import type { XmlElement } from 'backing-chain'
import type { Seen } from './files.js'

const elementOf = (of: Parsed): XmlElement => ({
  name: of.name,
  attributes: of.attributes,
  children: of.children.flatMap((child): ReadonlyArray<XmlElement | string> => {
    if (child instanceof Parsed) return [elementOf(child)]
    return child instanceof XmlText && child.text.trim() !== '' ? [child.text] : []
  }),
})

/** Reads an XML text. */
export const elementOfText = (text: string): XmlElement => {
  const { root } = parseXml(text)
  if (root === null) throw new Error('no XML element')
  return elementOf(root)
}

/** The child elements of that name. */
export const childrenOf = (of: XmlElement, name: string): ReadonlyArray<XmlElement> =>
  of.children.flatMap((child) => (typeof child !== 'string' && child.name === name ? [child] : []))

const childOf = (of: XmlElement, name: string): XmlElement | undefined => childrenOf(of, name)[0]

/** The disk element of a domain with that target. */
export const diskOf = (domainText: string, target: string): XmlElement => {
  const devices = childOf(elementOfText(domainText), 'devices')
  const disks = devices === undefined ? [] : childrenOf(devices, 'disk')
  const found = disks.find((disk) => childOf(disk, 'target')?.attributes['dev'] === target)
  if (found === undefined) throw new Error(`the domain has no disk ${target}`)
  return found
}

const sourceOf = (of: XmlElement): string => {
  const attributes = childOf(of, 'source')?.attributes
  return attributes?.['file'] ?? attributes?.['dev'] ?? ''
}

/** What a disk element says of its chain, base first, and whether it says where the chain ends. */
export interface DiskChain {
  readonly images: ReadonlyArray<Seen>
  readonly end: 'terminated' | 'open'
}

/** The chain of a disk element: `<source>`, then `<backingStore>` inside `<backingStore>`. */
export const chainOfDisk = (disk: XmlElement): DiskChain => {
  const images: Seen[] = [{ format: childOf(disk, 'driver')?.attributes['type'] ?? '', path: sourceOf(disk) }]
  for (let at = childOf(disk, 'backingStore'); ; at = childOf(at, 'backingStore')) {
    if (at === undefined) return { images, end: 'open' }
    if (childOf(at, 'source') === undefined) return { images, end: 'terminated' }
    images.unshift({ format: childOf(at, 'format')?.attributes['type'] ?? '', path: sourceOf(at) })
  }
}
