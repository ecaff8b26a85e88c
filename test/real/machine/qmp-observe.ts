// What QEMU, the headers and the folder say of a machine without libvirt, at one moment.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { activePath, overlaysOf, path } from 'backing-chain'
import type { Chain, Image, Machine } from 'backing-chain'
import { chainOfQueryBlock, qdevOf } from '../harness/execute-qmp.js'
import { binary } from '../lab/binaries.js'
import { runOk } from '../lab/exec.js'
import { fields, flag, list, parseJson, text, type Fields } from '../lab/json.js'
import type { Qemu } from '../lab/qemu.js'
import { deviceOf, pathOf, type Home } from './qmp-machine.js'

/** Every file of the machine. */
export const filesOf = async ({ images }: Home): Promise<ReadonlyArray<string>> =>
  (await readdir(images)).map((name) => join(images, name)).sort()

const leavesOf = (chain: Chain): ReadonlyArray<Image> =>
  Array.from(chain.images.values()).filter(({ name }) => overlaysOf(chain, name).length === 0)

const wantedHeader = (image: Image): object => ({
  path: pathOf(image),
  format: image.format,
  sizeBytes: image.sizeBytes,
  backing: image.backing?.header,
  backingFormat: image.backing?.format,
  internal: image.internalSnapshots.map(({ name }) => name).sort(),
})

const foundHeader = (info: unknown): object => {
  const header = fields(info)
  return {
    path: header['filename'],
    format: header['format'],
    sizeBytes: header['virtual-size'],
    backing: header['backing-filename'],
    backingFormat: header['backing-filename-format'],
    internal: list(header['snapshots'] ?? [])
      .map((one) => text(fields(one)['name']))
      .sort(),
  }
}

/** The headers under one image, as qemu-img follows them, uppermost first. */
const headersUnder = async ({ version }: Home, image: Image): Promise<ReadonlyArray<object>> => {
  const argv = ['info', '-U', '--backing-chain', '--output=json', pathOf(image)]
  return list(parseJson(await runOk([binary(version, 'qemu-img'), ...argv], { cwd: '/' }))).map(foundHeader)
}

/** Fails unless every header is as foretold, and leads where it should. */
export const checkHeaders = async (home: Home, of: Machine): Promise<void> => {
  const chains = Array.from(of.disks.values())
  const leaves = chains.flatMap((chain) => leavesOf(chain).map((image) => ({ chain, image })))
  const found = await Promise.all(leaves.map(({ image }) => headersUnder(home, image)))
  const wanted = leaves.map(({ chain, image }) => [...(path(chain, image.name) ?? [])].reverse().map(wantedHeader))
  expect(found).toEqual(wanted)
}

interface Edge {
  readonly parent: string
  readonly as: string
  readonly child: string
}

const graphOf = async ({ qmp }: Qemu): Promise<{ readonly nodes: ReadonlyArray<string>; readonly edges: unknown }> => {
  const graph = fields(await qmp.ask('x-debug-query-block-graph'))
  const drivers = list(graph['nodes'])
    .map(fields)
    .filter(({ type }) => type === 'block-driver')
  const names = new Map(drivers.map(({ id, name }) => [id, text(name)]))
  const edges = list(graph['edges'])
    .map(fields)
    .flatMap(({ parent, child, name }): ReadonlyArray<Edge> => {
      const [from, to] = [names.get(parent), names.get(child)]
      return from === undefined || to === undefined ? [] : [{ parent: from, as: text(name), child: to }]
    })
  const lines = edges.map(({ parent, as, child }) => `${parent} ${as} ${child}`)
  return { nodes: Array.from(names.values()).sort(), edges: lines.sort() }
}

const openImages = (of: Machine): ReadonlyArray<readonly [Chain, Image]> =>
  Array.from(of.disks.values()).flatMap((chain) =>
    Array.from(chain.images.values()).flatMap((image) => (image.node === undefined ? [] : [[chain, image] as const])),
  )

const wantedGraph = (of: Machine): object => {
  const open = openImages(of)
  const names = open.flatMap(([, { node }]) => [
    node?.format ?? '',
    ...(node?.storage === undefined ? [] : [node.storage]),
  ])
  const edges = open.flatMap(([chain, { node, backing }]) => {
    const below = backing === undefined ? undefined : chain.images.get(backing.image)?.node?.format
    const file = node?.storage === undefined ? [] : [`${node.format} file ${node.storage}`]
    return below === undefined ? file : [...file, `${node?.format ?? ''} backing ${below}`]
  })
  return { nodes: names.sort(), edges: edges.sort() }
}

const checkDisk = (chain: Chain, blocks: unknown): void => {
  const device = deviceOf(chain.disk)
  const images = activePath(chain)
  expect(chainOfQueryBlock(blocks, device)).toEqual(
    images.map((image) => ({ format: image.format, path: pathOf(image) })),
  )
  const own = list(blocks)
    .map(fields)
    .find(({ qdev }) => qdev === qdevOf(device))
  expect(fields(own?.['inserted'])['node-name']).toBe(images.at(-1)?.node?.format)
}

const checkNodes = async ({ qmp }: Qemu, of: Machine): Promise<void> => {
  const nodes = list(await qmp.ask('query-named-block-nodes', { flat: true })).map(fields)
  const found = new Map(nodes.map((node) => [text(node['node-name']), node]))
  const seen = openImages(of).map(([chain, image]) => {
    const node = found.get(image.node?.format ?? '')
    const size = fields(node?.['image'])['virtual-size']
    const wanted = [image.name, image.format, image.sizeBytes, image.name !== chain.active]
    return { wanted, found: [image.name, node?.['drv'], size, flag(node?.['ro'])] }
  })
  expect(seen.map((one) => one.found)).toEqual(seen.map((one) => one.wanted))
}

/** Fails unless QEMU has open what the machine says, and as it says; no image has a node where there is no QEMU. */
export const checkLive = async (qemu: Qemu | undefined, of: Machine): Promise<void> => {
  if (qemu === undefined) {
    expect({ state: of.state, open: openImages(of) }).toEqual({ state: 'shut-off', open: [] })
    return
  }
  const { running } = fields(await qemu.qmp.ask('query-status'))
  expect(running).toBe(of.state === 'running')
  expect(await qemu.qmp.ask('query-jobs')).toEqual([])
  expect(await graphOf(qemu)).toEqual(wantedGraph(of))
  await checkNodes(qemu, of)
  const blocks = await qemu.qmp.ask('query-block')
  for (const chain of of.disks.values()) checkDisk(chain, blocks)
}

/** The nodes that QEMU has open, a format node before its storage node. */
export const openNodes = async (qemu: Qemu | undefined): Promise<ReadonlyArray<string>> => {
  const reply = qemu === undefined ? [] : await qemu.qmp.ask('query-named-block-nodes', { flat: true })
  const nodes = list(reply).map(fields)
  const isStorage = ({ drv }: Fields): boolean => drv === 'file'
  const ordered = [...nodes.filter((node) => !isStorage(node)), ...nodes.filter(isStorage)]
  return ordered.map((node) => text(node['node-name']))
}

/** The nodes that a machine has. */
export const namesOpen = (of: Machine): ReadonlySet<string> =>
  new Set(openImages(of).flatMap(([, { node }]) => [node?.format ?? '', node?.storage ?? '']))
