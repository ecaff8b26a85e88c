import * as E from 'fp-ts/lib/Either.js'

import { emptyLayer } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { equalViews } from '../content/view.js'
import { activePath } from '../model/chain-query.js'
import { locationString } from '../model/location.js'
import { viewOf } from '../plan/contents.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { machineFileView } from '../simulate/index.js'
import type { MachineTrace, MachineWorld } from '../simulate/index.js'
import { guestReads, machineContentsAfter } from './machine-contents.js'
import { writtenOver } from './machine-write.js'
import { assertReads } from './machine-law.js'
import type { MachineContents } from './machine.js'

/** An image that a plan makes and that the guest does not read: a copy. */
export interface MadeAside {
  readonly disk: string
  readonly image: string
  readonly path: string
  /** What it reads, by the plan. */
  readonly reads: Layer | undefined
}

/** The copies that a plan makes. */
export const madeAside = (plan: MachinePlan, contents: MachineContents): ReadonlyArray<MadeAside> => {
  if (plan.operation === 'rename') return []
  const { disks } = machineContentsAfter(plan, contents)
  return Array.from(plan.after.disks).flatMap(([disk, chain]) => {
    const read = new Set<string>(activePath(chain).map(({ name }) => name))
    return Array.from(chain.images.values())
      .filter(({ name }) => plan.before.disks.get(disk)?.images.has(name) !== true && !read.has(name))
      .map(({ name: image, location }) => ({
        disk,
        image,
        path: locationString(location),
        reads: viewOf(chain, disks.get(disk) ?? new Map(), image),
      }))
  })
}

/** What the guest reads on each disk at one moment. */
type Reads = ReadonlyMap<string, Layer>

/** A plan that has been executed. */
interface Ran {
  readonly plan: MachinePlan
  readonly contents: MachineContents
  readonly trace: MachineTrace
  readonly fail: (what: string) => never
}

/** What the guest read at each moment. */
const readsOf = ({ plan, contents, trace }: Ran): ReadonlyArray<Reads> => {
  let now: Reads = new Map(
    Array.from(plan.before.disks.keys(), (disk) => [
      disk,
      guestReads({ machine: plan.before, contents }, disk) ?? emptyLayer(0),
    ]),
  )
  return trace.moments.map(({ written }) => {
    if (written === undefined) return now
    const { disk } = written
    now = new Map(now).set(disk, writtenOver(now.get(disk) ?? emptyLayer(0), written))
    return now
  })
}

/** What an export has made shows what the guest read at one moment of it, the same of all disks. */
const assertOneMoment = (ran: Ran, machine: MachineWorld): void => {
  const { plan, contents, fail } = ran
  const seen = madeAside(plan, contents).map(({ disk, path }) => ({ disk, view: machineFileView(machine, path) }))
  const fits = readsOf(ran).some((at) =>
    seen.every(({ disk, view }) => E.isRight(view) && equalViews(view.right, at.get(disk) ?? emptyLayer(0))),
  )
  if (!fits) fail(`the new images show no one moment of the guest: ${JSON.stringify(seen)}`)
}

/** Copies show at the end, whatever the guest has written meanwhile, what the plan says. */
const assertAside = (
  { plan, contents, fail }: { plan: MachinePlan; contents: MachineContents; fail: (what: string) => never },
  machine: MachineWorld,
): void => {
  for (const { disk, image, path, reads } of madeAside(plan, contents)) {
    const seen = machineFileView(machine, path)
    if (E.isLeft(seen)) fail(`${image} on ${disk} cannot be read: ${JSON.stringify(seen.left)}`)
    else assertReads(fail, `${image} on ${disk}`, { is: seen.right, was: reads })
  }
}

/** What a plan has made beside what the guest reads shows what it should. */
export const assertCopies = (ran: Ran, machine: MachineWorld): void => {
  if (ran.plan.operation === 'export') assertOneMoment(ran, machine)
  else assertAside(ran, machine)
}
