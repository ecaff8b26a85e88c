// Where captured fixtures go, and what is changed in them: the temporary folder's path becomes /images.

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binary, type QemuTool, type QemuVersion } from './binaries.js'
import { run, runOk, type Ran } from './exec.js'

export interface Capture {
  readonly version: QemuVersion
  /** The folder with the images. */
  readonly folder: string
  /** Puts a name of an image into the folder. */
  readonly at: (name: string) => string
  /** Runs a tool of this version in the folder; rejects if it fails. */
  readonly tool: (name: QemuTool, ...args: ReadonlyArray<string>) => Promise<string>
  /** Runs a tool of this version in the folder. */
  readonly attempt: (name: QemuTool, ...args: ReadonlyArray<string>) => Promise<Ran>
  /** Writes captured/<version>/<name>. */
  readonly keep: (name: string, text: string) => Promise<void>
}

const captured = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/captured')

/** What a capture needs to know, for one version and one folder of images. */
export const captureIn = (version: QemuVersion, folder: string): Capture => ({
  version,
  folder,
  at: (name) => join(folder, name),
  tool: (name, ...args) => runOk([binary(version, name), ...args], { cwd: folder }),
  attempt: (name, ...args) => run([binary(version, name), ...args], { cwd: folder }),
  keep: async (name, text) => {
    const path = join(captured, version, name)
    await mkdir(dirname(path), { recursive: true })
    const stable = text.replaceAll(folder, '/images').replaceAll(/\/dev\/loop[0-9]+/g, '/dev/loop0')
    await writeFile(path, stable.endsWith('\n') ? stable : `${stable}\n`)
  },
})
