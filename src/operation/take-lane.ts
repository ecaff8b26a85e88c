import { activeImage } from '../model/chain-query.js'
import type { PointPlace } from '../model/point-map.js'
import type { Image } from '../model/image.js'
import type { Cleanup } from '../plan/plan.js'
import type { Step } from '../plan/plan.js'
import type { Draft, Move } from './machine-lane.js'
import type { TakeJob } from './take-job.js'
import type { TakenDisk } from './take-part.js'

/** A snapshot to be taken, with what it does to each disk. */
export interface TakeOutcome {
  readonly job: TakeJob
  readonly disks: ReadonlyArray<TakenDisk>
}

/** The disks of an outcome that get overlays. */
export const overlaysOf = ({ disks }: TakeOutcome): ReadonlyArray<Extract<TakenDisk, { readonly mode: 'external' }>> =>
  disks.flatMap((one) => (one.mode === 'external' ? [one] : []))

const placeIn = (held: PointPlace['held'], { name, format, sizeBytes }: Image): PointPlace => ({
  held,
  image: name,
  format,
  sizeBytes,
})

/** From here on the new snapshot has the disk in its place; nothing where nobody keeps a record of it. */
export const placed = ({ request }: TakeJob, taken: TakenDisk): ReadonlyArray<Move> => {
  if (request.metadata === 'none') return []
  const at = { snapshot: request.name, disk: taken.disk }
  if (taken.mode === 'external') return [{ ...at, place: placeIn('frozen', activeImage(taken.overlay.plan.before)) }]
  return taken.mode === 'internal' ? [{ ...at, place: placeIn('inside', activeImage(taken.after)) }] : []
}

/** The disks of an outcome that are saved inside their images. */
export const insideOf = ({ disks }: TakeOutcome): ReadonlyArray<Extract<TakenDisk, { readonly mode: 'internal' }>> =>
  disks.flatMap((one) => (one.mode === 'internal' ? [one] : []))

/** The snapshot of which there is a record once it has been taken, though nobody has looked where its disks are. */
export const begun = ({ request }: TakeJob): ReadonlyArray<string> =>
  request.metadata === 'none' ? [] : [request.name]

/** The two calls that stop file systems from being written, and let them go on. */
export interface FreezeSteps {
  readonly freeze: Step
  readonly thaw: Step
}

const unfrozen = 'nothing was frozen, or the agent has gone: writes sleep until it thaws them'

/** A freeze just before the steps and a thaw just after them. */
export const frozenAround = (
  { freeze }: Pick<TakeJob, 'freeze'>,
  steps: FreezeSteps,
  drafts: ReadonlyArray<Draft>,
): ReadonlyArray<Draft> => {
  if (freeze === 'none' || freeze === 'flag') return drafts
  if (freeze === 'require') return [{ step: steps.freeze }, ...drafts, { step: steps.thaw }]
  const failure = 'the file systems are not frozen, and the disks are as after a power failure'
  return [{ step: steps.freeze, failure }, ...drafts, { step: steps.thaw, failure: unfrozen }]
}

/** The thaw on every way out, once the freeze was tried. */
export const thawAlways = (
  { freeze }: Pick<TakeJob, 'freeze'>,
  steps: FreezeSteps,
  drafts: ReadonlyArray<Draft>,
): ReadonlyArray<Cleanup> => {
  const from = drafts.findIndex(({ step }) => step === steps.freeze)
  if (from < 0) return []
  return [{ from, step: freeze === 'prefer' ? { ...steps.thaw, failure: unfrozen } : steps.thaw }]
}
