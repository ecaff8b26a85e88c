import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Chain } from '../model/chain.js'
import type { Image } from '../model/image.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { ContentChange, Plan, PointOutcome } from '../plan/plan.js'
import type { Refusal } from '../plan/refusal.js'
import {
  assumptionsOf,
  bitmapAssumptions,
  closedImages,
  deviceAssumption,
  isOffline,
  killAssumptions,
  savedAssumption,
  snapshotAssumptions,
  startAssumption,
} from './assumptions.js'
import { commitFeatures, commitGuards } from './commit-guard.js'
import { growthOf } from './commit-growth.js'
import { overwritten, resolveCommit } from './commit-job.js'
import type { CommitJob } from './commit-job.js'
import { newBackings, settle } from './commit-outcome.js'
import type { CommitOutcome } from './commit-outcome.js'
import { libvirtCommit } from './dialect/libvirt-commit.js'
import { qemuImgCommit } from './dialect/qemu-img-commit.js'
import { qmpCommit } from './dialect/qmp-commit.js'
import { storageDaemonCommit } from './dialect/storage-daemon-commit.js'
import { fatesOf, removedMarks } from './fates.js'
import type { Mark } from './fates.js'
import { guarded } from './guard.js'
import { carriesBitmaps } from './guard-loss.js'
import { openGuard } from './open-guard.js'
import { throughDaemon } from './storage-daemon.js'
import { pointOutcomes } from './points.js'
import type { CommitRequest, ShallowCommitRequest } from './request.js'

/** A top that is enlarged first shows its point in time on a disk of another size. */
const enlargedTop = (job: CommitJob): ReadonlyArray<Image> => (growthOf(job) === undefined ? [] : [job.top])

/** Where a point in time is after a commit: whatever was written over is gone, and the base now shows the top's. */
const holderOf = ({ job, after }: CommitOutcome): ((was: Image) => Image | undefined) => {
  const gone = new Set([...overwritten(job), ...enlargedTop(job)].map(({ name }) => name))
  return ({ name }) => (gone.has(name) ? undefined : (after.images.get(name) ?? after.images.get(job.base.name)))
}

const marksOf = ({ job, backings, dropped }: CommitOutcome): ReadonlyArray<Mark> => {
  const above = job.span.slice(1, -1).map(({ name }): Mark => [name, 'invalid'])
  const gone = dropped.some(({ name }) => name === job.top.name)
  const isStale = job.active === 'yes' || growthOf(job) !== undefined
  const top: ReadonlyArray<Mark> = gone ? [[job.top.name, isStale ? 'invalid' : 'redundant']] : []
  return [
    [job.base.name, 'written'],
    ...Array.from(backings.keys(), (name): Mark => [name, 'repointed']),
    ...above,
    ...top,
    ...removedMarks(job.request, dropped),
  ]
}

const stepsOf = (outcome: CommitOutcome): Plan['steps'] => {
  const { hypervisor } = outcome.job
  switch (hypervisor.via) {
    case 'qmp':
      return qmpCommit(outcome, hypervisor)
    case 'libvirt':
      return libvirtCommit(outcome, hypervisor)
    case 'qemu-img':
      return qemuImgCommit(outcome, hypervisor)
    case 'storage-daemon':
      return storageDaemonCommit(outcome, hypervisor)
  }
}

const assumesOf = ({ job, dropped, after }: CommitOutcome, steps: Plan['steps']): Plan['assumes'] => {
  const { qemu, header } = job.repointed
  const { chain, hypervisor, base, span, top } = job
  const offline = isOffline(hypervisor)
  const gone = job.request.leftovers === 'remove' ? dropped.filter(({ name }) => name === top.name) : []
  return [
    ...assumptionsOf({
      chain,
      claimed: [...overwritten(job), ...(gone.length > 0 ? gone : enlargedTop(job))],
      reopened: hypervisor.via === 'qemu-img' ? [] : [base, ...qemu],
      closed: offline ? closedImages(job, [...span, ...header]) : header,
      links: [...span.slice(1), ...qemu, ...header],
    }),
    ...(job.request.device === undefined ? deviceAssumption(base, top.sizeBytes) : []),
    ...bitmapAssumptions(carriesBitmaps(hypervisor, base) ? [] : span.slice(1)),
    ...snapshotAssumptions(span.slice(1)),
    ...(hypervisor.via === 'libvirt' ? killAssumptions(qemu) : []),
    ...savedAssumption(hypervisor),
    ...(after.active === chain.active && !offline ? [] : startAssumption(hypervisor, after, steps)),
  ]
}

const grownTop = (job: CommitJob): Pick<ContentChange, 'grown'> => {
  const toBytes = growthOf(job)
  return toBytes === undefined ? {} : { grown: { image: job.top.name, toBytes } }
}

const planOf = (outcome: CommitOutcome, points: ReadonlyArray<PointOutcome>): Plan => {
  const { job, after } = outcome
  const sizeBytes = Math.max(job.base.sizeBytes, job.top.sizeBytes)
  const steps = stepsOf(outcome)
  return {
    operation: 'commit',
    via: job.hypervisor.via,
    before: job.chain,
    after,
    steps,
    contents: [{ image: job.base.name, span: job.span.map(({ name }) => name), sizeBytes, ...grownTop(job) }],
    fates: fatesOf(job.chain, after, marksOf(outcome)),
    points,
    requires: commitFeatures(job),
    assumes: assumesOf(outcome, steps),
  }
}

/** The plan of a commit whose guards have been asked; asked of no guard it shows what they are for. */
export const planCommit = (job: CommitJob): E.Either<Refusal, Plan> =>
  pipe(
    newBackings(job),
    E.map((backings) => settle(job, backings)),
    E.flatMap((outcome) =>
      pipe(
        pointOutcomes(job, holderOf(outcome), [
          {
            _tag: 'PullIntoReaders',
            readers: job.overlays.length === 0 ? [job.top.name] : job.overlays.map(({ name }) => name),
          },
          { _tag: 'Copy', depth: 'full' },
        ]),
        E.map((points) => planOf(outcome, points)),
      ),
    ),
  )

/**
 * Plans a commit: the contents of `top`, and of everything between, go down into `base`, whose file survives.
 *
 * What the guest reads stays the same, at every step and after each. Where `top` is the active image the guest either
 * goes on in `base` (`end: 'pivot'`) or stays where it is (`'keep'`); both write the base all the same. Every image from
 * `base` up to, not including, `top` no longer shows the point in time that it showed.
 *
 * Refuses, in this order: `ImageNotInChain`, `NothingBelow`, `TopNotAboveBase`, `GuestStateWrong`, `NotOnActivePath`,
 * `CapabilityMissing`, `JobOverlaps`, `ActiveNeedsPivotDecision`, `PivotOnlyForActive`, `ImageShared`,
 * `FormatCannotChangeBacking`, `BaseLargerThanTop`, `ShortImageExposesBase` (or, with `short: 'grow'`, `ImageShared` and
 * `NotThisWay` of a top that cannot grow), `BaseNotGrowable`, `BaseDeviceTooSmall`,
 * `InternalSnapshotsLost`, `BitmapsLost`, `PlaintextLeak`, `NotThisWay` (a definition that cannot be mended,
 * encrypted images through qemu-img), `NodeUnknown`, `PathNotAbsolute`, `LocationNotAddressable`, `FilterAbove`,
 * `NodeNameInvalid`, `GuestStateWrong` (removing files while paused, through libvirt), `PointUnknown`,
 * `BackingStringUnknown`, `BackingStringTooLong`, `PointInTimeLost`, `ImageOpen`.
 *
 * Through a storage daemon there come first: `GuestStateWrong`, `CapabilityMissing`, `NotThisWay` (its socket), `PathNotAbsolute`,
 * `LocationNotAddressable`, `NotThisWay` (an encrypted image).
 *
 * Source: QMP `block-commit`, libvirt `virDomainBlockCommit`, `qemu-img commit` with `rebase -u`; `qemu-storage-daemon` with the QMP commands.
 *
 * @example
 * import { capabilitiesOfVersions, commit, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- a <- b^')
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const plan = E.flatMap(parsed, ({ chain }) => commit(chain, { top: 'a', base: 'base' }, hypervisor))
 * E.isRight(plan) ? Array.from(plan.right.after.images.keys()) : [] // => ['base', 'b']
 *
 * @since 0.1.0
 */
export const commit = (chain: Chain, request: CommitRequest, hypervisor: Hypervisor): E.Either<Refusal, Plan> =>
  throughDaemon(chain, hypervisor, (opened) =>
    pipe(
      resolveCommit(opened, request, hypervisor),
      E.flatMap(guarded(commitGuards)),
      E.flatMap(planCommit),
      E.flatMap(openGuard(hypervisor)),
    ),
  )

/**
 * Plans a commit of `top` into its own backing file, whatever that is.
 *
 * Refuses as {@link commit} does.
 *
 * @since 0.1.0
 */
export const shallowCommit = (
  chain: Chain,
  request: ShallowCommitRequest,
  hypervisor: Hypervisor,
): E.Either<Refusal, Plan> => {
  const top = chain.images.get(request.top)
  return commit(chain, top?.backing === undefined ? request : { ...request, base: top.backing.image }, hypervisor)
}
