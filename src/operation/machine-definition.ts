import type { Chain } from '../model/chain.js'
import { activeImage, activePath } from '../model/chain-query.js'
import { normalPath, placeOf } from '../model/header.js'
import type { Image } from '../model/image.js'
import { withMachine } from '../model/machine.js'
import type { Definitions, Machine } from '../model/machine.js'
import { sourcesOfDomain, withDiskPath, withDiskSource, withDomainDisk } from '../model/record.js'
import { element } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { DiskPart } from '../plan/machine-plan.js'

const downwards = (chain: Chain): ReadonlyArray<Image> => [...activePath(chain)].reverse()

const terminator = (chain: Chain): ReadonlyArray<XmlElement> =>
  activePath(chain)[0].format === 'raw' ? [] : [element('backingStore')]

/** A `<domain>` that shows a disk's chain as a running libvirt domain does: whole, and terminated above anything but raw. */
export const withLiveChain = (domain: XmlElement, chain: Chain): XmlElement =>
  withDomainDisk(domain, chain.disk, (disk) => withDiskPath(disk, downwards(chain), terminator(chain)))

/** A `<domain>` that names the active image of a disk and leaves what lies below to the headers. */
export const withPlainSource = (domain: XmlElement, chain: Chain): XmlElement =>
  withDomainDisk(domain, chain.disk, (disk) => withDiskSource(disk, activeImage(chain)))

/** What is stored in a definition of the path of a disk, uppermost first. */
const storedPaths = (domain: XmlElement, target: string): ReadonlyArray<string> => {
  const source = sourcesOfDomain(domain).get(target)
  return source?.path === undefined ? [] : [source.path, ...source.below.map(({ path }) => path)].map(normalPath)
}

/**
 * The persistent definition after libvirt has changed the chain of a running disk: what went goes, where the stored chain is
 * the live one down to the image that stays below; else only the source is kept. It stays as it is where it has another
 * source.
 */
const persistentAfterJob = (domain: XmlElement, { before, after }: DiskPart): XmlElement => {
  const stored = storedPaths(domain, before.disk)
  const live = downwards(before)
  if (live[0] === undefined || stored[0] !== placeOf(live[0])) return domain
  const now = downwards(after)
  const names = new Set(now.map(({ name }) => String(name)))
  const lowest = live.findLastIndex(({ name }) => !names.has(name))
  const equal = live.slice(0, lowest + 2).every((image, index) => stored[index] === placeOf(image))
  const images = equal ? now.filter((image) => stored.includes(placeOf(image))) : now.slice(0, 1)
  const terminated = sourcesOfDomain(domain).get(before.disk)?.end === 'terminated'
  const end = equal && terminated && lowest < live.length - 1 ? [element('backingStore')] : []
  return withDomainDisk(domain, before.disk, (disk) => withDiskPath(disk, images, end))
}

const samePath = ({ before, after }: DiskPart): boolean => {
  const [old, now] = [activePath(before), activePath(after)]
  return old.length === now.length && old.every((image, index) => isSameImage(image, now[index]))
}

const isSameImage = (old: Image, now: Image | undefined): boolean =>
  now !== undefined && old.name === now.name && placeOf(old) === placeOf(now)

/** What libvirt has written down after a part of a plan, by who executed it. */
export const definitionsAfter = (
  definitions: Definitions | undefined,
  part: DiskPart,
  hypervisor: Hypervisor,
): Definitions | undefined => {
  if (definitions === undefined || (part.contents.length === 0 && samePath(part))) return definitions
  const { persistent, live } = definitions
  if (hypervisor.via === 'libvirt') {
    if (samePath(part)) return definitions
    return {
      live: live === undefined ? undefined : withLiveChain(live, part.after),
      persistent: persistent === undefined ? undefined : persistentAfterJob(persistent, part),
    }
  }
  const mended = hypervisor.via === 'qemu-img' && hypervisor.definition !== undefined
  if (!mended || persistent === undefined) return definitions
  return { ...definitions, persistent: withoutStored(persistent, part) }
}

/** After qemu-img: the source is the active image, and nothing is stored of what lies below. */
const withoutStored = (domain: XmlElement, { before, after }: DiskPart): XmlElement =>
  isSameImage(activeImage(before), activeImage(after))
    ? withDomainDisk(domain, after.disk, (disk) => ({
        ...disk,
        children: disk.children.filter((child) => typeof child === 'string' || child.name !== 'backingStore'),
      }))
    : withPlainSource(domain, after)

/** The machine after a part of a plan: the chain of the disk, and what libvirt has written down of it. */
export const withPart = (machine: Machine, part: DiskPart, hypervisor: Hypervisor): Machine =>
  withMachine(machine, {
    disks: new Map(machine.disks).set(part.after.disk, part.after),
    definitions: definitionsAfter(machine.definitions, part, hypervisor),
  })
