// Copies of a level below QEMU, what is done to the machine after they were taken, and whether going back to them keeps its word.

import * as E from 'fp-ts/lib/Either.js'

import { checkMachinePlan, equalViews, patternOfLayer } from '../../src/index.js'
import type { LevelPlan, Machine, MachineHost, MachinePlan, StorageLevel } from '../../src/index.js'
import { activeImage } from '../../src/model/chain-query.js'
import { placeOf } from '../../src/model/header.js'
import { locationString } from '../../src/model/location.js'
import { withMachine } from '../../src/model/machine.js'
import { pointMap } from '../../src/model/point-map.js'
import { ancestorsOf } from '../../src/model/snapshot-tree.js'
import { snapshotAtLevel } from '../../src/operation/snapshot-at-level.js'
import { endOfMachine, fileAt, guestViews, machineFileView, machineWrite } from '../../src/simulate/index.js'
import type { MachineWorld } from '../../src/simulate/index.js'
import { mapWorlds } from '../../src/simulate/machine-world.js'
import { quitMachine, startMachine } from '../../src/simulate/machine-process.js'
import { ended, ran } from './saved-machine.js'

export interface Now {
  readonly machine: Machine
  readonly world: MachineWorld
}

/** The guest is started, writes one cluster of each disk, and ends. */
export const used = (world: MachineWorld, count: number): MachineWorld => {
  const started = startMachine(world, 'running')
  if (E.isLeft(started)) return world
  let on = started.right
  const at = (count % 2) * 65_536
  const source = String.fromCharCode(0x50 + (count % 10))
  for (const disk of on.worlds.keys()) {
    const run = { kind: 'data', startBytes: at, endBytes: at + 65_536, source } as const
    on = E.getOrElse(() => on)(machineWrite(on, { disk, run }))
  }
  return quitMachine(on)
}

/** No two snapshots are of the same second. */
const dated = (before: Machine, after: Machine, count: number): Machine => {
  const own = Array.from(after.snapshots.values(), (one) =>
    before.snapshots.has(one.name) ? one : { ...one, creationTime: String(1_800_000_000 + count) },
  )
  return withMachine(after, { snapshots: new Map(own.map((one) => [one.name, one])) })
}

/** A guest that nobody manages is started from its active images. */
const booting = (world: MachineWorld, { disks }: Machine): MachineWorld =>
  mapWorlds(world, (one) => {
    const chain = disks.get(one.disk)
    if (chain === undefined || one.boot.keeper === 'libvirt') return one
    const { format, location } = activeImage(chain)
    return {
      ...one,
      boot: { ...one.boot, path: locationString(location), format, backingStore: [], terminated: false },
    }
  })

/** The machine after a plan, which the guest uses then; nothing where the plan is none for a guest that is off, or fails. */
export const later = (
  { machine, world }: Now,
  plan: E.Either<unknown, MachinePlan> | undefined,
  count: number,
): Now | undefined => {
  if (plan === undefined || E.isLeft(plan) || plan.right.after.state !== 'shut-off') return undefined
  const trace = ran(world, plan.right)
  return trace.fault === undefined
    ? {
        machine: dated(machine, plan.right.after, count),
        world: used(booting(endOfMachine(trace), plan.right.after), count),
      }
    : undefined
}

const shown = (views: ReturnType<typeof guestViews>): ReadonlyArray<string> =>
  Array.from(views, ([disk, view]) => `${disk}: ${patternOfLayer(view)}`)

/** What a level has of a machine, and what the guest read then. */
export interface Copied extends Now {
  readonly level: LevelPlan
  readonly then: ReadonlyArray<string>
}

export const levelOf = (kind: 'Btrfs' | 'Reflink' | 'Other'): StorageLevel => {
  if (kind === 'Other') return { _tag: kind, name: 'array', keeps: 'full copy' }
  if (kind === 'Reflink') return { _tag: kind, folder: '/copies' }
  return { _tag: kind, subvolume: '/images', snapshots: '/snapshots' }
}

export const copied = (
  { machine, world }: Now,
  kind: StorageLevel,
  host: MachineHost,
  name = 'now',
): Copied | undefined => {
  const levels = new Map(Array.from(machine.disks.keys(), (disk) => [disk, [kind]]))
  const asked = { name, creationTime: '1799999999', prefer: [kind._tag], levels } as const
  const planned = snapshotAtLevel(machine, asked, host)
  if (E.isLeft(planned)) return undefined
  const { plan } = planned.right
  return { level: planned.right, then: shown(guestViews(world)), machine: plan.after, world: ended(ran(world, plan)) }
}

/** What every snapshot reads that an image holds. */
const pointViews = ({ machine, world }: Now) =>
  new Map(
    Array.from(pointMap(machine)).flatMap(([name, places]) =>
      Array.from(places, ([disk, { held, image }]) => {
        const of = machine.disks.get(disk)?.images.get(image)
        const path = of === undefined ? '' : placeOf(of)
        return [`${name} on ${disk}`, machineFileView(world, path, held === 'inside' ? name : undefined)] as const
      }),
    ),
  )

/** What of the files is not as the machine says. */
const wrongFiles = ({ machine, world }: Now): ReadonlyArray<string> =>
  Array.from(machine.disks.values()).flatMap((chain) =>
    Array.from(chain.images.values()).flatMap((image) => {
      const disk = world.worlds.get(chain.disk)
      const file = disk === undefined ? undefined : fileAt(disk, placeOf(image))
      const inside = image.internalSnapshots.map(({ name }) => name).join()
      const is = [file?.header?.string, file?.internalSnapshots.map(({ name }) => name).join()]
      return file !== undefined && is[0] === image.backing?.header && is[1] === inside
        ? []
        : [`the file of ${image.name} has ${String(is)}`]
    }),
  )

/** What a plan that goes back to copies does not keep of what it promises. */
export const broken = ({ level, then }: Copied, now: Now, plan: MachinePlan): ReadonlyArray<string> => {
  const after: Now = { machine: plan.after, world: ended(ran(now.world, plan)) }
  const before = pointViews(now)
  const lost = Array.from(pointViews(after)).flatMap(([point, view]) => {
    const was = before.get(point)
    const same = was !== undefined && E.isRight(was) && E.isRight(view) && equalViews(was.right, view.right)
    return same ? [] : [`${point} is lost`]
  })
  const guest = shown(guestViews(after.world))
  const read = guest.join() === then.join() ? [] : [`the guest reads ${guest.join()} and not ${then.join()}`]
  return [...checkMachinePlan(plan).map((one) => JSON.stringify(one)), ...read, ...wrongFiles(after), ...lost].map(
    (what) => `${what}, of ${level.copies.map(({ level: { _tag } }) => _tag).join()}`,
  )
}

/** The points in what goes back that the snapshot did not come after. */
export const siblingsKept = ({ level }: Copied, now: Now): number => {
  const ancestors = new Set<string>(ancestorsOf(now.machine, 'now').map(({ name }) => name))
  return level.copies.flatMap(({ disk, inside }) =>
    Array.from(pointMap(now.machine)).filter(([name, places]) => {
      const place = places.get(disk)
      return place !== undefined && inside.includes(place.image) && !ancestors.has(name)
    }),
  ).length
}
