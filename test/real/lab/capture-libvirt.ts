// Fixtures of libvirt's domain XML.

import { chown } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { run, runOk } from './exec.js'
import type { Capture } from './fixture.js'
import { createImages } from './images.js'
import { domainXml, type DiskSpec, type Libvirt } from './libvirtd.js'

const mib = 1048576

/** Makes a chain of that many images named <name>-0.qcow2 and so on; gives back the active one as a disk. */
const chainOf = async ({ at, version }: Capture, name: string, depth: number, target = 'vda'): Promise<DiskSpec> => {
  const file = (index: number): string => `${name}-${String(index)}.qcow2`
  await createImages(
    Array.from({ length: depth }, (_, index) => ({
      path: at(file(index)),
      format: 'qcow2',
      sizeBytes: mib,
      cells: `${'-'.repeat(index)}ab`,
      ...(index === 0 ? {} : { backing: { header: file(index - 1), format: 'qcow2' } }),
    })),
    version,
  )
  return { target, path: at(file(depth - 1)), format: 'qcow2' }
}

interface Scene {
  readonly capture: Capture
  readonly libvirt: Libvirt
}

const define = async ({ libvirt }: Scene, name: string, disks: ReadonlyArray<DiskSpec>): Promise<void> => {
  await libvirt.adopt()
  await libvirt.define(domainXml(name, disks, 'bios'))
}

const keepXml = async (
  { capture, libvirt }: Scene,
  domain: string,
  name: string,
  ...options: string[]
): Promise<void> => {
  await capture.keep(`libvirt/${name}.xml`, await libvirt.ask('dumpxml', domain, ...options))
}

const running = async (scene: Scene): Promise<void> => {
  await define(scene, 'four', [await chainOf(scene.capture, 'four', 4)])
  await keepXml(scene, 'four', 'shut-off-never-snapshotted')
  await scene.libvirt.ask('start', 'four')
  await keepXml(scene, 'four', 'running-chain-of-four')
  await keepXml(scene, 'four', 'running-chain-of-four.inactive', '--inactive')
  await define(scene, 'two', [
    await chainOf(scene.capture, 'two-a', 3),
    await chainOf(scene.capture, 'two-b', 2, 'vdb'),
  ])
  await scene.libvirt.ask('start', 'two')
  await keepXml(scene, 'two', 'running-two-disks')
}

const snapshotted = async (scene: Scene): Promise<void> => {
  const { capture, libvirt } = scene
  await define(scene, 'snap', [await chainOf(capture, 'snap', 1)])
  await libvirt.ask('start', 'snap')
  for (const name of ['s1', 's2']) {
    await libvirt.ask('snapshot-create-as', 'snap', name, '--disk-only')
    await capture.keep(`libvirt/snapshot-${name}.xml`, await libvirt.ask('snapshot-dumpxml', 'snap', name))
  }
  await keepXml(scene, 'snap', 'running-after-two-snapshots')
  await keepXml(scene, 'snap', 'running-after-two-snapshots.inactive', '--inactive')
  await libvirt.quit('snap')
  await keepXml(scene, 'snap', 'shut-off-after-two-snapshots')
}

const untilReady = async ({ libvirt }: Scene, domain: string): Promise<void> => {
  for (let tries = 0; tries < 200; tries++) {
    if ((await libvirt.ask('dumpxml', domain)).includes("ready='yes'")) return
    await delay(20)
  }
  throw new Error(`${domain}: the job is not getting ready`)
}

const jobs = async (scene: Scene): Promise<void> => {
  const { capture, libvirt } = scene
  await define(scene, 'commit', [await chainOf(capture, 'commit', 3)])
  await libvirt.ask('start', 'commit')
  await libvirt.ask('blockcommit', 'commit', 'vda', '--active', '--shallow')
  await untilReady(scene, 'commit')
  await keepXml(scene, 'commit', 'during-active-commit')
  await keepXml(scene, 'commit', 'during-active-commit.inactive', '--inactive')
  await define(scene, 'copy', [await chainOf(capture, 'copy', 3)])
  await libvirt.ask('start', 'copy')
  const copy = ['blockcopy', 'copy', 'vda', capture.at('copied.qcow2'), '--format', 'qcow2', '--transient-job']
  await libvirt.ask(...copy)
  await untilReady(scene, 'copy')
  await keepXml(scene, 'copy', 'during-copy')
  await libvirt.ask('blockjob', 'copy', 'vda', '--pivot')
  await keepXml(scene, 'copy', 'after-copy')
  await keepXml(scene, 'copy', 'after-copy.inactive', '--inactive')
  await define(scene, 'shallow', [await chainOf(capture, 'shallow', 3)])
  await libvirt.ask('start', 'shallow')
  await libvirt.ask('blockcopy', 'shallow', 'vda', capture.at('shallow.qcow2'), '--shallow', '--transient-job')
  await untilReady(scene, 'shallow')
  await keepXml(scene, 'shallow', 'during-shallow-copy')
}

const blockDevice = async (scene: Scene): Promise<string | undefined> => {
  const { capture } = scene
  await createImages([{ path: capture.at('device.raw'), format: 'raw', sizeBytes: mib, cells: 'ab' }], capture.version)
  const loop = await run(['losetup', '--find', '--show', capture.at('device.raw')])
  const device = loop.stdout.trim()
  if (loop.code !== 0 || device === '') return `no loop device: ${loop.stderr.trim()}`
  try {
    await chown(device, 65534, 65534)
    const overlay = { path: capture.at('on-device.qcow2'), format: 'qcow2', sizeBytes: mib, cells: 'c' } as const
    await createImages([{ ...overlay, backing: { header: device, format: 'raw' } }], capture.version)
    await define(scene, 'device', [{ target: 'vda', path: device, format: 'raw', type: 'block' }])
    await scene.libvirt.ask('start', 'device')
    await keepXml(scene, 'device', 'running-raw-block-device')
    await scene.libvirt.quit('device')
    await define(scene, 'on-device', [{ target: 'vda', path: overlay.path, format: 'qcow2' }])
    await scene.libvirt.ask('start', 'on-device')
    await keepXml(scene, 'on-device', 'running-over-raw-block-device')
    await scene.libvirt.quit('on-device')
    return undefined
  } finally {
    await chown(device, 0, 6)
    await runOk(['losetup', '--detach', device])
  }
}

/** Captures all of them; gives back a note if there was no block device to be had. */
export const captureLibvirt = async (capture: Capture, libvirt: Libvirt): Promise<string | undefined> => {
  const scene = { capture, libvirt }
  for (const part of [running, snapshotted, jobs]) await part(scene)
  return blockDevice(scene)
}
