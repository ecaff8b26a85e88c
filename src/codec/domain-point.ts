import { imageOf } from '../model/chain-query.js'
import type { Chain } from '../model/chain.js'
import { locationString } from '../model/location.js'
import { writtenImages } from '../model/machine-check.js'
import type { SnapshotDescription, SnapshotDiskDescription } from '../model/snapshot.js'
import { isImageName } from '../model/image.js'
import type { DomainSnapshot, DomainSnapshotDisk } from './domain-snapshot.js'
import { comparable } from './filename.js'

/** Where a snapshot's record and the images do not agree. */
export type PointFinding =
  | {
      readonly _tag: 'PointMissing'
      readonly snapshot: string
      readonly disk: string
      readonly path: string | undefined
    }
  | {
      readonly _tag: 'PointWritten' | 'InternalMissing'
      readonly snapshot: string
      readonly disk: string
      readonly image: string
    }
  | { readonly _tag: 'DiskGone'; readonly snapshot: string; readonly disk: string }

/** A chain, with its images by where they are, and those that the guest has written. */
export interface DiskIndex {
  readonly chain: Chain
  readonly names: ReadonlyMap<string, string>
  readonly written: ReadonlySet<string>
}

/** The images of a chain by their places. */
export const diskIndex = (chain: Chain): DiskIndex => ({
  chain,
  names: new Map(
    Array.from(chain.images.values(), ({ name, location }) => [comparable(locationString(location)), name]),
  ),
  written: writtenImages(chain),
})

interface Found {
  readonly disk: SnapshotDiskDescription
  readonly finding?: PointFinding
}

/** What is asked of one disk of one snapshot: where its own copy of the definition has the disk. */
interface Asked {
  readonly snapshot: string
  readonly disk: string
  readonly path: string | undefined
}

const external = ({ path, ...at }: Asked, { names, written }: DiskIndex): Found => {
  const image = path === undefined ? undefined : names.get(comparable(path))
  if (image === undefined) return { disk: { mode: 'external' }, finding: { _tag: 'PointMissing', ...at, path } }
  return written.has(image)
    ? { disk: { mode: 'external' }, finding: { _tag: 'PointWritten', ...at, image } }
    : { disk: { mode: 'external', frozen: image } }
}

const internal = ({ path, ...at }: Asked, { chain, names }: DiskIndex): Found => {
  const name = path === undefined ? undefined : names.get(comparable(path))
  const image = name === undefined ? undefined : imageOf(chain, name)
  if (image === undefined) return { disk: { mode: 'internal' }, finding: { _tag: 'PointMissing', ...at, path } }
  return image.internalSnapshots.some((inside) => inside.name === at.snapshot)
    ? { disk: { mode: 'internal', image: image.name } }
    : { disk: { mode: 'internal' }, finding: { _tag: 'InternalMissing', ...at, image: image.name } }
}

/** What the record says, for a disk that no chain was given of: unchecked. */
const unchecked = (mode: 'external' | 'internal', path: string | undefined): SnapshotDiskDescription => {
  if (path === undefined || !isImageName(path)) return { mode }
  return mode === 'external' ? { mode, frozen: path } : { mode, image: path }
}

/** The disks that there are: those of which a chain was given, and those that the definition has. */
interface Present {
  readonly index: ReadonlyMap<string, DiskIndex>
  readonly targets: ReadonlyMap<string, unknown>
}

const foundOf = ({ mode }: DomainSnapshotDisk, asked: Asked, { index, targets }: Present): Found => {
  if (mode === 'manual' || mode === 'no') return { disk: { mode } }
  const { snapshot, disk, path } = asked
  const known = index.get(disk)
  if (known !== undefined) return mode === 'external' ? external(asked, known) : internal(asked, known)
  const taken = { disk: unchecked(mode, path) }
  return targets.has(disk) ? taken : { ...taken, finding: { _tag: 'DiskGone', snapshot, disk } }
}

const pathsOf = ({ domain }: DomainSnapshot): ReadonlyMap<string, string> => {
  const paths = new Map<string, string>()
  for (const { target, images } of domain ?? []) {
    const location = images.at(-1)?.location
    if (location !== undefined) paths.set(target, locationString(location))
  }
  return paths
}

const factsOf = ({ parent, description, creationTime }: DomainSnapshot): Partial<SnapshotDescription> => ({
  ...(parent === undefined ? {} : { parent }),
  ...(description === undefined ? {} : { description }),
  ...(creationTime === undefined ? {} : { creationTime }),
})

/** A snapshot of the model, and where its points in time are not what the record says. */
export const pointsOf = (
  snapshot: DomainSnapshot,
  present: Present,
): { readonly description: SnapshotDescription; readonly findings: ReadonlyArray<PointFinding> } => {
  const { name, state, memory, element } = snapshot
  const paths = pathsOf(snapshot)
  const found = snapshot.disks.map((disk) => ({
    target: disk.target,
    ...foundOf(disk, { snapshot: name, disk: disk.target, path: paths.get(disk.target) }, present),
  }))
  return {
    description: {
      ...{ name, state, memory, recorded: element },
      disks: found.map(({ target, disk }) => [target, disk]),
      ...factsOf(snapshot),
    },
    findings: found.flatMap(({ finding }) => finding ?? []),
  }
}
