// Runs a program and waits for its end.

import { spawn } from 'node:child_process'

export interface Ran {
  readonly argv: ReadonlyArray<string>
  /** The exit code; -1 for a program that was killed. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly timeoutMs?: number
}

/** Runs argv, never through a shell, and gives back whatever came out. Rejects only if it cannot be started. */
export const run = (argv: ReadonlyArray<string>, options: RunOptions = {}): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const [program, ...rest] = argv
    if (program === undefined) throw new Error('nothing to run')
    const child = spawn(program, rest, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, LC_ALL: 'C', ...options.env },
      timeout: options.timeoutMs ?? 120_000,
      killSignal: 'SIGKILL',
      stdio: 'pipe',
    })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.once('error', reject)
    child.once('close', (code) => {
      const out = Buffer.concat(stdout).toString('utf8')
      resolve({ argv, code: code ?? -1, stdout: out, stderr: Buffer.concat(stderr).toString('utf8') })
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
  })

/** The standard output of what exited with 0; throws with everything known of what did not. */
export const okOf = ({ argv, code, stdout, stderr }: Ran): string => {
  if (code === 0) return stdout
  throw new Error(`${JSON.stringify(argv)} exited with ${String(code)}: ${stderr}${stdout}`)
}

/** Runs argv and gives back its standard output; rejects with everything known unless it exits with 0. */
export const runOk = async (argv: ReadonlyArray<string>, options: RunOptions = {}): Promise<string> =>
  okOf(await run(argv, options))
