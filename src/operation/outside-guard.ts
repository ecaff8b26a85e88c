import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { normalPath } from '../model/header.js'
import { locationString } from '../model/location.js'
import { recordedSources, sourcesOfDomain } from '../model/record.js'
import { imageOfDisk } from '../model/snapshot.js'
import type { Snapshot } from '../model/snapshot.js'
import type { Fate } from '../plan/fate.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { DiskPart, MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { Loss, MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'
import { machineOpenGuard } from './open-guard.js'
import { savedStatesGuard } from './saved-guard.js'
import { hasPlace } from './storage-daemon.js'

/** Where a snapshot has a disk whose target is the machine's no more: by its record, else by the name of the image. */
export const placesOfTarget = ({ recorded, disks }: Snapshot, target: string): ReadonlyArray<string> => {
  const paths = (['domain', 'inactiveDomain'] as const).flatMap((of) => {
    const source = recordedSources(recorded, of).get(target)
    return source === undefined ? [] : [source.path ?? [], ...source.below.map(({ path }) => path)].flat()
  })
  return paths.length > 0 ? paths.map(normalPath) : [imageOfDisk(disks.get(target)) ?? []].flat()
}

/** The snapshots that need an image for a disk that the machine no longer has, by the path or name of the image. */
const heldForGone = ({ before, after }: MachinePlan): ReadonlyMap<string, string> => {
  const held = new Map<string, string>()
  for (const snapshot of after.snapshots.values())
    for (const [target, { mode }] of snapshot.disks)
      if (!before.disks.has(target) && (mode === 'external' || mode === 'internal'))
        for (const place of placesOfTarget(snapshot, target)) held.set(place, snapshot.name)
  return held
}

/** The images of a part that show something else afterwards, or are not there any more. A pull writes only what is read already. */
const harmed = ({ before, contents: [change], fates }: DiskPart): ReadonlyArray<Loss & { readonly place: string }> =>
  Array.from(before.images.values()).flatMap(({ name, location }) => {
    const is = (fate: Fate): boolean => fates.get(name)?.includes(fate) === true
    const pulled = change?.image === name && change.span.at(-1) === name
    const changed = is('removed') || is('renamed') || is('invalid') || (is('written') && !pulled)
    return changed
      ? [{ snapshot: undefined, disk: before.disk, image: name, place: normalPath(locationString(location)) }]
      : []
  })

/**
 * Refuses to change an image that a snapshot which stays needs for a disk that the machine no longer has: the same image can be
 * another disk's now, that of a disk whose target has changed with its bus say.
 */
const goneDiskGuard = (plan: MachinePlan): MachineRefusal | undefined => {
  const held = heldForGone(plan)
  if (held.size === 0) return undefined
  const lost = plan.parts.flatMap(harmed).flatMap(({ place, disk, image }): ReadonlyArray<Loss> => {
    const snapshot = held.get(place) ?? held.get(image)
    return snapshot === undefined ? [] : [{ snapshot, disk, image }]
  })
  if (!isNonEmpty(lost)) return undefined
  const why = 'a snapshot has the image for a disk whose target the machine no longer has'
  const snapshots = Array.from(new Set(lost.flatMap(({ snapshot }) => snapshot ?? [])))
  return refuseMachine({ _tag: 'PointsLost', lost, why }, [{ _tag: 'Forget', snapshots }])
}

/** Every point in time that is in a frozen image, by the path of the image. */
const frozenPlaces = ({ before, after }: MachinePlan): ReadonlyMap<string, Loss> => {
  const frozen = new Map<string, Loss>()
  for (const { name: snapshot, disks } of after.snapshots.values())
    for (const [disk, own] of disks) {
      const image = own.mode === 'external' ? own.frozen : undefined
      const location = image === undefined ? undefined : before.disks.get(disk)?.images.get(image)?.location
      if (image !== undefined && location !== undefined)
        frozen.set(normalPath(locationString(location)), { snapshot, disk, image })
    }
  return frozen
}

/** Refuses a definition of then in which the guest would write to a frozen image: the disks that it brings back are not the machine's. */
const broughtBackGuard = (plan: MachinePlan): MachineRefusal | undefined => {
  const { persistent } = plan.after.definitions ?? {}
  if (plan.operation !== 'revert' || persistent === undefined || persistent === plan.before.definitions?.persistent)
    return undefined
  const frozen = frozenPlaces(plan)
  const lost = Array.from(sourcesOfDomain(persistent)).flatMap(([target, { path }]) =>
    path === undefined || plan.after.disks.has(target) ? [] : (frozen.get(normalPath(path)) ?? []),
  )
  const why = 'the definition of then has the guest write to an image that holds it'
  return isNonEmpty(lost) ? refuseMachine({ _tag: 'PointsLost', lost, why }) : undefined
}

/** Refuses to remove a file that the persistent definition names afterwards: the guest would not start again. */
const startGuard = ({ parts, via, after: { definitions } }: MachinePlan): MachineRefusal | undefined => {
  const sources = sourcesOfDomain(definitions?.persistent)
  for (const { before, fates } of parts)
    for (const { name, location } of before.images.values()) {
      if (fates.get(name)?.some((fate) => fate === 'removed' || fate === 'renamed') !== true) continue
      const place = normalPath(locationString(location))
      for (const [target, { path, below }] of sources) {
        const named = [path, ...below.map((image) => image.path)]
        if (!named.some((one) => one !== undefined && normalPath(one) === place)) continue
        const why = `the persistent definition names ${place} for disk ${target}, and the guest would not start again`
        return refuseMachine({
          _tag: 'DiskRefused',
          disk: before.disk,
          refusal: refuse({ _tag: 'NotThisWay', via, why }),
        })
      }
    }
  return undefined
}

/** Refuses a socket of a daemon that would take the place of an image of any disk. */
const socketsGuard = ({ via, before, after }: MachinePlan, { socket }: MachineHost): MachineRefusal | undefined => {
  if (via !== 'storage-daemon' || socket === undefined) return undefined
  const chains = [...before.disks.values(), ...after.disks.values()]
  const taken = Array.from(before.disks.keys()).find((disk) => hasPlace(chains, `${socket}.${disk}`))
  const why = `the socket of ${String(taken)} would take the place of an image, which is then gone`
  return taken === undefined ? undefined : refuseMachine({ _tag: 'NotThisWay', via, why })
}

/** What is asked of every plan when it is made: of disks and definitions that are not those of the chains, and who has what open. */
export const outsideGuard = (plan: MachinePlan, host: MachineHost): MachineRefusal | undefined =>
  goneDiskGuard(plan) ??
  startGuard(plan) ??
  broughtBackGuard(plan) ??
  socketsGuard(plan, host) ??
  savedStatesGuard(plan) ??
  machineOpenGuard(plan, host)
