import * as E from 'fp-ts/lib/Either.js'

import type { QmpCommand } from '../call/qmp.js'
import { parseStorageDaemon } from '../call/storage-daemon-argv.js'
import { qemuRefuses, unmodelled } from './fault.js'
import { diskOfPath } from './machine-files.js'
import { inWorld } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { diskWhere } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import { performQmp } from './qmp.js'
import { performStorageDaemon } from './storage-daemon.js'

/** Starts a storage daemon for the disk whose images it opens. */
export const performMachineDaemon = (machine: MachineWorld, argv: ReadonlyArray<string>): MachineOutcome => {
  const parsed = parseStorageDaemon(argv)
  if (E.isLeft(parsed)) return unmodelled(parsed.left)
  const paths = parsed.right.blockdevs.flatMap((options) => ('filename' in options ? [options.filename] : []))
  const [disk, another] = new Set(paths.map((path) => diskOfPath(machine, path) ?? ''))
  if (disk === undefined || disk === '' || another !== undefined)
    return unmodelled('a storage daemon for other images than those of one disk')
  return inWorld(machine, disk, (world) => performStorageDaemon(world, argv))
}

/** Carries out a command of the storage daemon that listens there. */
export const performDaemonQmp = (machine: MachineWorld, command: QmpCommand, socket: string): MachineOutcome => {
  const disk = diskWhere(machine, ({ qemu }) => qemu?.socket === socket)
  return disk === undefined
    ? qemuRefuses(`nobody listens on ${socket}`, 'NotConnected')
    : inWorld(machine, disk, (world) => performQmp(world, command, socket))
}
