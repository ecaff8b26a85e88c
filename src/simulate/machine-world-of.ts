import * as E from 'fp-ts/lib/Either.js'

import type { Layer } from '../content/layer.js'
import type { Chain } from '../model/chain.js'
import type { Machine } from '../model/machine.js'
import { keyOf } from './files.js'
import { textIn } from './libvirt-xml.js'
import { disksOfDomain, readOnlyIn, recordOf } from './machine-record.js'
import { managedSave, noStorage } from './machine-world.js'
import type {
  MachineDomain,
  MachineStorage,
  MachineWorld,
  SavedGuest,
  SimSnapshot,
  StoredDisk,
} from './machine-world.js'
import { worldOf } from './world-of.js'
import type { Inside, WorldError } from './world-of.js'
import { withProcess } from './world.js'
import type { World } from './world.js'

/**
 * What a machine does not say of its world.
 *
 * - `inside`: what internal snapshots store, by disk, image and name; the same as their image, where left out.
 * - `agent`: whether the guest agent answers; it does, where left out. `clockSeconds`: 0, where left out.
 * - `volumes`: the logical volumes that there are, `group/volume`; `subvolumes`: those of btrfs, by path; none, where left out.
 *
 * @since 0.2.0
 */
export interface MachineWorldOptions {
  readonly inside?: ReadonlyMap<string, Inside>
  readonly agent?: MachineWorld['agent']
  readonly clockSeconds?: number
  readonly volumes?: Iterable<string>
  readonly subvolumes?: Iterable<string>
}

/**
 * Why there is no such world: of one disk, or because libvirt could not have written down such a thing.
 *
 * @since 0.2.0
 */
export type MachineWorldError = WorldError | { readonly _tag: 'RecordUnreadable'; readonly snapshot: string }

const domainOf = ({ name, definitions }: Machine): MachineDomain | undefined => {
  if (definitions === undefined) return undefined
  const { live, persistent } = definitions
  const uuid = textIn(persistent ?? live, 'uuid')
  const definition = persistent === undefined ? 'transient' : 'persistent'
  return { name, uuid, definition, readOnly: readOnlyIn(live ?? persistent) }
}

const readOf = (of: Machine['snapshots'] extends ReadonlyMap<string, infer S> ? S : never): SimSnapshot | undefined =>
  of.recorded === undefined ? undefined : recordOf(of.recorded)

/** What libvirt has written down of each snapshot of which it has written down anything. */
const recordsOf = ({ snapshots }: Machine): E.Either<MachineWorldError, ReadonlyMap<string, SimSnapshot>> => {
  const records = new Map<string, SimSnapshot>()
  for (const snapshot of snapshots.values()) {
    const record = readOf(snapshot)
    if (snapshot.recorded === undefined) continue
    if (record?.name !== snapshot.name) return E.left({ _tag: 'RecordUnreadable', snapshot: snapshot.name })
    records.set(record.name, record)
  }
  return E.right(records)
}

const memoryOf = ({ snapshots }: Machine): ReadonlyMap<string, string> =>
  new Map(
    Array.from(snapshots.values()).flatMap(({ name, memory }) =>
      memory._tag === 'External' ? [[keyOf(memory.path), name] as const] : [],
    ),
  )

const savedOf = ({ saved }: Machine): ReadonlyMap<string, SavedGuest> =>
  new Map(
    saved.map(({ place, guest, definition }) => {
      const at = place.kind === 'managed' ? managedSave : keyOf(place.path)
      return [at, { memory: `saved ${at}`, guest, disks: disksOfDomain(definition) }]
    }),
  )

/**
 * How many images below its source a transient domain has been given for a disk, or has got by overlays: what the current
 * snapshot froze, with what was stored below, and all above. Of an overlay that was made with no guest running, libvirt stores what
 * it lies on only if that had something stored below.
 */
const givenBelow = (live: StoredDisk, snapshot: SimSnapshot | undefined, frozen: StoredDisk | undefined): number => {
  const paths = [live.path, ...live.backingStore.map(({ path }) => path).reverse()]
  const at = frozen === undefined ? -1 : paths.findIndex((path) => keyOf(path) === keyOf(frozen.path))
  if (frozen === undefined || at === -1) return 0
  const overlay = paths[at - 1]
  const reverted = snapshot?.state === 'disk-snapshot' && overlay !== undefined && /\.\d{10}$/.test(overlay)
  const offline = overlay !== undefined && (snapshot?.state === 'shutoff' || reverted)
  return offline && frozen.backingStore.length === 0 ? at - 1 : at + frozen.backingStore.length
}

const declaredOf = (machine: Machine, disk: string, live: StoredDisk): StoredDisk => {
  if (machine.definitions?.persistent !== undefined) return live
  const current = machine.current === undefined ? undefined : machine.snapshots.get(machine.current)
  const snapshot = current && readOf(current)
  const many = givenBelow(live, snapshot, snapshot?.domain?.get(disk))
  return { ...live, backingStore: many === 0 ? [] : live.backingStore.slice(-many) }
}

/**
 * What the live definition stores by itself cannot be told from what libvirt found: it is what the persistent one has, where they
 * agree, or else all of it; of a transient domain, what has become of it since its last snapshot.
 */
const declaring = (world: World, machine: Machine): World => {
  const live = disksOfDomain(machine.definitions?.live).get(world.disk)
  const stored = disksOfDomain(machine.definitions?.persistent).get(world.disk)
  const agree = stored !== undefined && live !== undefined && keyOf(live.path) === keyOf(stored.path)
  if (live === undefined || agree) return world
  const declared = declaredOf(machine, world.disk, live)
  return withProcess(world, { declared: { keeper: world.boot.keeper, ...declared, terminated: false } })
}

interface OneDisk {
  readonly machine: Machine
  readonly chain: Chain
  readonly contents: ReadonlyMap<string, Layer>
  readonly inside: Inside | undefined
  readonly numbersFrom: number
}

const diskWorld = ({ machine, chain, contents, inside, numbersFrom }: OneDisk): E.Either<WorldError, World> => {
  const domain = domainOf(machine)
  const made = worldOf(chain, contents, {
    guest: machine.state,
    numbersFrom,
    ...(inside === undefined ? {} : { inside }),
    ...(domain === undefined ? {} : { domain }),
  })
  if (E.isLeft(made)) return made
  const stored = disksOfDomain(machine.definitions?.persistent).get(chain.disk)
  const booted = stored === undefined ? made.right : { ...made.right, boot: { ...made.right.boot, ...stored } }
  const declared = withProcess(booted, { declared: booted.boot })
  return E.right(declaring(declared, machine))
}

const undisturbed = { memory: 'booted', restoring: false, backup: undefined, frozen: false } as const

const storageOf = ({ volumes = [], subvolumes = [] }: MachineWorldOptions): MachineStorage => ({
  ...noStorage,
  volumes: new Map(Array.from(volumes, (volume) => [volume, undefined])),
  subvolumes: new Set(Array.from(subvolumes, keyOf)),
})

/**
 * The world in which a machine is real: for each disk what `worldOf` makes, started from what the persistent definition stores of
 * it, libvirt's own record of each snapshot as the machine gives it, and a file for each saved memory.
 *
 * `contents` says what each image stores, by disk. Refuses `ContentsWrongSize`, `RecordUnreadable`. Linear.
 *
 * @example
 * import { machine, parseChain, patternOfLayer } from 'backing-chain'
 * import { guestViews, machineWorldOf } from 'backing-chain/simulate'
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
 * const seen = pipe(
 *   world,
 *   E.map((of) => Array.from(guestViews(of), ([disk, shown]) => `${disk}: ${patternOfLayer(shown)}`)),
 * )
 * E.isRight(seen) ? seen.right : seen.left // => ['vda: ab']
 *
 * @since 0.2.0
 */
export const machineWorldOf = (
  machine: Machine,
  contents: ReadonlyMap<string, ReadonlyMap<string, Layer>>,
  options: MachineWorldOptions = {},
): E.Either<MachineWorldError, MachineWorld> => {
  const worlds = new Map<string, World>()
  let numbersFrom = 0
  for (const [disk, chain] of Array.from(machine.disks).reverse()) {
    const own = { contents: contents.get(disk) ?? new Map(), inside: options.inside?.get(disk) }
    const made = diskWorld({ machine, chain, numbersFrom, ...own })
    if (E.isLeft(made)) return made
    worlds.set(disk, made.right)
    numbersFrom = made.right.qemu?.counter ?? 0
  }
  const snapshots = recordsOf(machine)
  if (E.isLeft(snapshots)) return snapshots
  return E.right({
    worlds: new Map(Array.from(worlds).reverse()),
    domain: domainOf(machine),
    snapshots: snapshots.right,
    current: machine.current === undefined ? undefined : snapshots.right.get(machine.current)?.name,
    memoryFiles: memoryOf(machine),
    ...undisturbed,
    saved: savedOf(machine),
    clockSeconds: options.clockSeconds ?? 0,
    ...undisturbed,
    agent: options.agent ?? 'answers',
    storage: storageOf(options),
  })
}
