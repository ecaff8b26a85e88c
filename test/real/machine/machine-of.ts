// A machine value of what has been observed.

import { chain, combineHeader } from 'backing-chain'
import type { Chain, ImageDescription, Machine } from 'backing-chain'
import { machineFromLibvirt } from '../../../src/codec/domain-machine.js'
import type { DecodedMachine } from '../../../src/codec/domain-machine.js'
import { right } from '../harness/tree.js'
import { disksOfDomain, heldIn } from './facts.js'
import type { Observed } from './observe.js'

const belowOf = (of: Observed, path: string): string | undefined => {
  const header = of.files.get(path)?.backing?.header
  return header === undefined ? undefined : combineHeader(path, header)
}

const describe = (of: Observed, path: string): ImageDescription => {
  const info = of.files.get(path)
  if (info === undefined) throw new Error(`${path} is no image`)
  const backing = info.backing
  const below = belowOf(of, path)
  return {
    name: path,
    format: info.format,
    sizeBytes: info.sizeBytes,
    location: { _tag: 'File', path },
    otherReaders: [],
    internalSnapshots: info.internalSnapshots,
    bitmaps: info.bitmaps,
    ...(info.clusterBytes === undefined ? {} : { clusterBytes: info.clusterBytes }),
    ...(backing === undefined || below === undefined
      ? {}
      : { backing: { image: below, header: backing.header, format: backing.format ?? 'raw' } }),
  }
}

/** Images of a disk that libvirt does not know, by target. */
export type Foreign = ReadonlyMap<string, string>

/** Every image that the disk's definition or a record names, and all below them by their headers. */
const chainOf = (of: Observed, disk: { target: string; active: string; foreign: string | undefined }): Chain => {
  const { target, active, foreign } = disk
  const recorded = Array.from(of.records.values(), (record) => heldIn(record).get(target) ?? '')
  const named = [active, ...recorded, ...(foreign === undefined ? [] : [foreign])]
  const paths = new Set<string>()
  for (const first of named)
    for (let at: string | undefined = first; at !== undefined && of.files.get(at) !== undefined; at = belowOf(of, at))
      paths.add(at)
  return right(
    chain(
      target,
      Array.from(paths, (path) => describe(of, path)),
      active,
    ),
  )
}

/** The machine that has been observed, and what its reader noticed. */
export const decoded = (of: Observed, foreign: Foreign = new Map()): DecodedMachine => {
  const disks = disksOfDomain(of.live ?? of.persistent)
  const made = machineFromLibvirt({
    domain: of.texts.live,
    inactive: of.texts.persistent,
    state: of.state,
    snapshots: of.texts.records,
    current: of.current,
    chains: Array.from(disks, ([target, { images }]) =>
      chainOf(of, { target, active: images.at(-1)?.path ?? '', foreign: foreign.get(target) }),
    ),
  })
  return right(made)
}

/** The machine that has been observed. */
export const machineOf = (of: Observed, foreign?: Foreign): Machine => decoded(of, foreign).machine
