// A machine without libvirt against the one that a plan foretold.

import { expect } from 'vitest'
import { pointMap, pointsAfter } from 'backing-chain'
import type { Chain, Image, Machine, MachinePlan, PointMap } from 'backing-chain'
import type { QemuVersion } from '../lab/binaries.js'
import { allAsWanted, asHeadersLead, convertedUnlocked, type Wanted } from './qmp-bytes.js'
import type { Expected } from './expected.js'
import { pathOf } from './qmp-machine.js'
import type { Account } from './qmp-plans.js'

const wantedIn = (what: string, cells: string, image: Image | undefined): Wanted => ({
  what,
  cells,
  inside: undefined,
  path: image && pathOf(image),
  format: image?.format ?? 'qcow2',
})

const imageIn = (chains: ReadonlyArray<Chain>, disk: string, name: string | undefined): Image | undefined =>
  chains
    .filter((chain) => chain.disk === disk)
    .map(({ images }) => images.get(name ?? ''))
    .find((image) => image !== undefined)

const wantedPoints = (
  points: PointMap,
  chains: ReadonlyArray<Chain>,
  snapshots: Expected['snapshots'],
): ReadonlyArray<Wanted> =>
  Array.from(snapshots).flatMap(([name, disks]) =>
    Array.from(disks, ([disk, cells]) => {
      const place = points.get(name)?.get(disk)
      const wanted = wantedIn(`${name} ${disk}`, cells, imageIn(chains, disk, place?.image))
      return place?.held === 'inside' ? { ...wanted, inside: name } : wanted
    }),
  )

const wantedGuest = (machine: Machine, { guest }: Expected): ReadonlyArray<Wanted> =>
  Array.from(guest, ([disk, cells]) => {
    const chain = machine.disks.get(disk)
    return wantedIn(`guest ${disk}`, cells, chain?.images.get(chain.active))
  })

const wantedLeft = (machine: Machine, { left }: Account): ReadonlyArray<Wanted> =>
  Array.from(left).flatMap(([disk, images]) =>
    Array.from(images, ([name, cells]) =>
      wantedIn(`left ${disk} ${name}`, cells, machine.disks.get(disk)?.images.get(name)),
    ),
  )

/** Fails unless every point in time, the guest and all that a revert has left read as they should. */
export const checkBytes = async (version: QemuVersion, machine: Machine, account: Account): Promise<void> => {
  const { expected } = account
  expect(Array.from(machine.snapshots.keys()).sort()).toEqual(Array.from(expected.snapshots.keys()).sort())
  const chains = Array.from(machine.disks.values())
  const { found, wanted } = await asHeadersLead(version, [
    ...wantedPoints(pointMap(machine), chains, expected.snapshots),
    ...wantedGuest(machine, expected),
    ...wantedLeft(machine, account),
  ])
  expect(found).toEqual(wanted)
}

/** The points in time that a map has to name, each with its bytes: what stays always, what goes or comes as long as it is there. */
const snapshotsNow = (
  plan: MachinePlan,
  points: PointMap,
  before: Expected,
  after: Expected,
): Expected['snapshots'] => {
  const both = new Map([...before.snapshots, ...after.snapshots])
  const stays = (name: string): boolean => plan.before.snapshots.has(name) && plan.after.snapshots.has(name)
  return new Map(
    Array.from(both, ([name, disks]) => [
      name,
      new Map(Array.from(disks).filter(([disk]) => stays(name) || points.get(name)?.has(disk) === true)),
    ]),
  )
}

/** Fails unless every point in time is where the map says after some of the steps. */
export const checkPoints = async (
  version: QemuVersion,
  { plan, before, after }: { readonly plan: MachinePlan; readonly before: Expected; readonly after: Expected },
  done: ReadonlySet<number>,
): Promise<void> => {
  const points = pointsAfter(plan, done)
  if (points === undefined) throw new Error(`no such prefix: ${JSON.stringify(Array.from(done))}`)
  const parts = plan.parts.flatMap((part) => [part.before, part.after])
  const chains = [...plan.before.disks.values(), ...plan.after.disks.values(), ...parts]
  const all = wantedPoints(points, chains, snapshotsNow(plan, points, before, after))
  const inside = all.some((one) => one.inside !== undefined)
  if (all.length === 0 || (!inside && (await allAsWanted(version, all)))) return
  const { found, wanted } = await convertedUnlocked(version, all)
  expect({ done, found }).toEqual({ done, found: wanted })
  if (!inside) throw new Error('qemu-io and qemu-img read differently')
}

/** The files that there should be: those of before, without what goes, and what the machine has afterwards. */
export const filesAfter = (plan: MachinePlan, before: ReadonlyArray<string>): ReadonlyArray<string> => {
  const files = new Set(before)
  for (const part of plan.parts)
    for (const [name, fates] of part.fates) {
      const image = part.before.images.get(name)
      if (image !== undefined && fates.includes('removed')) files.delete(pathOf(image))
    }
  for (const { images } of plan.after.disks.values()) for (const image of images.values()) files.add(pathOf(image))
  return Array.from(files).sort()
}
