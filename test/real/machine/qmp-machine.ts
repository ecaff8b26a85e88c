// A machine without libvirt and with two small disks: its value is all that anybody has written down of it.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { activePath, chain, locationString, machine } from 'backing-chain'
import type { Chain, Image, ImageDescription, LiveNode, Machine } from 'backing-chain'
import type { GuestState } from 'backing-chain'
import { right } from '../harness/tree.js'
import type { QemuVersion } from '../lab/binaries.js'
import { createImage } from '../lab/images.js'
import { chainNodes, startQemu, type Qemu } from '../lab/qemu.js'
import { cellCount, firstCells, targets } from './stage.js'

/** The machine's folders; `images` has its disks and nothing else. */
export interface Home {
  readonly version: QemuVersion
  readonly folder: string
  readonly images: string
}

/** The virtio device of a disk. */
export const deviceOf = (target: string): string => `${target}-device`

const sizeBytes = cellCount * 65536

const newDisk = async (home: Home, target: 'vda' | 'vdb'): Promise<Chain> => {
  const [name, format] = [`${target}.qcow2`, 'qcow2'] as const
  const path = join(home.images, name)
  await createImage({ path, format, sizeBytes, cells: firstCells[target].replaceAll('0', '-') }, home.version)
  const image: ImageDescription = {
    ...{ name, format, sizeBytes, clusterBytes: 65536, otherReaders: [] },
    location: { _tag: 'File', path },
  }
  return right(chain(target, [image], name))
}

/** Makes the folders and the disks of a machine that is shut off. */
export const newMachine = async (version: QemuVersion): Promise<{ readonly home: Home; readonly machine: Machine }> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-m-'))
  const home = { version, folder, images: join(folder, 'images') }
  await mkdir(home.images)
  const disks = await Promise.all(targets.map((target) => newDisk(home, target)))
  return { home, machine: right(machine({ name: 'vm', state: 'shut-off', disks })) }
}

/** Removes everything. */
export const clearHome = ({ folder }: Home): Promise<void> => rm(folder, { recursive: true, force: true })

/** The path of an image that is in a file. */
export const pathOf = ({ location }: Image): string => locationString(location)

const describe = (image: Image, node: LiveNode | undefined): ImageDescription => {
  const { name, format, sizeBytes: size, location, backing, clusterBytes, internalSnapshots, otherReaders } = image
  return {
    ...{ name, format, sizeBytes: size, location, internalSnapshots, otherReaders },
    ...(backing === undefined ? {} : { backing }),
    ...(clusterBytes === undefined ? {} : { clusterBytes }),
    ...(node === undefined ? {} : { node }),
  }
}

const withNodes = (of: Chain, nodes: ReadonlyMap<string, LiveNode>): Chain =>
  right(
    chain(
      of.disk,
      Array.from(of.images.values(), (image) => describe(image, nodes.get(image.name))),
      of.active,
    ),
  )

/** The machine in another state, with these chains; its snapshots stay. */
export const inState = (of: Machine, state: GuestState, disks: Iterable<Chain> = of.disks.values()): Machine =>
  right(machine({ name: of.name, state, disks, snapshots: of.snapshots.values(), current: of.current }))

/** The machine after its QEMU has ended: no image has a node any more. */
export const shutOff = (of: Machine): Machine =>
  inState(
    of,
    'shut-off',
    Array.from(of.disks.values(), (one) => withNodes(one, new Map())),
  )

let opened = 0

interface Opened {
  readonly chain: Chain
  readonly blockdevs: ReadonlyArray<object>
  readonly node: string
}

const open = (of: Chain): Opened => {
  const images = activePath(of).map((image) => ({ image, node: `${of.disk}-${String(opened++)}` }))
  const nodes = images.map(({ image, node }): readonly [string, LiveNode] => [
    image.name,
    { format: node, storage: `${node}-s`, owner: 'monitor', filters: [] },
  ])
  const named = images.map(({ image, node }) => ({ node, path: pathOf(image), format: image.format }))
  return {
    chain: withNodes(of, new Map(nodes)),
    blockdevs: chainNodes(named),
    node: images.at(-1)?.node ?? '',
  }
}

/** A machine with the QEMU that runs it. */
export interface Powered {
  readonly qemu: Qemu
  readonly machine: Machine
}

/** Starts a machine that is shut off. */
export const powerOn = async (home: Home, of: Machine, guest: 'running' | 'paused'): Promise<Powered> => {
  const disks = Array.from(of.disks.values(), open)
  const qemu = await startQemu({
    version: home.version,
    folder: home.folder,
    blockdevs: disks.flatMap(({ blockdevs }) => blockdevs),
    devices: disks.map(({ chain: one, node }) => ({ id: deviceOf(one.disk), node })),
    guest,
  })
  return {
    qemu,
    machine: inState(
      of,
      guest,
      disks.map((one) => one.chain),
    ),
  }
}
