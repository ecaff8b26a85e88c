// A libvirt domain on a tree: running for plans through virsh, shut off for plans with qemu-img that mend its definition.

import { expect } from 'vitest'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, normalize } from 'node:path'
import { activePath, capabilitiesOfVersions } from 'backing-chain'
import type { Plan } from 'backing-chain'
import { domainXml, type Libvirt } from '../lab/libvirtd.js'
import { writerPath } from '../lab/qemu.js'
import { qemuImgHost } from './execute-qemu-img.js'
import { virshHost, type Events } from './execute-virsh.js'
import type { Seen } from './files.js'
import type { Stage } from './stage.js'
import { buildTree, chainOf, pathOf, pathTo, type Tree, type TreeOptions } from './tree.js'
import { chainOfDisk, diskOf } from './xml.js'

export interface LibvirtStageOptions extends TreeOptions {
  readonly guest?: 'running' | 'paused'
  readonly definition?: 'persistent' | 'transient'
  /** The definition says the whole chain, as libvirt itself writes it after a snapshot; else only the source. */
  readonly stored?: 'chain'
}

const target = 'vda'
let counted = 0

const backingStore = (below: ReadonlyArray<{ readonly path: string; readonly format: string }>): string => {
  const image = below.at(-1)
  if (image === undefined) return '<backingStore/>'
  const rest = backingStore(below.slice(0, -1))
  const path = image.path.replace(/[&<>'"\n]/g, (character) => `&#${String(character.charCodeAt(0))};`)
  return `<backingStore type='file'><format type='${image.format}'/><source file='${path}'/>${rest}</backingStore>`
}

const xmlOf = (name: string, tree: Tree, options: LibvirtStageOptions): string => {
  const images = pathTo(tree).map((image) => ({ path: pathOf(image), format: image.format }))
  const active = images.at(-1)
  if (active === undefined) throw new Error('no active image')
  const more = options.stored === 'chain' ? { more: backingStore(images.slice(0, -1)) } : {}
  return domainXml(name, [{ target, ...active, ...more }])
}

const pathAfter = (plan: Plan): ReadonlyArray<Seen> =>
  activePath(plan.after).map(({ format, location }) => ({
    format,
    path: location._tag === 'File' ? location.path : location._tag,
  }))

const plain = (images: ReadonlyArray<Seen>): ReadonlyArray<Seen> =>
  images.map(({ format, path }) => ({ format, path: normalize(path) }))

/** Live, libvirt has exactly the chain. */
const checkRunning = async (libvirt: Libvirt, domain: string, plan: Plan): Promise<void> => {
  const live = chainOfDisk(diskOf(await libvirt.ask('dumpxml', domain), target))
  expect(plain(live.images)).toEqual(pathAfter(plan))
}

/** The definition has the active image, and of the rest nothing that is not so. */
const checkDefinition = async (libvirt: Libvirt, domain: string, plan: Plan): Promise<void> => {
  const { images, end } = chainOfDisk(diskOf(await libvirt.ask('dumpxml', domain, '--inactive'), target))
  const path = pathAfter(plan)
  expect(plain(images)).toEqual(end === 'open' ? path.slice(-images.length) : path)
}

/** Started again, from its definition, the domain has exactly the chain. */
const checkNextStart = async (libvirt: Libvirt, domain: string, plan: Plan): Promise<void> => {
  await libvirt.ask('start', domain, '--paused')
  await checkRunning(libvirt, domain, plan)
  await libvirt.quit(domain)
}

const begin = async (libvirt: Libvirt, notation: string, options: LibvirtStageOptions) => {
  const name = `d${String(counted++)}`
  const folder = join(libvirt.images, name)
  await mkdir(folder)
  const tree = await buildTree(folder, notation, { ...options, version: '10.0' })
  await libvirt.adopt()
  const clear = async (): Promise<void> => {
    await libvirt.virsh('destroy', name)
    await libvirt.virsh('undefine', name)
    await rm(folder, { recursive: true, force: true })
  }
  return { name, folder, tree, clear, xml: xmlOf(name, tree, options) }
}

/** Builds the tree and starts a domain on it. */
export const libvirtStage = async (
  on: { readonly libvirt: Libvirt; readonly events: Events },
  notation: string,
  options: LibvirtStageOptions = {},
): Promise<Stage & { readonly domain: string }> => {
  const { libvirt, events } = on
  const { name, folder, tree, clear, xml } = await begin(libvirt, notation, options)
  const { guest = 'running', definition = 'persistent' } = options
  const paused = guest === 'paused' ? ['--paused'] : []
  if (definition === 'persistent') {
    await libvirt.define(xml)
    await libvirt.ask('start', name, ...paused)
  } else {
    const file = join(folder, '.domain.xml')
    await writeFile(file, xml)
    await libvirt.ask('create', file, ...paused)
  }
  return {
    domain: name,
    tree,
    chain: chainOf(tree),
    version: '10.0',
    hypervisor: {
      via: 'libvirt',
      guest,
      capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' }),
      domain: { name, definition, otherDisks: [] },
    },
    host: virshHost({ libvirt, events, domain: name }),
    guest: guest === 'running' ? { monitor: libvirt.monitor(name), qdev: writerPath('virtio-disk0') } : undefined,
    checkLive: async (plan) => {
      await checkRunning(libvirt, name, plan)
      if (definition === 'persistent') await checkDefinition(libvirt, name, plan)
      expect((await libvirt.ask('domstate', name)).trim()).toBe(guest)
    },
    close: () => libvirt.quit(name),
    checkNextStart: async (plan) => {
      if (definition === 'persistent') await checkNextStart(libvirt, name, plan)
    },
    clear,
  }
}

/** Builds the tree and defines a domain on it, which stays shut off until the plan is done. */
export const definedStage = async (
  libvirt: Libvirt,
  notation: string,
  options: LibvirtStageOptions = {},
): Promise<Stage & { readonly domain: string }> => {
  const { name, tree, clear, xml } = await begin(libvirt, notation, options)
  await libvirt.define(xml)
  const disk = diskOf(await libvirt.ask('dumpxml', name, '--inactive'), target)
  return {
    domain: name,
    tree,
    chain: chainOf(tree),
    version: '10.0',
    hypervisor: {
      via: 'qemu-img',
      guest: 'shut-off',
      capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }),
      definition: { domain: name, disk },
    },
    host: qemuImgHost('10.0', libvirt),
    guest: undefined,
    checkLive: () => Promise.resolve(),
    close: () => libvirt.adopt(),
    checkNextStart: async (plan) => {
      await checkDefinition(libvirt, name, plan)
      await checkNextStart(libvirt, name, plan)
    },
    clear,
  }
}
