import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { SnapshotDeleteCall } from '../call/libvirt.js'
import { libvirtRefuses } from './fault.js'
import { inodeOf, keyOf, unlink } from './files.js'
import { deletionRefusal, extentOf } from './machine-delete-check.js'
import { startedByLibvirt } from './machine-domain.js'
import { allForgotten, forgotten, namedFor } from './machine-forget.js'
import { deletedInside } from './machine-inside.js'
import { mergeAll, quitAfter } from './machine-merge.js'
import type { Meanwhile } from './machine-merge.js'
import { externalDisks, mergesOf, parentForDisk } from './machine-merge-plan.js'
import type { Merge } from './machine-merge-plan.js'
import { inWorld } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { childrenIn, descendantsIn, isExternal, isForkedIn } from './machine-tree.js'
import { guestOf, withSnapshot } from './machine-world.js'
import type { MachineWorld, SimSnapshot, StoredDisk } from './machine-world.js'

export type { Meanwhile } from './machine-merge.js'

/** What a definition that a later snapshot keeps says of a disk once an overlay has gone into what lay below it. */
const withoutOverlay = (then: StoredDisk, overlay: string, base: StoredDisk): StoredDisk => {
  if (keyOf(then.path) === keyOf(overlay))
    return { path: base.path, format: base.format, backingStore: [], terminated: false }
  return { ...then, backingStore: then.backingStore.filter(({ path }) => keyOf(path) !== keyOf(overlay)) }
}

type Definition = ReadonlyMap<string, StoredDisk> | undefined

const mendedDefinition = (of: Definition, { disk, overlay }: Merge, base: Definition): Definition => {
  const then = of?.get(disk)
  const below = base?.get(disk)
  return of === undefined || then === undefined || below === undefined
    ? of
    : new Map(of).set(disk, withoutOverlay(then, overlay, below))
}

/** Later snapshots no longer name what was merged. */
const mendedRecords = (machine: MachineWorld, snapshot: SimSnapshot, merges: ReadonlyArray<Merge>): MachineWorld => {
  let mended = machine
  for (const { name } of descendantsIn(machine, snapshot.name)) {
    for (const merge of merges) {
      const one = mended.snapshots.get(name)
      mended = withSnapshot(mended, name, {
        domain: mendedDefinition(one?.domain, merge, snapshot.domain),
        inactiveDomain: mendedDefinition(one?.inactiveDomain, merge, snapshot.domain),
      })
    }
  }
  return mended
}

const withoutMemory = (machine: MachineWorld, { memory }: SimSnapshot): MachineWorld => {
  if (memory._tag !== 'External') return machine
  const memoryFiles = new Map(machine.memoryFiles)
  memoryFiles.delete(keyOf(memory.path))
  return { ...machine, memoryFiles }
}

const discarded = (machine: MachineWorld, snapshot: SimSnapshot, merges: ReadonlyArray<Merge>): MachineWorld =>
  forgotten(mendedRecords(withoutMemory(machine, snapshot), snapshot, merges), snapshot.name)

const mergedDown = (machine: MachineWorld, snapshot: SimSnapshot, meanwhile: Meanwhile): MachineOutcome =>
  pipe(
    mergesOf(machine, snapshot),
    E.flatMap((merges) =>
      pipe(
        mergeAll(machine, merges, meanwhile),
        E.map((merged) => discarded(merged, snapshot, merges)),
      ),
    ),
  )

/** Shut off, libvirt starts a paused QEMU for it, and ends that again. */
const merge = (machine: MachineWorld, snapshot: SimSnapshot, meanwhile: Meanwhile): MachineOutcome => {
  if (guestOf(machine) !== 'shut-off') return mergedDown(machine, snapshot, meanwhile)
  return pipe(
    startedByLibvirt(machine, 'paused'),
    E.flatMap((started) => quitAfter(mergedDown(started, snapshot, meanwhile))),
  )
}

/**
 * A leaf that the present does not come from: the file that holds its point in time is removed, where the snapshot before it
 * made that file.
 */
const removed = (machine: MachineWorld, snapshot: SimSnapshot): MachineOutcome => {
  let left: MachineOutcome = E.right(machine)
  for (const disk of externalDisks(snapshot)) {
    const path = snapshot.domain?.get(disk)?.path
    const made = parentForDisk(machine, snapshot.name, disk)?.disks.get(disk)?.mode === 'external'
    if (path === undefined || !made || !machine.worlds.has(disk) || E.isLeft(left)) continue
    left = inWorld(left.right, disk, (world) =>
      E.right(inodeOf(world, path) === undefined ? world : unlink(world, path)),
    )
  }
  return pipe(
    left,
    E.map((done) => discarded(done, snapshot, [])),
  )
}

const deleteExternal = (machine: MachineWorld, snapshot: SimSnapshot, meanwhile: Meanwhile): MachineOutcome => {
  const leaf = childrenIn(machine, snapshot.name).length === 0
  return leaf && machine.current !== snapshot.name ? removed(machine, snapshot) : merge(machine, snapshot, meanwhile)
}

/** What the client sees: libvirt follows a pointer to a snapshot that it has freed. Whether it survives that is luck. */
const daemonDies = libvirtRefuses('End of file while reading data: Input/output error')

/** `virDomainSnapshotDelete`, for internal snapshots too; with METADATA_ONLY libvirt only forgets, and looks at nothing. */
export const snapshotDelete = (
  machine: MachineWorld,
  call: SnapshotDeleteCall,
  meanwhile: Meanwhile,
): MachineOutcome => {
  const { snapshot: name } = call.arguments
  const snapshot = machine.snapshots.get(name)
  if (snapshot === undefined)
    return libvirtRefuses(`Domain snapshot not found: no domain snapshot with matching name '${name}'`)
  const extent = extentOf(call)
  const names = namedFor(machine, name, extent)
  const dies = extent !== 'itself' && isForkedIn(machine, name) ? daemonDies : undefined
  if (call.flags.includes('VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY'))
    return dies ?? E.right(allForgotten(machine, names))
  const refused = deletionRefusal(machine, snapshot, extent) ?? dies
  if (refused !== undefined) return refused
  if (extent === 'itself' && isExternal(snapshot)) return deleteExternal(machine, snapshot, meanwhile)
  return names.reduce<MachineOutcome>(
    (done, one) => (E.isLeft(done) ? done : deletedInside(done.right, one)),
    E.right(machine),
  )
}
