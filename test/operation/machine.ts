import * as E from 'fp-ts/lib/Either.js'

import type { Contents } from '../../src/index.js'
import { withImages } from '../../src/model/chain.js'
import type { Chain } from '../../src/model/chain.js'
import { overlayIndex, path } from '../../src/model/chain-query.js'
import type { GuestState } from '../../src/model/guest.js'
import type { Image } from '../../src/model/image.js'
import { locationString } from '../../src/model/location.js'
import { machine } from '../../src/model/machine-make.js'
import type { Definitions, Machine } from '../../src/model/machine.js'
import type { Memory, SnapshotDescription, SnapshotDiskDescription, SnapshotState } from '../../src/model/snapshot.js'
import { element } from '../../src/model/xml.js'
import type { XmlElement } from '../../src/model/xml.js'

import { atRest } from './expect-plan.js'

export type Target = `vd${string}`

/**
 * Where a snapshot has a disk: `v`, in that frozen image; `inside v`, as an internal snapshot of that image; `no`, `manual`;
 * `lost`, an external one that no image holds any more. A disk that the snapshot does not mention was not there then; one
 * that the machine does not have has gone since.
 */
export type DiskText = string

/**
 * What libvirt has written down of a snapshot, where that is not what follows from the chains.
 *
 * - `disks`, `revertDisks`: the overlay that is named, by target; a file `/images/<name>`, whether it is there or not.
 * - `domain`: the chain that is named, as a picture without marks, `v <- v.1`; its uppermost image is the source.
 * - `deletion`: the disks that have libvirt's mark of a deletion that has not ended.
 */
export interface VmRecord {
  readonly disks?: Readonly<Partial<Record<Target, string>>>
  readonly revertDisks?: Readonly<Partial<Record<Target, string>>>
  readonly domain?: Readonly<Partial<Record<Target, string>>>
  readonly deletion?: ReadonlyArray<Target>
}

export interface VmSnapshot {
  readonly name: string
  readonly parent?: string
  readonly state?: SnapshotState
  readonly memory?: Memory
  readonly description?: string
  readonly creationTime?: string
  readonly record?: VmRecord | 'none'
  readonly [target: Target]: DiskText
}

/**
 * - `disks`: pictures by target; names of images are unique in the machine, their files `/images/<name>`.
 * - `images`: more about images, by name.
 * - `records`: `none` for a machine that libvirt does not manage: no records and no definitions.
 * - `persistence`: `transient` for a domain without a persistent definition.
 */
export interface Vm {
  readonly disks: Readonly<Record<Target, string>>
  readonly snapshots?: ReadonlyArray<VmSnapshot>
  readonly current?: string
  readonly state?: GuestState
  readonly nodes?: 'monitor' | 'implicit'
  readonly images?: Readonly<Record<string, Partial<Image>>>
  readonly records?: 'as libvirt writes them' | 'none'
  readonly persistence?: 'persistent' | 'transient'
}

export interface Built {
  readonly machine: Machine
  /** Of each disk, by target; only of images whose picture shows any. */
  readonly contents: ReadonlyMap<string, Contents>
}

const isTarget = (text: string): text is Target => text.startsWith('vd')

interface Named {
  readonly path: string
  readonly format: string
}

const named = ({ location, format }: Image): Named => ({ path: locationString(location), format })
const fileOf = (name: string): Named => ({ path: `/images/${name}`, format: 'qcow2' })

const sourceOf = ({ path: file }: Named): XmlElement => element('source', { file })

interface Depth {
  /** Uppermost first. */
  readonly images: ReadonlyArray<Named>
  readonly end: 'terminated' | 'open'
}

const backingStores = ({ images, end }: Depth): ReadonlyArray<XmlElement> => {
  let store: ReadonlyArray<XmlElement> = end === 'terminated' ? [element('backingStore')] : []
  for (const image of [...images].reverse())
    store = [
      element('backingStore', { type: 'file' }, [element('format', { type: image.format }), sourceOf(image), ...store]),
    ]
  return store
}

const domainDisk = (target: string, { images: [top, ...below], end }: Depth): ReadonlyArray<XmlElement> =>
  top === undefined
    ? []
    : [
        element('disk', { type: 'file', device: 'disk' }, [
          element('driver', { name: 'qemu', type: top.format }),
          sourceOf(top),
          ...backingStores({ images: below, end }),
          element('target', { dev: target, bus: 'virtio' }),
        ]),
      ]

/** A small `<domain>` with these disks, under the name `domain` or `inactiveDomain`. */
const domainOf = (disks: ReadonlyMap<string, Depth>, tag: 'domain' | 'inactiveDomain' = 'domain'): XmlElement =>
  element(tag, { type: 'qemu' }, [
    element('name', {}, ['vm']),
    element('uuid', {}, ['ed3016d3-60da-4c11-81b8-9eed032a75e9']),
    element('memory', { unit: 'KiB' }, ['32768']),
    element('vcpu', { placement: 'static' }, ['1']),
    element('os', {}, [element('type', { arch: 'x86_64', machine: 'pc' }, ['hvm'])]),
    element(
      'devices',
      {},
      Array.from(disks).flatMap(([target, depth]) => domainDisk(target, depth)),
    ),
  ])

const downwards = (chain: Chain, from: string): ReadonlyArray<Named> =>
  [...(path(chain, from) ?? [])].reverse().map(named)

/** The overlay that was made when the image was frozen: on the way to the active image, or else the first there is. */
const overlayAbove = (chain: Chain, frozen: string): Named | undefined => {
  const active = path(chain)?.find(({ backing }) => backing?.image === frozen)
  const overlay = active ?? overlayIndex(chain).get(frozen)?.[0]
  return overlay === undefined ? undefined : named(overlay)
}

interface Taken {
  readonly of: VmSnapshot
  readonly record: VmRecord
  readonly chains: ReadonlyMap<string, Chain>
}

const inside = 'inside '

const recordedDisk = (target: Target, { of, record, chains }: Taken): XmlElement => {
  const text = of[target] ?? 'no'
  if (text === 'no' || text === 'manual') return element('disk', { name: target, snapshot: text })
  if (text.startsWith(inside)) return element('disk', { name: target, snapshot: 'internal' })
  const chain = chains.get(target)
  const other = record.disks?.[target]
  const above = other === undefined ? chain && overlayAbove(chain, text) : fileOf(other)
  const mark = record.deletion?.includes(target) === true ? [element('snapshotDeleteInProgress')] : []
  const overlay = above ?? fileOf(`${text}.${of.name}`)
  const children = [element('driver', { type: overlay.format }), sourceOf(overlay), ...mark]
  return element('disk', { name: target, snapshot: 'external', type: 'file' }, children)
}

const revertDisk = ([target, name = '']: readonly [string, string | undefined]): XmlElement =>
  element('disk', { name: target, snapshot: 'external', type: 'file' }, [
    element('driver', { type: 'qcow2' }),
    sourceOf(fileOf(name)),
  ])

/** What the definition said when the snapshot was taken. One of a guest that was shut off has stored no chain. */
const recordedDepth = (target: Target, { of, record, chains }: Taken): Depth => {
  const chain = chains.get(target)
  const text = of[target] ?? chain?.active ?? ''
  const name = text.startsWith(inside) ? text.slice(inside.length) : text
  const written = record.domain?.[target]?.split(' <- ').reverse().map(fileOf)
  const shown = name === 'no' || name === 'manual' ? (chain?.active ?? '') : name
  const found = written ?? (chain === undefined ? [fileOf(shown)] : downwards(chain, shown))
  const stored = of.state === 'shutoff' && written === undefined ? found.slice(0, 1) : found
  return { images: stored, end: 'open' }
}

const recordOf = (taken: Taken): XmlElement => {
  const { of, record } = taken
  const targets = Object.keys(of).filter(isTarget)
  const state = of.state ?? 'disk-snapshot'
  const { memory = { _tag: 'None' } } = of
  const kept = memory._tag === 'External' ? { snapshot: 'external', file: memory.path } : undefined
  const depths = new Map(targets.map((target) => [target, recordedDepth(target, taken)]))
  const reverted = Object.entries(record.revertDisks ?? {})
  return element('domainsnapshot', {}, [
    element('name', {}, [of.name]),
    ...(of.description === undefined ? [] : [element('description', {}, [of.description])]),
    element('state', {}, [state]),
    ...(of.parent === undefined ? [] : [element('parent', {}, [element('name', {}, [of.parent])])]),
    element('creationTime', {}, [of.creationTime ?? '1795656132']),
    element('memory', kept ?? { snapshot: memory._tag === 'Internal' ? 'internal' : 'no' }),
    element(
      'disks',
      {},
      targets.map((target) => recordedDisk(target, taken)),
    ),
    ...(reverted.length === 0 ? [] : [element('revertDisks', {}, reverted.map(revertDisk))]),
    domainOf(depths),
    ...(state === 'shutoff' ? [] : [domainOf(depths, 'inactiveDomain')]),
  ])
}

const descriptionOf = (text: DiskText): SnapshotDiskDescription => {
  if (text === 'no' || text === 'manual') return { mode: text }
  if (text === 'lost') return { mode: 'external' }
  return text.startsWith(inside)
    ? { mode: 'internal', image: text.slice(inside.length) }
    : { mode: 'external', frozen: text }
}

const snapshotOf = (of: VmSnapshot, recorded: XmlElement | undefined): SnapshotDescription => {
  const { name, parent, state, memory, description, creationTime } = of
  const disks = Object.entries(of).flatMap(([target, text]: readonly [string, unknown]) =>
    isTarget(target) && typeof text === 'string' ? [[target, descriptionOf(text)] as const] : [],
  )
  return {
    name,
    disks,
    state: state ?? 'disk-snapshot',
    creationTime: creationTime ?? '1795656132',
    ...(parent === undefined ? {} : { parent }),
    ...(memory === undefined ? {} : { memory }),
    ...(description === undefined ? {} : { description }),
    ...(recorded === undefined ? {} : { recorded }),
  }
}

/** The chain with what pictures cannot show: internal snapshots, and whatever the test says of its images. */
const detailed = (chain: Chain, of: Vm): Chain => {
  const images = new Map(chain.images)
  for (const image of chain.images.values()) {
    const names = (of.snapshots ?? []).filter((one) => one[chainTarget(chain)] === `${inside}${image.name}`)
    const internalSnapshots = names.map(({ name }, place) => ({ id: String(place + 1), name, vmStateBytes: 0 }))
    images.set(image.name, { ...image, internalSnapshots, ...of.images?.[image.name] })
  }
  return withImages(chain, images)
}

const chainTarget = (chain: Chain): Target => (isTarget(chain.disk) ? chain.disk : 'vda')

const definitionsOf = (of: Vm, chains: ReadonlyMap<string, Chain>): Definitions => {
  const live = (of.state ?? 'running') !== 'shut-off'
  const depths = (end: Depth['end']): ReadonlyMap<string, Depth> =>
    new Map(Array.from(chains, ([target, chain]) => [target, { images: downwards(chain, chain.active), end }]))
  return {
    persistent: of.persistence === 'transient' ? undefined : domainOf(depths('open')),
    live: live ? domainOf(depths('terminated')) : undefined,
  }
}

/**
 * A machine from pictures, with libvirt's records and definitions as libvirt 11.3 writes them.
 *
 * Every disk has the images of its picture. A snapshot's `<domain>` names the frozen image and what lies below it, its `<disks>`
 * the overlay above, unless `record` says otherwise.
 */
export const vm = (of: Vm): Built => {
  const { state = 'running', nodes, records = 'as libvirt writes them' } = of
  const managed = records === 'as libvirt writes them'
  const chains = new Map<string, Chain>()
  const contents = new Map<string, Contents>()
  for (const [target, picture] of Object.entries(of.disks)) {
    const read = atRest(picture, { disk: target, ...(nodes === undefined ? {} : { nodes }) })
    chains.set(target, detailed(read.chain, of))
    contents.set(target, read.contents)
  }
  const snapshots = (of.snapshots ?? []).map((one) => {
    const { record = {} } = one
    return snapshotOf(one, record === 'none' || !managed ? undefined : recordOf({ of: one, record, chains }))
  })
  const made = machine({
    name: 'vm',
    state,
    disks: chains.values(),
    snapshots,
    ...(of.current === undefined ? {} : { current: of.current }),
    ...(managed ? { definitions: definitionsOf(of, chains) } : {}),
  })
  if (E.isLeft(made)) throw new Error(JSON.stringify(made.left))
  return { machine: made.right, contents }
}
