import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Call } from '../call/call.js'
import { defaultClusterBytes } from '../content/pattern.js'
import type { Chain } from '../model/chain.js'
import type { Image } from '../model/image.js'
import { locationString, pathOf } from '../model/location.js'
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
 * - `top`, `base`: measured with the cluster size of the base, and without what lies below it; `checkedBase`: the base alone; `above`:
 *   every image above it up to the top.
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
 * - `leastBytes`: with less, the commit fails, unless clusters are compressed. It is enough where the base is compact (no snapshots inside,
 *   no clusters that are zero, written over or free), not larger than the top, and one table leads to all its clusters.
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

/** An image as QEMU opens it over those of a span alone, whatever the lowest of them lies on. */
const opened = (span: ReadonlyArray<Image>): object | null =>
  span.reduce<object | null>(
    (backing, { format, location }) => ({
      driver: format,
      file: { driver: location._tag === 'BlockDevice' ? 'host_device' : 'file', filename: locationString(location) },
      backing,
    }),
    null,
  )

const cutOperand = (span: ReadonlyArray<Image>): string => `json:${JSON.stringify(opened(span))}`

const questionsOf = ({ base, top, span }: CommitJob): E.Either<Refusal, ReadonlyArray<Call>> => {
  if (base.format === 'raw') return E.right([])
  const isCut = base.backing !== undefined
  const why = 'what lies below the base is left out by the path of each image above it, and one has none'
  if (isCut && span.some(({ location }) => pathOf(location) === undefined))
    return E.left(refuse({ _tag: 'NotThisWay', via: 'qemu-img', why }))
  const measure = (of: string): Call =>
    img('measure', '--output=json', '-O', 'qcow2', '-o', `cluster_size=${clusterOf(base)}`, of)
  const measured = isCut ? [cutOperand(span), cutOperand([base])] : [operand(top), operand(base)]
  const checked = span.filter(({ format }) => format === 'qcow2')
  return E.right([...measured.map(measure), ...checked.map((of) => img('check', '--output=json', operand(of)))])
}

/**
 * The calls that tell what {@link commitRoom} has to know: `top` and `base` measured, as if nothing lay below the base, then the base and
 * each image above it checked; none for a raw base.
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
  pipe(jobOf(chain, request), E.flatMap(questionsOf))

/** What an image of that size needs to count its clusters. */
const counted = (bytes: number, cluster: number): number => (Math.ceil(bytes / ((cluster * cluster) / 2)) + 2) * cluster

/** What a full image takes besides its data. */
const tablesOf = ({ fullyAllocatedBytes }: Measured, { sizeBytes }: Image, cluster: number): number =>
  Math.max(0, fullyAllocatedBytes - roundedUp(sizeBytes, cluster))

/** No image with those data is smaller: they, one header, what counts the clusters, and the tables that lead to them. */
const leastOf = (dataBytes: number, { sizeBytes }: Image, cluster: number): number => {
  const entries = cluster / 8
  const led = Math.ceil(Math.ceil(sizeBytes / (cluster * entries)) / entries)
  return dataBytes + (3 + led + Math.ceil(dataBytes / cluster / entries)) * cluster
}

/**
 * What is added at most where each cluster that the layers have allocated is new to the base; nothing where it might be more: what is zero in
 * a layer takes no room in a base, but of version 2, or with larger clusters.
 */
const addedAtMost = ({ base, span }: CommitJob, { above, writes }: RoomFacts): number | undefined => {
  const cluster = clusterOf(base)
  const layers = span.slice(1)
  const fits = layers.every((layer) => layer.format === 'qcow2' && clusterOf(layer) % cluster === 0)
  if (!fits || base.version === 2 || layers.length !== above.length || writes === 'on') return undefined
  return layers.reduce((sum, layer, at) => sum + (above[at]?.allocatedClusters ?? 0) * clusterOf(layer), 0)
}

const qcow2Room = (job: CommitJob, facts: RoomFacts): Pick<CommitRoom, 'leastBytes' | 'mostBytes'> => {
  const { base, top } = job
  const cluster = clusterOf(base)
  const end = facts.checkedBase.imageEndBytes
  const ofTop = tablesOf(facts.top, top, cluster)
  // A short top may be enlarged first, as far as the base goes.
  const tables = Math.max(ofTop, tablesOf(facts.base, base, cluster))
  const added = addedAtMost(job, facts)
  // What the file has besides what a new one would need: snapshots inside, holes, clusters made before. A snapshot keeps what is written over.
  const besides = base.internalSnapshots.length > 0 ? end : Math.max(0, end - facts.base.requiredBytes)
  const full = besides + Math.max(facts.top.fullyAllocatedBytes, facts.base.fullyAllocatedBytes)
  const most = Math.min(full, added === undefined ? full : end + added + tables) + facts.top.bitmapsBytes
  const least = leastOf(Math.max(0, facts.top.requiredBytes - ofTop), top, cluster)
  return { leastBytes: Math.max(end, least), mostBytes: most + counted(most, cluster) }
}

/** A commit goes as far as the top does, whatever lies between. */
const rawRoom = ({ base, top }: CommitJob): Pick<CommitRoom, 'leastBytes' | 'mostBytes'> => {
  const bytes = Math.max(base.sizeBytes, top.sizeBytes)
  return { leastBytes: bytes, mostBytes: bytes }
}

/**
 * Says how large the device of a base has to be before a commit into it. qcow2 on a device that is too small is noticed by nobody before
 * the commit fails in the middle of it (`No space left on device`), with the base partly overwritten and the overlay whole.
 *
 * `facts` are left out for a raw base, which has to be as large as the top. Refuses `ImageNotInChain`, `NothingBelow`,
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
