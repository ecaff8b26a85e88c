import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { libvirtRefuses } from './fault.js'
import type { Outcome } from './fault.js'
import { fileOf, inodeOf } from './files.js'
import { startedByLibvirt } from './machine-domain.js'
import { forgotten } from './machine-forget.js'
import { inEveryWorld, inWorld } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { sourceNow } from './machine-take-request.js'
import { guestOf, mapWorlds } from './machine-world.js'
import type { MachineWorld, SimSnapshot } from './machine-world.js'
import { performQemuImg } from './qemu-img.js'
import { dropSaved, restoreLayer, savedIn } from './saved-layer.js'
import { withProcess } from './world.js'
import type { World } from './world.js'

/** Forgets what is saved in a file under a name; libvirt only warns where there is nothing. */
const dropIn = (world: World, path: string, name: string): World => {
  const inode = inodeOf(world, path)
  const saved = inode === undefined ? undefined : savedIn(world, inode, name)
  return inode === undefined || saved === undefined ? world : dropSaved(world, inode, saved)
}

/** Deletes an internal snapshot: from the images that QEMU writes to, or shut off from those that the snapshot names. */
export const deletedInside = (machine: MachineWorld, name: string): MachineOutcome => {
  const snapshot = machine.snapshots.get(name)
  let done: MachineOutcome = E.right(machine)
  for (const [disk, { mode }] of snapshot?.disks ?? []) {
    if (mode !== 'internal' || !machine.worlds.has(disk) || E.isLeft(done)) continue
    const then = snapshot?.domain?.get(disk)
    done = inWorld(done.right, disk, (world) => {
      const path = guestOf(machine) === 'shut-off' ? then?.path : sourceNow(world).path
      return E.right(path === undefined ? world : dropIn(world, path, name))
    })
  }
  return pipe(
    done,
    E.map((left) => forgotten(left, name)),
  )
}

/** Does something in the world of every disk that the snapshot has inside; one that it leaves out, a raw one say, stays as it is. */
const inEveryInside = (machine: MachineWorld, { disks }: SimSnapshot, act: (world: World) => Outcome): MachineOutcome =>
  inEveryWorld(machine, (world) => (disks.get(world.disk)?.mode === 'internal' ? act(world) : E.right(world)))

/** Shut off: `qemu-img snapshot -a` on the image of every disk. Where that fails libvirt has nothing to say. */
export const appliedInside = (machine: MachineWorld, snapshot: SimSnapshot): MachineOutcome =>
  pipe(
    inEveryInside(machine, snapshot, (world) =>
      performQemuImg(world, ['qemu-img', 'snapshot', '-a', snapshot.name, world.boot.path]),
    ),
    E.orElse((fault): MachineOutcome =>
      fault._tag === 'Refused' ? libvirtRefuses('An error occurred, but the cause is unknown') : E.left(fault),
    ),
  )

/** libvirt looks for the name in every image before QEMU loads any. */
const checked = (world: World, name: string): Outcome => {
  const inode = inodeOf(world, sourceNow(world).path)
  const saved = inode === undefined ? [] : fileOf(world, inode).internalSnapshots
  return saved.some((one) => one.name === name)
    ? E.right(world)
    : libvirtRefuses(`operation failed: image of disk '${world.disk}' does not have internal snapshot '${name}'`)
}

const load = (world: World, name: string): Outcome => {
  const inode = inodeOf(world, sourceNow(world).path)
  const saved = inode === undefined ? undefined : savedIn(world, inode, name)
  if (inode === undefined || saved === undefined) return checked(world, name)
  return fileOf(world, inode).bitmaps.length > 0
    ? libvirtRefuses(
        `operation failed: load of internal snapshot '${name}' job failed: ` +
          `Could not load snapshot '${name}' on '${world.qemu?.root ?? ''}': Device has active dirty bitmaps`,
      )
    : E.right(restoreLayer(world, inode, saved))
}

/** With its memory: QEMU is started paused, loads everything, and goes on as it is to. */
export const loadedInside = (
  machine: MachineWorld,
  snapshot: SimSnapshot,
  guest: 'running' | 'paused',
): MachineOutcome =>
  pipe(
    startedByLibvirt(machine, 'paused'),
    E.flatMap((started) => inEveryInside(started, snapshot, (world) => checked(world, snapshot.name))),
    E.flatMap((started) => inEveryInside(started, snapshot, (world) => load(world, snapshot.name))),
    E.map((loaded) => ({ ...mapWorlds(loaded, (world) => withProcess(world, { guest })), memory: snapshot.name })),
  )
