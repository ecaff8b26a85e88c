import { combineHeader, normalPath } from '../model/header.js'
import { placesOf } from '../model/image.js'
import type { Image } from '../model/image.js'
import { locationString, pathOf } from '../model/location.js'
import type { Machine } from '../model/machine.js'
import { recordedDisks, recordedSources, sourcesOfDomain } from '../model/record.js'
import type { RecordedSource } from '../model/record.js'
import type { Snapshot } from '../model/snapshot.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import type { NewImage } from './request.js'

type Holder = readonly [path: string, by: string]

const ofImage = (image: Image): ReadonlyArray<Holder> => placesOf(image).map((at) => [locationString(at), image.name])

/** What the stored backing string leads to, whether the chain value has it or not. */
const ofHeader = ({ name, location, backing }: Image): ReadonlyArray<Holder> =>
  backing === undefined
    ? []
    : [[combineHeader(pathOf(location) ?? '', backing.header), `the backing string of ${String(name)}`]]

const ofSources = (sources: ReadonlyMap<string, RecordedSource>, by: string): ReadonlyArray<Holder> =>
  Array.from(sources.values()).flatMap(({ path, below }) =>
    [path, ...below.map((image) => image.path)].flatMap((one): ReadonlyArray<Holder> =>
      one === undefined ? [] : [[one, by]],
    ),
  )

const ofSnapshot = ({ name, memory, recorded }: Snapshot): ReadonlyArray<Holder> => {
  const by = `snapshot ${name}`
  const disks = [...recordedDisks(recorded, 'disks').values(), ...recordedDisks(recorded, 'revertDisks').values()]
  return [
    ...disks.flatMap(({ path }): ReadonlyArray<Holder> => (path === undefined ? [] : [[path, by]])),
    ...ofSources(recordedSources(recorded), by),
    ...ofSources(recordedSources(recorded, 'inactiveDomain'), by),
    ...(memory._tag === 'External' ? [[memory.path, `the memory of ${by}`] as const] : []),
  ]
}

const holders = (machine: Machine, reserved: ReadonlyArray<string>): ReadonlyArray<Holder> => {
  const images = Array.from(machine.disks.values()).flatMap((chain) => Array.from(chain.images.values()))
  const { live, persistent } = machine.definitions ?? {}
  return [
    ...images.flatMap(ofImage),
    ...images.flatMap(ofHeader),
    ...Array.from(machine.snapshots.values()).flatMap(ofSnapshot),
    ...ofSources(sourcesOfDomain(live), 'the live definition'),
    ...ofSources(sourcesOfDomain(persistent), 'the persistent definition'),
    ...machine.saved.flatMap(({ place }): ReadonlyArray<Holder> =>
      place.kind === 'file' ? [[place.path, 'a saved state']] : [],
    ),
    ...reserved.map((path): Holder => [path, 'reserved']),
  ]
}

/** Who has a path, by the path. */
export type TakenPaths = ReadonlyMap<string, string>

/**
 * Every path that is taken, and by what: an image has or names it, a record or a definition names it, memory is in it, or a caller
 * reserves it. libvirt may read any of them, write over it, or unlink it.
 */
export const takenPaths = (machine: Machine, reserved: ReadonlyArray<string>): Map<string, string> => {
  const taken = new Map<string, string>()
  for (const [path, by] of holders(machine, reserved)) if (!taken.has(normalPath(path))) taken.set(normalPath(path), by)
  return taken
}

/** Refuses a file at a path that is taken; `disk` is for whom it is. */
export const takenGuard = (
  taken: TakenPaths,
  { disk, path }: { readonly disk: string; readonly path: string },
): MachineRefusal | undefined => {
  const by = taken.get(normalPath(path))
  return by === undefined
    ? undefined
    : refuseMachine({ _tag: 'PathTaken', disk, path, by }, [
        { _tag: 'UseAnotherName', taken: Array.from(taken.keys()) },
      ])
}

/** A file to be made, and for whom. */
export type WantedPath = readonly [disk: string, path: string]

/** New images, each for its disk. */
export const pathsOfImages = (to: ReadonlyMap<string, Pick<NewImage, 'location'>>): ReadonlyArray<WantedPath> =>
  Array.from(to, ([disk, { location }]) => [disk, locationString(location)])

/** Refuses new files where something is, where something refers to, or where another of them goes. */
export const newFilesGuard = (
  machine: Machine,
  wanted: ReadonlyArray<WantedPath>,
  reserved: ReadonlyArray<string> = [],
): MachineRefusal | undefined => {
  const taken = takenPaths(machine, reserved)
  for (const [disk, path] of wanted) {
    const refused = takenGuard(taken, { disk, path })
    if (refused !== undefined) return refused
    taken.set(normalPath(path), `the new image of ${disk}`)
  }
  return undefined
}
