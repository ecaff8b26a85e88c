import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Feature } from '../call/capability.js'
import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { path } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { Assumption } from '../plan/assumption.js'
import type { QemuImgHypervisor } from '../plan/hypervisor.js'
import type { DiskPart, MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { assumptionsOf } from './assumptions.js'
import { observe } from './dialect/qemu-img-step.js'
import { operand, qemuImg } from './dialect/step.js'
import { fatesOf } from './fates.js'
import { convertFeatures, convertOptions } from './copied-data.js'
import type { CopiedData } from './copied-data.js'
import { firstRefusal } from './guard.js'
import type { Guard } from './guard.js'
import { addressGuard } from './guard-host.js'
import { secretGuard } from './guard-live.js'
import { assemble } from './machine-lane.js'
import type { Draft } from './machine-lane.js'
import { newImageAssumptions, newImageGuard, placeImage } from './new-image.js'
import type { Place, Placed } from './new-image.js'
import type { NewImage } from './request.js'

/**
 * What is to be copied of one disk: `image` with all that it reads, as it is, or as its internal snapshot of the name `inside` has it.
 * The program is qemu-img whoever runs the guest; `hypervisor` says what the guest does meanwhile.
 */
export interface Extraction {
  readonly chain: Chain
  readonly image: string
  readonly inside: string | undefined
  readonly to: NewImage
  readonly data: CopiedData
  readonly hypervisor: QemuImgHypervisor
}

/** A copy of its own: a factor of a plan, its steps, and what it relies on. */
export interface Extracted {
  readonly part: DiskPart
  readonly drafts: ReadonlyArray<Draft>
  readonly assumes: ReadonlyArray<Assumption>
}

/** An extraction whose image has been found; `span` is what it reads, base first. */
interface ExtractJob extends Extraction {
  readonly holder: Image
  readonly span: ReadonlyNonEmptyArray<Image>
}

type ExtractGuard = Guard<ExtractJob>

const quoted = (name: string): string => JSON.stringify(name)

/** True where QEMU writes to the image meanwhile: its locks keep out whoever asks for one. */
export const isBeside = ({ chain, image, hypervisor }: Extraction): boolean =>
  hypervisor.guest !== 'shut-off' && image === chain.active

/** What the host has to be able to do for extractions. */
export const extractFeatures = (extractions: ReadonlyArray<Extraction>): ReadonlyArray<Feature> => {
  const inside = extractions.filter((one) => one.inside !== undefined)
  return [
    ...(inside.length > 0 ? (['qemu-img-convert-snapshot'] as const) : []),
    ...(inside.some(isBeside) ? (['qemu-img-force-share'] as const) : []),
    ...new Set(extractions.flatMap(({ data }) => convertFeatures(data))),
  ]
}

const placeOf = ({ chain, hypervisor, to, holder }: ExtractJob): Place => ({
  chain,
  hypervisor,
  wanted: to,
  sizeBytes: holder.sizeBytes,
  below: undefined,
})

/** QEMU takes the first of a name; a number, which could tell, nobody has said. */
const insideGuard: ExtractGuard = ({ holder, inside }) => {
  if (inside === undefined) return undefined
  const count = holder.internalSnapshots.filter(({ name }) => name === inside).length
  if (count === 1) return undefined
  const has = count === 0 ? 'no snapshot' : 'several snapshots'
  const why = `${quoted(holder.name)} has ${has} ${quoted(inside)} inside`
  return refuse({ _tag: 'NotThisWay', via: 'qemu-img', why })
}

/** Another way would be a job of QEMU's, which knows the present alone. */
const encryptedGuard: ExtractGuard = ({ span }) => {
  const refusal = secretGuard('qemu-img', span)
  return refusal === undefined ? undefined : { ...refusal, alternatives: [] }
}

const guards: ReadonlyArray<ExtractGuard> = [
  insideGuard,
  ({ holder }) => addressGuard('qemu-img', [holder]),
  encryptedGuard,
  (job) => newImageGuard(placeOf(job)),
]

/** Two commas are one in what QEMU reads as a list of options. */
const snapshotOption = (name: string): ReadonlyArray<string> => ['-l', `snapshot.name=${name.replaceAll(',', ',,')}`]

const draftsOf = (job: ExtractJob, { image }: Placed, after: Chain): ReadonlyArray<Draft> => {
  const { chain, holder, inside, to, data } = job
  const cluster = image.clusterBytes === undefined ? [] : ['-o', `cluster_size=${image.clusterBytes}`]
  const args = [
    ...['convert', ...(isBeside(job) && inside !== undefined ? ['-U'] : [])],
    ...(inside === undefined ? [] : snapshotOption(inside)),
    ...convertOptions(data),
    ...['-f', holder.format, '-O', image.format, ...(to.made === 'before' ? ['-n'] : cluster)],
  ]
  const what = inside === undefined ? 'what the image shows' : `what ${quoted(inside)} shows`
  const why = `writes ${what} into an image of its own; nothing that is there is written`
  return [qemuImg([...args, operand(holder), operand(image)], why), observe(after, image.name)].map((step) => ({
    step,
    disk: chain.disk,
  }))
}

const assumesOf = (job: ExtractJob, after: Chain): ReadonlyArray<Assumption> => {
  const { holder, inside, hypervisor, span } = job
  const closed = hypervisor.guest === 'shut-off' ? [holder] : []
  return [
    ...newImageAssumptions(placeOf(job)),
    ...assumptionsOf({ chain: after, claimed: [], reopened: [], closed, links: span }),
    ...(isBeside(job) && inside !== undefined
      ? [{ _tag: 'StaysInside' as const, image: holder.name, snapshot: inside }]
      : []),
  ]
}

const extracted = (job: ExtractJob, placed: Placed): Extracted => {
  const { chain, holder, inside, span } = job
  const { image } = placed
  const after = withImages(chain, new Map(chain.images).set(image.name, image))
  const change = { image: image.name, span: span.map(({ name }) => name), sizeBytes: holder.sizeBytes }
  return {
    part: {
      before: chain,
      after,
      contents: [inside === undefined ? change : { ...change, inside }],
      fates: fatesOf(chain, after, [[image.name, 'created']]),
    },
    drafts: draftsOf(job, placed, after),
    assumes: assumesOf(job, after),
  }
}

/**
 * Copies what an image shows, or what a snapshot inside it does, into a new image without a backing file, which stands beside the
 * chain afterwards. Where QEMU has the image open to write it, what is inside is read past its locks (`-U`): QEMU has flushed
 * it when it was taken, and does not touch it again.
 *
 * Refuses, in this order: `ImageNotInChain`, `NotThisWay` (no or several snapshots of that name), `PathNotAbsolute`,
 * `NotThisWay` (encrypted), and what a new image can have against it. Whether what is read is being written is for the plan's openings.
 */
export const extractPart = (of: Extraction): E.Either<Refusal, Extracted> => {
  const { chain, image } = of
  const holder = chain.images.get(image)
  const span = path(chain, image)
  if (holder === undefined || span === undefined) return E.left(refuse({ _tag: 'ImageNotInChain', image }))
  const job = { ...of, holder, span }
  const refusal = firstRefusal(guards, job)
  return refusal === undefined
    ? pipe(
        placeImage(placeOf(job)),
        E.map((placed) => extracted(job, placed)),
      )
    : E.left(refusal)
}

const diskAfter = ({ after }: DiskPart): readonly [string, Chain] => [after.disk, after]

/** Extractions of several disks, as they go into a plan. */
export type Extractions = Pick<MachinePlan, 'after' | 'parts' | 'steps' | 'assumes'>

/** Copies of several disks, or the first reason against one of them. */
export const extractParts = (
  before: Machine,
  extractions: ReadonlyArray<Extraction>,
): E.Either<MachineRefusal, Extractions> => {
  const all: Array<Extracted> = []
  for (const extraction of extractions) {
    const made = extractPart(extraction)
    const { disk } = extraction.chain
    if (E.isLeft(made)) return E.left(refuseMachine({ _tag: 'DiskRefused', disk, refusal: made.left }))
    all.push(made.right)
  }
  const drafts = all.flatMap((one) => one.drafts)
  return E.right({
    after: withMachine(before, { disks: new Map([...before.disks, ...all.map(({ part }) => diskAfter(part))]) }),
    parts: all.map(({ part }) => part),
    steps: assemble(before, drafts),
    assumes: all.flatMap(({ part, assumes }) =>
      assumes.map((assumption) => ({ _tag: 'OfDisk' as const, disk: part.before.disk, assumption })),
    ),
  })
}
