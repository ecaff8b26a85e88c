import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'

import type { Layer } from '../content/layer.js'
import { defaultClusterBytes, layerOfPattern } from '../content/pattern.js'
import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import type { GuestState } from '../model/guest.js'
import { machine } from '../model/machine-make.js'
import type { Machine } from '../model/machine.js'
import { parseChain } from '../model/notation.js'
import type { ParseOptions } from '../model/notation.js'
import { printPicture } from '../model/print-picture.js'
import type { SnapshotDescription, SnapshotDiskDescription } from '../model/snapshot.js'
import type { Contents } from '../plan/contents.js'
import { grownBy, seedling } from './machine-growth.js'
import type { Grown, GrownDisk, GrownSnapshot, Growth } from './machine-growth.js'
import { definitionsOfGrown, memoryOfGrown, recordOfGrown } from './machine-written.js'

/**
 * What the images of a machine store: by disk and image, and inside, by disk, image and snapshot.
 *
 * @since 0.2.0
 */
export interface MachineContents {
  readonly disks: ReadonlyMap<string, Contents>
  readonly inside: ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, Layer>>>
}

/**
 * A machine, and what its images store. Data of each time of writing has a source of its own.
 *
 * @since 0.2.0
 */
export interface FilledMachine {
  readonly machine: Machine
  readonly contents: MachineContents
}

/**
 * How random machines look.
 *
 * - `managed`: by libvirt, with its records and definitions; `none` for a machine that it does not manage. `libvirt` by default.
 * - `state`: what the guest does; any, where left out, as far as it can be with `managed`.
 * - `maxDisks` (3), `maxEvents` (10): how many takes, reverts, writes and so on have made it.
 * - `inside`: whether snapshots are inside images; `some` by default. With `most` disks are qcow2, and many have their memory there.
 * - `persistence`: of a domain that runs; `persistent` by default, `any` for some that are transient.
 * - `nodes`: as in `parseChain`.
 *
 * @since 0.2.0
 */
export interface MachineOptions {
  readonly managed?: 'libvirt' | 'none'
  readonly state?: GuestState
  readonly maxDisks?: number
  readonly maxEvents?: number
  readonly inside?: 'some' | 'none' | 'most'
  readonly persistence?: 'persistent' | 'any'
  readonly nodes?: 'monitor' | 'implicit'
}

const picture = ({ images, active }: GrownDisk): string => {
  const all = Array.from(images.values())
  const places = new Map(all.map(({ name }, place) => [name, place]))
  return printPicture({
    images: all.map(({ name, backing, format, pattern }) => ({
      name,
      backing: backing === undefined ? undefined : places.get(backing),
      format: format === 'raw' ? format : undefined,
      contents: pattern,
      marks: name === active ? ['^'] : [],
    })),
  })
}

/** The snapshots whose memory a disk has inside: the first disk has that of all. */
const remembered = ({ disks, snapshots }: Grown, target: string): ReadonlySet<string> => {
  const [first] = disks.keys()
  return new Set(
    target === first
      ? Array.from(snapshots.values()).flatMap((one) => (one.memory === 'internal' ? [one.name] : []))
      : [],
  )
}

const withInside = (chain: Chain, { images }: GrownDisk, memories: ReadonlySet<string>): Chain =>
  withImages(
    chain,
    new Map(
      Array.from(chain.images, ([name, image]) => {
        const inside = images.get(name)?.inside ?? []
        const internalSnapshots = inside.map((one, at) => ({
          id: String(at + 1),
          name: one.name,
          vmStateBytes: memories.has(one.name) ? 1 : 0,
        }))
        return [name, { ...image, internalSnapshots }]
      }),
    ),
  )

const insideOf = ({ images }: GrownDisk): ReadonlyMap<string, ReadonlyMap<string, Layer>> =>
  new Map(
    Array.from(images.values(), ({ name, inside }) => [
      name,
      new Map(inside.map((one) => [one.name, layerOfPattern(one.pattern, defaultClusterBytes)])),
    ]),
  )

const heldDisk = (one: GrownSnapshot, target: string): SnapshotDiskDescription => {
  const mode = one.modes.get(target) ?? 'no'
  const image = one.shown.get(target) ?? ''
  switch (mode) {
    case 'external':
      return { mode, frozen: image }
    case 'internal':
      return { mode, image }
    case 'manual':
    case 'no':
      return { mode }
  }
}

interface Setting {
  readonly managed: 'libvirt' | 'none'
  readonly state: GuestState
  readonly stored: 'chain' | 'source'
  readonly persistence: 'persistent' | 'transient'
  readonly parse: ParseOptions
}

const describedSnapshot = (grown: Grown, one: GrownSnapshot, { managed }: Setting): SnapshotDescription => ({
  name: one.name,
  state: one.state,
  creationTime: '1795656132',
  disks: Array.from(one.modes.keys(), (target) => [target, heldDisk(one, target)] as const),
  ...(one.parent === undefined ? {} : { parent: one.parent }),
  ...(one.memory === 'external' ? { memory: { _tag: 'External' as const, path: memoryOfGrown(one.name) } } : {}),
  ...(one.memory === 'internal' ? { memory: { _tag: 'Internal' as const } } : {}),
  ...(managed === 'libvirt' ? { recorded: recordOfGrown(grown, one) } : {}),
})

const filledDisk = (
  grown: Grown,
  [target, disk]: readonly [string, GrownDisk],
  { parse }: Setting,
): { chain: Chain; contents: Contents } => {
  const parsed = parseChain(picture(disk), { ...parse, disk: target })
  if (E.isLeft(parsed)) throw new Error(`unreachable: ${JSON.stringify(parsed.left)}`)
  return { chain: withInside(parsed.right.chain, disk, remembered(grown, target)), contents: parsed.right.contents }
}

/** The machine that has grown, as somebody would describe it who knows all of it. */
export const filledMachine = (grown: Grown, setting: Setting): FilledMachine => {
  const disks = new Map(Array.from(grown.disks, (one) => [one[0], filledDisk(grown, one, setting)]))
  const made = machine({
    name: 'vm',
    state: setting.state,
    disks: Array.from(disks.values(), ({ chain }) => chain),
    snapshots: Array.from(grown.snapshots.values(), (one) => describedSnapshot(grown, one, setting)),
    ...(grown.current === undefined ? {} : { current: grown.current }),
    ...(setting.managed === 'libvirt' ? { definitions: definitionsOfGrown(grown, setting) } : {}),
  })
  if (E.isLeft(made)) throw new Error(`unreachable: ${JSON.stringify(made.left)}`)
  const inside = new Map(Array.from(grown.disks, ([target, disk]) => [target, insideOf(disk)]))
  const contents = new Map(Array.from(disks, ([target, one]) => [target, one.contents]))
  return { machine: made.right, contents: { disks: contents, inside } }
}

const choice = fc.nat({ max: 1000 })

const kinds = {
  none: ['outside'],
  some: ['outside', 'outside', 'inside'],
  most: ['outside', 'inside', 'inside', 'inside'],
} as const

const takenStates = ['disk-snapshot', 'disk-snapshot', 'shutoff', 'running', 'paused'] as const

const arbitraryGrowth = ({ inside = 'some' }: MachineOptions): fc.Arbitrary<Growth> => {
  const take = fc.record({
    _tag: fc.constant('Take' as const),
    kind: fc.constantFrom(...kinds[inside]),
    modes: fc.array(fc.constantFrom('external' as const, 'external' as const, 'external' as const, 'no', 'manual'), {
      minLength: 3,
      maxLength: 3,
    }),
    state: fc.constantFrom(...(inside === 'most' ? (['running', 'paused'] as const) : takenStates)),
  })
  const revert = fc.record({
    _tag: fc.constant('Revert' as const),
    to: choice,
    by: fc.constantFrom('libvirt' as const, 'hand' as const),
    present: fc.constantFrom('keep' as const, 'discard' as const),
  })
  const cells = fc.string({ unit: fc.constantFrom('-', 'x', '0', 'x'), minLength: 1, maxLength: 4 })
  const write = fc.record({ _tag: fc.constant('Write' as const), disk: choice, cells })
  const forget = fc.record({ _tag: fc.constant('Forget' as const), snapshot: choice })
  const grow = fc.record({ _tag: fc.constant('Grow' as const), disk: choice })
  return fc.oneof(
    { weight: 8, arbitrary: take },
    { weight: 8, arbitrary: write },
    { weight: 4, arbitrary: revert },
    { weight: 1, arbitrary: forget },
    { weight: 1, arbitrary: grow },
    { weight: 1, arbitrary: fc.constant<Growth>({ _tag: 'Attach' }) },
  )
}

const formats = ['qcow2', 'qcow2', 'raw'] as const

const states: ReadonlyArray<GuestState> = ['running', 'shut-off', 'paused']

/**
 * Random machines with their contents: one to three disks with branches, and snapshots of every kind that held together when they were taken.
 *
 * Each is what is left of a random life: snapshots taken, reverts, the guest's writes, a disk that came later, a larger disk, a record
 * that somebody took away.
 *
 * @since 0.2.0
 */
export const arbitraryMachine = (options: MachineOptions = {}): fc.Arbitrary<FilledMachine> => {
  const { managed = 'libvirt', maxDisks = 3, maxEvents = 10 } = options
  const format = fc.constantFrom(...(options.inside === 'most' ? (['qcow2'] as const) : formats))
  return fc
    .record({
      bases: fc.array(format, { minLength: 1, maxLength: maxDisks }),
      growth: fc.array(arbitraryGrowth(options), { maxLength: maxEvents, size: 'max' }),
      state: options.state === undefined ? fc.constantFrom(...states) : fc.constant(options.state),
      stored: fc.constantFrom('source' as const, 'chain' as const),
      persistence: fc.constantFrom(...Array.from({ length: 8 }, () => 'persistent' as const), 'transient' as const),
      headers: fc.constantFrom('absolute' as const, 'relative' as const),
    })
    .map(({ bases, growth, state, stored, persistence, headers }) => {
      const grown = growth.reduce(
        (of, event, at) => (event._tag === 'Attach' && of.disks.size >= maxDisks ? of : grownBy(of, event, at)),
        seedling(bases),
      )
      return filledMachine(grown, {
        managed,
        state,
        stored,
        persistence: state === 'shut-off' || options.persistence !== 'any' ? 'persistent' : persistence,
        parse: { headers, ...(options.nodes === undefined ? {} : { nodes: options.nodes }) },
      })
    })
}
