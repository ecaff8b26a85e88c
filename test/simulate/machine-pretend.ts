// A pretend machine under libvirt: short calls on it, and what is left as text, in the form of the lab's logs.

import * as E from 'fp-ts/lib/Either.js'

import { parseChain, patternOfLayer } from 'backing-chain'
import type { Call, Chain, LibvirtCall, XmlElement } from 'backing-chain'
import { machine } from '../../src/model/machine-make.js'
import type { MachineDescription } from '../../src/model/machine.js'
import {
  fileAt,
  guestViews,
  later,
  liveChain,
  machineFileView,
  machineWorldOf,
  machineWrite,
  metadataOf,
  pathsOf,
  performMachine,
} from 'backing-chain/simulate'
import type { Fault, ListedDisk, MachineWorld, MachineWorldOptions, PerformOptions } from 'backing-chain/simulate'
import { clusterAt, element, right } from './pretend.js'

export const images = (name: string): string => `/images/${name}`

const text = (name: string, content: string): XmlElement => element(name, {}, [content])

export interface Stored {
  readonly path: string
  readonly format?: string
  readonly below?: ReadonlyArray<string>
  readonly readOnly?: boolean
}

const belowXml = (below: ReadonlyArray<string>): ReadonlyArray<XmlElement> => {
  const [first, ...rest] = below
  if (first === undefined) return []
  return [
    element('backingStore', { type: 'file' }, [
      element('format', { type: 'qcow2' }),
      element('source', { file: images(first) }),
      ...belowXml(rest),
    ]),
  ]
}

export const diskXml = (target: string, { path, format = 'qcow2', below = [], readOnly = false }: Stored): XmlElement =>
  element('disk', { type: 'file', device: 'disk' }, [
    element('driver', { name: 'qemu', type: format }),
    element('source', { file: images(path) }),
    ...belowXml(below),
    element('target', { dev: target, bus: 'virtio' }),
    ...(readOnly ? [element('readonly', {})] : []),
  ])

export const domainXml = (disks: { readonly [target: string]: Stored }, name = 'vm', uuid = 'u'): XmlElement =>
  element('domain', { type: 'qemu' }, [
    text('name', name),
    text('uuid', uuid),
    element(
      'devices',
      {},
      Object.entries(disks).map(([target, disk]) => diskXml(target, disk)),
    ),
  ])

export interface VmOptions extends MachineWorldOptions {
  readonly state?: MachineDescription['state']
  readonly pictures?: { readonly [target: string]: string }
  readonly libvirt?: 'persistent' | 'transient' | 'none'
  /** The target of a disk that the guest cannot write to. */
  readonly readOnly?: string
}

const chainsOf = (
  pictures: { readonly [target: string]: string },
  nodes: boolean,
): ReadonlyArray<{
  readonly chain: Chain
  readonly contents: Parameters<typeof machineWorldOf>[1] extends ReadonlyMap<string, infer C> ? C : never
}> =>
  Object.entries(pictures).map(([disk, picture]) =>
    right(
      parseChain(picture, { disk, headers: 'absolute', directory: '/images', ...(nodes ? { nodes: 'monitor' } : {}) }),
    ),
  )

/** A machine with disks `vda` and `vdb`, one image each, unless told otherwise. */
export const vm = (options: VmOptions = {}): MachineWorld => {
  const { state = 'running', libvirt = 'persistent' } = options
  const pictures = options.pictures ?? { vda: 'aa.qcow2[1-------]^', vdb: 'ab.qcow2[1-------]^' }
  const parsed = chainsOf(pictures, libvirt === 'none' && state !== 'shut-off')
  const domain = domainXml(
    Object.fromEntries(
      parsed.map(({ chain }) => [
        chain.disk,
        {
          path: chain.active,
          format: chain.images.get(chain.active)?.format ?? 'qcow2',
          readOnly: chain.disk === options.readOnly,
        },
      ]),
    ),
  )
  const definitions = {
    persistent: libvirt === 'persistent' ? domain : undefined,
    live: state === 'shut-off' ? undefined : domain,
  }
  const made = right(
    machine({
      name: 'vm',
      state,
      disks: parsed.map(({ chain }) => chain),
      ...(libvirt === 'none' ? {} : { definitions }),
    }),
  )
  const contents = new Map(parsed.map((one) => [one.chain.disk, one.contents]))
  return right(machineWorldOf(made, contents, { clockSeconds: 1000, ...options }))
}

export interface Ask {
  readonly flags?: ReadonlyArray<string>
  readonly disks?: {
    readonly [target: string]: { readonly mode?: string; readonly path?: string; readonly format?: string }
  }
  readonly memory?: { readonly [attribute: string]: string }
}

export const snapshotXml = (name: string, { disks, memory }: Ask = {}): XmlElement =>
  element('domainsnapshot', {}, [
    text('name', name),
    ...(memory === undefined ? [] : [element('memory', memory)]),
    ...(disks === undefined
      ? []
      : [
          element(
            'disks',
            {},
            Object.entries(disks).map(([target, { mode, path, format }]) =>
              element('disk', { name: target, ...(mode === undefined ? {} : { snapshot: mode }) }, [
                ...(format === undefined ? [] : [element('driver', { type: format })]),
                ...(path === undefined ? [] : [element('source', { file: images(path) })]),
              ]),
            ),
          ),
        ]),
  ])

type SnapshotCreateCall = Extract<LibvirtCall, { readonly call: 'virDomainSnapshotCreateXML' }>

const known: ReadonlyArray<SnapshotCreateCall['flags'][number]> = [
  'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE',
  'VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT',
  'VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA',
  'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY',
  'VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE',
  'VIR_DOMAIN_SNAPSHOT_CREATE_LIVE',
  'VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT',
]

const createFlags = (short: ReadonlyArray<string>): SnapshotCreateCall['flags'] =>
  known.filter((flag) => short.includes(flag.slice('VIR_DOMAIN_SNAPSHOT_CREATE_'.length)))

const libvirt = (call: LibvirtCall): Call => ({ _tag: 'Libvirt', function: call })

export const create = (xml: XmlElement, flags: ReadonlyArray<string>): Call =>
  libvirt({ call: 'virDomainSnapshotCreateXML', arguments: { domain: 'vm', xml }, flags: createFlags(flags) })

/** `virsh snapshot-create-as vm NAME --disk-only`, unless told otherwise. */
export const take = (name: string, ask: Ask = {}): Call => create(snapshotXml(name, ask), ask.flags ?? ['DISK_ONLY'])

export const redefine = (xml: XmlElement, ...flags: ReadonlyArray<string>): Call => create(xml, ['REDEFINE', ...flags])

const deleteFlags = {
  children: 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN',
  metadata: 'VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY',
  'children only': 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY',
} as const

export const remove = (snapshot: string, ...flags: ReadonlyArray<keyof typeof deleteFlags>): Call =>
  libvirt({
    call: 'virDomainSnapshotDelete',
    arguments: { domain: 'vm', snapshot },
    flags: flags.map((flag) => deleteFlags[flag]),
  })

const revertFlags = {
  running: 'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING',
  paused: 'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED',
} as const

export const revert = (snapshot: string, ...flags: ReadonlyArray<keyof typeof revertFlags>): Call =>
  libvirt({
    call: 'virDomainRevertToSnapshot',
    arguments: { domain: 'vm', snapshot },
    flags: flags.map((flag) => revertFlags[flag]),
  })

type Plain = 'virDomainSuspend' | 'virDomainResume' | 'virDomainFSFreeze' | 'virDomainFSThaw'

export const plain = (call: Plain): Call => libvirt({ call, arguments: { domain: 'vm' }, flags: [] })
export const destroy: Call = libvirt({ call: 'virDomainDestroyFlags', arguments: { domain: 'vm' }, flags: [] })
export const start: Call = libvirt({ call: 'virDomainCreateWithFlags', arguments: { domain: 'vm' }, flags: [] })
export const startPaused: Call = libvirt({
  call: 'virDomainCreateWithFlags',
  arguments: { domain: 'vm' },
  flags: ['VIR_DOMAIN_START_PAUSED'],
})
export const define = (xml: XmlElement): Call =>
  libvirt({ call: 'virDomainDefineXMLFlags', arguments: { domain: 'vm', xml }, flags: [] })
export const updateDevice = (xml: XmlElement): Call =>
  libvirt({
    call: 'virDomainUpdateDeviceFlags',
    arguments: { domain: 'vm', xml },
    flags: ['VIR_DOMAIN_AFFECT_CONFIG'],
  })
export const img = (...args: ReadonlyArray<string>): Call => ({ _tag: 'QemuImg', argv: ['qemu-img', ...args] })

/** One call that must not fail; a second passes before it. */
export const does = (on: MachineWorld, call: Call, options?: PerformOptions): MachineWorld =>
  right(performMachine(later(on, 1), call, options))

/** Calls that must not fail, a second apart; a digit writes it to its own cluster of every disk. */
export const after = (on: MachineWorld, ...calls: ReadonlyArray<Call | string>): MachineWorld =>
  calls.reduce((at, call) => (typeof call === 'string' ? wrote(at, call) : does(at, call)), on)

/** Writes a digit to the cluster of its number, on every disk or on one: `2`, `vda 2`, and at another place `x@5`. */
export const wrote = (on: MachineWorld, what: string): MachineWorld => {
  const [cluster = '', target] = what.split(' ').reverse()
  const [digit = '', place] = cluster.split('@')
  const run = clusterAt(Number(place ?? digit) - 1, digit)
  const disks = target === undefined ? Array.from(on.worlds.keys()) : [target]
  return disks.reduce((at, disk) => right(machineWrite(at, { disk, run })), on)
}

export const faultOf = (on: MachineWorld, call: Call, options?: PerformOptions): Fault<MachineWorld> => {
  const done = performMachine(later(on, 1), call, options)
  if (E.isRight(done)) throw new Error('no fault')
  return done.left
}

/** What a program says against a call. */
export const refusalOf = (on: MachineWorld, call: Call): string => {
  const { _tag, desc } = faultOf(on, call)
  return _tag === 'Refused' ? desc : `${_tag}: ${desc}`
}

const short = (path: string | undefined): string => path?.replace('/images/', '') ?? '-'

const disksText = (disks: ReadonlyMap<string, ListedDisk>): string =>
  Array.from(disks.values(), ({ mode, path }) => (path === undefined ? mode : short(path))).join(' ')

const chainsText = (chains: ReadonlyMap<string, ReadonlyArray<string>> | undefined): string =>
  chains === undefined ? '-' : Array.from(chains.values(), (chain) => chain.map(short).join(' ')).join(' | ')

/** One line for each snapshot, as the lab has logged it; the inactive definition only where it says something else. */
export const records = (of: MachineWorld): ReadonlyArray<string> =>
  Array.from(metadataOf(of).snapshots, ([name, one]) => {
    const revertText = one.revertDisks === undefined ? '' : ` revert[${disksText(one.revertDisks)}]`
    const marked = one.deleteInProgress.length === 0 ? '' : ` deleting[${one.deleteInProgress.join(' ')}]`
    const inactive = one.inactiveDomain === undefined ? undefined : chainsText(one.inactiveDomain)
    const inactiveText = inactive === undefined || inactive === chainsText(one.domain) ? '' : ` inact[${inactive}]`
    return `${name}: ${one.state} parent=${one.parent ?? '-'} disks[${disksText(one.disks)}]${revertText} dom[${chainsText(one.domain)}]${inactiveText}${marked}`
  })

export const record = (of: MachineWorld, name: string): string =>
  records(of).find((line) => line.startsWith(`${name}: `)) ?? 'gone'

/** Where the definition of every disk leads, and what it stores below. */
export const config = (of: MachineWorld): string =>
  Array.from(of.worlds.values(), ({ boot }) =>
    [boot.path, ...boot.backingStore.map(({ path }) => path).reverse()].map(short).join(' '),
  ).join(' | ')

/** The live chain of every disk, uppermost first. */
export const live = (of: MachineWorld): string =>
  Array.from(of.worlds.values(), (world) =>
    liveChain(world)
      .map(({ path }) => short(path))
      .reverse()
      .join(' '),
  ).join(' | ')

export const files = (of: MachineWorld): string =>
  [...Array.from(of.worlds.values()).flatMap(pathsOf), ...of.memoryFiles.keys()].map(short).sort().join(' ')

/** What the guest reads from every disk. */
export const guest = (of: MachineWorld): string => {
  const views = guestViews(of)
  return Array.from(of.worlds.keys(), (disk) => {
    const view = views.get(disk)
    return view === undefined ? 'cannot start' : patternOfLayer(view)
  }).join(' ')
}

/** What the guest does. */
export const state = (of: MachineWorld): string => {
  const guests = new Set(Array.from(of.worlds.values(), ({ qemu }) => qemu?.guest ?? 'shut off'))
  return Array.from(guests).join(' and ')
}

/** What an image shows, or an internal snapshot of it. */
export const seen = (of: MachineWorld, name: string, snapshot?: string): string => {
  const shown = machineFileView(of, images(name), snapshot)
  return E.isLeft(shown) ? `${shown.left._tag}` : patternOfLayer(shown.right)
}

export const header = (of: MachineWorld, name: string): string => {
  for (const world of of.worlds.values()) {
    const file = fileAt(world, images(name))
    if (file !== undefined) return short(file.header?.string)
  }
  return 'gone'
}

/** Three snapshots of a running guest that wrote `2`, `3` and `4` after each. */
export const three = (options?: VmOptions): MachineWorld =>
  after(vm(options), take('s1'), '2', take('s2'), '3', take('s3'), '4')
