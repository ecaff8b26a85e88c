import * as E from 'fp-ts/lib/Either.js'

import type { QmpCommand } from '../call/qmp.js'
import { parseStorageDaemon } from '../call/storage-daemon-argv.js'
import type { DaemonArguments } from '../call/storage-daemon-argv.js'
import { qemuRefuses, unmodelled } from './fault.js'
import type { Outcome } from './fault.js'
import { inodeOf } from './files.js'
import { blockdevAdd } from './qmp-blockdev.js'
import { emptyTable, lookup } from './table.js'
import type { World } from './world.js'

/** Commands of QEMU that a storage daemon does not have, of those that are modelled (seen in 7.2 and 10.0). */
const absent: ReadonlySet<QmpCommand['execute']> = new Set([
  ...(['stop', 'cont', 'query-status', 'snapshot-save', 'snapshot-load', 'snapshot-delete'] as const),
])

/** What a storage daemon says to a command that it does not have; nothing where it has it. */
export const objectionOfDaemon = (command: QmpCommand): Outcome | undefined =>
  absent.has(command.execute)
    ? qemuRefuses(`The command ${command.execute} has not been found`, 'CommandNotFound')
    : undefined

const empty = (world: World, socket: string): World => ({
  ...world,
  qemu: {
    guest: 'none',
    socket,
    root: '',
    declared: world.boot,
    nodes: emptyTable,
    open: emptyTable,
    cache: emptyTable,
    unflushed: emptyTable,
    jobs: [],
    counter: 0,
  },
})

/** What the locks of a guest say to a daemon that opens what it has open. */
const locked = (world: World, { blockdevs }: DaemonArguments): Outcome | undefined => {
  const paths = blockdevs.flatMap((options) => ('filename' in options ? [options.filename] : []))
  const found = paths.find((path) => lookup(world.qemu?.open ?? emptyTable, inodeOf(world, path) ?? '') !== undefined)
  return found === undefined
    ? undefined
    : qemuRefuses(`Failed to get "write" lock\nIs another process using the image [${found}]?`)
}

/**
 * Starts a storage daemon: a process with nodes and a monitor, and with no guest. It stands where the guest's QEMU would, since its
 * locks keep that one from starting.
 */
export const performStorageDaemon = (world: World, argv: ReadonlyArray<string>): Outcome => {
  const parsed = parseStorageDaemon(argv)
  if (E.isLeft(parsed)) return unmodelled(parsed.left)
  const refused = locked(world, parsed.right)
  if (refused !== undefined) return refused
  if (world.qemu !== undefined) return unmodelled('a storage daemon beside a QEMU that runs')
  let started: Outcome = E.right(empty(world, parsed.right.socket))
  for (const options of parsed.right.blockdevs) if (E.isRight(started)) started = blockdevAdd(started.right, options)
  return started
}
