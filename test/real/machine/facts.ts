// What libvirt has written down, reduced to what a plan foretells; read by the test itself.

import type { XmlElement } from 'backing-chain'
import { chainOfDisk, childrenOf, type DiskChain } from '../harness/xml.js'

const childOf = (of: XmlElement | undefined, name: string): XmlElement | undefined =>
  of === undefined ? undefined : childrenOf(of, name)[0]

const textOf = (of: XmlElement | undefined): string | undefined =>
  of?.children.filter((child) => typeof child === 'string').join('')

/** A line for each disk of a `<disks>` or `<revertDisks>`: how, which format, which file. */
export type DiskLines = ReadonlyArray<string>

const fileOf = (disk: XmlElement): string => {
  const attributes = childOf(disk, 'source')?.attributes
  return attributes?.['file'] ?? attributes?.['dev'] ?? '-'
}

const lineOf = (disk: XmlElement): string => {
  const { name = '?', snapshot = '?' } = disk.attributes
  const format = childOf(disk, 'driver')?.attributes['type'] ?? '-'
  const begun = childOf(disk, 'snapshotDeleteInProgress') === undefined ? '' : ' snapshotDeleteInProgress'
  return snapshot === 'external' ? `${name} external ${format} ${fileOf(disk)}${begun}` : `${name} ${snapshot}${begun}`
}

const linesOf = (of: XmlElement | undefined): DiskLines => (of === undefined ? [] : childrenOf(of, 'disk')).map(lineOf)

/** The disks of a `<domain>`, by target: the source and what is stored below, base first. */
export const disksOfDomain = (domain: XmlElement | undefined): ReadonlyMap<string, DiskChain> => {
  const devices = childOf(domain, 'devices')
  const disks = devices === undefined ? [] : childrenOf(devices, 'disk')
  return new Map(disks.map((disk) => [childOf(disk, 'target')?.attributes['dev'] ?? '?', chainOfDisk(disk)]))
}

const storedIn = (domain: XmlElement | undefined): ReadonlyArray<string> | undefined =>
  domain === undefined
    ? undefined
    : Array.from(disksOfDomain(domain), ([target, { images, end }]) => {
        const chain = images.map(({ format, path }) => `${format} ${path}`).join(' <- ')
        return `${target}: ${end === 'open' ? '? <- ' : ''}${chain}`
      })

export interface RecordFacts {
  readonly name: string | undefined
  readonly description: string | undefined
  readonly parent: string | undefined
  readonly state: string | undefined
  readonly memory: string
  readonly disks: DiskLines
  readonly revertDisks: DiskLines
  readonly domain: ReadonlyArray<string> | undefined
  readonly inactiveDomain: ReadonlyArray<string> | undefined
}

/** What a `<domainsnapshot>` says, as far as a plan says it before. */
export const factsOf = (record: XmlElement): RecordFacts => {
  const memory = childOf(record, 'memory')?.attributes
  return {
    name: textOf(childOf(record, 'name')),
    description: textOf(childOf(record, 'description')),
    parent: textOf(childOf(childOf(record, 'parent'), 'name')),
    state: textOf(childOf(record, 'state')),
    memory: `${memory?.['snapshot'] ?? 'no'} ${memory?.['file'] ?? '-'}`,
    disks: linesOf(childOf(record, 'disks')),
    revertDisks: linesOf(childOf(record, 'revertDisks')),
    domain: storedIn(childOf(record, 'domain')),
    inactiveDomain: storedIn(childOf(record, 'inactiveDomain')),
  }
}

/** The active image of each disk that a record's `<domain>` names: it held the point in time, by libvirt's own account. */
export const heldIn = (record: XmlElement): ReadonlyMap<string, string> => {
  const disks = disksOfDomain(childOf(record, 'domain'))
  return new Map(Array.from(disks, ([target, { images }]) => [target, images.at(-1)?.path ?? '']))
}

/** Parents by name, from what `snapshot-list --tree` prints. */
export const treeOf = (text: string): ReadonlyMap<string, string | undefined> => {
  const open: Array<{ readonly column: number; readonly name: string }> = []
  const parents = new Map<string, string | undefined>()
  for (const line of text.split('\n')) {
    const found = /^([ |]*)(?:\+- )?([^ |+].*)$/.exec(line)
    const name = found?.[2]
    if (name === undefined) continue
    const column = line.length - name.length
    while ((open.at(-1)?.column ?? -1) >= column) open.pop()
    parents.set(name, open.at(-1)?.name)
    open.push({ column, name })
  }
  return parents
}

/** A `<domain>`, or those of a record. */
export const domainsOf = (of: XmlElement): ReadonlyArray<XmlElement> =>
  of.name === 'domain' ? [of] : [...childrenOf(of, 'domain'), ...childrenOf(of, 'inactiveDomain')]
