import type { Definitions, Machine } from '../model/machine.js'
import {
  elementsOf,
  recordedSources,
  sourceElement,
  sourcesOfDomain,
  textOf,
  withChildren,
  withoutRevertDisks,
} from '../model/record.js'
import type { Snapshot } from '../model/snapshot.js'
import { childOf, element } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import { samePath } from '../model/header.js'
import { definitionNow } from './take-job.js'
import type { TakenDisk } from './take-part.js'

const isStripped = ({ name, attributes, children }: XmlElement): boolean => {
  if (name === 'alias') return !(attributes['name'] ?? '').startsWith('ua-')
  return name === 'mirror' || (name === 'backingStore' && children.length === 0)
}

const withoutAttribute = (of: XmlElement, name: string): XmlElement => ({
  ...of,
  attributes: Object.fromEntries(Object.entries(of.attributes).filter(([key]) => key !== name)),
})

/** An element of a live definition as libvirt prints it for the next start: without what holds for this process alone. */
const inactiveForm = (of: XmlElement): XmlElement => {
  const plain = of.name === 'source' || of.name === 'backingStore' ? withoutAttribute(of, 'index') : of
  return {
    ...plain,
    children: plain.children.flatMap((child): ReadonlyArray<XmlElement | string> => {
      if (typeof child === 'string') return [child]
      return isStripped(child) ? [] : [inactiveForm(child)]
    }),
  }
}

const targetOf = (disk: XmlElement): string => childOf(disk, 'target')?.attributes['dev'] ?? ''

const disksIn = (domain: XmlElement): ReadonlyArray<XmlElement> => elementsOf(childOf(domain, 'devices'), 'disk')

/**
 * The live definition in its inactive form. What it says besides disks is taken from the persistent one: libvirt prints the
 * live one with the host's own answers, to the CPU say, that its inactive form does not have. A chain that libvirt has found by
 * probing is not in it either, so a disk with the same source is the persistent one.
 */
const inactiveLive = (live: XmlElement, persistent: XmlElement): XmlElement => {
  const [now, next] = [sourcesOfDomain(live), sourcesOfDomain(persistent)]
  const stored = new Map(disksIn(persistent).map((disk) => [targetOf(disk), disk]))
  const disks = disksIn(live).map((disk) => {
    const target = targetOf(disk)
    const same = samePath(now.get(target)?.path, next.get(target)?.path)
    return (same ? stored.get(target) : undefined) ?? inactiveForm(disk)
  })
  const first = disksIn(persistent)[0]
  return withChildren(persistent, 'devices', (devices) => ({
    ...devices,
    children: [
      ...(first === undefined ? disks : []),
      ...devices.children.flatMap((child) => {
        if (typeof child !== 'object' || child.name !== 'disk') return [child]
        return child === first ? disks : []
      }),
    ],
  }))
}

/** A disk with no more than so many images stored below its source. */
const storedTo = (of: XmlElement, depth: number): XmlElement =>
  withChildren(of, 'backingStore', (below) => (depth > 0 ? storedTo(below, depth - 1) : undefined))

/** True of an overlay that was made while no guest ran, when a snapshot was taken then, or at a revert, which names it by the clock. */
const isMadeOffline = (record: XmlElement | undefined, overlay: string | undefined): boolean => {
  const state = record && textOf(childOf(record, 'state'))
  return state === 'shutoff' || (state === 'disk-snapshot' && /\.\d{10}$/.test(overlay ?? ''))
}

/**
 * The live definition of a transient domain in its inactive form. Nothing in it tells what libvirt was given from what it found
 * by probing, but what its last snapshot froze, and had stored, it was given, and all that has been laid over that since; but
 * for what an overlay lies on that was made offline, where nothing was stored below.
 */
const inactiveTransient = (live: XmlElement, { snapshots, current }: Machine): XmlElement => {
  const record = current === undefined ? undefined : snapshots.get(current)?.recorded
  const [frozen, now] = [recordedSources(record), sourcesOfDomain(live)]
  const given = (target: string): number => {
    const [held, source] = [frozen.get(target), now.get(target)]
    const paths = source === undefined ? [] : [source.path, ...source.below.map(({ path }) => path)]
    const at = paths.findIndex((path) => samePath(path, held?.path))
    if (held === undefined || at < 0) return 0
    const { length } = held.below
    return at > 0 && length === 0 && isMadeOffline(record, paths[at - 1]) ? at - 1 : at + length
  }
  const plain = withoutAttribute(inactiveForm(live), 'id')
  return withChildren(plain, 'devices', (devices) =>
    withChildren(devices, 'disk', (disk) => storedTo(disk, given(targetOf(disk)))),
  )
}

const domainsOf = ({ live, persistent }: Definitions, machine: Machine): ReadonlyArray<XmlElement> => {
  if (persistent === undefined) return live === undefined ? [] : [inactiveTransient(live, machine)]
  return live === undefined ? [persistent] : [inactiveLive(live, persistent), { ...persistent, name: 'inactiveDomain' }]
}

const recordedDisk = (target: string, taken: TakenDisk | undefined): XmlElement => {
  if (taken?.mode !== 'external') return element('disk', { name: target, snapshot: taken?.mode ?? 'no' })
  const { image } = taken.overlay.outcome.placed
  const { type, source } = sourceElement(image)
  return element('disk', { name: target, snapshot: 'external', type }, [
    element('driver', { type: image.format }),
    source,
  ])
}

/** The disks as libvirt lists them: every one that it knows, in the order of the definition. */
export const snapshotDisks = (machine: Machine, disks: ReadonlyArray<TakenDisk>): XmlElement => {
  const targets = new Set([...sourcesOfDomain(definitionNow(machine)).keys(), ...machine.disks.keys()])
  const taken = new Map(disks.map((one) => [one.disk, one]))
  return element(
    'disks',
    {},
    Array.from(targets, (target) => recordedDisk(target, taken.get(target))),
  )
}

const memoryElement = ({ memory }: Snapshot): XmlElement => {
  if (memory._tag === 'External') return element('memory', { snapshot: 'external', file: memory.path })
  return element('memory', { snapshot: memory._tag === 'Internal' ? 'internal' : 'no' })
}

const text = (name: string, value: string | undefined): ReadonlyArray<XmlElement> =>
  value === undefined ? [] : [element(name, {}, [value])]

/**
 * What libvirt writes down of a snapshot that it has just taken, all but the time where none is given, and the `<cookie>` of one
 * with memory. It knows of no snapshot that it has no record of: what it then takes has no parent there.
 */
export const recordTaken = (machine: Machine, snapshot: Snapshot, disks: ReadonlyArray<TakenDisk>): XmlElement => {
  const known = machine.snapshots.get(snapshot.parent ?? '')
  const parent = known?.recorded === undefined ? undefined : known.name
  return element('domainsnapshot', {}, [
    ...text('name', snapshot.name),
    ...text('description', snapshot.description),
    ...text('state', snapshot.state),
    ...(parent === undefined ? [] : [element('parent', {}, text('name', parent))]),
    ...text('creationTime', snapshot.creationTime),
    memoryElement(snapshot),
    snapshotDisks(machine, disks),
    ...(machine.definitions === undefined ? [] : domainsOf(machine.definitions, machine)),
  ])
}

/** The snapshots with a new one, which is the current one; what libvirt has noted down for the next revert goes. */
export const snapshotsTaken = (machine: Machine, taken: Snapshot): Pick<Machine, 'snapshots' | 'current'> => {
  const snapshots = new Map(machine.snapshots)
  const last = machine.current === undefined ? undefined : snapshots.get(machine.current)
  if (last?.recorded !== undefined) snapshots.set(last.name, { ...last, recorded: withoutRevertDisks(last.recorded) })
  return { snapshots: snapshots.set(taken.name, taken), current: taken.name }
}
