import { activeImage, path } from '../model/chain-query.js'
import { locationString } from '../model/location.js'
import type { Assumption } from '../plan/assumption.js'
import type { MachineAssumption, MachineStep } from '../plan/machine-plan.js'
import { assumptionsOf, bitmapAssumptions } from './assumptions.js'
import { newImageAssumptions } from './new-image.js'
import type { NewImage } from './request.js'
import { partOf } from './revert-outcome.js'
import type { RevertedDisk, RevertOutcome } from './revert-outcome.js'
import type { NewActive } from './revert-place.js'

/** The new image as it is made, under another path first or at once. */
const whereMade = ({ place, first }: NewActive): NewImage =>
  first === undefined ? place.wanted : { name: first.name, location: first.location, format: place.wanted.format }

/** From which step on whoever starts the guest gives it the new image; the definition of a domain says it by itself. */
const startOf = ({ after, active }: RevertedDisk, steps: ReadonlyArray<MachineStep>): ReadonlyArray<Assumption> => {
  if (active === undefined) return []
  const { name, location } = activeImage(after)
  const from = steps.findLastIndex(({ until }) => until?._tag === 'ChainIs' && until.disk === after.disk) + 1
  return [{ _tag: 'StartsWith', image: name, path: locationString(location), from }]
}

const assumptionsOfDisk = (
  one: RevertedDisk,
  { job }: RevertOutcome,
  steps: ReadonlyArray<MachineStep>,
): ReadonlyArray<Assumption> => {
  const { before, active, inside, going, snapshots } = one
  const written = [...(inside === undefined ? [] : [inside]), ...snapshots.map(({ image }) => image)]
  const old = activeImage(before)
  const unmanaged = job.host.via !== 'libvirt'
  const made = active === undefined ? [] : newImageAssumptions({ ...active.place, wanted: whereMade(active) })
  return [
    ...made,
    ...assumptionsOf({
      chain: before,
      claimed: [...new Set([...going, ...written, ...(active?.first === undefined ? [] : [old])])],
      reopened: [],
      closed: unmanaged && job.host.via !== 'qmp' && partOf(one).length > 0 ? [old] : [],
      links: active === undefined ? [] : (path(before, active.held.image.name) ?? []),
    }),
    ...bitmapAssumptions(active === undefined ? [] : [old]),
    ...(unmanaged ? startOf(one, steps) : []),
  ]
}

/** What a revert by hand cannot know. */
export const assumptionsOfRevert = (
  outcome: RevertOutcome,
  steps: ReadonlyArray<MachineStep>,
): ReadonlyArray<MachineAssumption> => {
  const { job, disks, detached } = outcome
  const { machine, host, snapshot } = job
  const unseen = host.via === 'libvirt' && host.managedSave === undefined
  const domain = machine.name
  return [
    ...(unseen ? [{ _tag: 'NoManagedSave', domain } as const] : []),
    ...(job.guest === 'shut-off' || host.via === 'qmp' ? [] : [{ _tag: 'Starts', domain } as const]),
    ...(host.via === 'qmp'
      ? [{ _tag: 'NoOtherDisks' } as const, { _tag: 'SameDevices', snapshot: snapshot.name } as const]
      : []),
    ...(job.inside.length === 0
      ? []
      : [{ _tag: 'SizesAsTaken', snapshot: snapshot.name, disks: job.inside.map(({ chain }) => chain.disk) } as const]),
    ...(detached.length === 0 ? [] : [{ _tag: 'DiskGone', snapshot: snapshot.name, disks: detached } as const]),
    ...job.deleted.flatMap(({ name, memory }): ReadonlyArray<MachineAssumption> =>
      memory._tag === 'External' ? [{ _tag: 'MemoryFile', snapshot: name, path: memory.path }] : [],
    ),
    ...disks.flatMap((one) =>
      assumptionsOfDisk(one, outcome, steps).map((assumption): MachineAssumption => ({
        _tag: 'OfDisk',
        disk: one.before.disk,
        assumption,
      })),
    ),
  ]
}
