// A running QEMU on a tree, and its monitor.

import { expect } from 'vitest'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { activePath, capabilitiesOfVersions } from 'backing-chain'
import type { Chain, LiveNode, Plan } from 'backing-chain'
import type { QemuVersion } from '../lab/binaries.js'
import { fields, list, text } from '../lab/json.js'
import { chainNodes, startQemu, writerPath, type Device, type Qemu } from '../lab/qemu.js'
import { chainOfQueryBlock, plainPath, qmpHost } from './execute-qmp.js'
import type { Stage } from './stage.js'
import { buildTree, chainOf, pathOf, pathTo, type Tree, type TreeOptions } from './tree.js'

export interface QmpStageOptions extends TreeOptions {
  readonly version: QemuVersion
  /** `running` where left out; `paused` never ran, `stopped` did. */
  readonly guest?: 'running' | 'paused' | 'stopped'
  /** Every image named to QEMU, the default; or the active one alone, and the rest opened by it. */
  readonly nodes?: 'monitor' | 'implicit'
  /** A throttle filter above the active image. */
  readonly filter?: 'throttle'
  /** What runs QEMU, such as setpriv or strace with their arguments. */
  readonly under?: ReadonlyArray<string>
  /** What to do with the files before QEMU opens them. */
  readonly prepare?: (tree: Tree) => Promise<void>
  /** Images that the same QEMU has open for another device, each over a node of the active image's path. */
  readonly besides?: ReadonlyArray<string>
}

export interface QmpStage extends Stage {
  readonly qemu: Qemu
}

const device = 'disk0'

interface Opened {
  readonly blockdevs: ReadonlyArray<object>
  readonly devices: ReadonlyArray<Device>
  readonly nodes: ReadonlyMap<string, LiveNode>
}

const nodeOf = (tree: Tree, name: string): string => `n${String(tree.images.findIndex((image) => image.name === name))}`

const monitorNodes = (tree: Tree): Opened => {
  const path = pathTo(tree)
  const images = path.map((image) => ({ node: nodeOf(tree, image.name), path: pathOf(image), format: image.format }))
  const nodes = new Map(
    path.map(({ name }): readonly [string, LiveNode] => {
      const node = nodeOf(tree, name)
      return [name, { format: node, storage: `${node}-s`, owner: 'monitor', filters: [] }]
    }),
  )
  return { blockdevs: chainNodes(images), devices: [{ id: device, node: nodeOf(tree, tree.active) }], nodes }
}

const implicitNodes = (tree: Tree): Opened => {
  const active = pathTo(tree).at(-1)
  if (active === undefined) throw new Error('no active image')
  const node = nodeOf(tree, active.name)
  const file = { driver: 'file', filename: pathOf(active), 'auto-read-only': true }
  return {
    blockdevs: [{ driver: active.format, 'node-name': node, file }],
    devices: [{ id: device, node }],
    nodes: new Map([[active.name, { format: node, storage: undefined, owner: 'monitor', filters: [] }]]),
  }
}

const withThrottle = (tree: Tree, opened: Opened): Opened => {
  const format = nodeOf(tree, tree.active)
  const active = opened.nodes.get(tree.active)
  if (active === undefined) throw new Error('no active image')
  const throttle = { driver: 'throttle', 'node-name': 'thr', 'throttle-group': 'tg', file: format }
  return {
    blockdevs: [...opened.blockdevs, throttle],
    devices: [{ id: device, node: 'thr' }],
    nodes: new Map(opened.nodes).set(tree.active, { ...active, filters: ['thr'] }),
  }
}

/** Opens one more image, over a node that is open already, for a device of its own. */
const withBeside = (tree: Tree, opened: Opened, name: string): Opened => {
  const image = tree.images.find((one) => one.name === name)
  if (image === undefined) throw new Error(`no image ${name}`)
  const node = nodeOf(tree, name)
  const backing = image.backing === undefined ? undefined : nodeOf(tree, image.backing.image)
  const storage = { driver: 'file', filename: pathOf(image), 'node-name': `${node}-s`, 'auto-read-only': true }
  const format = { driver: image.format, 'node-name': node, file: `${node}-s` }
  return {
    blockdevs: [...opened.blockdevs, storage, backing === undefined ? format : { ...format, backing }],
    devices: [...opened.devices, { id: `disk${String(opened.devices.length)}`, node }],
    nodes: new Map(opened.nodes).set(name, { format: node, storage: `${node}-s`, owner: 'monitor', filters: [] }),
  }
}

/** The names that QEMU itself gave to the nodes below the active image. */
const implicitNames = async (qemu: Qemu, tree: Tree): Promise<ReadonlyMap<string, LiveNode>> => {
  const nodes = list(await qemu.qmp.ask('query-named-block-nodes', { flat: true })).map(fields)
  const named = new Map<string, LiveNode>()
  for (const image of pathTo(tree).slice(0, -1)) {
    const node = nodes.find(({ drv, file }) => drv === image.format && plainPath(text(file)) === pathOf(image))
    if (node === undefined) throw new Error(`QEMU has no node for ${image.name}`)
    named.set(image.name, { format: text(node['node-name']), storage: undefined, owner: 'implicit', filters: [] })
  }
  return named
}

const nodesOfChain = (chain: Chain): ReadonlyArray<string> =>
  Array.from(chain.images.values())
    .flatMap(({ node }) => (node === undefined ? [] : [node.format, node.storage ?? '', ...node.filters]))
    .filter((name) => name !== '' && !name.startsWith('#'))
    .sort()

const checkLive = async (qemu: Qemu, plan: Plan): Promise<void> => {
  const nodes = list(await qemu.qmp.ask('query-named-block-nodes', { flat: true }))
  const names = nodes.map((node) => text(fields(node)['node-name'])).filter((name) => !name.startsWith('#'))
  expect(names.sort()).toEqual(nodesOfChain(plan.after))
  const seen = chainOfQueryBlock(await qemu.qmp.ask('query-block'), device)
  const path = activePath(plan.after).map(({ format, location }) => ({ format, location }))
  expect(seen.map(({ format, path: file }) => ({ format, location: { _tag: 'File', path: file } }))).toEqual(path)
  expect(await qemu.qmp.ask('query-jobs')).toEqual([])
}

/** Versions of QEMU as the lab has them, with the numbers that capabilities are told from. */
export const fullVersion: { readonly [V in QemuVersion]: string } = { '7.2': '7.2.22', '10.0': '10.0.2' }

const openedBy = (tree: Tree, options: QmpStageOptions): Opened => {
  const plain = options.nodes === 'implicit' ? implicitNodes(tree) : monitorNodes(tree)
  const filtered = options.filter === 'throttle' ? withThrottle(tree, plain) : plain
  return (options.besides ?? []).reduce((opened, name) => withBeside(tree, opened, name), filtered)
}

/** Builds the tree and starts QEMU on it. */
export const qmpStage = async (notation: string, options: QmpStageOptions): Promise<QmpStage> => {
  const { version, guest = 'running' } = options
  const folder = await mkdtemp(join(tmpdir(), 'bc-q-'))
  const tree = await buildTree(folder, notation, options)
  await options.prepare?.(tree)
  const opened = openedBy(tree, options)
  const qemu = await startQemu({
    version,
    folder,
    blockdevs: opened.blockdevs,
    devices: opened.devices,
    guest: guest === 'paused' ? 'paused' : 'running',
    ...(options.under === undefined ? {} : { under: options.under }),
    first: options.filter === 'throttle' ? ['-object', 'throttle-group,id=tg'] : [],
  })
  if (guest === 'stopped') await qemu.qmp.ask('stop')
  const implicit = options.nodes === 'implicit' ? await implicitNames(qemu, tree) : []
  const chain = chainOf(tree, new Map([...opened.nodes, ...implicit]))
  const runs = guest === 'running'
  return {
    qemu,
    tree,
    chain,
    version,
    hypervisor: {
      via: 'qmp',
      guest: runs ? 'running' : 'paused',
      capabilities: capabilitiesOfVersions({ qemu: fullVersion[version] }),
    },
    host: qmpHost(qemu.qmp, device, version),
    guest: runs ? { monitor: qemu.monitor, qdev: writerPath(device) } : undefined,
    checkLive: async (plan) => {
      await checkLive(qemu, plan)
      const { running } = fields(await qemu.qmp.ask('query-status'))
      expect(running).toBe(runs)
    },
    close: async () => {
      await qemu.quit()
    },
    checkNextStart: () => Promise.resolve(),
    clear: async () => {
      await qemu.kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
