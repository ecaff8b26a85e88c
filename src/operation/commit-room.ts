import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Call } from '../call/call.js'
import { defaultClusterBytes } from '../content/pattern.js'
import type { Chain } from '../model/chain.js'
import type { Image } from '../model/image.js'
import type { LevelBelow } from '../model/storage-level.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { resolveCommit } from './commit-job.js'
import type { CommitJob } from './commit-job.js'
import { operand } from './dialect/step.js'
import type { CommitRequest } from './request.js'

/**
 * What `qemu-img measure` prints of an image and all that it reads: what a new image of that takes, and what it would take full.
 *
 * @since 0.2.0
 */
export interface Measured {
  readonly requiredBytes: number
  readonly fullyAllocatedBytes: number
  readonly bitmapsBytes: number
}

/**
 * What `qemu-img check` prints of one image: where what it uses ends, and how many clusters of guest data it stores.
 *
 * @since 0.2.0
 */
export interface Checked {
  readonly imageEndBytes: number
  readonly allocatedClusters: number
}

/**
 * What has to be known of a commit into a qcow2 base: see {@link roomQuestions}.
 *
 * - `top`, `base`: measured with the cluster size of the base; `checkedBase`: the base alone; `above`: every image above it up to the top.
 * - `writes`: whether a guest goes on writing into the top meanwhile.
 * - `extentBytes`: what the size of the device is a multiple of; 4 MiB, LVM's default, where left out.
 *
 * @since 0.2.0
 */
export interface RoomFacts {
  readonly top: Measured
  readonly base: Measured
  readonly checkedBase: Checked
  readonly above: ReadonlyArray<Checked>
  readonly writes?: 'on' | 'no more'
  readonly extentBytes?: number
}

/**
 * How large the device of a base has to be before a commit into it, in bytes.
 *
 * - `leastBytes`: with less, the commit fails. It is enough where the base is compact: no snapshots inside, no clusters of which it is not
 *   known yet that they are zero, written over or free.
 * - `mostBytes`: with so much, it does not. `sizeBytes`: the same in whole extents.
 *
 * @since 0.2.0
 */
export interface CommitRoom {
  readonly base: string
  readonly leastBytes: number
  readonly mostBytes: number
  readonly sizeBytes: number
}

type Asked = Pick<CommitRequest, 'top' | 'base'>

const nobody = {
  via: 'qemu-img',
  guest: 'shut-off',
  capabilities: { qemu: undefined, libvirt: undefined, features: new Set<never>() },
} as const

const jobOf = (chain: Chain, request: Asked): E.Either<Refusal, CommitJob> =>
  pipe(
    resolveCommit(chain, request, nobody),
    E.flatMap((job) => {
      const { format, dataFile } = job.base
      const known = (format === 'qcow2' || format === 'raw') && dataFile === undefined
      const why = 'how large the base becomes is known of qcow2 and raw alone, without a data file'
      return known ? E.right(job) : E.left(refuse({ _tag: 'NotThisWay', via: 'qemu-img', why }))
    }),
  )

const clusterOf = ({ clusterBytes }: Image): number => clusterBytes ?? defaultClusterBytes

const roundedUp = (bytes: number, step: number): number => Math.ceil(bytes / step) * step

const img = (...args: ReadonlyArray<string>): Call => ({ _tag: 'QemuImg', argv: ['qemu-img', ...args] })

/**
 * The calls that tell what {@link commitRoom} has to know: `top` and `base` measured, then the base and each image above it checked; none
 * for a raw base.
 *
 * They are for a guest that is shut off. Beside one that runs, add `-U` for its active image; it tells what is on disk then.
 *
 * Refuses `ImageNotInChain`, `NothingBelow`, `TopNotAboveBase`, `NotThisWay`. Source: `qemu-img measure` (2.10), `qemu-img check`.
 *
 * @example
 * import { parseChain, roomQuestions, shellLine } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const asked = pipe(parseChain('base <- top^'), E.flatMap(({ chain }) => roomQuestions(chain, { top: 'top', base: 'base' })))
 * E.isRight(asked) ? asked.right.map(shellLine)[0] : asked.left
 * // => 'qemu-img measure --output=json -O qcow2 -o cluster_size=65536 /images/top'
 *
 * @since 0.2.0
 */
export const roomQuestions = (chain: Chain, request: Asked): E.Either<Refusal, ReadonlyArray<Call>> =>
  pipe(
    jobOf(chain, request),
    E.map(({ base, top, span }) => {
      if (base.format === 'raw') return []
      const measure = (of: Image): Call =>
        img('measure', '--output=json', '-O', 'qcow2', '-o', `cluster_size=${clusterOf(base)}`, operand(of))
      const above = span.filter(({ format }) => format === 'qcow2')
      return [measure(top), measure(base), ...above.map((of) => img('check', '--output=json', operand(of)))]
    }),
  )

/** What an image of that size needs to count its clusters. */
const counted = (bytes: number, cluster: number): number => (Math.ceil(bytes / ((cluster * cluster) / 2)) + 2) * cluster

const qcow2Room = ({ base, span }: CommitJob, facts: RoomFacts): Pick<CommitRoom, 'leastBytes' | 'mostBytes'> => {
  const cluster = clusterOf(base)
  const { top, checkedBase } = facts
  const end = checkedBase.imageEndBytes
  const layers = span.slice(1).filter(({ format }) => format === 'qcow2')
  const added = layers.reduce(
    (sum, layer, at) => sum + (facts.above[at]?.allocatedClusters ?? 0) * Math.max(cluster, clusterOf(layer)),
    0,
  )
  const virtual = roundedUp(Math.max(...span.map(({ sizeBytes }) => sizeBytes)), cluster)
  const tables = Math.max(0, top.fullyAllocatedBytes - virtual)
  // What the file has besides what a new one would need: snapshots inside, holes, clusters made before. A snapshot keeps what is written over.
  const besides = base.internalSnapshots.length > 0 ? end : Math.max(0, end - facts.base.requiredBytes)
  const full = besides + top.fullyAllocatedBytes
  const each = layers.length === facts.above.length && facts.writes !== 'on' ? end + added + tables : full
  const most = Math.min(full, each) + top.bitmapsBytes
  return { leastBytes: Math.max(end, top.requiredBytes), mostBytes: most + counted(most, cluster) }
}

const rawRoom = ({ span }: CommitJob): Pick<CommitRoom, 'leastBytes' | 'mostBytes'> => {
  const bytes = Math.max(...span.map(({ sizeBytes }) => sizeBytes))
  return { leastBytes: bytes, mostBytes: bytes }
}

/**
 * Says how large the device of a base has to be before a commit into it. qcow2 on a device that is too small is noticed by nobody before
 * the commit fails in the middle of it (`No space left on device`), with the base partly overwritten and the overlay whole.
 *
 * `facts` are left out for a raw base, which is as large as its guest's disk. Refuses `ImageNotInChain`, `NothingBelow`,
 * `TopNotAboveBase`, `NotThisWay` (another format, a data file, no facts). Source: QEMU 10.0 and 7.2, on devices of exactly that size.
 *
 * @example
 * import { chain, commitRoom } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const device = { _tag: 'BlockDevice', path: '/dev/vg/base' } as const
 * const backing = { image: 'base', header: '/dev/vg/base', format: 'raw' } as const
 * const file = { _tag: 'File', path: '/images/top' } as const
 * const base = { name: 'base', format: 'raw', sizeBytes: 131_072, location: device } as const
 * const room = pipe(
 *   chain('vda', [base, { ...base, name: 'top', format: 'qcow2', location: file, backing }], 'top'),
 *   E.flatMap((of) => commitRoom(of, { top: 'top', base: 'base' })),
 * )
 * E.isRight(room) ? room.right.leastBytes : room.left // => 131072
 *
 * @since 0.2.0
 */
export const commitRoom = (chain: Chain, request: Asked, facts?: RoomFacts): E.Either<Refusal, CommitRoom> =>
  pipe(
    jobOf(chain, request),
    E.flatMap((job): E.Either<Refusal, CommitRoom> => {
      const why = 'what qemu-img measures and checks has to be known: ask what `roomQuestions` gives'
      if (job.base.format !== 'raw' && facts === undefined)
        return E.left(refuse({ _tag: 'NotThisWay', via: 'qemu-img', why }))
      const room = facts === undefined || job.base.format === 'raw' ? rawRoom(job) : qcow2Room(job, facts)
      const sizeBytes = roundedUp(room.mostBytes, facts?.extentBytes ?? 4_194_304)
      return E.right({ base: job.base.name, ...room, sizeBytes })
    }),
  )

/**
 * The call that gives a logical volume a size; LVM rounds it up to whole extents, and refuses the size that it has already (exit
 * status 5). QEMU needs to be told nothing of it under qcow2.
 *
 * @example
 * import { extendVolume, shellLine } from 'backing-chain'
 *
 * const volume = { _tag: 'Lvm', group: 'vg', volume: 'base', kind: 'thin' } as const
 * shellLine(extendVolume(volume, 12_582_912)) // => 'lvextend --size 12582912b vg/base'
 *
 * @since 0.2.0
 */
export const extendVolume = (
  { group, volume }: Pick<Extract<LevelBelow, { readonly _tag: 'Lvm' }>, 'group' | 'volume'>,
  sizeBytes: number,
): Call => ({ _tag: 'Host', argv: ['lvextend', '--size', `${sizeBytes}b`, `${group}/${volume}`] })
