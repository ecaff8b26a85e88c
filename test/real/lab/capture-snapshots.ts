// Fixtures of libvirt's snapshots: each one's XML, how they are listed, and the domain with them.

import { run, runOk } from './exec.js'
import type { Capture } from './fixture.js'
import { createImages } from './images.js'
import { domainXml, type Libvirt } from './libvirtd.js'

const mib = 1048576
const targets = ['vda', 'vdb'] as const

interface Scene {
  readonly capture: Capture
  readonly libvirt: Libvirt
  /** The domain, and the beginning of its images' names. */
  readonly name: string
}

/** Defines a domain of two disks, <name>-vda.qcow2 and <name>-vdb.qcow2. */
const begin = async (capture: Capture, libvirt: Libvirt, name: string, sizeBytes = mib): Promise<Scene> => {
  const path = (target: string): string => capture.at(`${name}-${target}.qcow2`)
  await createImages(
    targets.map((target) => ({ path: path(target), format: 'qcow2', sizeBytes, cells: 'ab' })),
    capture.version,
  )
  await libvirt.adopt()
  await libvirt.define(
    domainXml(
      name,
      targets.map((target) => ({ target, path: path(target), format: 'qcow2' })),
      'bios',
    ),
  )
  return { capture, libvirt, name }
}

const start = ({ libvirt, name }: Scene): Promise<string> => libvirt.ask('start', name)

const create = ({ libvirt, name }: Scene, ...options: ReadonlyArray<string>): Promise<string> =>
  libvirt.ask('snapshot-create-as', name, ...options)

/** Keeps one output of virsh, as it comes without -q. */
const keepOutput = async (scene: Scene, file: string, command: string, ...options: string[]): Promise<void> => {
  const argv = ['virsh', '-c', scene.libvirt.uri, command, scene.name, ...options]
  await scene.capture.keep(`snapshots/${file}`, await runOk(argv, { env: { TZ: 'UTC' } }))
}

const trimmed = (text: string): string => `${text.trim()}\n`

/** Keeps everything that libvirt says of the domain and its snapshots, in a folder. */
const keepState = async (scene: Scene, folder: string): Promise<void> => {
  const { capture, libvirt, name } = scene
  const keepXml = async (file: string, ...command: string[]): Promise<void> => {
    await capture.keep(`snapshots/${folder}/${file}.xml`, trimmed(await libvirt.ask(...command)))
  }
  await keepXml('domain', 'dumpxml', name)
  await keepXml('domain.inactive', 'dumpxml', name, '--inactive')
  for (const form of ['tree', 'parent', 'name', 'topological']) {
    await keepOutput(scene, `${folder}/list.${form}.txt`, 'snapshot-list', `--${form}`)
  }
  const current = await run(['virsh', '-q', '-c', libvirt.uri, 'snapshot-current', name, '--name'])
  await capture.keep(`snapshots/${folder}/current.txt`, trimmed(current.code === 0 ? current.stdout : current.stderr))
  const names = await libvirt.ask('snapshot-list', name, '--name', '--topological')
  for (const snapshot of names.split('\n').filter((line) => line !== '')) {
    await keepXml(`snapshot-${snapshot}`, 'snapshot-dumpxml', name, snapshot)
  }
}

/** Three snapshots of a running domain, and the middle one deleted by libvirt. */
const three = async (capture: Capture, libvirt: Libvirt): Promise<void> => {
  const scene = await begin(capture, libvirt, 'three')
  await start(scene)
  for (const snapshot of ['s1', 's2', 's3']) await create(scene, snapshot, '--disk-only')
  await keepState(scene, 'three')
  await libvirt.ask('snapshot-delete', scene.name, 's2')
  await keepState(scene, 'three-without-middle')
}

/** Two branches: back to the second of three, and a fourth one from there. */
const branches = async (capture: Capture, libvirt: Libvirt): Promise<void> => {
  const scene = await begin(capture, libvirt, 'branches')
  await start(scene)
  for (const snapshot of ['s1', 's2', 's3']) await create(scene, snapshot, '--disk-only')
  await libvirt.ask('snapshot-revert', scene.name, 's2', '--running')
  await keepState(scene, 'reverted')
  await create(scene, 's4', '--disk-only')
  await keepState(scene, 'branches')
}

/** Several roots: the root has been deleted and the branches below it stay. */
const roots = async (capture: Capture, libvirt: Libvirt): Promise<void> => {
  const scene = await begin(capture, libvirt, 'roots')
  await create(scene, 's1')
  await create(scene, 's2')
  await create(scene, 's3')
  await libvirt.ask('snapshot-revert', scene.name, 's2')
  await create(scene, 's4')
  await libvirt.ask('snapshot-revert', scene.name, 's1')
  await create(scene, 's5')
  await keepState(scene, 'internal-branches')
  await libvirt.ask('snapshot-delete', scene.name, 's1')
  await keepState(scene, 'internal-several-roots')
}

const shutOff = async (capture: Capture, libvirt: Libvirt): Promise<void> => {
  const external = await begin(capture, libvirt, 'off')
  await keepState(external, 'none')
  await create(external, 's1', '--disk-only')
  await create(external, 's2', '--disk-only', '--description', 'second & <last>')
  await keepState(external, 'external-offline')
}

const memory = async (capture: Capture, libvirt: Libvirt): Promise<void> => {
  const both = await begin(capture, libvirt, 'memory')
  await start(both)
  await create(both, 's1', '--memspec', `${capture.at('memory.s1.mem')},snapshot=external`, '--live')
  await keepState(both, 'external-with-memory')
  const alone = await begin(capture, libvirt, 'alone')
  await start(alone)
  const no = targets.flatMap((target) => ['--diskspec', `${target},snapshot=no`])
  await create(alone, 's1', '--memspec', `${capture.at('alone.s1.mem')},snapshot=external`, ...no)
  await keepState(alone, 'memory-only')
}

const internal = async (capture: Capture, libvirt: Libvirt): Promise<void> => {
  const off = await begin(capture, libvirt, 'internal')
  await create(off, 'i1')
  await keepState(off, 'internal-offline')
  const system = await begin(capture, libvirt, 'system')
  await start(system)
  await create(system, 'i1')
  await create(system, 's2', '--disk-only')
  await keepState(system, 'internal-system')
}

const perDisk = async (capture: Capture, libvirt: Libvirt): Promise<void> => {
  const subset = await begin(capture, libvirt, 'subset')
  await start(subset)
  await create(subset, 's1', '--disk-only', '--diskspec', 'vda', '--diskspec', 'vdb,snapshot=no')
  await keepState(subset, 'subset')
  const manual = await begin(capture, libvirt, 'manual')
  await start(manual)
  await create(manual, 's1', '--disk-only', '--diskspec', 'vda', '--diskspec', 'vdb,snapshot=manual')
  await keepState(manual, 'manual')
}

const isMarked = async ({ libvirt, name }: Scene, snapshot: string): Promise<boolean> =>
  (await libvirt.ask('snapshot-dumpxml', name, snapshot)).includes('<snapshotDeleteInProgress/>')

/** QEMU dies in the middle of a deletion; gives back a note if the deletion is over before. */
const interrupted = async (capture: Capture, libvirt: Libvirt): Promise<string | undefined> => {
  const size = 256
  const scene = await begin(capture, libvirt, 'interrupted', size * mib)
  await start(scene)
  for (const snapshot of ['s1', 's2']) await create(scene, snapshot, '--disk-only')
  const device = '/machine/peripheral/virtio-disk0/virtio-backend'
  await libvirt.monitor(scene.name)(`qemu-io -d ${device} "write -P 98 0 ${String(size)}M"`)
  await create(scene, 's3', '--disk-only')
  const progress = { over: false }
  const deletion = libvirt.virsh('snapshot-delete', scene.name, 's2').then((ran) => {
    progress.over = true
    return ran
  })
  let marked = false
  while (!marked && !progress.over) marked = await isMarked(scene, 's1')
  if (!progress.over) process.kill(libvirt.pidOf(scene.name), 'SIGKILL')
  if ((await deletion).code === 0) return 'the deletion was over before it could be interrupted'
  await keepState(scene, 'interrupted-deletion')
  return undefined
}

/** Captures all of them; gives back a note if a deletion could not be interrupted. */
export const captureSnapshots = async (capture: Capture, libvirt: Libvirt): Promise<string | undefined> => {
  for (const part of [three, branches, roots, shutOff, memory, internal, perDisk]) await part(capture, libvirt)
  return interrupted(capture, libvirt)
}
