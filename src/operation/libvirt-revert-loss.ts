import { imageAt } from '../model/chain-query.js'
import type { Chain } from '../model/chain.js'
import type { Machine } from '../model/machine.js'
import { elementsOf, sourcesOfDomain } from '../model/record.js'
import { imageOfDisk } from '../model/snapshot.js'
import type { SnapshotDisk } from '../model/snapshot.js'
import { childOf } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import type { Loss } from '../plan/machine-refusal.js'
import { disksAfterEffect, lossesOfEffect, plainEffect } from './libvirt-loss.js'
import type { DiskEffect } from './libvirt-loss.js'
import type { LibvirtRevert } from './libvirt-revert.js'
import { libvirtTargets } from './libvirt-tree.js'

const namesAt = (chain: Chain, paths: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(paths.flatMap((path) => imageAt(chain, path)?.name ?? []))

const effectOn = (chain: Chain, { unlinked, inside }: LibvirtRevert): DiskEffect => {
  const restored = inside.flatMap(({ disk, path }) => (disk === chain.disk ? [path] : []))
  return plainEffect(chain, { removed: namesAt(chain, unlinked), written: namesAt(chain, restored) })
}

const effects = (machine: Machine, revert: LibvirtRevert): ReadonlyArray<readonly [string, DiskEffect]> =>
  Array.from(machine.disks, ([disk, chain]) => [disk, effectOn(chain, revert)])

const noneDeleted: ReadonlySet<string> = new Set()

/**
 * What would be lost if libvirt reverted so: points in time whose file it unlinks, or takes the backing file from, or writes at the
 * restoration of an internal snapshot below; and the guest's present, for which `snapshot` is nothing, where its image goes.
 *
 * By where the machine says that the points in time are, not by libvirt's records.
 *
 * @since 0.2.0
 */
export const lossesOfRevert = (machine: Machine, revert: LibvirtRevert): ReadonlyArray<Loss> =>
  effects(machine, revert).flatMap(([disk, effect]) => {
    const losses = lossesOfEffect(machine, { disk, effect, deleted: noneDeleted })
    const active = machine.disks.get(disk)?.active
    const named = losses.some(({ snapshot, image }) => snapshot === undefined && image === active)
    const rewritten = active !== undefined && effect.written.has(active) && !named
    return rewritten ? [...losses, { snapshot: undefined, disk, image: active }] : losses
  })

/**
 * Where the snapshots are after libvirt has reverted, by name and disk; nothing for a point in time that is lost.
 *
 * @since 0.2.0
 */
export const pointsAfterRevert = (
  machine: Machine,
  revert: LibvirtRevert,
): ReadonlyMap<string, ReadonlyMap<string, SnapshotDisk>> => {
  const after = new Map<string, Map<string, SnapshotDisk>>()
  for (const { name, disks } of machine.snapshots.values()) after.set(name, new Map(disks))
  for (const [disk, effect] of effects(machine, revert))
    for (const [name, one] of disksAfterEffect(machine, { disk, effect, deleted: noneDeleted }))
      after.get(name)?.set(disk, one)
  return after
}

/**
 * What else a revert of libvirt's changes, besides what is lost.
 *
 * - `leaked`: images of the present that stay where they are, and that nobody knows of any more.
 * - `overlaid`: disks that the snapshot leaves out and that get an overlay all the same: the guest's later data stay visible in them.
 * - `elsewhere`: disks that libvirt reverts to another image than the one that holds the point in time, since its record is wrong.
 * - `back`, `gone`: disks that come back to the definition, and that go from it. `definition`: whether more of it changes.
 *
 * @since 0.2.0
 */
export interface RevertChanges {
  readonly leaked: ReadonlyArray<{ readonly disk: string; readonly image: string }>
  readonly overlaid: ReadonlyArray<string>
  readonly elsewhere: ReadonlyArray<string>
  readonly back: ReadonlyArray<string>
  readonly gone: ReadonlyArray<string>
  readonly definition: 'as it was' | 'changed'
}

const leakedBy = (machine: Machine, revert: LibvirtRevert): RevertChanges['leaked'] => {
  const sources = sourcesOfDomain(revert.definition)
  const kept = [...revert.unlinked, ...revert.overlays.map(({ backing }) => backing)]
  return Array.from(machine.disks).flatMap(([disk, chain]) => {
    const now = sources.get(disk)?.path
    const known = new Set(Array.from(machine.snapshots.values(), ({ disks }) => imageOfDisk(disks.get(disk))))
    const stays = namesAt(chain, now === undefined ? kept : [...kept, now]).has(chain.active)
    return stays || known.has(chain.active) ? [] : [{ disk, image: chain.active }]
  })
}

/** What a definition says besides where its disks are: names and values, without the white space between elements. */
const besidesDisks = (of: XmlElement): unknown => ({
  name: of.name,
  attributes: Object.entries(of.attributes).sort(([one], [other]) => (one < other ? -1 : 1)),
  children: of.children.flatMap((child) => {
    if (typeof child === 'string') return child.trim() === '' ? [] : [child]
    return child.name === 'disk' ? [] : [besidesDisks(child)]
  }),
})

const sameBesidesDisks = (one: XmlElement, other: XmlElement): boolean =>
  JSON.stringify(besidesDisks(one)) === JSON.stringify(besidesDisks(other))

const targetsOf = (domain: XmlElement): ReadonlyArray<string> => {
  const devices = childOf(domain, 'devices')
  return elementsOf(devices, 'disk').flatMap((disk) => childOf(disk, 'target')?.attributes['dev'] ?? [])
}

/**
 * What else changes when libvirt reverts so.
 *
 * @since 0.2.0
 */
export const changesOfRevert = (machine: Machine, revert: LibvirtRevert): RevertChanges => {
  const disks = machine.snapshots.get(revert.snapshot)?.disks
  const before = machine.definitions?.persistent ?? machine.definitions?.live
  const then = targetsOf(revert.definition)
  const now = libvirtTargets(machine)
  const overlaid = revert.overlays.filter(({ disk }) => (disks?.get(disk)?.mode ?? 'no') === 'no')
  const elsewhere = revert.overlays.filter(({ disk, backing }) => {
    const chain = machine.disks.get(disk)
    const frozen = imageOfDisk(disks?.get(disk))
    return frozen !== undefined && chain !== undefined && imageAt(chain, backing)?.name !== frozen
  })
  return {
    leaked: leakedBy(machine, revert),
    overlaid: overlaid.map(({ disk }) => disk),
    elsewhere: elsewhere.map(({ disk }) => disk),
    back: then.filter((target) => !now.has(target)),
    gone: Array.from(now).filter((target) => !then.includes(target)),
    definition: before === undefined || sameBesidesDisks(before, revert.definition) ? 'as it was' : 'changed',
  }
}
