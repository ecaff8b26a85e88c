import type { XmlElement } from '../../src/model/xml.js'
import { childOf } from '../../src/model/xml.js'
import { recordedDisks, recordedSources, textOf } from '../../src/model/record.js'
import type { RecordedDisk, RecordedSource } from '../../src/model/record.js'
import { imageOfDisk } from '../../src/model/snapshot.js'
import type { SnapshotDisk } from '../../src/model/snapshot.js'
import type { LibvirtRecords } from '../../src/operation/libvirt-delete-record.js'
import type { LibvirtDiskDeletion } from '../../src/operation/libvirt-delete.js'
import type { LibvirtRefusal, Loss } from '../../src/plan/machine-refusal.js'

export const file = (path: string | undefined): string => (path ?? 'nothing').replace('/images/', '')

const diskText = ([target, { mode, path, deletion }]: readonly [string, RecordedDisk]): string =>
  `${target}=${mode === 'external' ? file(path) : mode}${deletion === 'none' ? '' : ' (being deleted)'}`

const sourceText = ([target, { path, below }]: readonly [string, RecordedSource]): string =>
  `${target}=${[path, ...below.map((one) => one.path)].map(file).join(' -> ')}`

/** `s2 of s1: vda=v.2 | reverted vda=v.17 | vda=v.1 -> v`: the overlays, and the stored definition, active image first. */
export const recordText = (record: XmlElement): string => {
  const parent = childOf(record, 'parent')
  const of = parent === undefined ? '' : ` of ${textOf(childOf(parent, 'name')) ?? ''}`
  const list = (name: 'disks' | 'revertDisks'): string => Array.from(recordedDisks(record, name), diskText).join(' ')
  const reverted = childOf(record, 'revertDisks') === undefined ? '' : ` | reverted ${list('revertDisks')}`
  const domain = Array.from(recordedSources(record), sourceText).join(' ')
  const inactive = Array.from(recordedSources(record, 'inactiveDomain'), sourceText).join(' ')
  const differs = inactive === '' || inactive === domain ? '' : ` | inactive ${inactive}`
  return `${textOf(childOf(record, 'name')) ?? ''}${of}: ${list('disks')}${reverted} | ${domain}${differs}`
}

/** Every record on a line, and the current snapshot. */
export const recordsText = ({ records, current }: LibvirtRecords): ReadonlyArray<string> => [
  ...Array.from(records.values(), recordText),
  `current: ${current ?? 'none'}`,
]

export const deletionText = (one: LibvirtDiskDeletion): string => {
  switch (one.way) {
    case 'commit': {
      const siblings = one.siblings.length === 0 ? '' : `, rebase ${one.siblings.map(file).join(' ')}`
      return `${one.disk}: commit ${file(one.overlay)} into ${file(one.base)}, ${one.place}${siblings}`
    }
    case 'unlink':
      return `${one.disk}: ${one.file === 'kept' ? 'keep' : 'unlink'} ${file(one.path)}`
    case 'internal':
      return `${one.disk}: delete ${one.snapshot} inside ${file(one.path)}`
  }
}

export const refusalText = ({ rule, desc }: LibvirtRefusal): string => `${rule}: ${desc}`

/** `s3 on vda in v.2`; what has no snapshot is `data`. */
export const lossText = ({ snapshot, disk, image }: Loss): string => `${snapshot ?? 'data'} on ${disk} in ${image}`

/** `s1: vda v`, with what is lost as `lost`. */
export const pointsText = (points: ReadonlyMap<string, ReadonlyMap<string, SnapshotDisk>>): ReadonlyArray<string> =>
  Array.from(
    points,
    ([name, disks]) =>
      `${name}: ${Array.from(disks, ([disk, one]) => `${disk} ${imageOfDisk(one) ?? (one.mode === 'no' ? 'no' : 'lost')}`).join(' ')}`,
  )
