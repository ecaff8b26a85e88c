// The point map of each step against the bytes that there are once it is done.

import { expect } from 'vitest'
import type { Chain, PointPlace } from 'backing-chain'
import { locationString, pointsAfter } from 'backing-chain'
import type { MachinePlan } from '../../../src/plan/machine-plan.js'
import { allCells, type Place } from './bytes.js'
import type { Expected } from './expected.js'
import type { Planned } from './session.js'
import { settle, type MachineStage } from './stage.js'

const placeOf = (
  plan: MachinePlan,
  { snapshot, disk, place }: { readonly snapshot: string; readonly disk: string; readonly place: PointPlace },
): Place | undefined => {
  const chains = [plan.before.disks.get(disk), plan.after.disks.get(disk), ...plan.parts.map(({ after }) => after)]
  const image = chains
    .filter((chain): chain is Chain => chain?.disk === disk)
    .map(({ images }) => images.get(place.image))
    .find((one) => one !== undefined)
  if (image === undefined) return undefined
  const inside = place.held === 'inside' ? { inside: snapshot } : {}
  return { path: locationString(image.location), format: image.format, ...inside }
}

/** Calls that look and change nothing. */
const looks = (plan: MachinePlan, index: number): boolean => {
  const call = plan.steps[index]?.call
  if (call?._tag === 'QemuImg') return call.argv.includes('info')
  return call?._tag === 'Libvirt' && call.function.call === 'virDomainGetXMLDesc'
}

/**
 * Every point in time that the map of the steps done names reads as it should in the image that is named, and none that stays
 * is left out.
 */
const checkPoints = async (
  { plan }: Planned,
  done: ReadonlySet<number>,
  { before, after }: { readonly before: Expected; readonly after: Expected },
): Promise<void> => {
  const points = pointsAfter(plan, done)
  const places = new Map<string, Place | undefined>()
  const wanted = new Map<string, string>()
  for (const [snapshot, disks] of new Map([...before.snapshots, ...after.snapshots]))
    for (const [disk, cells] of disks) {
      const place = points?.get(snapshot)?.get(disk)
      const stays = before.snapshots.has(snapshot) && after.snapshots.has(snapshot)
      if (place === undefined && !stays) continue
      wanted.set(`${snapshot} ${disk}`, cells)
      places.set(`${snapshot} ${disk}`, place && placeOf(plan, { snapshot, disk, place }))
    }
  expect({ done, points: await allCells(places, wanted) }).toEqual({ done, points: wanted })
}

/** What looks at the points in time after each step of a plan that does something. */
export const pointsWatch =
  (stage: MachineStage, of: Planned, before: Expected) =>
  async (done: ReadonlySet<number>): Promise<void> => {
    if (looks(of.plan, Array.from(done).at(-1) ?? -1)) return
    const state = await stage.libvirt.ask('domstate', stage.domain)
    if (state.trim() === 'running') await settle(stage)
    await checkPoints(of, done, { before, after: of.change(before) })
  }
