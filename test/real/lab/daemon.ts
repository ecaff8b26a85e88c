// A qemu-storage-daemon, started as a plan says, and the socket of its monitor.

import { spawn } from 'node:child_process'
import { binary, type QemuVersion } from './binaries.js'
import type { Exit } from './qemu.js'
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
  let stderr = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (chunk: string) => (stderr += chunk))
  const reap = (): void => {
    child.kill('SIGKILL')
  }
  process.once('exit', reap)
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      process.off('exit', reap)
      resolve({ code: code ?? undefined, signal: signal ?? undefined })
    })
  })
  const early = exited.then((): never => {
    throw new Error(`the storage daemon did not start: ${stderr}`)
  })
  early.catch(() => undefined)
  const qmp = await Promise.race([connectQmp(socket), early])
  const kill = (): Promise<Exit> => {
    reap()
    return exited
  }
  return { qmp, exited, stderr: () => stderr, kill }
}
