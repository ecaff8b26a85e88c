// Makes examples/captured/ anew: a domain with two disks and external snapshots, as libvirt and qemu-img say it is.
// The temporary folder's path becomes /images. Run it as `npx tsx test/real/lab/capture-demo.ts` where `.ci/lab` has
// been run; with the names of folders for those alone.

import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { runOk } from './exec.js'
import { createImages } from './images.js'
import { domainXml, startLibvirt, type Libvirt } from './libvirtd.js'
import { writerPath } from './qemu.js'
import { writeCell } from './writer.js'

const captured = 'examples/captured'
const disks = [
  { target: 'vda', name: 'disk', device: 'virtio-disk0', sizeBytes: 1073741824 },
  { target: 'vdb', name: 'data', device: 'virtio-disk1', sizeBytes: 268435456 },
] as const

/** One domain, vm, of a libvirt of its own. */
interface Scene {
  readonly libvirt: Libvirt
  readonly folder: string
}

const keep = async ({ libvirt }: Scene, file: string, text: string): Promise<void> => {
  const neutral = text.replaceAll(libvirt.images, '/images').trim()
  if (/\/(tmp|home|root|work)\//.test(neutral)) throw new Error(`${file} names a path of this machine: ${neutral}`)
  const path = join(captured, file)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `${neutral}\n`)
}

const imageAt = ({ libvirt }: Scene, name: string): string => join(libvirt.images, name)

const infoOf = (scene: Scene, image: string): Promise<string> =>
  runOk(['qemu-img', 'info', '-U', '--backing-chain', '--output=json', imageAt(scene, image)])

const begin = async (scene: Scene): Promise<void> => {
  const { libvirt } = scene
  const path = (name: string): string => imageAt(scene, `${name}.qcow2`)
  await createImages(disks.map(({ name, sizeBytes }) => ({ path: path(name), format: 'qcow2', sizeBytes, cells: 'a' })))
  await libvirt.adopt()
  await libvirt.define(
    domainXml(
      'vm',
      disks.map(({ target, name }) => ({ target, path: path(name), format: 'qcow2' })),
      'bios',
    ),
  )
  await libvirt.ask('start', 'vm')
}

/** Takes a snapshot of both disks; the guest writes on. */
const take = async ({ libvirt }: Scene, day: string, cell: number): Promise<void> => {
  await libvirt.ask('snapshot-create-as', 'vm', day, '--disk-only')
  for (const { device } of disks)
    await writeCell(libvirt.monitor('vm'), writerPath(device), { cell, value: day.charAt(0) })
}

const week = async (scene: Scene): Promise<void> => {
  for (const [cell, day] of ['monday', 'tuesday', 'wednesday'].entries()) await take(scene, day, cell + 1)
}

/** Keeps everything that a caller hands in; `leaves` are the images that nothing lies on, the active one first. */
const keepState = async (scene: Scene, leaves: (disk: string) => ReadonlyArray<string>): Promise<void> => {
  const { libvirt, folder } = scene
  const keepOutput = async (file: string, ...command: ReadonlyArray<string>): Promise<void> =>
    keep(scene, join(folder, file), await libvirt.ask(...command))
  const running = (await libvirt.ask('domstate', 'vm')).trim() === 'running'
  if (running) await keepOutput('domain.xml', 'dumpxml', 'vm')
  await keepOutput('inactive.xml', 'dumpxml', 'vm', '--inactive')
  await keepOutput('current.txt', 'snapshot-current', 'vm', '--name')
  const names = await libvirt.ask('snapshot-list', 'vm', '--name')
  for (const name of names.split('\n').filter((line) => line !== ''))
    await keepOutput(`snapshot-${name}.xml`, 'snapshot-dumpxml', 'vm', name)
  for (const { target, name } of disks)
    for (const [index, leaf] of leaves(name).entries())
      await keep(scene, join(folder, `chain-${target}-${index}.json`), await infoOf(scene, leaf))
}

/** Three snapshots of a running guest. What qemu-img says of the first disk once it is shut off is for the tutorial. */
const three = async (scene: Scene): Promise<void> => {
  await begin(scene)
  await week(scene)
  await keepState(scene, (disk) => [`${disk}.wednesday`])
  await scene.libvirt.quit('vm')
  await keep(scene, 'qemu-img-info.json', await infoOf(scene, 'disk.wednesday'))
}

/** Somebody has committed tuesday's overlays by hand, and told nobody. */
const shortened = async (scene: Scene): Promise<void> => {
  await begin(scene)
  await week(scene)
  for (const { target, name } of disks) {
    const span = ['--top', imageAt(scene, `${name}.tuesday`), '--base', imageAt(scene, `${name}.monday`)]
    await scene.libvirt.ask('blockcommit', 'vm', target, ...span, '--delete', '--wait')
  }
  await keepState(scene, (disk) => [`${disk}.wednesday`])
}

/** libvirt has gone back to tuesday, and thursday was taken from there: wednesday is on a branch. */
const branches = async (scene: Scene): Promise<void> => {
  await begin(scene)
  await week(scene)
  await scene.libvirt.ask('snapshot-revert', 'vm', 'tuesday', '--running')
  await take(scene, 'thursday', 4)
  await keepState(scene, (disk) => [`${disk}.thursday`, `${disk}.tuesday`])
}

/** Three snapshots of a guest whose memory libvirt has saved for its next start. */
const saved = async (scene: Scene): Promise<void> => {
  const { libvirt, folder } = scene
  await begin(scene)
  await week(scene)
  await libvirt.ask('managedsave', 'vm')
  await keepState(scene, (disk) => [`${disk}.wednesday`])
  await keep(scene, join(folder, 'managedsave.xml'), await libvirt.ask('managedsave-dumpxml', 'vm', '--security-info'))
}

const scenes = { three, shortened, branches, saved }
const wanted = process.argv.slice(2)

for (const [folder, script] of Object.entries(scenes).filter(
  ([name]) => wanted.length === 0 || wanted.includes(name),
)) {
  await rm(join(captured, folder), { recursive: true, force: true })
  const libvirt = await startLibvirt()
  try {
    await script({ libvirt, folder })
  } finally {
    await libvirt.stop()
  }
}
