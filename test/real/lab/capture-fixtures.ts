// Captures test/fixtures/captured anew from real QEMU and libvirt. Root, after `.ci/lab`.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { qemuVersions } from './binaries.js'
import { captureInfo } from './capture-info.js'
import { captureLibvirt } from './capture-libvirt.js'
import { captureQmp } from './capture-qmp.js'
import { captureSnapshots } from './capture-snapshots.js'
import { captureIn } from './fixture.js'
import { startLibvirt } from './libvirtd.js'

for (const version of qemuVersions) {
  for (const captureAll of [captureInfo, captureQmp]) {
    const folder = await mkdtemp(join(tmpdir(), 'bc-fixture-'))
    await captureAll(captureIn(version, folder))
    await rm(folder, { recursive: true, force: true })
  }
}
const libvirt = await startLibvirt()
const skipped = await captureLibvirt(captureIn('10.0', libvirt.images), libvirt)
if (skipped !== undefined) console.warn(`skipped the block device: ${skipped}`)
const completed = await captureSnapshots(captureIn('10.0', libvirt.images), libvirt)
if (completed !== undefined) console.warn(`skipped the interrupted deletion: ${completed}`)
await libvirt.stop()
