import type { Layer } from '../content/layer.js'
import { view } from '../content/view.js'
import type { Chain } from '../model/chain.js'
import { path } from '../model/chain-query.js'
import type { Machine } from '../model/machine.js'
import type { SnapshotDisk } from '../model/snapshot.js'
import { contentsAfter, viewOf } from '../plan/contents.js'
import type { Contents } from '../plan/contents.js'
import type { DiskPart, MachinePlan } from '../plan/machine-plan.js'
import type { MachineContents } from './machine.js'

/** A machine, and what its images store. */
export interface At {
  readonly machine: Machine
  readonly contents: MachineContents
}

const noContents: Contents = new Map()

/** What the guest reads, or would read, from a disk. */
export const guestReads = ({ machine, contents }: At, disk: string): Layer | undefined => {
  const chain = machine.disks.get(disk)
  return chain === undefined ? undefined : viewOf(chain, contents.disks.get(disk) ?? noContents)
}

const insideReads = (
  chain: Chain,
  image: string,
  { stored, saved }: { stored: Contents; saved: Layer | undefined },
) => {
  if (saved === undefined) return undefined
  const below = (path(chain, image) ?? []).slice(0, -1).map(({ name }) => stored.get(name))
  const [first, ...rest] = [...below, saved]
  if (first === undefined || rest.includes(undefined)) return undefined
  return view([first, ...rest.flatMap((one) => one ?? [])])
}

/** What a snapshot reads on a disk, from where its value says that it is. */
export const snapshotReads = ({ machine, contents }: At, snapshot: string, disk: string): Layer | undefined => {
  const chain = machine.disks.get(disk)
  const held: SnapshotDisk | undefined = machine.snapshots.get(snapshot)?.disks.get(disk)
  const stored = contents.disks.get(disk) ?? noContents
  if (chain === undefined) return undefined
  if (held?.mode === 'external') return held.frozen === undefined ? undefined : viewOf(chain, stored, held.frozen)
  if (held?.mode !== 'internal' || held.image === undefined) return undefined
  const saved = contents.inside.get(disk)?.get(held.image)?.get(snapshot)
  return insideReads(chain, held.image, { stored, saved })
}

/** What every snapshot reads on every disk that it holds. */
export const everySnapshotReads = (at: At): ReadonlyMap<string, ReadonlyMap<string, Layer>> =>
  new Map(
    Array.from(at.machine.snapshots.values(), ({ name, disks }) => [
      name,
      new Map(
        Array.from(disks.keys()).flatMap((disk) => {
          const reads = snapshotReads(at, name, disk)
          return reads === undefined ? [] : [[disk, reads] as const]
        }),
      ),
    ]),
  )

type InsideDisk = ReadonlyMap<string, ReadonlyMap<string, Layer>>

const saving = (
  inside: InsideDisk,
  image: string,
  { snapshot, layer }: { snapshot: string; layer: Layer },
): InsideDisk => new Map(inside).set(image, new Map(inside.get(image) ?? []).set(snapshot, layer))

/** What is inside images, by the names that a rename gives them. */
const insideRenamed = ({ operation, parts }: MachinePlan, of: MachineContents['inside']): Map<string, InsideDisk> => {
  const inside = new Map<string, InsideDisk>(of)
  for (const { before, contents } of operation === 'rename' ? parts : [])
    for (const { image, span } of contents) {
      const own = new Map(inside.get(before.disk) ?? [])
      inside.set(before.disk, own.set(image, own.get(span[0] ?? '') ?? new Map<string, Layer>()))
    }
  return inside
}

/** The snapshots that a part of a plan puts inside images: what those store then. */
const insideAfter = (inside: InsideDisk, { before, after }: DiskPart, stored: Contents): InsideDisk => {
  let now = inside
  for (const { name: image, internalSnapshots } of after.images.values()) {
    const had = before.images.get(image)?.internalSnapshots.map(({ name }) => name) ?? []
    const layer = stored.get(image)
    for (const { name } of internalSnapshots)
      if (!had.includes(name) && before.images.has(image) && layer !== undefined)
        now = saving(now, image, { snapshot: name, layer })
  }
  return now
}

/** The images into which a revert loads what is inside them. */
const loaded = (plan: MachinePlan, contents: MachineContents): ReadonlyMap<string, Contents> => {
  const disks = new Map(contents.disks)
  const to = plan.operation === 'revert' ? plan.after.current : undefined
  for (const [disk, held] of plan.before.snapshots.get(to ?? '')?.disks ?? []) {
    const image = held.mode === 'internal' ? held.image : undefined
    const saved =
      image === undefined
        ? undefined
        : contents.inside
            .get(disk)
            ?.get(image)
            ?.get(to ?? '')
    if (image !== undefined && saved !== undefined)
      disks.set(disk, new Map(contents.disks.get(disk) ?? []).set(image, saved))
  }
  return disks
}

/**
 * What the images of a machine store after a plan, given what they stored before: the theorem, applied to each of its parts in turn.
 *
 * @since 0.2.0
 */
export const machineContentsAfter = (plan: MachinePlan, contents: MachineContents): MachineContents => {
  const disks = new Map(loaded(plan, contents))
  const inside = insideRenamed(plan, contents.inside)
  for (const part of plan.parts) {
    const { disk } = part.before
    const stored = contentsAfter(part, disks.get(disk) ?? noContents, inside.get(disk))
    disks.set(disk, stored)
    inside.set(disk, insideAfter(inside.get(disk) ?? new Map(), part, stored))
  }
  return { disks, inside }
}
