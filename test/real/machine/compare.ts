// A machine as observed against the one that a plan foretold.

import { expect } from 'vitest'
import { activePath, locationString, pointMap, printSnapshotTree } from 'backing-chain'
import type { Chain, Image, Machine } from 'backing-chain'
import type { MachinePlan } from '../../../src/plan/machine-plan.js'
import type { DiskChain } from '../harness/xml.js'
import { allCells, type Place } from './bytes.js'
import type { Expected } from './expected.js'
import { disksOfDomain, factsOf, heldIn, treeOf, type RecordFacts } from './facts.js'
import type { Observed } from './observe.js'

const pathOf = ({ location }: Image): string => locationString(location)

const pathAfter = (chain: Chain): ReadonlyArray<string> =>
  activePath(chain).map((image) => `${image.format} ${pathOf(image)}`)

/** What a definition says of a disk, base first; where it leaves the end open, it may say any upper part. */
const completed = (found: DiskChain | undefined, whole: ReadonlyArray<string>): ReadonlyArray<string> => {
  const images = (found?.images ?? []).map(({ format, path }) => `${format} ${path}`)
  const upper = whole.slice(-images.length)
  return found?.end === 'open' && images.join('\n') === upper.join('\n') ? whole : images
}

const chainsOf = (machine: Machine): ReadonlyMap<string, ReadonlyArray<string>> =>
  new Map(Array.from(machine.disks, ([target, chain]) => [target, pathAfter(chain)]))

const chainsIn = (machine: Machine, domain: Observed['live']): ReadonlyMap<string, ReadonlyArray<string>> => {
  const found = disksOfDomain(domain)
  return new Map(
    Array.from(machine.disks, ([target, chain]) => [target, completed(found.get(target), pathAfter(chain))]),
  )
}

const checkChains = (after: Machine, seen: Observed): void => {
  const expected = chainsOf(after)
  const { persistent } = seen
  expect({ state: seen.state, persistent: persistent && chainsIn(after, persistent) }).toEqual({
    state: after.state,
    persistent: after.definitions?.persistent && expected,
  })
  if (after.state !== 'shut-off') expect({ live: chainsIn(after, seen.live) }).toEqual({ live: expected })
}

const storedLines = (domain: Observed['live']): ReadonlyMap<string, string> =>
  new Map(
    Array.from(disksOfDomain(domain), ([target, { images }]) => [target, images.map(({ path }) => path).join(' <- ')]),
  )

/**
 * What a definition stores of a chain is foretold as far as it goes: how much libvirt stores, and whether it says where the
 * chain ends, also depends on what it found by itself at the guest's start. That it is true is `checkChains`' to say.
 */
const checkDefinitions = (after: Machine, seen: Observed): void => {
  for (const which of ['persistent', 'live'] as const) {
    const [foretold, found] = [after.definitions?.[which], seen[which]]
    if (foretold === undefined || found === undefined) continue
    const wanted = storedLines(foretold)
    const near = Array.from(storedLines(found), ([target, chain]) => {
      const other = wanted.get(target) ?? ''
      return [target, chain.endsWith(other) || other.endsWith(chain) ? other : chain] as const
    })
    expect({ [which]: new Map(near) }).toEqual({ [which]: wanted })
  }
}

interface StoredLine {
  readonly target: string
  readonly chain: string
}

const storedLine = (line: string): StoredLine => {
  const [target = '', chain = ''] = line.split(': ')
  return { target, chain: chain.replace('? <- ', '') }
}

/**
 * The live definition in a record has of the images below only those that libvirt did not find by itself at the guest's start,
 * and says likewise where the chain ends; no XML tells. It has to be an upper part of what was foretold, or the other way round.
 */
const agreed = (found: RecordFacts, foretold: RecordFacts): RecordFacts => {
  const domain = found.domain?.map((line, index) => {
    const other = foretold.domain?.[index] ?? ''
    const [one, two] = [storedLine(line), storedLine(other)]
    const within = one.chain.endsWith(two.chain) || two.chain.endsWith(one.chain)
    return one.target === two.target && within && one.chain !== '' && two.chain !== '' ? other : line
  })
  return { ...found, domain }
}

const checkRecords = (after: Machine, seen: Observed): void => {
  const parents = new Map(Array.from(after.snapshots.values(), ({ name, parent }) => [String(name), parent]))
  expect({ current: seen.current, tree: treeOf(seen.tree) }).toEqual({ current: after.current, tree: parents })
  expect(seen.tree).toBe(printSnapshotTree(after))
  for (const [name, { recorded }] of after.snapshots) {
    const found = seen.records.get(name)
    if (recorded === undefined) continue
    const foretold = factsOf(recorded)
    expect(found && agreed(factsOf(found), foretold)).toEqual(foretold)
  }
}

const headerOf = (image: Image): object => ({
  format: image.format,
  sizeBytes: image.sizeBytes,
  backing: image.backing?.header,
  backingFormat: image.backing?.format,
  internal: image.internalSnapshots.map(({ name }) => name).sort(),
})

const checkHeaders = (after: Machine, seen: Observed): void => {
  const images = Array.from(after.disks.values()).flatMap((chain) => Array.from(chain.images.values()))
  const found = images.map((image) => {
    const info = seen.files.get(pathOf(image))
    const header = info && {
      format: info.format,
      sizeBytes: info.sizeBytes,
      backing: info.backing?.header,
      backingFormat: info.backing?.format,
      internal: info.internalSnapshots.map(({ name }) => name).sort(),
    }
    return [pathOf(image), header] as const
  })
  expect(new Map(found)).toEqual(new Map(images.map((image) => [pathOf(image), headerOf(image)])))
}

const removedBy = (plan: MachinePlan): ReadonlyArray<string> => [
  ...plan.unlinked,
  ...plan.parts.flatMap(({ before, after, fates }) =>
    Array.from(fates).flatMap(([name, all]) => {
      const image = before.images.get(name) ?? after.images.get(name)
      return all.some((fate) => fate === 'removed' || fate === 'renamed') && image !== undefined ? [pathOf(image)] : []
    }),
  ),
]

/** The files that there should be: those of before, without what goes, and what the machine has afterwards. */
const checkFiles = (plan: MachinePlan, before: Observed, seen: Observed): void => {
  const files = new Set(before.files.keys())
  for (const path of removedBy(plan)) files.delete(path)
  for (const chain of plan.after.disks.values()) for (const image of chain.images.values()) files.add(pathOf(image))
  for (const { memory } of plan.after.snapshots.values()) if (memory._tag === 'External') files.add(memory.path)
  for (const { place } of plan.after.saved) if (place.kind === 'file') files.add(place.path)
  expect(Array.from(seen.files.keys())).toEqual(Array.from(files).sort())
}

const checkSaved = ({ after: { saved } }: MachinePlan, { managedSave }: Observed): void => {
  const managed = saved.some(({ place }) => place.kind === 'managed')
  expect({ managedSave }).toEqual({ managedSave: managed })
}

/** What every point in time reads as: in the image that the map names, and in the one that libvirt's record does. */
export const checkBytes = async (after: Machine, seen: Observed, expected: Expected): Promise<void> => {
  const places = new Map<string, Place | undefined>()
  const wanted = new Map<string, string>()
  const look = (what: string, cells: string, place: Place | undefined): void => {
    wanted.set(what, cells)
    places.set(what, place)
  }
  const points = pointMap(after)
  for (const [name, disks] of expected.snapshots)
    for (const [target, cells] of disks) {
      const place = points.get(name)?.get(target)
      const image = place && after.disks.get(target)?.images.get(place.image)
      const inside = place?.held === 'inside' ? { inside: name } : {}
      const at = image && { path: pathOf(image), format: image.format, ...inside }
      look(`${name} ${target}`, cells, at)
      const record = seen.records.get(name)
      const path = record && heldIn(record).get(target)
      if (at !== undefined && path !== undefined && path !== at.path)
        look(`${name} ${target} by its record`, cells, { path, format: 'qcow2', ...inside })
    }
  for (const [target, cells] of expected.guest) {
    const chain = after.disks.get(target)
    const image = chain?.images.get(chain.active)
    look(`guest ${target}`, cells, image && { path: pathOf(image), format: image.format })
  }
  expect(await allCells(places, wanted)).toEqual(wanted)
}

export interface Done {
  readonly plan: MachinePlan
  readonly before: Observed
  readonly seen: Observed
  readonly expected: Expected
}

/** Fails unless everything is as foretold. */
export const compareMachine = async ({ plan, before, seen, expected }: Done): Promise<void> => {
  await checkBytes(plan.after, seen, expected)
  checkFiles(plan, before, seen)
  checkSaved(plan, seen)
  checkHeaders(plan.after, seen)
  checkChains(plan.after, seen)
  checkRecords(plan.after, seen)
  checkDefinitions(plan.after, seen)
}
