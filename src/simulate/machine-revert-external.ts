import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { libvirtRefuses } from './fault.js'
import type { Fault } from './fault.js'
import { fileAt, inodeOf, keyOf, unlink } from './files.js'
import { diskOf } from './libvirt-chain.js'
import { overlayLive, overlayOffline, overlayRefusal } from './libvirt-snapshot.js'
import { startedByLibvirt } from './machine-domain.js'
import { countedTogether, inWorld, stoppedMachine } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { derivedPath } from './machine-record.js'
import { childrenIn } from './machine-tree.js'
import { mapWorlds, withSnapshot } from './machine-world.js'
import type { MachineWorld, SimSnapshot, SnapshotRecordDisk } from './machine-world.js'
import { withProcess } from './world.js'
import type { Source } from './world.js'

/** The new overlay of each disk, also of those that the snapshot leaves out: named after the second that the clock reads. */
const newOverlays = (machine: MachineWorld): E.Either<Fault<never>, ReadonlyMap<string, Source>> => {
  const overlays = new Map<string, Source>()
  for (const [disk, world] of machine.worlds) {
    if (fileAt(world, world.boot.path) === undefined)
      return libvirtRefuses(
        `unsupported configuration: source for disk '${disk}' is not a regular file; refusing to generate external snapshot name`,
      )
    const path = derivedPath(world.boot.path, String(machine.clockSeconds))
    const other = Array.from(overlays).find(([, one]) => keyOf(one.path) === keyOf(path))
    if (other !== undefined)
      return libvirtRefuses(
        `unsupported configuration: cannot generate external snapshot name for disk '${disk}': collision with disk '${other[0]}'`,
      )
    const overlay = { path, format: 'qcow2' } as const
    const refused = overlayRefusal(world, overlay, false)
    if (refused !== undefined) return refused
    overlays.set(disk, overlay)
  }
  return E.right(overlays)
}

type Overlays = ReadonlyMap<string, Source>

const laidOffline = (machine: MachineWorld, overlays: Overlays): MachineOutcome => {
  let done: MachineOutcome = E.right(machine)
  for (const [disk, overlay] of overlays)
    if (E.isRight(done)) done = inWorld(done.right, disk, (world) => overlayOffline(world, overlay, false))
  return done
}

const laidLive = (machine: MachineWorld, overlays: Overlays): MachineOutcome => {
  let done: MachineOutcome = E.right(machine)
  for (const [disk, overlay] of overlays) {
    if (E.isLeft(done)) return done
    done = inWorld(countedTogether(done.right), disk, (world) =>
      pipe(
        diskOf(world, { domain: world.domain?.name ?? '', disk }),
        E.flatMap((running) => overlayLive(running, overlay, false)),
      ),
    )
  }
  return done
}

/** With its memory: QEMU is started paused from the frozen images, loads it, and gets the overlays. */
const loaded = (machine: MachineWorld, snapshot: SimSnapshot, overlays: Overlays): MachineOutcome => {
  const path = snapshot.memory._tag === 'External' ? snapshot.memory.path : ''
  const memory = machine.memoryFiles.get(keyOf(path))
  if (memory === undefined) return libvirtRefuses(`Failed to open file '${path}': No such file or directory`)
  return pipe(
    startedByLibvirt(machine, 'paused'),
    E.flatMap((started) => laidLive({ ...started, memory }, overlays)),
  )
}

/** The overlays of the snapshot that was the current one go, and with them all that was written since. */
const withoutPresent = (machine: MachineWorld): MachineWorld => {
  const current = machine.current === undefined ? undefined : machine.snapshots.get(machine.current)
  const disks = current?.revertDisks ?? current?.disks
  let left = machine
  for (const [disk, { source }] of disks ?? []) {
    const world = left.worlds.get(disk)
    if (world === undefined || source === undefined || inodeOf(world, source.path) === undefined) continue
    left = { ...left, worlds: new Map(left.worlds).set(disk, unlink(world, source.path)) }
  }
  return left
}

const noted = (machine: MachineWorld, { name }: SimSnapshot, overlays: Overlays): MachineWorld => {
  const disks: ReadonlyMap<string, SnapshotRecordDisk> = new Map(
    Array.from(overlays, ([disk, source]) => [disk, { mode: 'external', source, deleteInProgress: false }]),
  )
  return childrenIn(machine, name).length > 0
    ? withSnapshot(machine, name, { revertDisks: disks })
    : withSnapshot(machine, name, { disks, revertDisks: undefined })
}

/** What a start that fails leaves: everything else of the revert is done. */
const startedOr = (machine: MachineWorld, guest: 'running' | 'paused'): MachineOutcome =>
  pipe(
    startedByLibvirt(machine, guest),
    E.orElse((fault): MachineOutcome =>
      fault._tag === 'Refused'
        ? E.left({ _tag: 'Failed', by: 'libvirt', desc: fault.desc, world: stoppedMachine(machine) })
        : E.left(fault),
    ),
  )

/**
 * A revert of a machine that is off, and configured as it was, to an external snapshot.
 *
 * The overlays are made first, then those of the snapshot that was the current one are removed, and then the guest is started.
 */
export const revertedOutside = (
  machine: MachineWorld,
  snapshot: SimSnapshot,
  target: 'running' | 'paused' | 'shut-off',
): MachineOutcome => {
  const overlays = newOverlays(machine)
  if (E.isLeft(overlays)) return overlays
  const withMemory = snapshot.memory._tag === 'External' && target !== 'shut-off'
  const laid = withMemory ? loaded(machine, snapshot, overlays.right) : laidOffline(machine, overlays.right)
  if (E.isLeft(laid)) return laid
  const done = noted(withoutPresent(laid.right), snapshot, overlays.right)
  if (target === 'shut-off') return E.right(done)
  if (!withMemory) return startedOr(done, target)
  return E.right(mapWorlds(done, (world) => withProcess(world, { guest: target })))
}
