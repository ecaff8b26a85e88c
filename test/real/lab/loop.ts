// Loop devices, and file systems on them: they stand in for logical volumes and for disks of the host.

import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, runOk } from './exec.js'

/** A file that is a block device too. */
export interface Loop {
  readonly file: string
  readonly device: string
  /** Gives the device another size, as lvextend would. */
  readonly resize: (bytes: number) => Promise<void>
}

const attach = async (file: string): Promise<string> => (await runOk(['losetup', '-f', '--show', file])).trim()

/** Why this machine has no loop devices or no btrfs; nothing where it has. A container often has none, which is no fault of QEMU's. */
export const loopProblem = async (): Promise<string | undefined> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-try-'))
  const file = join(folder, 'disk')
  try {
    await writeFile(file, '')
    await truncate(file, 134_217_728)
    const device = await attach(file)
    const made = await run(['mkfs.btrfs', '-q', '-f', device])
    await mkdir(join(folder, 'mnt'))
    const mounted = await run(['mount', '-t', 'btrfs', device, join(folder, 'mnt')])
    if (mounted.code === 0) await runOk(['umount', join(folder, 'mnt')])
    await run(['losetup', '-d', device])
    return made.code === 0 && mounted.code === 0 ? undefined : `${made.stderr}${mounted.stderr}`
  } catch (error) {
    return String(error)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Does something with a loop device over a file of that size. */
export const withLoop = async <A>(bytes: number, act: (loop: Loop) => Promise<A>): Promise<A> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-loop-'))
  const file = join(folder, 'disk')
  await writeFile(file, '')
  await truncate(file, bytes)
  const device = await attach(file)
  const resize = async (to: number): Promise<void> => {
    await truncate(file, to)
    await runOk(['losetup', '-c', device])
  }
  try {
    return await act({ file, device, resize })
  } finally {
    await run(['losetup', '-d', device])
    await rm(folder, { recursive: true, force: true })
  }
}

/** Does something in a folder of a new btrfs. */
export const withBtrfs = <A>(act: (folder: string) => Promise<A>): Promise<A> =>
  withLoop(268_435_456, async ({ file, device }) => {
    const folder = `${file}.mnt`
    await runOk(['mkfs.btrfs', '-q', '-f', device])
    await mkdir(folder)
    await runOk(['mount', '-t', 'btrfs', device, folder])
    try {
      return await act(folder)
    } finally {
      await runOk(['umount', folder])
    }
  })
