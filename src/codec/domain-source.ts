import type { XmlElement } from '../model/xml.js'
import type { Location } from '../model/location.js'
import { attribute, elementIn } from './xml-document.js'

/**
 * An image as a domain definition names it.
 *
 * - `type`: `file`, `block`, `network`, `volume` and so on. `location` is missing where that type says no path and no URI
 *   (a `volume` is a name in a pool), or where it should and does not.
 * - `format`: the driver's name; nothing where the definition leaves it to libvirt.
 * - `index`: the N of `vda[N]`. Only a running domain has it, it is a counter and no depth, and every start gives new ones:
 *   never keep it.
 * - `dataFile`: `<dataStore>`, the external data file (libvirt 10.10).
 * - `source`: the `<source>` element, whole.
 *
 * @since 0.1.0
 */
export interface DomainImage {
  readonly type: string
  readonly location: Location | undefined
  readonly format: string | undefined
  readonly index: number | undefined
  readonly dataFile: { readonly location: Location | undefined; readonly format: string | undefined } | undefined
  readonly source: XmlElement
}

const hostOf = (name: string, port: string | undefined): string =>
  `${name.includes(':') ? `[${name}]` : name}${port === undefined ? '' : `:${port}`}`

/** The URI by which QEMU would know a network source; what does not fit into one is in the `<source>` element only. */
const uriOf = (source: XmlElement): string | undefined => {
  const protocol = attribute(source, 'protocol')
  const name = attribute(source, 'name') ?? ''
  if (protocol === undefined) return undefined
  if (protocol === 'rbd') return `rbd:${name}`
  const host = elementIn(source, 'host')
  const socket = attribute(host, 'socket')
  if (socket !== undefined) return `${protocol}+unix:///${name}?socket=${socket}`
  const transport = attribute(host, 'transport')
  const scheme = transport === undefined ? protocol : `${protocol}+${transport}`
  const query = attribute(source, 'query')
  const where = hostOf(attribute(host, 'name') ?? '', attribute(host, 'port'))
  return `${scheme}://${where}/${name}${query === undefined ? '' : `?${query}`}`
}

const locationOfSource = (type: string, source: XmlElement): Location | undefined => {
  const path = attribute(source, type === 'block' ? 'dev' : 'file')
  if (type === 'file') return path === undefined ? undefined : { _tag: 'File', path }
  if (type === 'block') return path === undefined ? undefined : { _tag: 'BlockDevice', path }
  const uri = type === 'network' ? uriOf(source) : undefined
  return uri === undefined ? undefined : { _tag: 'Network', uri }
}

const indexOf = (source: XmlElement, holder: XmlElement): number | undefined => {
  const index = attribute(source, 'index') ?? attribute(holder, 'index')
  const number = index !== undefined && /^\d+$/.test(index) ? Number(index) : undefined
  return Number.isSafeInteger(number) ? number : undefined
}

const formatIn = (holder: XmlElement): string | undefined => attribute(elementIn(holder, 'format'), 'type')

const dataFileOf = (source: XmlElement): DomainImage['dataFile'] => {
  const store = elementIn(source, 'dataStore')
  const inner = elementIn(store, 'source')
  if (store === undefined || inner === undefined) return undefined
  return { location: locationOfSource(attribute(store, 'type') ?? 'file', inner), format: formatIn(store) }
}

/** The image that a `<disk>`, `<backingStore>` or `<mirror>` element names; nothing where it has no source. */
export const domainImage = (
  holder: XmlElement,
  format: string | undefined = formatIn(holder),
): DomainImage | undefined => {
  const source = elementIn(holder, 'source')
  if (source === undefined) return undefined
  const type = attribute(holder, 'type') ?? 'file'
  return {
    type,
    location: locationOfSource(type, source),
    format,
    index: indexOf(source, holder),
    dataFile: dataFileOf(source),
    source,
  }
}

/** A chain as a definition has it: base first, and whether it says that nothing lies below the first. */
export interface DomainPath {
  readonly images: ReadonlyArray<DomainImage>
  readonly end: 'terminated' | 'open'
}

/** The images of an element and of the `<backingStore>` elements in it; an empty one says that there is no more. */
export const domainPath = (holder: XmlElement, format?: string): DomainPath => {
  const top = domainImage(holder, format)
  const downwards: Array<DomainImage> = top === undefined ? [] : [top]
  let below = elementIn(holder, 'backingStore')
  for (let image = below && domainImage(below); below !== undefined && image !== undefined;) {
    downwards.push(image)
    below = elementIn(below, 'backingStore')
    image = below && domainImage(below)
  }
  return { images: downwards.reverse(), end: below === undefined ? 'open' : 'terminated' }
}
