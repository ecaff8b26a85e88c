import type { Image } from '../model/image.js'
import { normalPath } from '../model/header.js'
import type { Definitions, Machine } from '../model/machine.js'
import { elementsOf, sourceElement, sourcesOfDomain, withDomainDisk } from '../model/record.js'
import { childOf, element } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import { activeImage } from '../model/chain-query.js'
import { withLiveChain, withPlainSource } from './machine-definition.js'
import type { TakenDisk } from './take-part.js'

type Taken = Extract<TakenDisk, { readonly mode: 'external' }>

/** What was the source, with what is stored below it. */
const storedBelow = (disk: XmlElement): ReadonlyArray<XmlElement> => {
  const old = childOf(disk, 'source')
  if (old === undefined) return []
  const format = element('format', { type: childOf(disk, 'driver')?.attributes['type'] ?? 'raw' })
  const type = disk.attributes['type'] ?? 'file'
  return [element('backingStore', { type }, [format, old, ...elementsOf(disk, 'backingStore')])]
}

/** A `<disk>` with another image as its source, over what it has and stores now. */
const withOverlay = (disk: XmlElement, overlay: Image): XmlElement => {
  const { type, source } = sourceElement(overlay)
  const children = disk.children.flatMap((child): ReadonlyArray<XmlElement | string> => {
    if (typeof child === 'string') return [child]
    if (child.name === 'driver') return [{ ...child, attributes: { ...child.attributes, type: overlay.format } }]
    if (child.name === 'source') return [source, ...storedBelow(disk)]
    return child.name === 'backingStore' ? [] : [child]
  })
  return { ...disk, attributes: { ...disk.attributes, type }, children }
}

const sameSource = (a: XmlElement, b: XmlElement, disk: string): boolean => {
  const [one, other] = [a, b].map((domain) => sourcesOfDomain(domain).get(disk)?.path)
  return one !== undefined && other !== undefined && normalPath(one) === normalPath(other)
}

const whileLive = ({ live, persistent }: Definitions, taken: Taken): Definitions => {
  const { after } = taken.overlay.plan
  const follows = live !== undefined && persistent !== undefined && sameSource(live, persistent, taken.disk)
  return {
    live: live === undefined ? undefined : withLiveChain(live, after),
    persistent: follows
      ? withDomainDisk(persistent, taken.disk, (disk) => withOverlay(disk, activeImage(after)))
      : persistent,
  }
}

/** libvirt keeps the stored chain under an overlay that it makes itself, where there is one, and drops it otherwise. */
const whileShutOff = ({ live, persistent }: Definitions, taken: Taken, reused: 'all' | 'none'): Definitions => {
  const { after } = taken.overlay.plan
  if (persistent === undefined) return { live, persistent }
  const stored = sourcesOfDomain(persistent).get(taken.disk)?.below.length ?? 0
  return {
    live,
    persistent:
      stored > 0 && reused === 'none'
        ? withDomainDisk(persistent, taken.disk, (disk) => withOverlay(disk, activeImage(after)))
        : withPlainSource(persistent, after),
  }
}

/**
 * What libvirt has written down of the machine afterwards. `reused` says whether it was handed the overlays
 * (`VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT`), all of them or none.
 *
 * Source: `qemuSnapshotDiskUpdateSource` and `qemuSnapshotDomainDefUpdateDisk` of libvirt.
 */
export const definitionsTaken = (
  { definitions, state }: Machine,
  disks: ReadonlyArray<TakenDisk>,
  reused: 'all' | 'none',
): Definitions | undefined =>
  definitions === undefined
    ? undefined
    : disks.reduce((known, taken) => {
        if (taken.mode !== 'external') return known
        return state === 'shut-off' ? whileShutOff(known, taken, reused) : whileLive(known, taken)
      }, definitions)
