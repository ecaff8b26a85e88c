// What a guest without an operating system boots into: it stops at once, where a BIOS would look for something to boot for a while.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const size = 65536

/** Where a processor begins: interrupts off, halt, and again after whatever wakes it. */
const code = [0xfa, 0xf4, 0xeb, 0xfd]

let path: string | undefined

/** The path of the firmware, which anybody may read; gone with this process. */
export const haltingFirmware = (): string => {
  if (path !== undefined) return path
  const folder = mkdtempSync(join(tmpdir(), 'bc-rom-'))
  const file = join(folder, 'halt.bin')
  const bytes = Buffer.alloc(size)
  bytes.set(code, size - 16)
  writeFileSync(file, bytes)
  chmodSync(folder, 0o755)
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true })
  })
  path = file
  return file
}
