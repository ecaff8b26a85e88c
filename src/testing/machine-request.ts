import * as fc from 'fast-check'

import type { Machine } from '../model/machine.js'
import type {
  ChainRequest,
  DeleteRequest,
  ExportRequest,
  ExtractRequest,
  ForgetRequest,
  RenameImageRequest,
  RevertRequest,
  TakeRequest,
} from '../operation/machine-request.js'
import type { TakeDisk } from '../operation/machine-request.js'
import type { NewImage } from '../operation/request.js'
import { arbitraryCommitRequest, arbitraryPullRequest, arbitraryRenameRequest } from './request.js'

const namesOf = ({ snapshots }: Machine): ReadonlyArray<string> => Array.from(snapshots.keys())

/** The first name of the form `t1`, `t2` that no snapshot has. */
const freshName = (machine: Machine): string => {
  let number = 1
  while (machine.snapshots.has(`t${String(number)}`)) number += 1
  return `t${String(number)}`
}

const arbitraryTakeDisk: fc.Arbitrary<TakeDisk | undefined> = fc.oneof(
  { weight: 5, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom({ mode: 'no' as const }, { mode: 'manual' as const }) },
)

const fewInside: fc.Arbitrary<TakeDisk['mode']> = fc.constantFrom('internal', 'internal', 'external', 'no')

const arbitraryTakeDisks = (machine: Machine): fc.Arbitrary<ReadonlyMap<string, TakeDisk>> => {
  const targets = Array.from(machine.disks.keys())
  const inside = new Map(targets.map((target) => [target, { mode: 'internal' as const }]))
  const outside = fc
    .array(arbitraryTakeDisk, { minLength: targets.length, maxLength: targets.length })
    .map((modes) => new Map(targets.flatMap((target, at) => (modes[at] === undefined ? [] : [[target, modes[at]]]))))
  const mixed = fc
    .array(fewInside, { minLength: targets.length, maxLength: targets.length })
    .map((modes) => new Map(targets.map((target, at): [string, TakeDisk] => [target, { mode: modes[at] ?? 'no' }])))
  return fc.oneof(
    { weight: 5, arbitrary: outside },
    { weight: 2, arbitrary: fc.constant(inside) },
    { weight: machine.definitions === undefined ? 1 : 0, arbitrary: mixed },
  )
}

/** Memory in a file, or inside where all disks are. */
const arbitraryMemory = (machine: Machine, name: string): fc.Arbitrary<TakeRequest['memory']> => {
  const external = { _tag: 'External', path: `/images/${name}.memory` } as const
  return machine.state === 'shut-off'
    ? fc.constant(undefined)
    : fc.constantFrom(undefined, undefined, external, { _tag: 'Internal' } as const)
}

/**
 * Random requests for a snapshot of a machine: mostly of all disks.
 *
 * @since 0.2.0
 */
export const arbitraryTakeRequest = (machine: Machine): fc.Arbitrary<TakeRequest> => {
  const name = freshName(machine)
  return fc
    .record({
      disks: arbitraryTakeDisks(machine),
      memory: arbitraryMemory(machine, name),
      metadata: fc.constantFrom('keep' as const, 'keep' as const, 'keep' as const, 'none' as const),
      quiesce: fc.constantFrom('no' as const, 'no' as const, 'prefer' as const, 'require' as const),
    })
    .map(({ disks, memory: kept, metadata, quiesce }) => ({
      name,
      disks,
      metadata,
      quiesce,
      creationTime: '1795656200',
      ...(kept === undefined ? {} : { memory: kept }),
    }))
}

/**
 * Random deletions: of one snapshot, mostly, or of several.
 *
 * @since 0.2.0
 */
export const arbitraryDeleteRequest = (machine: Machine): fc.Arbitrary<DeleteRequest> => {
  const names = namesOf(machine)
  const one = names.length === 0 ? fc.constant([]) : fc.constantFrom(...names).map((name) => [name])
  return fc.record({
    snapshots: fc.oneof(
      { weight: 2, arbitrary: one },
      { weight: 1, arbitrary: fc.subarray([...names], { minLength: Math.min(1, names.length) }) },
    ),
    direction: fc.constantFrom('auto' as const, 'auto' as const, 'commit' as const, 'pull' as const),
    how: fc.constantFrom('auto' as const, 'libvirt' as const, 'by hand' as const),
    leftovers: fc.constantFrom('remove' as const, 'remove' as const, 'keep' as const),
    memory: fc.constantFrom('remove' as const, 'remove' as const, 'keep' as const),
  })
}

/**
 * Random reverts: to any snapshot, with libvirt's clock at `seconds`.
 *
 * @since 0.2.0
 */
export const arbitraryRevertRequest = (machine: Machine, seconds = 1795700000): fc.Arbitrary<RevertRequest> => {
  const names = namesOf(machine)
  return fc.record({
    to: names.length === 0 ? fc.constant('none') : fc.constantFrom(...names),
    present: fc.constantFrom('keep' as const, 'discard' as const),
    later: fc.constantFrom('keep' as const, 'keep' as const, 'keep' as const, 'delete' as const),
    definition: fc.constantFrom('as now' as const, 'as now' as const, 'as taken' as const),
    guest: fc.constantFrom('as taken' as const, 'as taken' as const, 'running' as const, 'shut-off' as const),
    how: fc.constantFrom('auto' as const, 'auto' as const, 'libvirt' as const, 'by hand' as const),
    seconds: fc.constant(seconds),
  })
}

/**
 * Random commits and pulls on one of the disks.
 *
 * @since 0.2.0
 */
export const arbitraryChainRequest = (machine: Machine): fc.Arbitrary<ChainRequest> =>
  fc.constantFrom(...machine.disks.values()).chain((chain) => {
    const metadata = fc.constantFrom('carry' as const, 'carry' as const, 'refuse' as const)
    const common = { disk: fc.constant(chain.disk), metadata }
    const down = fc
      .record({ ...common, commit: arbitraryCommitRequest(chain) })
      .map(({ commit, ...of }): ChainRequest => ({ ...of, commit: { ...commit, points: [] } }))
    const up = fc
      .record({ ...common, pull: arbitraryPullRequest(chain) })
      .map(({ pull, ...of }): ChainRequest => ({ ...of, pull: { ...pull, points: [] } }))
    return fc.oneof(down, up)
  })

/**
 * Random renames of an image of one of the disks.
 *
 * @since 0.2.0
 */
export const arbitraryRenameImageRequest = (machine: Machine): fc.Arbitrary<RenameImageRequest> =>
  fc
    .constantFrom(...machine.disks.values())
    .chain((chain) =>
      arbitraryRenameRequest(chain).map(({ points: _, ...request }) => ({ ...request, disk: chain.disk })),
    )

/**
 * Random requests to forget snapshots.
 *
 * @since 0.2.0
 */
export const arbitraryForgetRequest = (machine: Machine): fc.Arbitrary<ForgetRequest> =>
  fc.subarray([...namesOf(machine)]).map((snapshots) => ({ snapshots }))

const arbitraryCopy: fc.Arbitrary<Pick<NewImage, 'format'>> = fc.constantFrom(
  { format: 'qcow2' as const },
  { format: 'qcow2' as const },
  { format: 'raw' as const },
)

const copyOf = (disk: string, of: Pick<NewImage, 'format'> | undefined): NewImage => {
  const name = `${disk}.copy`
  return { name, location: { _tag: 'File', path: `/copies/${name}` }, format: 'qcow2', ...of }
}

const copiedData: ReadonlyArray<Pick<ExportRequest, 'data' | 'bytesPerSecond'>> = [
  ...[{}, {}, {}],
  { data: 'compressed' },
  { bytesPerSecond: 1048576 },
]

/**
 * Random extractions: of any snapshot, mostly of all disks that it has.
 *
 * @since 0.2.0
 */
export const arbitraryExtractRequest = (machine: Machine): fc.Arbitrary<ExtractRequest> => {
  const names = namesOf(machine)
  return (names.length === 0 ? fc.constant('none') : fc.constantFrom(...names)).chain((snapshot) => {
    const held = Array.from(machine.snapshots.get(snapshot)?.disks ?? [])
    const some = held.flatMap(([disk, { mode }]) => (mode === 'external' || mode === 'internal' ? [disk] : []))
    const all = Array.from(machine.disks.keys())
    return fc
      .record({
        disks: fc.oneof(
          { weight: 4, arbitrary: fc.constant(some) },
          { weight: 1, arbitrary: fc.subarray(all, { minLength: 1 }) },
        ),
        copies: fc.array(arbitraryCopy, { minLength: all.length, maxLength: all.length }),
        data: fc.constantFrom(...copiedData),
      })
      .map(({ disks, copies, data }) => ({
        snapshot,
        ...data,
        to: new Map(
          disks.map((disk, at) => {
            return [disk, copyOf(disk, copies[at])]
          }),
        ),
      }))
  })
}

const exportWays: ReadonlyArray<Pick<ExportRequest, 'way' | 'removal'>> = [
  { way: 'overlay' },
  { way: 'inside' },
  { way: 'inside', removal: 'next stop' },
  { way: 'saved' },
  { way: 'saved', removal: 'first pause' },
  { way: 'saved', removal: 'second pause' },
  { way: 'backup' },
  {},
]

/**
 * Random exports: of some or all disks, in any way.
 *
 * @since 0.2.0
 */
export const arbitraryExportRequest = (machine: Machine): fc.Arbitrary<ExportRequest> => {
  const all = Array.from(machine.disks.keys())
  return fc
    .record({
      disks: fc.subarray(all, { minLength: Math.min(1, all.length) }),
      copies: fc.array(arbitraryCopy, { minLength: all.length, maxLength: all.length }),
      way: fc.constantFrom(...exportWays),
      data: fc.constantFrom(...copiedData),
    })
    .map(({ disks, copies, way, data }) => ({
      ...(machine.state === 'shut-off' ? {} : way),
      ...data,
      temporary: 'temporary',
      to: new Map(disks.map((disk, at) => [disk, copyOf(disk, copies[at])])),
    }))
}
