// Makes examples/captured/ anew: one disk with three external snapshots, seen in every way there is.
// Run it as `npx tsx test/examples/capture.ts` where `.ci/lab` has been run.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runOk } from '../real/lab/exec.js'
import { createImage } from '../real/lab/images.js'
import { domainXml, startLibvirt } from '../real/lab/libvirtd.js'
import { writeCell } from '../real/lab/writer.js'
import { writerPath } from '../real/lab/qemu.js'

const days = ['monday', 'tuesday', 'wednesday'] as const

const libvirt = await startLibvirt()
const keep = async (name: string, text: string): Promise<void> => {
  const folder = 'examples/captured'
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, name), `${text.replaceAll(libvirt.images, '/images').trimEnd()}\n`)
}
try {
  const disk = join(libvirt.images, 'disk.qcow2')
  await createImage({ path: disk, format: 'qcow2', sizeBytes: 1073741824, cells: 'aaaa' })
  await libvirt.adopt()
  await libvirt.define(domainXml('vm', [{ target: 'vda', path: disk, format: 'qcow2' }]))
  await libvirt.ask('start', 'vm')
  for (const [cell, day] of days.entries()) {
    await libvirt.ask('snapshot-create-as', 'vm', day, '--disk-only', '--no-metadata')
    await writeCell(libvirt.monitor('vm'), writerPath('virtio-disk0'), { cell, value: 'bcd'.charAt(cell) })
  }
  await keep('running.xml', await libvirt.ask('dumpxml', 'vm'))
  const query = { execute: 'query-named-block-nodes' }
  const reply: unknown = JSON.parse(await libvirt.qmp('vm', query))
  await keep('query-named-block-nodes.json', JSON.stringify(reply, undefined, 1))
  await libvirt.quit('vm')
  await keep('shut-off.xml', await libvirt.ask('dumpxml', 'vm', '--inactive'))
  const active = join(libvirt.images, 'disk.wednesday')
  await keep('qemu-img-info.json', await runOk(['qemu-img', 'info', '--backing-chain', '--output=json', active]))
} finally {
  await libvirt.stop()
}
