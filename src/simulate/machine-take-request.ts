import * as E from 'fp-ts/lib/Either.js'

import type { SnapshotCreateCall } from '../call/libvirt.js'
import { traitsOf } from '../model/format.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Fault } from './fault.js'
import { fileAt, keyOf } from './files.js'
import { childOf, textIn } from './libvirt-xml.js'
import { overlayRefusal } from './libvirt-snapshot.js'
import { derivedPath, givenDisks, givenMemory } from './machine-record.js'
import type { GivenDisk } from './machine-record.js'
import { guestOf } from './machine-world.js'
import type { MachineWorld, SavedMemory, SnapshotRecordDisk } from './machine-world.js'
import type { Source, World } from './world.js'

type Refusal = E.Either<Fault<never>, never> | undefined

/** A snapshot to be taken, with all that libvirt fills in. */
export interface Take {
  readonly name: string
  readonly live: boolean
  readonly memory: SavedMemory
  readonly disks: ReadonlyMap<string, SnapshotRecordDisk>
  readonly reuse: boolean
}

const unsupported = (desc: string): E.Either<Fault<never>, never> =>
  libvirtRefuses(`unsupported configuration: ${desc}`)

const nameRefusal = (name: string): Refusal => {
  const front = `invalid snapshot name '${name}'`
  if (name.includes('/')) return unsupported(`${front}: name can't contain '/'`)
  return name.startsWith('.') ? unsupported(`${front}: name can't start with '.'`) : undefined
}

/** The source that the disk has now, whose overlay is to be named. */
export const sourceNow = ({ qemu, boot }: World): Source => {
  const { path, format } = qemu?.declared ?? boot
  return { path, format }
}

/** The disks of a snapshot, those that the XML leaves out in the default mode, and every new file with a name. */
const aligned = (
  machine: MachineWorld,
  given: ReadonlyMap<string, GivenDisk>,
  { name, mode }: { readonly name: string; readonly mode: 'external' | 'internal' },
): ReadonlyMap<string, SnapshotRecordDisk> => {
  const disks = new Map<string, SnapshotRecordDisk>()
  for (const [target, world] of machine.worlds) {
    const one = given.get(target)
    const wanted = one?.mode ?? mode
    const path = one?.path ?? derivedPath(sourceNow(world).path, name)
    const source = wanted === 'external' ? { path, format: one?.format ?? ('qcow2' as const) } : undefined
    disks.set(target, { mode: wanted, source, deleteInProgress: false })
  }
  return disks
}

const collision = (disks: ReadonlyMap<string, SnapshotRecordDisk>): Refusal => {
  const seen = new Map<string, string>()
  for (const [target, { source }] of disks) {
    if (source === undefined) continue
    const other = seen.get(keyOf(source.path))
    if (other !== undefined)
      return unsupported(`cannot generate external snapshot name for disk '${target}': collision with disk '${other}'`)
    seen.set(keyOf(source.path), target)
  }
  return undefined
}

/** What libvirt says against one disk of a snapshot. */
const diskRefusal = (
  world: World,
  disk: SnapshotRecordDisk,
  { diskOnly, reuse }: { readonly diskOnly: boolean; readonly reuse: boolean },
): Refusal => {
  if (disk.mode === 'internal') {
    if (world.qemu !== undefined && diskOnly)
      return unsupported(`active qemu domains require external disk snapshots; disk ${world.disk} requested internal`)
    const { path, format } = sourceNow(world)
    if (format === 'qcow2') return undefined
    return unsupported(
      `internal snapshot for disk ${world.disk} unsupported for storage type ${fileAt(world, path)?.format ?? format}`,
    )
  }
  if (disk.mode !== 'external' || disk.source === undefined) return undefined
  return traitsOf(disk.source.format).holds === 'overlay'
    ? overlayRefusal(world, disk.source, reuse)
    : unsupported(`external snapshot format for disk ${world.disk} is unsupported: ${disk.source.format}`)
}

const disksRefusal = (machine: MachineWorld, { disks, reuse }: Take, diskOnly: boolean): Refusal => {
  for (const [target, disk] of disks) {
    const world = machine.worlds.get(target)
    const refused = world === undefined ? undefined : diskRefusal(world, disk, { diskOnly, reuse })
    if (refused !== undefined) return refused
  }
  return undefined
}

const mustBeInside = ({ disks }: Take): Refusal => {
  const other = Array.from(disks).find(([, { mode }]) => mode === 'external' || mode === 'manual')
  return other === undefined ? undefined : unsupported(`disk '${other[0]}' must use snapshot mode 'internal'`)
}

/** True where a disk that the guest can write to is not taken. */
const leavesOut = ({ disks }: Take, readOnly: ReadonlySet<string>): boolean =>
  Array.from(disks).some(([target, { mode }]) => mode === 'manual' || (mode === 'no' && !readOnly.has(target)))

/** What libvirt says against the modes of all disks together. */
const modesRefusal = (take: Take, domain: MachineWorld['domain']): Refusal => {
  const modes = new Set(Array.from(take.disks.values(), ({ mode }) => mode))
  const inside = modes.has('internal')
  if (take.memory._tag === 'None' && (modes.size === 0 || (modes.size === 1 && modes.has('no'))))
    return unsupported('nothing selected for snapshot')
  if (inside && modes.has('external'))
    return unsupported('mixing internal and external targets for a snapshot is not yet supported')
  return (inside || take.memory._tag === 'Internal') && leavesOut(take, domain?.readOnly ?? new Set())
    ? unsupported('internal and full system snapshots require all disks to be selected for snapshot')
    : undefined
}

const flagRefusal = (flags: SnapshotCreateCall['flags'], memory: SavedMemory | undefined): Refusal => {
  const has = (flag: SnapshotCreateCall['flags'][number]): boolean => flags.includes(flag)
  if (has('VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT'))
    return unmodelled('VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT without VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE')
  if (has('VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE') && !has('VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY'))
    return libvirtRefuses(
      "invalid argument: Flag 'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY' is required by flag 'VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE'",
    )
  return has('VIR_DOMAIN_SNAPSHOT_CREATE_LIVE') && memory?._tag !== 'External'
    ? unsupported('live snapshot creation is supported only during full system snapshots')
    : undefined
}

const noDisk = (machine: MachineWorld, given: ReadonlyMap<string, GivenDisk>): Refusal => {
  for (const [target, { raw }] of given) {
    if (!machine.worlds.has(target)) return unsupported(`no disk named '${target}'`)
    if (raw !== undefined && given.get(target)?.format === undefined)
      return unsupported(`external snapshot format for disk ${target} is unsupported: ${raw}`)
  }
  return undefined
}

/** What of the memory is kept: the XML says so, or the kind of snapshot. */
const memoryFor = (
  given: SavedMemory | undefined,
  live: boolean,
  diskOnly: boolean,
): E.Either<Fault<never>, SavedMemory> => {
  if ((diskOnly || !live) && given !== undefined && given._tag !== 'None')
    return unsupported('memory state cannot be saved with offline or disk-only snapshot')
  if (diskOnly || !live) return E.right({ _tag: 'None' })
  if (given?._tag === 'None')
    return unmodelled('a snapshot of a running guest that is neither DISK_ONLY nor keeps memory')
  return E.right(given ?? { _tag: 'Internal' })
}

/** Reads what `virDomainSnapshotCreateXML` is asked for, or says in libvirt's words what speaks against it. */
export const takeRequested = (
  machine: MachineWorld,
  { arguments: { xml }, flags }: SnapshotCreateCall,
): E.Either<Fault<never>, Take> => {
  const live = guestOf(machine) !== 'shut-off'
  const diskOnly = flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY')
  const reuse = flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT')
  const name = textIn(xml, 'name')
  if (name === undefined) return unmodelled('a snapshot that libvirt names after its clock')
  const given = givenDisks(childOf(xml, 'disks'))
  const early = flagRefusal(flags, givenMemory(xml)) ?? nameRefusal(name) ?? noDisk(machine, given)
  if (early !== undefined) return early
  const memory = memoryFor(givenMemory(xml), live, diskOnly)
  if (E.isLeft(memory)) return memory
  const mode = diskOnly || memory.right._tag === 'External' ? 'external' : 'internal'
  const take = { name, live, memory: memory.right, disks: aligned(machine, given, { name, mode }), reuse }
  return (
    (mode === 'internal' && live ? mustBeInside(take) : undefined) ??
    collision(take.disks) ??
    disksRefusal(machine, take, diskOnly) ??
    modesRefusal(take, machine.domain) ??
    E.right(take)
  )
}
