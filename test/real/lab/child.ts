// A program that runs beside a test: reaped with the test's own process, its end and its words waited for.

import type { ChildProcess } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'

export interface Exit {
  readonly code: number | undefined
  readonly signal: string | undefined
}

export interface Child {
  readonly exited: Promise<Exit>
  readonly stderr: () => string
  /** SIGKILL. */
  readonly reap: () => void
  /** Rejects with the program's own words if it ends. */
  readonly early: Promise<never>
}

/** What a QEMU program prints, by `wait=on`, until somebody connects. */
const waiting = /^.*: info: QEMU waiting for connection on: .*\n/gm

/** Watches a program, called `name` where it ends before it is of use. */
export const watched = (child: ChildProcess, name: string): Child => {
  let stderr = ''
  child.stderr?.setEncoding('utf8')
  child.stderr?.on('data', (chunk: string) => (stderr += chunk))
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
    throw new Error(`${name} did not start: ${stderr.replace(waiting, '')}`)
  })
  early.catch(() => undefined)
  return { exited, stderr: () => stderr.replace(waiting, ''), reap, early }
}

/** What a program is to give, or its own words where it ends instead: those come after a connection that has ended with it. */
export const unless = async <A>(early: Promise<never>, wanted: Promise<A>): Promise<A> => {
  try {
    return await Promise.race([wanted, early])
  } catch (error) {
    await Promise.race([early, delay(1_000)])
    throw error
  }
}
