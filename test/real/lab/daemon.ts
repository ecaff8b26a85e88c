// A qemu-storage-daemon, started as a plan says, and the socket of its monitor.

import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
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

const once = async (argv: ReadonlyArray<string>, socket: string, version: QemuVersion): Promise<Daemon | undefined> => {
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
  const waited = new AbortController()
  const silent = delay(10_000, undefined, { signal: waited.signal }).catch(
    () => new Promise<undefined>(() => undefined),
  )
  const qmp = await Promise.race([connectQmp(socket), early, silent])
  waited.abort()
  const kill = (): Promise<Exit> => {
    reap()
    return exited
  }
  if (qmp !== undefined) return { qmp, exited, stderr: () => stderr, kill }
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
