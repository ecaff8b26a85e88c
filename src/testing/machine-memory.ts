import { normalPath } from '../model/header.js'
import type { Machine } from '../model/machine.js'
import { sourcesOfDomain } from '../model/record.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import type { MachineWorld } from '../simulate/index.js'

const savedLine = (place: string, guest: string, sources: ReadonlyArray<readonly [string, string]>): string =>
  `"${place}" ${guest} ${Array.from(sources, ([disk, path]) => `${disk}: ${normalPath(path)}`)
    .sort()
    .join(', ')}`

/**
 * The memory that is saved as a plan predicts it, as lines: where, what the guest does then, and the images that it writes to
 * then. Whether a state stores what lies below depends on what libvirt had found by itself.
 */
const predictedSaved = ({ saved }: Machine): ReadonlyArray<string> =>
  saved
    .map(({ place, guest, definition }) => {
      const sources = Array.from(sourcesOfDomain(definition), ([disk, { path = '' }]) => [disk, path] as const)
      return savedLine(place.kind === 'managed' ? '' : normalPath(place.path), guest, sources)
    })
    .sort()

/** The memory that the simulator's libvirt has saved, as lines. */
const savedLines = ({ saved }: MachineWorld): ReadonlyArray<string> =>
  Array.from(saved, ([place, { guest, disks }]) =>
    savedLine(
      place,
      guest,
      Array.from(disks, ([disk, { path }]) => [disk, path] as const),
    ),
  ).sort()

/** Fails unless what is saved is what the plan says, and a guest that goes on from it has that memory. */
export const assertSaved = (
  { plan, fail }: { readonly plan: MachinePlan; readonly fail: (what: string) => never },
  machine: MachineWorld,
): void => {
  const [is, shall] = [savedLines(machine).join('\n  '), predictedSaved(plan.after).join('\n  ')]
  if (is !== shall) fail(`saved memory: promised\n  ${shall}\nand it is\n  ${is}`)
  if (plan.operation === 'restore' && !machine.memory.startsWith('saved'))
    fail(`the guest has the memory "${machine.memory}"`)
}
