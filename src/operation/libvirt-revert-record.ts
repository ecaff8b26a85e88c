import { sourcesOfDomain, withChild, withChildren, withDomainDisk, withoutRevertDisks } from '../model/record.js'
import { childOf, element } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import type { LibvirtRecords } from './libvirt-delete-record.js'
import type { LibvirtOverlay, RevertFacts } from './libvirt-revert-guard.js'
import { revertedDomain } from './libvirt-revert-guard.js'
import { libvirtChildren } from './libvirt-tree.js'

/** The list of overlays as libvirt writes it down: every disk of the definition, empty drives as left out. */
const overlayList = (facts: RevertFacts, overlays: ReadonlyArray<LibvirtOverlay>, name: string): XmlElement => {
  const made = new Map(overlays.map((overlay) => [overlay.disk, overlay]))
  const targets = Array.from(sourcesOfDomain(revertedDomain(facts.snapshot)).keys())
  return element(
    name,
    {},
    targets.map((target) => {
      const overlay = made.get(target)
      if (overlay === undefined) return element('disk', { name: target, snapshot: 'no' })
      const children = [element('driver', { type: 'qcow2' }), element('source', { file: overlay.path })]
      return element('disk', { name: target, snapshot: 'external', type: 'file' }, children)
    }),
  )
}

/** An element with a child right behind the one of that name, in place of any of its own name. */
const withChildAfter = (of: XmlElement, child: XmlElement, after: string): XmlElement => {
  const without = withChildren(of, child.name, () => undefined)
  const at = without.children.findIndex((one) => typeof one === 'object' && one.name === after)
  const place = at < 0 ? without.children.length : at + 1
  return { ...without, children: [...without.children.slice(0, place), child, ...without.children.slice(place)] }
}

/** The records after a revert to an external snapshot: a leaf gets the overlays as its own, another one has them noted. */
export const recordsAfterRevert = (facts: RevertFacts, overlays: ReadonlyArray<LibvirtOverlay>): LibvirtRecords => {
  const { tree, snapshot } = facts
  const records = new Map(Array.from(tree.snapshots.values(), ({ name, record }) => [name, record]))
  const change = (name: string | undefined, to: (record: XmlElement) => XmlElement): void => {
    const record = name === undefined ? undefined : records.get(name)
    if (name !== undefined && record !== undefined) records.set(name, to(record))
  }
  change(tree.current, withoutRevertDisks)
  const leaf = libvirtChildren(tree, snapshot.name).length === 0
  change(snapshot.name, (record) =>
    leaf
      ? withChild(record, overlayList(facts, overlays, 'disks'))
      : withChildAfter(record, overlayList(facts, overlays, 'revertDisks'), 'disks'),
  )
  return { records, current: snapshot.name }
}

const asBacking = (disk: XmlElement): XmlElement => {
  const kept = ['source', 'backingStore'].flatMap((name) => childOf(disk, name) ?? [])
  const type = childOf(disk, 'driver')?.attributes['type']
  const format = type === undefined ? [] : [element('format', { type })]
  return element('backingStore', { type: disk.attributes['type'] ?? 'file' }, [...format, ...kept])
}

/**
 * The disk with the overlay as its source. What lies below is stored where it was stored before, or where the overlay was
 * made in a running QEMU.
 */
const overlaid = (disk: XmlElement, { path }: LibvirtOverlay, below: 'stored' | 'as before'): XmlElement => {
  const stored = childOf(disk, 'backingStore')
  const kept = below === 'stored' || (stored !== undefined && stored.children.length > 0) ? [asBacking(disk)] : []
  const children = disk.children.flatMap((child): XmlElement['children'] => {
    if (typeof child !== 'object') return [child]
    if (child.name === 'backingStore') return []
    if (child.name === 'source') return [element('source', { file: path }), ...kept]
    return child.name === 'driver' ? [{ ...child, attributes: { ...child.attributes, type: 'qcow2' } }] : [child]
  })
  return { ...disk, attributes: { ...disk.attributes, type: 'file' }, children }
}

/** The persistent definition after a revert: the one of the snapshot, on the new overlays. */
export const definitionAfterRevert = (
  { snapshot }: RevertFacts,
  overlays: ReadonlyArray<LibvirtOverlay>,
): XmlElement => {
  const { record, state } = snapshot
  const taken = childOf(record, 'inactiveDomain') ?? childOf(record, 'domain') ?? element('domain')
  const below = state === 'running' || state === 'paused' ? 'stored' : 'as before'
  return overlays.reduce(
    (domain, overlay) => withDomainDisk(domain, overlay.disk, (disk) => overlaid(disk, overlay, below)),
    { ...taken, name: 'domain' },
  )
}
