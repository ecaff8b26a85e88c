// Records the QMP schema of each supported QEMU into test/fixtures/qmp-schema.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { qemuVersions } from './binaries.js'
import { startQemu } from './qemu.js'

const target = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/qmp-schema')
const folder = await mkdtemp(join(tmpdir(), 'bc-schema-'))
await mkdir(target, { recursive: true })
for (const version of qemuVersions) {
  const qemu = await startQemu({ version, folder, blockdevs: [], devices: [], guest: 'paused' })
  const schema = await qemu.qmp.ask('query-qmp-schema')
  await writeFile(join(target, `qemu-${version}.json`), `${JSON.stringify(schema)}\n`)
  await qemu.quit()
}
await rm(folder, { recursive: true, force: true })
