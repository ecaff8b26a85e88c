// A qemu-storage-daemon, started as a plan says, and the socket of its monitor.

import { spawn } from 'node:child_process'
import { binary, type QemuVersion } from './binaries.js'
import { unless, watched, type Exit } from './child.js'
import { connectQmp, type Qmp } from './qmp.js'

export interface Daemon {
  readonly qmp: Qmp
  readonly exited: Promise<Exit>
  readonly stderr: () => string
  /** Ends it as a power failure would: SIGKILL. */
  readonly kill: () => Promise<Exit>
}

/** Starts a storage daemon and connects to its socket; rejects with its own words if it does not come up. */
export const startDaemon = async (
  argv: ReadonlyArray<string>,
  socket: string,
  version: QemuVersion,
): Promise<Daemon> => {
  const child = spawn(binary(version, 'qemu-storage-daemon'), argv.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] })
  const { exited, stderr, reap, early } = watched(child, 'the storage daemon')
  const qmp = await unless(early, connectQmp(socket))
  const kill = (): Promise<Exit> => {
    reap()
    return exited
  }
  return { qmp, exited, stderr, kill }
}
