import { combineHeader, normalPath } from '../model/header.js'
import { placesOf } from '../model/image.js'
import type { Image } from '../model/image.js'
import type { Chain } from '../model/chain.js'
import { locationString } from '../model/location.js'
import type { Machine } from '../model/machine.js'
import { recordedDisks, recordedSources, sourcesOfDomain } from '../model/record.js'
import type { Snapshot } from '../model/snapshot.js'

/** Who has a path, by the path. */
export type TakenPaths = ReadonlyMap<string, string>

type Taken = readonly [path: string, by: string]

const quoted = (name: string): string => JSON.stringify(name)

/** Where an image is, and where its header leads, whether something is there or not. */
const takenByImage = (image: Image): ReadonlyArray<Taken> => {
  const by = `image ${quoted(image.name)}`
  const own = placesOf(image).map((place): Taken => [locationString(place), by])
  if (image.backing === undefined) return own
  return [...own, [combineHeader(locationString(image.location), image.backing.header), `the header of ${by}`]]
}

const takenByChain = ({ images }: Chain): ReadonlyArray<Taken> => Array.from(images.values()).flatMap(takenByImage)

const pathsOf = (sources: ReturnType<typeof sourcesOfDomain>): ReadonlyArray<string> =>
  Array.from(sources.values()).flatMap(({ path, below }) => [
    ...(path === undefined ? [] : [path]),
    ...below.map((image) => image.path),
  ])

/** Every file that a snapshot's record names: libvirt may read it, or unlink it. */
const takenByRecord = ({ name, recorded, memory }: Snapshot): ReadonlyArray<Taken> => {
  const overlays = (['disks', 'revertDisks'] as const).flatMap((list) =>
    Array.from(recordedDisks(recorded, list).values()).flatMap(({ path }) => path ?? []),
  )
  const sources = (['domain', 'inactiveDomain'] as const).flatMap((of) => pathsOf(recordedSources(recorded, of)))
  const memories = memory._tag === 'External' ? [memory.path] : []
  const by = `the record of snapshot ${quoted(name)}`
  return [
    ...[...overlays, ...sources].map((path): Taken => [path, by]),
    ...memories.map((path): Taken => [path, `the memory of snapshot ${quoted(name)}`]),
  ]
}

/** Every path that an image has or names, a record or a definition names, the memory of a snapshot has, or a caller reserves. */
export const takenPaths = (machine: Machine, reserved: ReadonlyArray<string>): TakenPaths => {
  const { persistent, live } = machine.definitions ?? {}
  const definitions = [persistent, live].flatMap((domain) => pathsOf(sourcesOfDomain(domain)))
  const all: ReadonlyArray<Taken> = [
    ...reserved.map((path): Taken => [path, 'the caller']),
    ...definitions.map((path): Taken => [path, 'the definition of the domain']),
    ...Array.from(machine.snapshots.values()).flatMap(takenByRecord),
    ...Array.from(machine.disks.values()).flatMap(takenByChain),
  ]
  return new Map(all.map(([path, by]) => [normalPath(path), by]))
}

/** A path with its last suffix, where it has one, replaced. */
const withSuffix = (path: string, suffix: string): string => {
  const slash = path.lastIndexOf('/')
  const dot = path.lastIndexOf('.')
  return `${dot > slash + 1 ? path.slice(0, dot) : path}.${suffix}`
}

/** What an image is called, as far as its path says it: the same part of another path. */
export const sameName = ({ name, location }: Image, path: string): string => {
  const own = locationString(location)
  return own !== name && own.endsWith(`/${name}`) && !name.includes('/') ? path.slice(path.lastIndexOf('/') + 1) : path
}

/** A new image beside one that is there. */
export interface FreeName {
  readonly name: string
  readonly path: string
}

/**
 * The first free name of an overlay: the frozen image's path with its last suffix replaced by the name of the snapshot, then by
 * that name with `-1`, `-2` and so on.
 */
export const freeName = (
  frozen: Image,
  suffix: string,
  { paths, images }: { readonly paths: TakenPaths; readonly images: ReadonlyMap<string, unknown> },
): FreeName => {
  for (let attempt = 0; ; attempt++) {
    const path = withSuffix(locationString(frozen.location), attempt === 0 ? suffix : `${suffix}-${attempt}`)
    const name = sameName(frozen, path)
    if (!paths.has(normalPath(path)) && !images.has(name)) return { name, path }
  }
}
