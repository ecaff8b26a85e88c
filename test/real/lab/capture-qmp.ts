// Fixtures of what a running QEMU says of its nodes, disks and jobs.

import type { Capture } from './fixture.js'
import { createImages } from './images.js'
import { chainNodes, startQemu, type Qemu, type QemuOptions } from './qemu.js'
import { blockJob, jobStatus } from './qmp.js'

const mib = 1048576

interface Scene {
  readonly name: string
  readonly blockdevs: ReadonlyArray<object>
  readonly root: string
  readonly more?: ReadonlyArray<string>
  readonly act?: (qemu: Qemu) => Promise<void>
}

const buildChain = async ({ at, version }: Capture): Promise<void> => {
  const overlay = (name: string, backing: string, format: string, cells: string) =>
    ({ path: at(name), format: 'qcow2', sizeBytes: mib, cells, backing: { header: backing, format } }) as const
  await createImages(
    [
      { path: at('base.raw'), format: 'raw', sizeBytes: mib, cells: 'aaaa' },
      overlay('snap1.qcow2', 'base.raw', 'raw', '-bb-'),
      overlay('snap2.qcow2', 'snap1.qcow2', 'qcow2', '--c-'),
      overlay('active.qcow2', 'snap2.qcow2', 'qcow2', '---d'),
      overlay('copy.qcow2', 'snap2.qcow2', 'qcow2', ''),
    ],
    version,
  )
}

const scenesOf = ({ at }: Capture): ReadonlyArray<Scene> => {
  const explicit = chainNodes([
    { node: 'base', path: at('base.raw'), format: 'raw' },
    { node: 'snap1', path: at('snap1.qcow2'), format: 'qcow2' },
    { node: 'snap2', path: at('snap2.qcow2'), format: 'qcow2' },
    { node: 'active', path: at('active.qcow2'), format: 'qcow2' },
  ])
  const copy = [
    { driver: 'file', 'node-name': 'copy-s', filename: at('copy.qcow2') },
    { driver: 'qcow2', 'node-name': 'copy', file: 'copy-s', backing: 'snap2' },
  ]
  const job =
    (execute: string, args: object, arrived: (qemu: Qemu) => Promise<unknown>) =>
    async (qemu: Qemu): Promise<void> => {
      await qemu.qmp.ask(execute, { 'job-id': 'job0', device: 'active', 'auto-dismiss': false, ...args })
      await arrived(qemu)
    }
  const ready = ({ qmp }: Qemu): Promise<unknown> => qmp.waitEvent(blockJob('BLOCK_JOB_READY', 'job0'))
  const pending = ({ qmp }: Qemu): Promise<unknown> => qmp.waitEvent(jobStatus('job0', 'pending'))
  const held = { 'auto-finalize': false }
  const commit = { 'top-node': 'snap2', 'base-node': 'snap1', 'backing-file': 'snap1.qcow2' }
  const stream = { 'base-node': 'base', 'backing-file': 'base.raw' }
  return [
    { name: 'explicit', blockdevs: explicit, root: 'active' },
    {
      name: 'implicit',
      blockdevs: [{ driver: 'qcow2', 'node-name': 'active', file: { driver: 'file', filename: at('active.qcow2') } }],
      root: 'active',
    },
    {
      name: 'throttled',
      blockdevs: [...explicit, { driver: 'throttle', 'node-name': 'limit', 'throttle-group': 'tg', file: 'active' }],
      root: 'limit',
      more: ['-object', 'throttle-group,id=tg,x-iops-total=1000'],
    },
    {
      name: 'mirror-ready',
      blockdevs: [...explicit, ...copy],
      root: 'active',
      act: job('blockdev-mirror', { target: 'copy', sync: 'top' }, ready),
    },
    {
      name: 'active-commit-ready',
      blockdevs: explicit,
      root: 'active',
      act: job('block-commit', { 'top-node': 'active', 'base-node': 'snap1' }, ready),
    },
    {
      name: 'commit-pending',
      blockdevs: explicit,
      root: 'active',
      act: job('block-commit', { ...commit, ...held }, pending),
    },
    {
      name: 'stream-pending',
      blockdevs: explicit,
      root: 'active',
      act: job('block-stream', { ...stream, ...held }, pending),
    },
  ]
}

const queries: ReadonlyArray<readonly [string, string, object | undefined]> = [
  ['nodes-flat', 'query-named-block-nodes', { flat: true }],
  ['nodes', 'query-named-block-nodes', undefined],
  ['block', 'query-block', undefined],
  ['block-jobs', 'query-block-jobs', undefined],
  ['jobs', 'query-jobs', undefined],
]

const keepScene = async (capture: Capture, scene: Scene): Promise<void> => {
  await buildChain(capture)
  const options: QemuOptions = {
    version: capture.version,
    folder: capture.folder,
    blockdevs: scene.blockdevs,
    devices: [{ id: 'disk0', node: scene.root }],
    guest: 'paused',
  }
  const qemu = await startQemu(scene.more === undefined ? options : { ...options, first: scene.more })
  if (scene.act !== undefined) await scene.act(qemu)
  for (const [name, execute, args] of queries) {
    const reply = JSON.stringify(await qemu.qmp.ask(execute, args), undefined, 2)
    if (scene.act !== undefined || !name.endsWith('jobs')) await capture.keep(`qmp/${scene.name}.${name}.json`, reply)
  }
  if (scene.name === 'explicit') {
    const locked = await capture.attempt('qemu-img', 'info', '--output=json', 'active.qcow2')
    await capture.keep('info/locked.single.error.txt', locked.stderr)
  }
  await qemu.kill()
}

/** Captures all of them with one version of QEMU. */
export const captureQmp = async (capture: Capture): Promise<void> => {
  for (const scene of scenesOf(capture)) await keepScene(capture, scene)
}
