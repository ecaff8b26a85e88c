import { activePath } from '../model/chain-query.js'
import type { Chain } from '../model/chain.js'
import { locationString } from '../model/location.js'
import type { Machine } from '../model/machine.js'
import { elementsOf, recordedDisks, recordedParent, recordedSources, textOf } from '../model/record.js'
import type { RecordedDisk, RecordedSource } from '../model/record.js'
import { childOf } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'

/** A snapshot as libvirt knows it: what its record says, right or wrong. */
export interface LibvirtSnapshot {
  readonly name: string
  readonly parent: string | undefined
  readonly state: string
  readonly kind: 'external' | 'internal'
  readonly disks: ReadonlyMap<string, RecordedDisk>
  readonly revertDisks: ReadonlyMap<string, RecordedDisk>
  readonly sources: ReadonlyMap<string, RecordedSource>
  readonly memory: string | undefined
  readonly record: XmlElement
}

/** The snapshots that libvirt has records of, and which one is current for it. */
export interface LibvirtTree {
  readonly snapshots: ReadonlyMap<string, LibvirtSnapshot>
  readonly current: string | undefined
}

const snapshotOf = (name: string, record: XmlElement): LibvirtSnapshot => {
  const disks = recordedDisks(record, 'disks')
  const memory = childOf(record, 'memory')
  const outside = memory?.attributes['snapshot'] === 'external'
  return {
    name,
    parent: recordedParent(record),
    state: textOf(childOf(record, 'state')) ?? '',
    kind: outside || Array.from(disks.values()).some(({ mode }) => mode === 'external') ? 'external' : 'internal',
    disks,
    revertDisks: recordedDisks(record, 'revertDisks'),
    sources: recordedSources(record),
    memory: outside ? memory.attributes['file'] : undefined,
    record,
  }
}

/** The tree as libvirt has it. A snapshot without a record is not in it; one whose parent is not in it is a root. */
export const libvirtTree = ({ snapshots, current }: Machine): LibvirtTree => {
  const known = new Map<string, LibvirtSnapshot>()
  for (const { name, recorded } of snapshots.values())
    if (recorded !== undefined) known.set(name, snapshotOf(name, recorded))
  return { snapshots: known, current: current !== undefined && known.has(current) ? current : undefined }
}

export const libvirtChildren = ({ snapshots }: LibvirtTree, name: string): ReadonlyArray<LibvirtSnapshot> =>
  Array.from(snapshots.values()).filter(({ parent }) => parent === name)

/** The snapshots below, each after all that lie below it: the order in which libvirt deletes them. */
export const libvirtDescendants = (tree: LibvirtTree, name: string): ReadonlyArray<LibvirtSnapshot> => {
  const index = new Map<string, Array<LibvirtSnapshot>>()
  for (const one of tree.snapshots.values()) {
    const siblings = index.get(one.parent ?? '')
    if (siblings === undefined) index.set(one.parent ?? '', [one])
    else siblings.push(one)
  }
  const found: Array<LibvirtSnapshot> = [...(index.get(name) ?? [])]
  for (const { name: next } of found) found.push(...(index.get(next) ?? []))
  return found.reverse()
}

/**
 * True where libvirt's way through all that is below a snapshot may lead to one twice: it forgets each on the way and hands its
 * children to the parent, which puts them before its siblings. It does so where one that has children also has siblings, and
 * comes before them in an order that nobody sees.
 */
export const isForkedBelow = (tree: LibvirtTree, name: string): boolean => {
  const below = libvirtDescendants(tree, name)
  const parents = below.map(({ parent }) => parent)
  return below.some((one) => parents.includes(one.name) && parents.filter((other) => other === one.parent).length > 1)
}

/** The ancestors by the records, the parent first. Ends where a loop would begin again. */
export const libvirtAncestors = ({ snapshots }: LibvirtTree, name: string): ReadonlyArray<LibvirtSnapshot> => {
  const found = new Set<LibvirtSnapshot>()
  for (let at = snapshots.get(name)?.parent; at !== undefined;) {
    const one = snapshots.get(at)
    if (one === undefined || found.has(one)) break
    found.add(one)
    at = one.parent
  }
  return Array.from(found)
}

/** The nearest ancestor that does not leave the disk out. */
export const parentOfDisk = (tree: LibvirtTree, name: string, disk: string): LibvirtSnapshot | undefined =>
  libvirtAncestors(tree, name).find(({ disks }) => (disks.get(disk)?.mode ?? 'no') !== 'no')

/** The names of the snapshots that the current one comes from, itself included. */
export const libvirtActive = (tree: LibvirtTree): ReadonlySet<string> =>
  tree.current === undefined
    ? new Set()
    : new Set([tree.current, ...libvirtAncestors(tree, tree.current).map(({ name }) => name)])

/** The active path of a disk as libvirt sees it: the active image first. */
export const libvirtChain = (chain: Chain): ReadonlyArray<string> =>
  activePath(chain)
    .map(({ location }) => locationString(location))
    .reverse()

/** The targets of the domain's disks as libvirt has them. */
export const libvirtTargets = (machine: Machine): ReadonlySet<string> => {
  const domain = machine.definitions?.live ?? machine.definitions?.persistent
  const devices = domain === undefined ? undefined : childOf(domain, 'devices')
  const named = elementsOf(devices, 'disk').flatMap((disk) => childOf(disk, 'target')?.attributes['dev'] ?? [])
  return new Set([...machine.disks.keys(), ...named])
}
