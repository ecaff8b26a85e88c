import type { Chain } from '../model/chain.js'
import { activeImage, imageAt, path as pathOf } from '../model/chain-query.js'
import { normalPath, placeOf } from '../model/header.js'
import type { Image } from '../model/image.js'
import type { Machine } from '../model/machine.js'
import {
  hasDeletionMark,
  recordedDisks,
  recordedSources,
  withRecordedOverlay,
  withRecordedParent,
  withRecordedPath,
  withoutRevertDisks,
} from '../model/record.js'
import type { RecordedSource } from '../model/record.js'
import { imageOfDisk } from '../model/snapshot.js'
import type { Snapshot } from '../model/snapshot.js'
import type { XmlElement } from '../model/xml.js'
import { childOf, xmlText } from '../model/xml.js'

/** What became of images that have gone: by the path that a record may name, the image that shows the same now. */
export type Successors = ReadonlyMap<string, Image>

/** An image and what lies below it, uppermost first. */
const downwards = (chain: Chain | undefined, image: Image): ReadonlyArray<Image> => {
  const upwards = chain === undefined ? undefined : pathOf(chain, image.name)
  return upwards === undefined ? [image] : [...upwards].reverse()
}

/**
 * True for a stored source that names the image, and stores of what lies below it nothing, or what does: libvirt believes it, and
 * not the headers.
 */
const isTrue = (source: RecordedSource, chain: Chain | undefined, image: Image): boolean => {
  if (source.path === undefined || normalPath(source.path) !== placeOf(image)) return false
  const below = downwards(chain, image).slice(1).map(placeOf)
  return (
    source.below.every((stored, index) => normalPath(stored.path) === below[index]) &&
    (source.end === 'open' || source.below.length === below.length)
  )
}

interface Wanted {
  readonly machine: Machine
  readonly target: string
  readonly gone: Successors
  readonly stored: ReadonlyArray<RecordedSource>
}

/** The image that a disk's stored source has to name: the one that holds the point in time, or what replaced a file that went. */
const wantedSource = ({ disks }: Snapshot, { machine, target, gone, stored }: Wanted): Image | undefined => {
  const name = imageOfDisk(disks.get(target))
  const held = name === undefined ? undefined : machine.disks.get(target)?.images.get(name)
  if (held !== undefined) return held
  const heirs = stored.flatMap(({ path }) => (path === undefined ? [] : (gone.get(normalPath(path)) ?? [])))
  return heirs[0] ?? reseated({ machine, target, gone, stored })
}

/** The image that a source names, where that stays and something that is stored below it goes. */
const reseated = ({ machine, target, gone, stored }: Wanted): Image | undefined => {
  const chain = machine.disks.get(target)
  const stale = stored.find(({ below }) => below.some(({ path }) => gone.has(normalPath(path))))
  return chain === undefined || stale?.path === undefined ? undefined : imageAt(chain, stale.path)
}

const withTrueSources = (
  record: XmlElement,
  snapshot: Snapshot,
  { machine, gone }: { readonly machine: Machine; readonly gone: Successors },
): XmlElement => {
  let mended = record
  const both = [recordedSources(record, 'domain'), recordedSources(record, 'inactiveDomain')]
  for (const target of new Set(both.flatMap((sources) => Array.from(sources.keys())))) {
    const stored = both.flatMap((sources) => sources.get(target) ?? [])
    const image = wantedSource(snapshot, { machine, target, gone, stored })
    if (image !== undefined && !stored.every((source) => isTrue(source, machine.disks.get(target), image)))
      mended = withRecordedPath(mended, target, downwards(machine.disks.get(target), image))
  }
  return mended
}

/** The overlays that libvirt would unlink at a revert while this snapshot is the current one, by disk. */
const doomedOverlays = (record: XmlElement): ReadonlyMap<string, string> => {
  const reverted = recordedDisks(record, 'revertDisks')
  const disks = reverted.size > 0 ? reverted : recordedDisks(record, 'disks')
  return new Map(
    Array.from(disks).flatMap(([target, { mode, path }]) =>
      mode === 'external' && path !== undefined ? [[target, normalPath(path)] as const] : [],
    ),
  )
}

/**
 * While a snapshot is current, what it records as its overlays has to be the active images: at a revert libvirt unlinks them,
 * and anything else would be somebody's point in time.
 */
const withTrueOverlays = (record: XmlElement, machine: Machine): XmlElement => {
  const doomed = doomedOverlays(record)
  const wrong = Array.from(doomed).filter(([target, path]) => {
    const chain = machine.disks.get(target)
    return chain !== undefined && placeOf(activeImage(chain)) !== path
  })
  if (wrong.length === 0) return record
  const plain = withoutRevertDisks(record)
  let mended = plain
  for (const [target, chain] of machine.disks) mended = withRecordedOverlay(mended, target, activeImage(chain))
  return hasDeletionMark(record) ? withRevertDisksOf(plain, mended) : mended
}

/**
 * A record that notes down the disks of another one for the next revert, as libvirt's own revert does, and keeps its own: a mark of
 * a deletion that has not ended says, with the overlay beside it, which snapshot is half written over.
 */
const withRevertDisksOf = (record: XmlElement, other: XmlElement): XmlElement => {
  const noted = childOf(other, 'disks')
  const children = record.children.flatMap((child) =>
    typeof child === 'object' && child.name === 'disks' && noted !== undefined
      ? [child, { ...noted, name: 'revertDisks' }]
      : [child],
  )
  return { ...record, children }
}

/** The nearest ancestor that libvirt has a record of: it refuses a parent that it does not know. */
const recordedAncestor = ({ snapshots }: Machine, { parent }: Snapshot): string | undefined => {
  let at = parent
  while (at !== undefined && snapshots.get(at)?.recorded === undefined) at = snapshots.get(at)?.parent
  return at
}

/**
 * What libvirt should have written down of a snapshot, given what it has: its parent there, the images that hold it, and, where it
 * is the current one, the overlays that libvirt may unlink.
 */
export const trueRecord = (
  snapshot: Snapshot,
  at: { readonly machine: Machine; readonly gone: Successors },
): XmlElement | undefined => {
  if (snapshot.recorded === undefined) return undefined
  const parented = withRecordedParent(snapshot.recorded, recordedAncestor(at.machine, snapshot))
  const placed = withTrueSources(parented, snapshot, at)
  return at.machine.current === snapshot.name ? withTrueOverlays(placed, at.machine) : placed
}

/** True where two elements say the same. */
export const sameElement = (a: XmlElement, b: XmlElement): boolean => a === b || xmlText(a) === xmlText(b)
