// A program that runs beside a test: reaped with the test's own process, its end and its words waited for.

import type { ChildProcess } from 'node:child_process'

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
    throw new Error(`${name} did not start: ${stderr}`)
  })
  early.catch(() => undefined)
  return { exited, stderr: () => stderr, reap, early }
}
