import type { XmlElement } from '../model/xml.js'
import { isFormat } from '../model/format.js'
import type { Format } from '../model/format.js'
import { childOf, childrenOf, formatIn, sourcePath, storedBelow, textIn } from './libvirt-xml.js'
import type { SavedMemory, SimSnapshot, SnapshotRecordDisk, StoredDisk } from './machine-world.js'

/** What a `<disk>` of a `<domain>` says; nothing where it has no source that is a file. */
const storedDisk = (disk: XmlElement): StoredDisk | undefined => {
  const path = sourcePath(disk)
  const below = storedBelow(disk)
  if (path === undefined || below === undefined) return undefined
  return { path, format: formatIn(disk, 'driver') ?? 'raw', ...below }
}

/** The disks of a `<domain>` that have a file, by target. */
export const disksOfDomain = (domain: XmlElement | undefined): ReadonlyMap<string, StoredDisk> => {
  const found = new Map<string, StoredDisk>()
  for (const disk of childrenOf(childOf(domain, 'devices'), 'disk')) {
    const target = childOf(disk, 'target')?.attributes['dev']
    const stored = storedDisk(disk)
    if (target !== undefined && stored !== undefined) found.set(target, stored)
  }
  return found
}

/** The disks of a `<domain>` that nobody may write to: libvirt leaves them out of a snapshot inside all others. */
export const readOnlyIn = (domain: XmlElement | undefined): ReadonlySet<string> =>
  new Set(
    childrenOf(childOf(domain, 'devices'), 'disk').flatMap((disk) =>
      childOf(disk, 'readonly') === undefined ? [] : [childOf(disk, 'target')?.attributes['dev'] ?? ''],
    ),
  )

const modes = ['external', 'internal', 'manual', 'no'] as const

/** A disk of a snapshot as XML gives it, which may leave out what libvirt fills in. */
export interface GivenDisk {
  readonly mode: SnapshotRecordDisk['mode'] | undefined
  readonly path: string | undefined
  readonly format: Format | undefined
  readonly raw: string | undefined
  readonly deleteInProgress: boolean
}

const givenDisk = (disk: XmlElement): GivenDisk => {
  const type = childOf(disk, 'driver')?.attributes['type']
  const path = sourcePath(disk)
  const mode = modes.find((one) => one === disk.attributes['snapshot'])
  return {
    mode: mode ?? (path === undefined ? undefined : 'external'),
    path,
    format: type !== undefined && isFormat(type) ? type : undefined,
    raw: type,
    deleteInProgress: childOf(disk, 'snapshotDeleteInProgress') !== undefined,
  }
}

/** The disks in a `<disks>` element, by name. */
export const givenDisks = (disks: XmlElement | undefined): ReadonlyMap<string, GivenDisk> =>
  new Map(childrenOf(disks, 'disk').map((disk) => [disk.attributes['name'] ?? '', givenDisk(disk)]))

/** The memory that XML gives; nothing where it leaves that open. */
export const givenMemory = (snapshot: XmlElement): SavedMemory | undefined => {
  const memory = childOf(snapshot, 'memory')
  const path = memory?.attributes['file']
  switch (memory?.attributes['snapshot'] ?? (path === undefined ? '' : 'external')) {
    case 'no':
      return { _tag: 'None' }
    case 'internal':
      return { _tag: 'Internal' }
    case 'external':
      return path === undefined ? undefined : { _tag: 'External', path }
    default:
      return undefined
  }
}

const recordDisk = ({ mode, path, format, deleteInProgress }: GivenDisk): SnapshotRecordDisk => ({
  mode: mode ?? 'no',
  source: mode === 'external' && path !== undefined ? { path, format: format ?? 'qcow2' } : undefined,
  deleteInProgress,
})

/** What a whole `<disks>` or `<revertDisks>` element of a record says; nothing where there is none. */
const recordDisks = (disks: XmlElement | undefined): ReadonlyMap<string, SnapshotRecordDisk> | undefined =>
  disks === undefined ? undefined : new Map(Array.from(givenDisks(disks), ([name, disk]) => [name, recordDisk(disk)]))

/** The name of an overlay as libvirt makes it up: what comes after the last dot of the name gives way. */
export const derivedPath = (path: string, suffix: string): string => {
  const slash = path.lastIndexOf('/')
  const dot = path.lastIndexOf('.')
  return `${dot > slash ? path.slice(0, dot) : path}.${suffix}`
}

/** What libvirt keeps of a whole `<domainsnapshot>` that somebody gives it; nothing where it has no name. */
export const recordOf = (snapshot: XmlElement): SimSnapshot | undefined => {
  const name = textIn(snapshot, 'name')
  if (name === undefined) return undefined
  const domain = childOf(snapshot, 'domain')
  const inactive = childOf(snapshot, 'inactiveDomain')
  return {
    name,
    parent: textIn(childOf(snapshot, 'parent'), 'name'),
    state: textIn(snapshot, 'state') ?? 'shutoff',
    memory: givenMemory(snapshot) ?? { _tag: 'None' },
    disks: recordDisks(childOf(snapshot, 'disks')) ?? new Map(),
    revertDisks: recordDisks(childOf(snapshot, 'revertDisks')),
    domain: domain === undefined ? undefined : disksOfDomain(domain),
    inactiveDomain: inactive === undefined ? undefined : disksOfDomain(inactive),
  }
}
