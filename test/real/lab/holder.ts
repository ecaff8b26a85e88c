// Somebody who merely has an image open.

import { spawn, type ChildProcess } from 'node:child_process'
import { expect } from 'vitest'
import { binary, type QemuVersion } from './binaries.js'

/** Opens one file alone, without its backing file, and holds it until it is killed. */
export const hold = async (version: QemuVersion, path: string, access: 'read' | 'write'): Promise<ChildProcess> => {
  const file = { driver: 'file', filename: path }
  const json = JSON.stringify({ driver: 'qcow2', backing: null, file })
  const child = spawn(binary(version, 'qemu-io'), [...(access === 'read' ? ['-r'] : []), `json:${json}`])
  child.stdin.write('length\n')
  const said = await Promise.race([
    new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(data.toString()))),
    new Promise<string>((resolve) => child.stderr.once('data', (data: Buffer) => resolve(data.toString()))),
  ])
  expect(said).not.toContain('Failed')
  return child
}

/** Ends it. */
export const release = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('close', () => resolve())
    child.kill('SIGKILL')
  })
