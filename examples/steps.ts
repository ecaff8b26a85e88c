// What the executors share: running a program, touching a file, and comparing a chain with what a plan expects.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { link, mkdtemp, open, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { judgeChain } from 'backing-chain'
import type { FileCall, Step, Wait } from 'backing-chain'

const printed = async (stream: Readable | null): Promise<string> => (stream === null ? '' : text(stream))

/**
 * Runs an argument vector, without a shell, and gives what it printed; rejects unless it exits with 0. What it is to read
 * on standard input comes from a file: a pipe of Node's is a socket, and virsh could not open `/dev/stdin`.
 */
export const runArgv = async (argv: ReadonlyArray<string>, stdin?: string): Promise<string> => {
  const [program = '', ...rest] = argv
  const folder = stdin === undefined ? undefined : await mkdtemp(join(tmpdir(), 'backing-chain-'))
  if (folder !== undefined) await writeFile(join(folder, 'stdin'), stdin ?? '')
  const input = folder === undefined ? undefined : await open(join(folder, 'stdin'))
  try {
    const child = spawn(program, rest, { stdio: [input?.fd ?? 'ignore', 'pipe', 'pipe'] })
    const closed = once(child, 'close') as Promise<[number | null]>
    const [stdout, stderr, [code]] = await Promise.all([printed(child.stdout), printed(child.stderr), closed])
    if (code !== 0) throw new Error(`${argv.join(' ')}: exit ${String(code)}: ${stderr.trim()}`)
    return stdout
  } finally {
    await input?.close()
    if (folder !== undefined) await rm(folder, { recursive: true })
  }
}

/** Removes, renames or links a file. */
export const touchFile = async (call: FileCall): Promise<void> => {
  if (call.operation === 'remove') await unlink(call.path)
  else await (call.operation === 'link' ? link : rename)(call.path, call.to)
}

/** An image as somebody reports it; lists of them are base first. */
export interface Seen {
  readonly format: string
  readonly location: string
}

/** Throws unless these are the images that a wait for a chain expects. */
export const expectChain = (wait: Wait & { readonly _tag: 'ChainIs' }, seen: ReadonlyArray<Seen>): void => {
  if (judgeChain(wait, seen) !== 'reached')
    throw new Error(
      `disk ${wait.disk}: the chain is ${JSON.stringify(seen)}, and should be ${JSON.stringify(wait.images)}`,
    )
}

/** Tells a person what happens next. */
export const say = ({ why }: Step): void => {
  console.error(`- ${why}`)
}
