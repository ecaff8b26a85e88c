import * as E from 'fp-ts/lib/Either.js'

import type { StorageLevel } from '../model/storage-level.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import type { LevelObjection, PassedOver } from '../plan/passed-over.js'
import { isAllOrNone, levelObjection } from './level-unfit.js'
import type { LevelJob } from './level-unfit.js'

type Passed = PassedOver<MachineRefusal>
type Why = LevelObjection<MachineRefusal>

/** A kind of level that a disk could be taken at, in the order of preference; without `level` the disk does not have it. */
interface Candidate {
  readonly kind: StorageLevel['_tag']
  readonly level: StorageLevel | undefined
  readonly why: Why | undefined
}

/** The level of each disk, and what was preferred to it. */
export interface LevelChoice {
  readonly chosen: ReadonlyMap<string, StorageLevel>
  readonly passedOver: ReadonlyArray<Passed>
}

const candidatesOf = (job: LevelJob, disk: string): ReadonlyArray<Candidate> => {
  const chain = job.machine.disks.get(disk)
  const offered = job.request.levels.get(disk) ?? []
  return job.request.prefer.flatMap((kind): ReadonlyArray<Candidate> => {
    const own = offered.filter(({ _tag }) => _tag === kind)
    if (own.length === 0 || chain === undefined) return [{ kind, level: undefined, why: { _tag: 'NotOffered' } }]
    return own.map((level) => ({ kind, level, why: levelObjection(job, chain, level) }))
  })
}

type Candidates = ReadonlyMap<string, ReadonlyArray<Candidate>>

/** Where in its list each disk has the first level that can be used, or -1. */
type Picks = ReadonlyMap<string, number>

const picksWhere = (all: Candidates, usable: (one: Candidate) => boolean): Picks =>
  new Map(Array.from(all, ([disk, list]) => [disk, list.findIndex((one) => one.why === undefined && usable(one))]))

const isWhole = (picks: Picks): boolean => Array.from(picks.values()).every((at) => at >= 0)

/** True where the first disk that differs has what it prefers in the first of two choices. */
const isBetter = (one: Picks, other: Picks): boolean => {
  for (const [disk, at] of one) {
    const there = other.get(disk) ?? -1
    if (at !== there) return at < there
  }
  return true
}

const picksOf = (job: LevelJob, all: Candidates): Picks => {
  if (!isAllOrNone(job)) return picksWhere(all, () => true)
  const outside = picksWhere(all, ({ kind }) => kind !== 'QemuInternal')
  const inside = picksWhere(all, ({ kind }) => kind === 'QemuInternal')
  if (!isWhole(inside)) return outside
  return isWhole(outside) && isBetter(outside, inside) ? outside : inside
}

/** What was preferred to the choice and could have been used alone could not be used beside the levels of other disks. */
const whyNot = (one: Candidate, all: Candidates, picks: Picks): Why => {
  if (one.why !== undefined) return one.why
  if (one.kind !== 'QemuInternal') return { _tag: 'AllInside' }
  const inside = picksWhere(all, ({ kind }) => kind === 'QemuInternal')
  const without = Array.from(inside).filter(([, at]) => at < 0)
  const otherwise = Array.from(picks).filter(([disk, at]) => all.get(disk)?.[at]?.kind !== 'QemuInternal')
  return { _tag: 'AllOrNone', lacking: (without.length > 0 ? without : otherwise).map(([disk]) => disk) }
}

const passedUntil = (disk: string, all: Candidates, picks: Picks): ReadonlyArray<Passed> => {
  const list = all.get(disk) ?? []
  const at = picks.get(disk) ?? -1
  const before = at < 0 ? list : list.slice(0, at)
  return before.map((one) => ({ disk, level: one.kind, why: whyNot(one, all, picks) }))
}

/** Every level of a disk that has none: those that nobody prefers too. */
const refusedFor = ({ request }: LevelJob, disk: string, passed: ReadonlyArray<Passed>): MachineRefusal => {
  const unwanted = (request.levels.get(disk) ?? []).filter(({ _tag }) => !request.prefer.includes(_tag))
  const more = unwanted.map(({ _tag }): Passed => ({ disk, level: _tag, why: { _tag: 'NotPreferred' } }))
  return refuseMachine({ _tag: 'NoLevelFits', disk, passed: [...passed, ...more] })
}

/**
 * Chooses the level of each disk: the first one preferred that the disk has and that can hold the request. Where snapshots inside are of
 * all disks or of none, the first disk decides whose preference counts.
 */
export const chooseLevels = (job: LevelJob): E.Either<MachineRefusal, LevelChoice> => {
  const all = new Map(job.disks.map((disk) => [disk, candidatesOf(job, disk)]))
  const picks = picksOf(job, all)
  const chosen = new Map<string, StorageLevel>()
  for (const [disk, at] of picks) {
    const level = all.get(disk)?.[at]?.level
    if (level === undefined) return E.left(refusedFor(job, disk, passedUntil(disk, all, picks)))
    chosen.set(disk, level)
  }
  return E.right({ chosen, passedOver: job.disks.flatMap((disk) => passedUntil(disk, all, picks)) })
}
