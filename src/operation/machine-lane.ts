import type { Machine } from '../model/machine.js'
import { path } from '../model/chain-query.js'
import { pointMap } from '../model/point-map.js'
import type { PointMap, PointPlace } from '../model/point-map.js'
import type { DiskPart, MachinePlan, MachineStep } from '../plan/machine-plan.js'
import type { Plan, Step } from '../plan/plan.js'
import { goes } from './flush-pause.js'

/** What a step does to one point in time on one disk: it is in another place now, or, with no place, nowhere any more. */
export interface Move {
  readonly snapshot: string
  readonly disk: string
  readonly place: PointPlace | undefined
}

/**
 * A step before it is known what all the others do. Without `disk` it is a barrier; `begins` are snapshots that there are now,
 * wherever their disks are, `ends` those that are no more.
 */
export interface Draft {
  readonly step: Step
  readonly disk?: string
  readonly failure?: string
  readonly moves?: ReadonlyArray<Move>
  readonly begins?: ReadonlyArray<string>
  readonly ends?: ReadonlyArray<string>
}

const moved = (map: PointMap, { moves = [], begins = [], ends = [] }: Draft): PointMap => {
  if (moves.length + begins.length + ends.length === 0) return map
  const changed = new Map(map)
  for (const snapshot of begins) if (!changed.has(snapshot)) changed.set(snapshot, new Map())
  for (const { snapshot, disk, place } of moves) {
    if (place === undefined && !changed.has(snapshot)) continue
    const places = new Map(changed.get(snapshot) ?? [])
    if (place === undefined) places.delete(disk)
    else places.set(disk, place)
    changed.set(snapshot, places)
  }
  for (const snapshot of ends) changed.delete(snapshot)
  return changed
}

/** The steps of a machine's plan with the point map after each; linear in steps and moves where moves are few. */
export const assemble = (before: Machine, drafts: ReadonlyArray<Draft>): ReadonlyArray<MachineStep> => {
  let points = pointMap(before)
  return drafts.map((draft) => {
    const { step, disk, failure } = draft
    points = moved(points, draft)
    return { ...step, disk, points, ...(failure === undefined ? {} : { failure }) }
  })
}

/** What a plan of a disk is as a factor of one for a machine, and nothing else. */
export const diskPart = ({ before, after, contents, fates }: DiskPart): DiskPart => ({
  before,
  after,
  contents,
  fates,
})

/** The last step of a plan that sees its chain as it shall be: from there on what has moved is in its new place. */
const seenAt = (plan: Plan): number => plan.steps.findLastIndex(({ until }) => until?._tag === 'ChainIs')

const movesOfOutcomes = (plan: Plan): ReadonlyArray<Move> =>
  plan.points
    .filter(({ before, after }) => before !== after)
    .map(({ point, after, format, sizeBytes }) => ({
      snapshot: point,
      disk: plan.before.disk,
      place: { held: 'frozen', image: after, format, sizeBytes },
    }))

/** A point in time that nobody needs any more: in an image that was frozen, or inside one. */
export interface Ended {
  readonly point: string
  readonly image: string
  readonly held: PointPlace['held']
}

/**
 * Points in time that a plan ends: from its first call on where anything that they read is written, else when their image is seen
 * to have left the chain.
 */
const movesOfEnded = (plan: Plan, { ended, seen }: { readonly ended: ReadonlyArray<Ended>; readonly seen: number }) =>
  ended.flatMap(({ point, image, held }) => {
    const move = { snapshot: point, disk: plan.before.disk, place: undefined }
    const read = (path(plan.before, image) ?? []).filter(({ name }) => held === 'frozen' || name !== image)
    if (read.some(({ name }) => plan.fates.get(name)?.includes('written') === true)) return [{ at: 0, move }]
    return plan.before.images.has(image) && !plan.after.images.has(image) ? [{ at: seen, move }] : []
  })

/** True for what libvirt does to the whole guest, and refuses to do twice: no lane can do it by itself. */
const isOfGuest = ({ call }: Step): boolean => call._tag === 'Libvirt' && goes(call) !== undefined

/** The steps of one disk's plan, with what each does to points in time; `ended` are the ones that it need not keep. */
export const draftsOfPlan = (plan: Plan, ended: ReadonlyArray<Ended> = []): ReadonlyArray<Draft> => {
  const seen = seenAt(plan)
  const at = seen < 0 ? plan.steps.length - 1 : seen
  const outcomes = movesOfOutcomes(plan)
  const endings = movesOfEnded(plan, { ended, seen: at })
  return plan.steps.map((step, index) => ({
    step,
    ...(isOfGuest(step) ? {} : { disk: plan.before.disk }),
    moves: [
      ...endings.flatMap((one): ReadonlyArray<Move> => (one.at === index ? [one.move] : [])),
      ...(index === at ? outcomes : []),
    ],
  }))
}

const isRemoval = ({ step: { call } }: Draft): boolean => call._tag === 'Files' && call.operation === 'remove'

const isFlush = ({ step: { call } }: Draft): boolean => goes(call) !== undefined

/** Work on chains, and what comes when everybody knows of it: one flush of the whole machine, and then files go. */
export interface Split {
  readonly work: ReadonlyArray<Draft>
  readonly removals: ReadonlyArray<Draft>
}

/** Takes the removals, and the flushes right before them, out of the steps of one plan. */
const splitOne = (drafts: ReadonlyArray<Draft>): Split & { readonly flush: ReadonlyArray<Draft> } => {
  const first = drafts.findIndex(isRemoval)
  if (first < 0) return { work: drafts, removals: [], flush: [] }
  let from = first
  for (let before = drafts[from - 1]; before !== undefined && isFlush(before); before = drafts[from - 1]) from -= 1
  return { work: drafts.slice(0, from), removals: drafts.slice(first), flush: drafts.slice(from, first) }
}

/**
 * Takes the removals out of the steps of several plans, so that they come last: nobody may know a file by a name that has gone.
 * The guest's QEMU flushes once before all of them.
 */
export const splitRemovals = (plans: ReadonlyArray<ReadonlyArray<Draft>>): Split => {
  const split = plans.map(splitOne)
  const flush = (split.find((one) => one.flush.length > 0)?.flush ?? []).map(({ step }) => ({ step }))
  return {
    work: split.flatMap(({ work }) => work),
    removals: [...flush, ...split.flatMap(({ removals }) => removals)],
  }
}

/** True where a set of steps is one that can have been done, with nothing between two steps of a lane or a barrier left out. */
const isPrefix = (steps: ReadonlyArray<MachineStep>, done: ReadonlySet<number>): boolean => {
  const open = new Set<string>()
  let barred = false
  for (const [index, { disk }] of steps.entries()) {
    if (!done.has(index)) {
      if (disk === undefined) barred = true
      else open.add(disk)
    } else if (barred || (disk === undefined ? open.size > 0 : open.has(disk))) return false
  }
  return Array.from(done).every((index) => index in steps)
}

/**
 * Which image holds which point in time when some of a plan's steps are done: the lanes of different disks can have come
 * differently far.
 *
 * `done` are the numbers of those steps, from 0. Gives nothing for a set that no execution can have come to: one that leaves
 * out a step of a lane before another of it, or anything before a barrier that is done.
 *
 * @since 0.2.0
 */
export const pointsAfter = (
  plan: Pick<MachinePlan, 'before' | 'steps'>,
  done: ReadonlySet<number>,
): PointMap | undefined => {
  if (!isPrefix(plan.steps, done)) return undefined
  const last = plan.steps.at(-1)
  // A snapshot that ends with the last lane can have a place on a disk that has no lane at all.
  if (last !== undefined && done.size === plan.steps.length) return last.points
  const latest = new Map<string, PointMap>()
  let common = pointMap(plan.before)
  for (const [index, { disk, points }] of plan.steps.entries()) {
    if (!done.has(index)) continue
    if (disk === undefined) {
      common = points
      latest.clear()
    } else latest.set(disk, points)
  }
  return joined(common, latest)
}

/** A map with each disk's places taken from the one that knows its lane; a snapshot that has ended in one goes with its last place. */
const joined = (common: PointMap, latest: ReadonlyMap<string, PointMap>): PointMap => {
  const maps = Array.from(latest.values())
  const map = new Map<string, ReadonlyMap<string, PointPlace>>()
  for (const name of new Set([common, ...maps].flatMap((one) => Array.from(one.keys())))) {
    const places = new Map(common.get(name) ?? [])
    for (const [disk, one] of latest) {
      const place = one.get(name)?.get(disk)
      if (place === undefined) places.delete(disk)
      else places.set(disk, place)
    }
    const ended = common.has(name) && maps.some((one) => !one.has(name))
    if (places.size > 0 || !ended) map.set(name, places)
  }
  return map
}
