import { normalPath } from './header.js'
import type { Image } from './image.js'
import { locationString } from './location.js'
import { childOf, element } from './xml.js'
import type { XmlElement } from './xml.js'

/**
 * One disk in the `<disks>` or `<revertDisks>` of a `<domainsnapshot>`: how it was taken, and for an external one the overlay
 * that was made. `deletion` is libvirt's mark of a deletion that was begun and has not ended.
 */
export interface RecordedDisk {
  readonly mode: 'external' | 'internal' | 'manual' | 'no'
  readonly path: string | undefined
  readonly format: string | undefined
  readonly deletion: 'in progress' | 'none'
}

/** One image as a `<source>` or `<backingStore>` names it. */
export interface RecordedImage {
  readonly path: string
  readonly format: string | undefined
}

/** The image that a `<disk>` of a `<domain>` names, and those that it stores below, uppermost first. */
export interface RecordedSource {
  readonly type: string
  readonly path: string | undefined
  readonly format: string | undefined
  readonly below: ReadonlyArray<RecordedImage>
  readonly end: 'terminated' | 'open'
}

const modes = ['external', 'internal', 'manual', 'no'] as const

/** The elements of that name directly inside. */
export const elementsOf = (of: XmlElement | undefined, name: string): ReadonlyArray<XmlElement> =>
  (of?.children ?? []).flatMap((child) => (typeof child === 'object' && child.name === name ? [child] : []))

/** The text directly inside an element. */
export const textOf = (of: XmlElement | undefined): string | undefined =>
  of === undefined ? undefined : of.children.filter((child) => typeof child === 'string').join('')

const pathIn = (of: XmlElement): string | undefined => {
  const source = childOf(of, 'source')
  return source?.attributes['file'] ?? source?.attributes['dev']
}

const driverType = (of: XmlElement): string | undefined => childOf(of, 'driver')?.attributes['type']

/** The disks of a snapshot's record, in its order; none where it has no such list. */
export const recordedDisks = (
  record: XmlElement | undefined,
  list: 'disks' | 'revertDisks',
): ReadonlyMap<string, RecordedDisk> => {
  const disks = new Map<string, RecordedDisk>()
  const all = record === undefined ? undefined : childOf(record, list)
  for (const disk of elementsOf(all, 'disk')) {
    const mode = modes.find((one) => one === disk.attributes['snapshot'])
    const deletion = childOf(disk, 'snapshotDeleteInProgress') === undefined ? 'none' : 'in progress'
    disks.set(disk.attributes['name'] ?? '', {
      mode: mode ?? 'no',
      path: pathIn(disk),
      format: driverType(disk),
      deletion,
    })
  }
  return disks
}

/** True where libvirt has noted down in a snapshot that it has begun to delete the one after, and has not ended. */
export const hasDeletionMark = (record: XmlElement | undefined): boolean =>
  Array.from(recordedDisks(record, 'disks').values()).some(({ deletion }) => deletion === 'in progress')

const sourceIn = (disk: XmlElement): RecordedSource => {
  const below: Array<RecordedImage> = []
  let end: RecordedSource['end'] = 'open'
  for (let at = childOf(disk, 'backingStore'); at !== undefined; at = childOf(at, 'backingStore')) {
    const path = pathIn(at)
    if (path === undefined) end = 'terminated'
    else below.push({ path, format: childOf(at, 'format')?.attributes['type'] })
  }
  return { type: disk.attributes['type'] ?? 'file', path: pathIn(disk), format: driverType(disk), below, end }
}

/** An element with one path in the place of another wherever a source names it, at any depth. */
export const withSourcePath = (of: XmlElement, from: string, to: string): XmlElement => ({
  ...of,
  attributes:
    of.name === 'source' && of.attributes['file'] !== undefined && normalPath(of.attributes['file']) === from
      ? { ...of.attributes, file: to }
      : of.attributes,
  children: of.children.map((child) => (typeof child === 'string' ? child : withSourcePath(child, from, to))),
})

/** Every path that a `<disk>` of a domain names: of its source, and of what is stored below. */
export const pathsOfDisk = (disk: XmlElement): ReadonlyArray<string> => {
  const { path, below } = sourceIn(disk)
  return [...(path === undefined ? [] : [path]), ...below.map((image) => image.path)]
}

const targetOf = (disk: XmlElement): string | undefined => childOf(disk, 'target')?.attributes['dev']

/** The disks of a `<domain>` (or `<inactiveDomain>`) element by target, in its order; an empty drive has no path. */
export const sourcesOfDomain = (domain: XmlElement | undefined): ReadonlyMap<string, RecordedSource> => {
  const sources = new Map<string, RecordedSource>()
  for (const disk of elementsOf(domain === undefined ? undefined : childOf(domain, 'devices'), 'disk')) {
    const target = targetOf(disk)
    if (target !== undefined) sources.set(target, sourceIn(disk))
  }
  return sources
}

/** The disks of the definition that a snapshot's record has stored; none where it has stored none. */
export const recordedSources = (
  record: XmlElement | undefined,
  of: 'domain' | 'inactiveDomain' = 'domain',
): ReadonlyMap<string, RecordedSource> => sourcesOfDomain(record === undefined ? undefined : childOf(record, of))

/** An element with every child element of that name replaced; nothing takes it out. */
export const withChildren = (
  of: XmlElement,
  name: string,
  change: (child: XmlElement) => XmlElement | undefined,
): XmlElement => ({
  ...of,
  children: of.children.flatMap((child) => {
    if (typeof child !== 'object' || child.name !== name) return [child]
    return change(child) ?? []
  }),
})

/** An element with one child of that name: in the place of the first that there is, or else as the last one. */
export const withChild = (of: XmlElement, child: XmlElement): XmlElement => {
  const at = of.children.findIndex((one) => typeof one === 'object' && one.name === child.name)
  return at < 0
    ? { ...of, children: [...of.children, child] }
    : { ...of, children: of.children.map((one, index) => (index === at ? child : one)) }
}

/** A `<domain>` with one of its disks changed. */
export const withDomainDisk = (
  domain: XmlElement,
  target: string,
  change: (disk: XmlElement) => XmlElement,
): XmlElement =>
  withChildren(domain, 'devices', (devices) =>
    withChildren(devices, 'disk', (disk) => (targetOf(disk) === target ? change(disk) : disk)),
  )

/** The type and the source of an image, as libvirt's disk elements have them. */
export const sourceElement = ({
  location,
}: Pick<Image, 'location'>): { readonly type: 'file' | 'block'; readonly source: XmlElement } => {
  const type = location._tag === 'BlockDevice' ? 'block' : 'file'
  return { type, source: element('source', { [type === 'block' ? 'dev' : 'file']: locationString(location) }) }
}

/** A `<disk>` of a domain with another image as its source, and nothing stored of what lies below. */
export const withDiskSource = (disk: XmlElement, image: Pick<Image, 'location' | 'format'>): XmlElement => {
  const { type, source } = sourceElement(image)
  const driver = childOf(disk, 'driver') ?? element('driver', { name: 'qemu' })
  const children = disk.children.flatMap((child): ReadonlyArray<XmlElement | string> => {
    if (typeof child === 'string') return [child]
    if (child.name === 'backingStore' || child.name === 'driver') return []
    return child.name === 'source' ? [source] : [child]
  })
  const format = { ...driver, attributes: { ...driver.attributes, type: image.format } }
  return { ...disk, attributes: { ...disk.attributes, type }, children: [format, ...children] }
}

/** What is needed of an image to name it. */
type Placed = Pick<Image, 'location' | 'format'>

/** The images as nested `<backingStore>` elements, uppermost first; `end` is what stands below the last one. */
const storedBelow = (images: ReadonlyArray<Placed>, end: ReadonlyArray<XmlElement>): ReadonlyArray<XmlElement> =>
  images.reduceRight<ReadonlyArray<XmlElement>>((below, image) => {
    const { type, source } = sourceElement(image)
    return [element('backingStore', { type }, [element('format', { type: image.format }), source, ...below])]
  }, end)

/** A disk whose source is the first of these images, with the others stored below it, uppermost first. */
export const withDiskPath = (
  disk: XmlElement,
  images: ReadonlyArray<Placed>,
  end: ReadonlyArray<XmlElement>,
): XmlElement => {
  const [active, ...below] = images
  if (active === undefined) return disk
  const plain = withDiskSource(disk, active)
  const at = plain.children.findIndex((child) => typeof child === 'object' && child.name === 'source')
  const children = [...plain.children]
  children.splice(at + 1, 0, ...storedBelow(below, end))
  return { ...plain, children }
}

/**
 * A snapshot's record with the chain of a disk changed in both of the definitions that it stores: the image that holds it, and
 * all below it, uppermost first. libvirtd 11.3 dies of a deletion that finds nothing stored below an image that has a backing file.
 */
export const withRecordedPath = (record: XmlElement, target: string, images: ReadonlyArray<Placed>): XmlElement => {
  const change = (domain: XmlElement): XmlElement =>
    withDomainDisk(domain, target, (disk) => withDiskPath(disk, images, []))
  return withChildren(withChildren(record, 'domain', change), 'inactiveDomain', change)
}

/** A snapshot's record with another overlay in its `<disks>` for an external disk. */
export const withRecordedOverlay = (
  record: XmlElement,
  target: string,
  overlay: Pick<Image, 'location' | 'format'>,
): XmlElement =>
  withChildren(record, 'disks', (disks) =>
    withChildren(disks, 'disk', (disk) => {
      if (disk.attributes['name'] !== target || disk.attributes['snapshot'] !== 'external') return disk
      const { type, source } = sourceElement(overlay)
      const driver = element('driver', { type: overlay.format })
      return { ...disk, attributes: { ...disk.attributes, type }, children: [driver, source] }
    }),
  )

/** The parent in a snapshot's record. */
export const recordedParent = (record: XmlElement | undefined): string | undefined => {
  const parent = record === undefined ? undefined : childOf(record, 'parent')
  return parent === undefined ? undefined : textOf(childOf(parent, 'name'))
}

/** A snapshot's record with another parent, or none. */
export const withRecordedParent = (record: XmlElement, parent: string | undefined): XmlElement => {
  const without = withChildren(record, 'parent', () => undefined)
  if (parent === undefined) return without
  const named = element('parent', {}, [element('name', {}, [parent])])
  return childOf(record, 'parent') === undefined
    ? { ...without, children: [...without.children, named] }
    : withChild(record, named)
}

/** A snapshot's record without what a revert has noted down for the next one. */
export const withoutRevertDisks = (record: XmlElement): XmlElement =>
  withChildren(record, 'revertDisks', () => undefined)
