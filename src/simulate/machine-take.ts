import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { SnapshotCreateCall } from '../call/libvirt.js'
import { flushAll } from './cache.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Outcome } from './fault.js'
import { inodeOf, keyOf } from './files.js'
import { diskOf } from './libvirt-chain.js'
import { overlayLive, overlayOffline } from './libvirt-snapshot.js'
import { agentRefusal } from './machine-agent.js'
import { countedTogether, inWorld } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { redefine } from './machine-redefine.js'
import { sourceNow, takeRequested } from './machine-take-request.js'
import type { Take } from './machine-take-request.js'
import { guestOf, mapWorlds, withSnapshot } from './machine-world.js'
import type { MachineWorld, SimSnapshot, SnapshotRecordDisk, StoredDisk } from './machine-world.js'
import { performQemuImg } from './qemu-img.js'
import { saveLayer, savedIn } from './saved-layer.js'
import { withProcess } from './world.js'
import type { Boot, World } from './world.js'

const stored = ({ path, format, backingStore, terminated }: Boot): StoredDisk => ({
  path,
  format,
  backingStore,
  terminated,
})

/** What the definitions store of every disk at the moment: the live one, or the only one. */
export const definedNow = (machine: MachineWorld): ReadonlyMap<string, StoredDisk> =>
  new Map(Array.from(machine.worlds, ([disk, { qemu, boot }]) => [disk, stored(qemu?.declared ?? boot)]))

const persistentNow = (machine: MachineWorld): ReadonlyMap<string, StoredDisk> =>
  new Map(Array.from(machine.worlds, ([disk, { boot }]) => [disk, stored(boot)]))

const stateOf = (before: MachineWorld, { live, memory }: Take): string => {
  const guest = guestOf(before)
  if (!live || guest === 'shut-off') return 'shutoff'
  return memory._tag === 'None' ? 'disk-snapshot' : guest
}

/** The memory is saved in the first image; how much it is nobody asks. */
const inside = (world: World, take: Take, first: boolean): Outcome => {
  const { path } = sourceNow(world)
  if (world.qemu === undefined) return performQemuImg(world, ['qemu-img', 'snapshot', '-c', take.name, path])
  const inode = inodeOf(world, path)
  if (inode === undefined) return unmodelled(`the running disk ${world.disk} has no file`)
  if (savedIn(world, inode, take.name) !== undefined)
    return libvirtRefuses(
      `operation failed: save of internal snapshot '${take.name}' job failed: Snapshot '${take.name}' already exists in one or more devices`,
    )
  return E.right(saveLayer(flushAll(world), inode, { name: take.name, vmStateBytes: first ? 1 : 0 }))
}

const takeDisk = (world: World, take: Take, disk: SnapshotRecordDisk): Outcome => {
  if (disk.mode !== 'external' || disk.source === undefined) return E.right(world)
  const { source } = disk
  if (world.qemu === undefined) return overlayOffline(world, source, take.reuse)
  return pipe(
    diskOf(world, { domain: world.domain?.name ?? '', disk: world.disk }),
    E.flatMap((running) => overlayLive(running, source, take.reuse)),
  )
}

/** All disks, or none. A guest whose memory is saved is stopped meanwhile, which flushes. */
const takeDisks = (machine: MachineWorld, take: Take): MachineOutcome => {
  let done: MachineOutcome = E.right(take.memory._tag === 'None' ? machine : mapWorlds(machine, flushAll))
  const [first] = take.disks.keys()
  for (const [target, disk] of take.disks) {
    if (E.isLeft(done)) return done
    const act = (world: World): Outcome =>
      disk.mode === 'internal' ? inside(world, take, target === first) : takeDisk(world, take, disk)
    done = inWorld(countedTogether(done.right), target, act)
  }
  return done
}

/** What libvirt writes down: the new snapshot becomes the current one, and the one before forgets what a revert gave it. */
const recorded = (before: MachineWorld, taken: MachineWorld, take: Take): MachineWorld => {
  const inactive = take.live && before.domain?.definition === 'persistent' ? persistentNow(before) : undefined
  const snapshot: SimSnapshot = {
    name: take.name,
    parent: before.current,
    state: stateOf(before, take),
    memory: take.memory,
    disks: take.disks,
    revertDisks: undefined,
    domain: definedNow(before),
    inactiveDomain: inactive,
  }
  const cleared = before.current === undefined ? taken : withSnapshot(taken, before.current, { revertDisks: undefined })
  return { ...cleared, snapshots: new Map(cleared.snapshots).set(take.name, snapshot), current: take.name }
}

const withMemory = (machine: MachineWorld, { memory, name }: Take): MachineWorld =>
  memory._tag === 'External'
    ? { ...machine, memoryFiles: new Map(machine.memoryFiles).set(keyOf(memory.path), name) }
    : machine

/** A guest is left paused where somebody else is to save a disk; one that is paused already is told nothing, and flushes nothing. */
const pausedFor = (machine: MachineWorld, { disks, live }: Take): MachineWorld =>
  live && guestOf(machine) === 'running' && Array.from(disks.values()).some(({ mode }) => mode === 'manual')
    ? mapWorlds(machine, (world) => withProcess(flushAll(world), { guest: 'paused' }))
    : machine

/** `virDomainSnapshotCreateXML`: takes a snapshot of all disks at once, or with REDEFINE only writes one down. */
export const snapshotCreate = (machine: MachineWorld, call: SnapshotCreateCall): MachineOutcome => {
  if (call.flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE')) return redefine(machine, call)
  const take = takeRequested(machine, call)
  if (E.isLeft(take)) return take
  const keeps = !call.flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA')
  if (keeps && machine.snapshots.has(take.right.name))
    return libvirtRefuses(`operation failed: domain moment ${take.right.name} already exists`)
  const quiesces = take.right.live && call.flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE')
  const refused = quiesces ? agentRefusal(machine) : undefined
  if (refused !== undefined) return refused
  return pipe(
    takeDisks(machine, take.right),
    E.map((taken) => {
      const kept = keeps ? recorded(machine, taken, take.right) : taken
      return pausedFor(withMemory(kept, take.right), take.right)
    }),
  )
}
