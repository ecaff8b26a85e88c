import type { BackupTarget } from './libvirt-backup.js'
import type { Boot, Incident, Source, World } from './world.js'

/**
 * Everything that calls on a whole machine can touch, at one moment: the worlds of its disks, side by side, and what belongs to
 * none of them alone.
 *
 * - `worlds`: by target, `vda`. Their images are disjoint; one QEMU runs all of them, or none.
 * - `domain`: the libvirt domain, where libvirt is in charge.
 * - `snapshots`: what libvirt has written down, by name; `current`: which of them it calls the current one.
 * - `memoryFiles`: what memory each file of saved memory holds, by path. `memory`: which one the running guest has.
 * - `saved`: guests whose memory libvirt has saved: by path, the one that the next start resumes under no path at all, `''`.
 * - `clockSeconds`: what the clock of the host reads, in seconds since 1970. It advances only when it is told to.
 * - `restoring`: whether loading a snapshot has failed, and QEMU's status is `restore-vm` until it is told to go on.
 * - `frozen`: whether the guest agent has frozen the guest's file systems.
 * - `backup`: libvirt's backup that is under way, by disk.
 * - `storage`: what the levels below QEMU know: see {@link MachineStorage}.
 *
 * @since 0.2.0
 */
export interface MachineWorld {
  readonly worlds: ReadonlyMap<string, World>
  readonly domain: MachineDomain | undefined
  readonly snapshots: ReadonlyMap<string, SimSnapshot>
  readonly current: string | undefined
  readonly memoryFiles: ReadonlyMap<string, string>
  readonly memory: string
  readonly saved: ReadonlyMap<string, SavedGuest>
  readonly clockSeconds: number
  readonly restoring: boolean
  readonly frozen: boolean
  readonly backup: ReadonlyMap<string, BackupTarget> | undefined
  readonly agent: 'answers' | 'absent'
  readonly storage: MachineStorage
}

/**
 * What the levels below QEMU know. Their copies are files of the disk that they are copies of.
 *
 * - `volumes`: logical volumes, `group/volume`, each with the one that it is a snapshot of.
 * - `subvolumes`: paths; `handedOver`: what somebody else has, by level, disk and snapshot.
 *
 * @since 0.2.0
 */
export interface MachineStorage {
  readonly volumes: ReadonlyMap<string, string | undefined>
  readonly subvolumes: ReadonlySet<string>
  readonly handedOver: ReadonlyMap<string, string>
}

/** No level below QEMU knows anything. */
export const noStorage: MachineStorage = { volumes: new Map(), subvolumes: new Set(), handedOver: new Map() }

/** A libvirt domain; `readOnly` has the targets of its disks that nobody may write to. */
export interface MachineDomain {
  readonly name: string
  readonly definition: 'persistent' | 'transient'
  readonly uuid: string | undefined
  readonly readOnly: ReadonlySet<string>
}

/** What a definition says of one disk: its source, and what it stores of the backing chain. */
export type StoredDisk = Omit<Boot, 'keeper'>

/** A guest whose memory is saved: which memory, what it does when it is restored, and the disks that it is restored on. */
export interface SavedGuest {
  readonly memory: string
  readonly guest: 'running' | 'paused'
  readonly disks: ReadonlyMap<string, StoredDisk>
}

/** One disk of a snapshot, as libvirt has written it down. `source` is the file that was made for it. */
export interface SnapshotRecordDisk {
  readonly mode: 'external' | 'internal' | 'manual' | 'no'
  readonly source: Source | undefined
  readonly deleteInProgress: boolean
}

/**
 * A snapshot as libvirt has written it down, right or wrong.
 *
 * - `disks`, `revertDisks`: by target. `domain`, `inactiveDomain`: the disks of the definitions that it keeps.
 *
 * @since 0.2.0
 */
export interface SimSnapshot {
  readonly name: string
  readonly parent: string | undefined
  readonly state: string
  readonly memory: SavedMemory
  readonly disks: ReadonlyMap<string, SnapshotRecordDisk>
  readonly revertDisks: ReadonlyMap<string, SnapshotRecordDisk> | undefined
  readonly domain: ReadonlyMap<string, StoredDisk> | undefined
  readonly inactiveDomain: ReadonlyMap<string, StoredDisk> | undefined
}

/** Where the guest's memory is. */
export type SavedMemory =
  { readonly _tag: 'None' } | { readonly _tag: 'Internal' } | { readonly _tag: 'External'; readonly path: string }

/** Where a state is that libvirt resumes at the next start. */
export const managedSave = ''

/** The machine with the world of one disk changed. */
export const withWorld = (machine: MachineWorld, disk: string, world: World): MachineWorld =>
  machine.worlds.get(disk) === world ? machine : { ...machine, worlds: new Map(machine.worlds).set(disk, world) }

/** The machine with every world changed. */
export const mapWorlds = (machine: MachineWorld, change: (world: World) => World): MachineWorld => ({
  ...machine,
  worlds: new Map(Array.from(machine.worlds, ([disk, world]) => [disk, change(world)])),
})

/** What the guest does; a machine without disks is shut off. */
export const guestOf = ({ worlds }: MachineWorld): 'running' | 'paused' | 'shut-off' => {
  for (const { qemu } of worlds.values()) return qemu === undefined || qemu.guest === 'none' ? 'shut-off' : qemu.guest
  return 'shut-off'
}

/** The disk whose world something is true of. */
export const diskWhere = (machine: MachineWorld, test: (world: World) => boolean): string | undefined => {
  for (const [disk, world] of machine.worlds) if (test(world)) return disk
  return undefined
}

/**
 * Everything that no program refused and no plan should do, with its disk.
 *
 * @example
 * import { machine, parseChain } from 'backing-chain'
 * import { machineIncidents, machineWorldOf, performMachine } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const world = pipe(
 *   parseChain('v[aa] <- v.1[-b]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'running', disks: [chain] }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * const after = (path: string) =>
 *   pipe(
 *     world,
 *     E.flatMap((of) => performMachine(of, { _tag: 'Files', operation: 'remove', path })),
 *     E.map((of) => machineIncidents(of).map(({ incident }) => incident.path)),
 *   )
 * const seen = after('/images/v')
 * // The guest reads it: nobody refuses, and it is noted.
 * E.isRight(seen) ? seen.right : seen.left // => ['/images/v']
 *
 * @since 0.2.0
 */
export const machineIncidents = ({
  worlds,
}: MachineWorld): ReadonlyArray<{ readonly disk: string; readonly incident: Incident }> =>
  Array.from(worlds).flatMap(([disk, { incidents }]) => incidents.map((incident) => ({ disk, incident })))

/** The machine with its snapshots changed. */
export const withSnapshot = (machine: MachineWorld, name: string, change: Partial<SimSnapshot>): MachineWorld => {
  const old = machine.snapshots.get(name)
  return old === undefined
    ? machine
    : { ...machine, snapshots: new Map(machine.snapshots).set(name, { ...old, ...change }) }
}

/**
 * The machine some seconds later.
 *
 * @example
 * import { machine, parseChain } from 'backing-chain'
 * import { later, machineWorldOf } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const world = pipe(
 *   parseChain('v[aa] <- v.1[-b]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'shut-off', disks: [chain] }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * E.isRight(world) ? later(world.right, 60).clockSeconds : undefined // => 60
 *
 * @since 0.2.0
 */
export const later = (machine: MachineWorld, seconds: number): MachineWorld => ({
  ...machine,
  clockSeconds: machine.clockSeconds + seconds,
})
