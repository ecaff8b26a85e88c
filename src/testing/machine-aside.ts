import * as E from 'fp-ts/lib/Either.js'

import { emptyLayer } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { equalViews } from '../content/view.js'
import { activePath } from '../model/chain-query.js'
import { locationString } from '../model/location.js'
import { viewOf } from '../plan/contents.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { machineFileView } from '../simulate/index.js'
import type { MachineWorld } from '../simulate/index.js'
import { machineContentsAfter } from './machine-contents.js'
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
export type Reads = ReadonlyMap<string, Layer>

/** What an export has made shows what the guest read at one moment of it, the same of all disks. */
export const assertOneMoment = (
  { plan, contents, fail }: { plan: MachinePlan; contents: MachineContents; fail: (what: string) => never },
  machine: MachineWorld,
  reads: ReadonlyArray<Reads>,
): void => {
  const seen = madeAside(plan, contents).map(({ disk, path }) => ({ disk, view: machineFileView(machine, path) }))
  const fits = reads.some((at) =>
    seen.every(({ disk, view }) => E.isRight(view) && equalViews(view.right, at.get(disk) ?? emptyLayer(0))),
  )
  if (!fits) fail(`the new images show no one moment of the guest: ${JSON.stringify(seen)}`)
}

/** Copies show at the end, whatever the guest has written meanwhile, what the plan says. */
export const assertAside = (
  { plan, contents, fail }: { plan: MachinePlan; contents: MachineContents; fail: (what: string) => never },
  machine: MachineWorld,
): void => {
  for (const { disk, image, path, reads } of madeAside(plan, contents)) {
    const seen = machineFileView(machine, path)
    if (E.isLeft(seen)) fail(`${image} on ${disk} cannot be read: ${JSON.stringify(seen.left)}`)
    else assertReads(fail, `${image} on ${disk}`, { is: seen.right, was: reads })
  }
}
