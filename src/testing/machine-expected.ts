import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import type { Chain } from '../model/chain.js'
import { normalPath, placeOf } from '../model/header.js'
import { locationString } from '../model/location.js'
import type { Machine } from '../model/machine.js'
import { recordedDisks, recordedParent, recordedSources, sourcesOfDomain } from '../model/record.js'
import type { RecordedDisk, RecordedSource } from '../model/record.js'
import type { XmlElement } from '../model/xml.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { liveChain, metadataOf } from '../simulate/index.js'
import type { ListedDisk, MachineWorld } from '../simulate/index.js'

/** What a chain is, to be held against another. */
export const chainFacts = (chain: Chain): ReadonlyArray<string> => [
  `active ${chain.active}`,
  ...Array.from(chain.images.values(), ({ name, format, sizeBytes, backing, node, internalSnapshots }) =>
    JSON.stringify([
      name,
      format,
      sizeBytes,
      backing ?? null,
      node === undefined ? null : [node.format, node.storage, node.filters],
      internalSnapshots.map((one) => one.name),
    ]),
  ).sort(),
]

type Sources = ReadonlyMap<string, RecordedSource>

const uppermostFirst = ({ path, below }: RecordedSource): ReadonlyArray<string> =>
  path === undefined ? [] : [path, ...below.map((one) => one.path)].map(normalPath)

const sourceLines = (sources: Sources, what: string): ReadonlyArray<string> =>
  Array.from(sources, ([disk, source]) => `${what} ${disk}: ${uppermostFirst(source).join(' <- ')}`)

/** What libvirt's definitions are to say, as lines. */
export const definitionLines = ({ definitions, disks }: Machine): ReadonlyArray<string> => {
  const known = (domain: XmlElement | undefined): Sources =>
    new Map(Array.from(sourcesOfDomain(domain)).filter(([disk]) => disks.has(disk)))
  return [
    ...sourceLines(known(definitions?.persistent), 'persistent'),
    ...sourceLines(known(definitions?.live), 'live'),
  ].sort()
}

/** What the simulator's libvirt has in its definitions, as lines. */
export const definedLines = (machine: MachineWorld, of: Machine): ReadonlyArray<string> =>
  Array.from(machine.worlds)
    .flatMap(([disk, world]) => {
      const { path, backingStore } = world.boot
      const stored = [path, ...backingStore.map((one) => one.path).reverse()].map(normalPath)
      const live = liveChain(world)
        .map((one) => normalPath(one.path))
        .reverse()
      return [
        ...(of.definitions?.persistent === undefined ? [] : [`persistent ${disk}: ${stored.join(' <- ')}`]),
        ...(isNonEmpty(live) ? [`live ${disk}: ${live.join(' <- ')}`] : []),
      ]
    })
    .sort()

const diskLine = (disk: string, mode: string, path: string | undefined): string =>
  `${disk} ${mode} ${mode === 'external' && path !== undefined ? normalPath(path) : ''}`

const recordedLines = (disks: ReadonlyMap<string, RecordedDisk>): ReadonlyArray<string> =>
  Array.from(disks, ([disk, { mode, path }]) => diskLine(disk, mode, path)).sort()

const listedLines = (disks: ReadonlyMap<string, ListedDisk> | undefined): ReadonlyArray<string> =>
  Array.from(disks ?? [], ([disk, { mode, path }]) => diskLine(disk, mode, path)).sort()

const storedLines = (sources: Sources): ReadonlyArray<string> =>
  Array.from(sources, ([disk, source]) => `${disk}: ${uppermostFirst(source).join(' <- ')}`).sort()

const listedSources = (domain: ReadonlyMap<string, ReadonlyArray<string>> | undefined): ReadonlyArray<string> =>
  Array.from(domain ?? [], ([disk, paths]) => `${disk}: ${paths.join(' <- ')}`).sort()

/** libvirt's records as a plan predicts them, as lines. */
export const predictedRecords = ({ snapshots, current }: Machine): ReadonlyArray<string> => {
  const managed = Array.from(snapshots.values()).filter(({ recorded }) => recorded !== undefined)
  const isKnown = managed.some(({ name }) => name === current)
  return [
    `current ${isKnown ? (current ?? '') : ''}`,
    ...managed
      .map(({ name, state, memory, recorded }) =>
        JSON.stringify({
          name,
          parent: recordedParent(recorded) ?? null,
          state,
          memory,
          disks: recordedLines(recordedDisks(recorded, 'disks')),
          reverted: recordedLines(recordedDisks(recorded, 'revertDisks')),
          domain: storedLines(recordedSources(recorded, 'domain')),
          inactive: storedLines(recordedSources(recorded, 'inactiveDomain')),
        }),
      )
      .sort(),
  ]
}

/** The simulator's records, as lines. */
export const listedRecords = (machine: MachineWorld): ReadonlyArray<string> => {
  const { snapshots, current } = metadataOf(machine)
  return [
    `current ${current ?? ''}`,
    ...Array.from(snapshots, ([name, one]) =>
      JSON.stringify({
        name,
        parent: one.parent ?? null,
        state: one.state,
        memory: one.memory,
        disks: listedLines(one.disks),
        reverted: listedLines(one.revertDisks),
        domain: listedSources(one.domain),
        inactive: listedSources(one.inactiveDomain),
      }),
    ).sort(),
  ]
}

/** The paths of each image that a plan knows, by disk and name: that of before first, which one that is renamed has until it goes. */
export const knownPaths = (plan: MachinePlan): ReadonlyMap<string, ReadonlyMap<string, ReadonlyArray<string>>> => {
  const known = new Map<string, Map<string, ReadonlyArray<string>>>()
  const chains = [...plan.before.disks.values(), ...plan.parts.map(({ after }) => after), ...plan.after.disks.values()]
  for (const { disk, images } of chains) {
    const own = known.get(disk) ?? new Map<string, ReadonlyArray<string>>()
    for (const image of images.values()) own.set(image.name, [...(own.get(image.name) ?? []), placeOf(image)])
    known.set(disk, own)
  }
  return known
}

/** The files of a plan's disks, and whether each is there at the end. */
export const filesAfter = (plan: MachinePlan): ReadonlyMap<string, 'there' | 'gone'> => {
  const files = new Map<string, 'there' | 'gone'>()
  for (const own of knownPaths(plan).values())
    for (const path of Array.from(own.values()).flat()) files.set(path, 'there')
  for (const { before, after, fates } of plan.parts)
    for (const [name, fate] of fates) {
      const image = before.images.get(name) ?? after.images.get(name)
      if (image !== undefined && fate.some((one) => one === 'removed' || one === 'renamed'))
        files.set(normalPath(locationString(image.location)), 'gone')
    }
  for (const chain of plan.after.disks.values())
    for (const { location } of chain.images.values()) files.set(normalPath(locationString(location)), 'there')
  return files
}
