import type { Chain } from './chain.js'
import { overlayIndex } from './chain-query.js'
import { normalPath } from './header.js'
import { placesOf } from './image.js'
import type { Image } from './image.js'
import { locationString } from './location.js'
import { loops } from './loop.js'
import type { MachineError } from './machine-error.js'
import type { Machine, MachineParts } from './machine.js'
import { imageOfDisk } from './snapshot.js'
import type { Snapshot } from './snapshot.js'

/** The active image of a chain and everything that is read through it: the guest has changed what these show. */
export const writtenImages = (chain: Chain): ReadonlySet<string> => {
  const overlays = overlayIndex(chain)
  const found: Array<string> = [chain.active]
  for (const name of found) for (const overlay of overlays.get(name) ?? []) found.push(overlay.name)
  return new Set(found)
}

const sharedPlaces = ({ disks }: MachineParts): ReadonlyArray<MachineError> => {
  const holders = new Map<string, { readonly disk: string; readonly image: Image }>()
  const problems: Array<MachineError> = []
  for (const [disk, chain] of disks) {
    for (const image of chain.images.values()) {
      for (const location of placesOf(image)) {
        const place = normalPath(locationString(location))
        const other = holders.get(place)
        if (other !== undefined && other.disk !== disk)
          problems.push({
            _tag: 'PlaceShared',
            disks: [other.disk, disk],
            images: [other.image.name, image.name],
            location,
          })
        holders.set(place, { disk, image })
      }
    }
  }
  return problems
}

const treeProblems = ({ snapshots }: MachineParts): ReadonlyArray<MachineError> => [
  ...Array.from(snapshots.values()).flatMap(({ name, parent }): ReadonlyArray<MachineError> =>
    parent === undefined || snapshots.has(parent) ? [] : [{ _tag: 'ParentMissing', snapshot: name, parent }],
  ),
  ...loops<string>(snapshots.keys(), (at) => snapshots.get(at)?.parent).map((loop): MachineError => ({
    _tag: 'ParentLoop',
    snapshots: loop,
  })),
]

const pointProblem = (
  { name, disks: own }: Snapshot,
  { target, chain, written }: { target: string; chain: Chain | undefined; written: ReadonlySet<string> },
): MachineError | undefined => {
  const disk = own.get(target)
  const image = imageOfDisk(disk)
  if (disk === undefined || image === undefined) return undefined
  const facts = { snapshot: name, disk: target, image }
  if (chain === undefined) return undefined
  const there = chain.images.get(image)
  if (there === undefined) return { _tag: 'PointImageMissing', ...facts }
  if (disk.mode === 'external') return written.has(image) ? { _tag: 'PointWritten', ...facts } : undefined
  return there.internalSnapshots.some((one) => one.name === name) ? undefined : { _tag: 'InternalMissing', ...facts }
}

const pointProblems = ({ disks, snapshots }: MachineParts): ReadonlyArray<MachineError> => {
  const written = new Map(Array.from(disks, ([target, chain]) => [target, writtenImages(chain)]))
  return Array.from(snapshots.values()).flatMap((snapshot) =>
    Array.from(snapshot.disks.keys()).flatMap((target) => {
      const at = { target, chain: disks.get(target), written: written.get(target) ?? new Set<string>() }
      return pointProblem(snapshot, at) ?? []
    }),
  )
}

const definitionProblems = ({ definitions, state }: MachineParts): ReadonlyArray<MachineError> => {
  if (definitions === undefined) return []
  const problems: Array<MachineError> = []
  const wrong = (which: 'persistent' | 'live', why: string): unknown =>
    problems.push({ _tag: 'DefinitionWrong', which, why })
  if (state === 'shut-off' && definitions.live !== undefined) wrong('live', 'a machine that is shut off has none')
  if (state !== 'shut-off' && definitions.live === undefined) wrong('live', 'a machine that runs has one')
  if (state === 'shut-off' && definitions.persistent === undefined)
    wrong('persistent', 'a machine that is shut off has one')
  for (const which of ['persistent', 'live'] as const) {
    const element = definitions[which]
    if (element !== undefined && element.name !== 'domain') wrong(which, `a ${element.name} element is no domain`)
  }
  return problems
}

const sharedMemory = ({ snapshots, saved }: MachineParts): ReadonlyArray<MachineError> => {
  const files = new Set(saved.flatMap(({ place }) => (place.kind === 'file' ? [normalPath(place.path)] : [])))
  return Array.from(snapshots.values()).flatMap(({ name, memory }): ReadonlyArray<MachineError> =>
    memory._tag === 'External' && files.has(normalPath(memory.path))
      ? [{ _tag: 'MemoryShared', snapshot: name, path: memory.path }]
      : [],
  )
}

/** Everything that is wrong with a machine whose names are good. */
export const machineProblems = (of: Machine): ReadonlyArray<MachineError> => [
  ...(of.name === '' || of.name.includes('\0') ? [{ _tag: 'MachineNameInvalid', name: of.name } as const] : []),
  ...sharedPlaces(of),
  ...treeProblems(of),
  ...pointProblems(of),
  ...definitionProblems(of),
  ...sharedMemory(of),
]
