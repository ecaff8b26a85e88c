import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { SnapshotDelete, SnapshotLoad, SnapshotSave } from '../call/qmp.js'
import { flushAll } from './cache.js'
import { qemuRefuses } from './fault.js'
import { fileOf } from './files.js'
import { inWorld, killMachine } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { diskWhere, guestOf, mapWorlds, withWorld } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import { jobOf, objectionToJobId } from './qmp-check.js'
import { isRootFilter, nodeOrBelow } from './qmp-internal.js'
import { startJob, withJob } from './qmp-start.js'
import { dropSaved, restoreLayer, saveLayer } from './saved-layer.js'
import { withProcess } from './world.js'
import type { SavedLayer, World } from './world.js'

type Command = SnapshotSave | SnapshotLoad | SnapshotDelete

/** A device that a command names: its disk, and the file of its image. */
interface Named {
  readonly device: string
  readonly disk: string
  readonly inode: string
}

/** What a job has done, and why it has not done all. */
interface Done {
  readonly machine: MachineWorld
  readonly error: string | undefined
}

const savedAs = (world: World | undefined, inode: string, tag: string): SavedLayer | undefined =>
  world === undefined ? undefined : fileOf(world, inode).internalSnapshots.find(({ name }) => name === tag)

const has = (machine: MachineWorld, { disk, inode }: Named, tag: string): boolean =>
  savedAs(machine.worlds.get(disk), inode, tag) !== undefined

/** The images that a command names, or why QEMU makes no snapshot of one of them. */
const named = (machine: MachineWorld, devices: ReadonlyArray<string>): E.Either<string, ReadonlyArray<Named>> => {
  const found: Array<Named> = []
  if (devices.length === 0) return E.left('At least one device is required for snapshot')
  for (const device of devices) {
    const disk = diskWhere(machine, (world) => nodeOrBelow(world, device) !== undefined)
    const world = disk === undefined ? undefined : machine.worlds.get(disk)
    const node = world === undefined ? undefined : nodeOrBelow(world, device)
    if (disk === undefined || world === undefined || node === undefined)
      return E.left(`No block device node '${device}'`)
    const able = node.kind === 'format' && fileOf(world, node.file).format === 'qcow2' && node.access === 'read-write'
    if (!able) return E.left(`Device '${device}' is writable but does not support snapshots`)
    found.push({ device, disk, inode: node.file })
  }
  return E.right(found)
}

const changed = (machine: MachineWorld, { disk }: Named, act: (world: World) => World): MachineWorld => {
  const world = machine.worlds.get(disk)
  return world === undefined ? machine : withWorld(machine, disk, act(world))
}

/** Of all images, or of none. Only where all of them have the name QEMU minds: where some have it, they get it twice. */
const saved = (machine: MachineWorld, { tag, vmstate, devices }: SnapshotSave['arguments']): Done => {
  const all = named(machine, devices)
  if (E.isLeft(all)) return { machine, error: all.left }
  if (all.right.every((one) => has(machine, one, tag)))
    return { machine, error: `Snapshot '${tag}' already exists in one or more devices` }
  if (!devices.includes(vmstate)) return { machine, error: `vmstate block device '${vmstate}' does not exist` }
  const done = all.right.reduce((at, one) => {
    const vmStateBytes = one.device === vmstate ? 1 : 0
    return changed(at, one, (world) => saveLayer(world, one.inode, { name: tag, vmStateBytes }))
  }, machine)
  return { machine: done, error: undefined }
}

/** What QEMU asks before it loads anything. */
const objectionToLoad = (
  machine: MachineWorld,
  all: ReadonlyArray<Named>,
  { tag, vmstate }: SnapshotLoad['arguments'],
): string | undefined => {
  if (!all.every((one) => has(machine, one, tag))) return `Snapshot '${tag}' does not exist in one or more devices`
  const state = all.find(({ device }) => device === vmstate)
  if (state === undefined) return `vmstate block device '${vmstate}' does not exist`
  return savedAs(machine.worlds.get(state.disk), state.inode, tag)?.vmStateBytes === 0
    ? 'This is a disk-only snapshot. Revert to it  offline using qemu-img'
    : undefined
}

/** One image after the other: where one cannot be, those before it are loaded all the same, and the memory is not. */
const loaded = (machine: MachineWorld, args: SnapshotLoad['arguments']): Done => {
  const all = named(machine, args.devices)
  if (E.isLeft(all)) return { machine, error: all.left }
  const objection = objectionToLoad(machine, all.right, args)
  if (objection !== undefined) return { machine, error: objection }
  let done = machine
  for (const one of all.right) {
    const world = done.worlds.get(one.disk)
    const layer = savedAs(world, one.inode, args.tag)
    if (world === undefined || layer === undefined) continue
    if (fileOf(world, one.inode).bitmaps.length > 0)
      return {
        machine: done,
        error: `Could not load snapshot '${args.tag}' on '${one.device}': Device has active dirty bitmaps`,
      }
    done = withWorld(done, one.disk, restoreLayer(world, one.inode, layer))
  }
  return { machine: { ...done, memory: args.tag }, error: undefined }
}

/** Wherever it is; the first of that name in each image. */
const deleted = (machine: MachineWorld, { tag, devices }: SnapshotDelete['arguments']): Done => {
  const all = named(machine, devices)
  if (E.isLeft(all)) return { machine, error: all.left }
  const done = all.right.reduce(
    (at, one) =>
      changed(at, one, (world) => {
        const layer = savedAs(world, one.inode, tag)
        return layer === undefined ? world : dropSaved(world, one.inode, layer)
      }),
    machine,
  )
  return { machine: done, error: undefined }
}

const stopped = (machine: MachineWorld): MachineWorld =>
  mapWorlds(machine, (world) => withProcess(flushAll(world), { guest: 'paused' }))

/** A guest that ran goes on by itself, unless loading has failed or had failed before: then somebody has to say `cont`. */
const goingOn = (before: MachineWorld, { machine, error }: Done, isLoad: boolean): MachineWorld => {
  const restoring = machine.restoring || (isLoad && error !== undefined)
  const guest = restoring || guestOf(before) !== 'running' ? 'paused' : 'running'
  return { ...mapWorlds(machine, (world) => withProcess(world, { guest })), restoring }
}

const worked = (machine: MachineWorld, command: Command): Done => {
  switch (command.execute) {
    case 'snapshot-save': {
      const done = saved(stopped(machine), command.arguments)
      return { ...done, machine: goingOn(machine, done, false) }
    }
    case 'snapshot-load': {
      const done = loaded(stopped(machine), command.arguments)
      return { ...done, machine: goingOn(machine, done, true) }
    }
    case 'snapshot-delete':
      return deleted(machine, command.arguments)
  }
}

const verbs = { 'snapshot-save': 'save', 'snapshot-load': 'load', 'snapshot-delete': 'delete' } as const

/** The job as it is left: it has concluded, and stays until it is dismissed. It is kept in the world of one disk. */
const noted = ({ machine, error }: Done, command: Command): MachineOutcome => {
  const { 'job-id': id, devices } = command.arguments
  const [first = ''] = machine.worlds.keys()
  const disk = diskWhere(machine, (world) => nodeOrBelow(world, devices[0] ?? '') !== undefined) ?? first
  const work = { _tag: 'Snapshot', verb: verbs[command.execute] } as const
  return inWorld(machine, disk, (world) =>
    pipe(
      startJob(world, { 'job-id': id, 'auto-dismiss': false }, { held: new Set(), work }),
      E.map((begun) => withJob(begun, id, { status: 'concluded', error })),
    ),
  )
}

const objectionToId = (machine: MachineWorld, id: string): string | undefined => {
  if (diskWhere(machine, (world) => jobOf(world, id) !== undefined) !== undefined)
    return `Job ID '${id}' already in use`
  const [world] = machine.worlds.values()
  return world === undefined ? undefined : objectionToJobId(world, id)
}

/**
 * `snapshot-save`, `snapshot-load` and `snapshot-delete` as QEMU 10.0 does them, while everything else stands still: they say
 * nothing of disks that are left out, look at no block jobs, and loading is not one for all disks.
 */
export const performSnapshotJob = (machine: MachineWorld, command: Command): MachineOutcome => {
  const objection = objectionToId(machine, command.arguments['job-id'])
  if (objection !== undefined) return qemuRefuses(objection)
  const aborts = command.execute === 'snapshot-load' ? command.arguments.devices : []
  const filter = aborts.find((device) => diskWhere(machine, (world) => isRootFilter(world, device)) !== undefined)
  if (filter !== undefined)
    return E.left({ _tag: 'Crash', desc: `snapshot-load of the filter '${filter}'`, world: killMachine(machine) })
  return noted(worked(machine, command), command)
}
