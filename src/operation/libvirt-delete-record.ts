import { samePath } from '../model/header.js'
import { childOf } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import { withChildren, withDomainDisk, withRecordedParent } from '../model/record.js'
import type { Above } from './libvirt-delete-guard.js'
import { libvirtChildren, libvirtDescendants, parentOfDisk } from './libvirt-tree.js'
import type { LibvirtSnapshot, LibvirtTree } from './libvirt-tree.js'

/** What libvirt has written down: every record by name, and the current snapshot. */
export interface LibvirtRecords {
  readonly records: ReadonlyMap<string, XmlElement>
  readonly current: string | undefined
}

const pathOf = (of: XmlElement): string | undefined => {
  const source = childOf(of, 'source')
  return source?.attributes['file'] ?? source?.attributes['dev']
}

/** The nested `<backingStore>` elements without the uppermost one that names the path. */
const withoutStore = (of: XmlElement, path: string): XmlElement =>
  withChildren(of, 'backingStore', (store) =>
    samePath(pathOf(store), path) ? childOf(store, 'backingStore') : withoutStore(store, path),
  )

/** The disk with the source of another one, of which libvirt copies neither what lies below nor anything else. */
const withSourceOf = (disk: XmlElement, other: XmlElement): XmlElement => {
  const source = childOf(other, 'source')
  const type = childOf(other, 'driver')?.attributes['type']
  const children = disk.children.flatMap((child): XmlElement['children'] => {
    if (typeof child !== 'object') return [child]
    if (child.name === 'backingStore') return []
    if (child.name === 'source') return source === undefined ? [child] : [source]
    return child.name === 'driver' && type !== undefined
      ? [{ ...child, attributes: { ...child.attributes, type } }]
      : [child]
  })
  return { ...disk, attributes: { ...disk.attributes, ...typeOf(other) }, children }
}

const typeOf = ({ attributes: { type } }: XmlElement): XmlElement['attributes'] => (type === undefined ? {} : { type })

const diskIn = (domain: XmlElement | undefined, target: string): XmlElement | undefined => {
  let found: XmlElement | undefined
  if (domain !== undefined)
    withDomainDisk(domain, target, (disk) => {
      found = disk
      return disk
    })
  return found
}

/** The definition in `of`, where the deleted snapshot has stored one of that name, or else its `<domain>`. */
const definitionIn = (record: XmlElement, of: 'domain' | 'inactiveDomain'): XmlElement | undefined =>
  childOf(record, of) ?? childOf(record, 'domain')

const withoutOverlay = (of: LibvirtSnapshot, deleted: LibvirtSnapshot, { disk: target, overlay }: Above): XmlElement =>
  (['domain', 'inactiveDomain'] as const).reduce((record, name) => {
    const before = diskIn(definitionIn(deleted.record, name), target)
    const change = (disk: XmlElement): XmlElement =>
      of.kind === 'external' && before !== undefined && samePath(pathOf(disk), overlay)
        ? withSourceOf(disk, before)
        : withoutStore(disk, overlay)
    return withChildren(record, name, (domain) => withDomainDisk(domain, target, change))
  }, of.record)

/** What a revert has noted down becomes what libvirt would unlink at the next one. */
export const withRevertDisksAsDisks = (record: XmlElement): XmlElement => {
  const noted = childOf(record, 'revertDisks')
  if (noted === undefined) return record
  const disks = { ...noted, name: 'disks' }
  return withChildren(
    withChildren(record, 'disks', () => disks),
    'revertDisks',
    () => undefined,
  )
}

/** A record without libvirt's mark that a deletion has begun and not ended. */
export const unmarked = (record: XmlElement, target: string): XmlElement =>
  withChildren(record, 'disks', (disks) =>
    withChildren(disks, 'disk', (disk) =>
      disk.attributes['name'] === target ? withChildren(disk, 'snapshotDeleteInProgress', () => undefined) : disk,
    ),
  )

const currentAfter = ({ snapshots, current }: LibvirtTree, gone: ReadonlySet<string>): string | undefined => {
  let at = current
  while (at !== undefined && gone.has(at)) at = snapshots.get(at)?.parent
  return at !== undefined && snapshots.has(at) ? at : undefined
}

/**
 * The records after snapshots were deleted, each after all that lie below it that go too. Where the overlays of one were
 * committed into what lay below, it is the only one.
 */
export const recordsAfterDelete = (
  tree: LibvirtTree,
  deleted: ReadonlyArray<LibvirtSnapshot>,
  above: ReadonlyArray<Above> = [],
): LibvirtRecords => {
  const records = new Map(Array.from(tree.snapshots.values(), ({ name, record }) => [name, record]))
  const gone = new Set(deleted.map(({ name }) => name))
  const change = (name: string | undefined, to: (record: XmlElement) => XmlElement): void => {
    const record = name === undefined ? undefined : records.get(name)
    if (name !== undefined && record !== undefined) records.set(name, to(record))
  }
  for (const one of deleted) {
    for (const commit of above) {
      for (const of of libvirtDescendants(tree, one.name))
        change(of.name, (record) => withoutOverlay({ ...of, record }, one, commit))
      change(parentOfDisk(tree, one.name, commit.disk)?.name, (record) => unmarked(record, commit.disk))
    }
    if (deleted.length === 1)
      for (const child of libvirtChildren(tree, one.name))
        change(child.name, (record) => withRecordedParent(record, one.parent))
    change(one.parent, withRevertDisksAsDisks)
    records.delete(one.name)
  }
  return { records, current: currentAfter(tree, gone) }
}
