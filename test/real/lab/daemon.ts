// A qemu-storage-daemon, started as a plan says, and the socket of its monitor.

import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { binary, type QemuVersion } from './binaries.js'
import { watched, type Exit } from './child.js'
import { connectQmp, type Qmp } from './qmp.js'

export interface Daemon {
  readonly qmp: Qmp
  readonly exited: Promise<Exit>
  readonly stderr: () => string
  /** Ends it as a power failure would: SIGKILL. */
  readonly kill: () => Promise<Exit>
}

const once = async (argv: ReadonlyArray<string>, socket: string, version: QemuVersion): Promise<Daemon | undefined> => {
  const child = spawn(binary(version, 'qemu-storage-daemon'), argv.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] })
  const { exited, stderr, reap, early } = watched(child, 'the storage daemon')
  const silent = delay(10_000, undefined, { ref: false })
  const qmp = await Promise.race([connectQmp(socket), early, silent])
  const kill = (): Promise<Exit> => {
    reap()
    return exited
  }
  if (qmp !== undefined) return { qmp, exited, stderr, kill }
  await kill()
  await rm(socket, { force: true })
  return undefined
}

/**
 * Starts a storage daemon and connects to its socket; rejects with its own words if it does not come up.
 *
 * Now and then QEMU 7.2 greets nobody who connects while it starts: its main loop waits in accept(2) for a connection that its monitor's
 * thread has taken. It has done nothing by then, and is started again.
 */
export const startDaemon = async (
  argv: ReadonlyArray<string>,
  socket: string,
  version: QemuVersion,
): Promise<Daemon> => {
  for (let tries = 0; tries < 4; tries += 1) {
    const daemon = await once(argv, socket, version)
    if (daemon !== undefined) return daemon
  }
  throw new Error('the storage daemon greets nobody')
}
