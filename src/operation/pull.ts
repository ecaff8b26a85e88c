import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Chain } from '../model/chain.js'
import { knownImage } from '../model/chain-query.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { Plan, PointOutcome } from '../plan/plan.js'
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
import { libvirtPull } from './dialect/libvirt-pull.js'
import { qemuImgPull } from './dialect/qemu-img-pull.js'
import { qmpPull } from './dialect/qmp-pull.js'
import { storageDaemonPull } from './dialect/storage-daemon-pull.js'
import { fatesOf, removedMarks } from './fates.js'
import type { Mark } from './fates.js'
import { guarded } from './guard.js'
import { openGuard } from './open-guard.js'
import { throughDaemon } from './storage-daemon.js'
import { pointOutcomes } from './points.js'
import { pullFeatures, pullGuards } from './pull-guard.js'
import { pulledUp, resolvePull } from './pull-job.js'
import type { PullJob } from './pull-job.js'
import { pullBacking, settlePull } from './pull-outcome.js'
import type { PullOutcome } from './pull-outcome.js'
import type { PullRequest } from './request.js'

const marksOf = ({ job, dropped }: PullOutcome): ReadonlyArray<Mark> => {
  const written: ReadonlyArray<Mark> = pulledUp(job).length === 0 ? [] : [[job.into.name, 'written']]
  return [
    ...written,
    [job.into.name, 'repointed'],
    ...dropped.map(({ name }): Mark => [name, 'redundant']),
    ...removedMarks(job.request, dropped),
  ]
}

const stepsOf = (outcome: PullOutcome): Plan['steps'] => {
  const { hypervisor } = outcome.job
  switch (hypervisor.via) {
    case 'qmp':
      return qmpPull(outcome, hypervisor)
    case 'libvirt':
      return libvirtPull(outcome, hypervisor)
    case 'qemu-img':
      return qemuImgPull(outcome, hypervisor)
    case 'storage-daemon':
      return storageDaemonPull(outcome, hypervisor)
  }
}

/** True where nothing comes up, and nothing below changes. */
const isUnchanged = (job: PullJob): boolean => job.base !== undefined && pulledUp(job).length === 0

const assumesOf = ({ job, dropped, after }: PullOutcome, steps: Plan['steps']): Plan['assumes'] => {
  const { chain, hypervisor, into, span } = job
  const offline = isOffline(hypervisor)
  return [
    ...assumptionsOf({
      chain,
      claimed: job.request.leftovers === 'remove' ? dropped : [],
      reopened: hypervisor.via === 'qemu-img' ? [] : [into],
      closed: offline ? closedImages(job, [into]) : [],
      links: span,
    }),
    ...(hypervisor.via === 'libvirt' ? killAssumptions([into]) : []),
    ...(isUnchanged(job) ? [] : deviceAssumption(into, into.sizeBytes)),
    ...bitmapAssumptions(dropped),
    ...savedAssumption(hypervisor),
    ...(isUnchanged(job) ? [] : snapshotAssumptions([into])),
    ...(offline ? startAssumption(hypervisor, after, steps) : []),
  ]
}

const planOf = (outcome: PullOutcome, points: ReadonlyArray<PointOutcome>): Plan => {
  const { job, after } = outcome
  const steps = stepsOf(outcome)
  return {
    operation: 'pull',
    via: job.hypervisor.via,
    before: job.chain,
    after,
    steps,
    contents: [{ image: job.into.name, span: job.span.map(({ name }) => name), sizeBytes: job.into.sizeBytes }],
    fates: fatesOf(job.chain, after, marksOf(outcome)),
    points,
    requires: pullFeatures(job),
    assumes: assumesOf(outcome, steps),
  }
}

/** The plan of a pull whose guards have been asked; asked of no guard it shows what they are for. */
export const planPull = (job: PullJob): E.Either<Refusal, Plan> =>
  pipe(
    pullBacking(job),
    E.map((backing) => settlePull(job, backing)),
    E.flatMap((outcome) =>
      pipe(
        pointOutcomes(job, ({ name }) => knownImage(outcome.after, name)),
        E.map((points) => planOf(outcome, points)),
      ),
    ),
  )

/**
 * Plans a pull: the contents of everything between `base` and `into` come up into `into`, whose file survives; `base`
 * stays as its backing file. Without `base` everything comes up and `into` has no backing file any more.
 *
 * What the guest reads stays the same, at every step and after each. Nothing below `into` is written, so every named
 * point in time stays where it is. The pulled clusters are flushed before the header lets go of the images that they
 * came from (in QMP; through libvirt directly after, which `assumes` says), and nothing is removed before that.
 *
 * Refuses, in this order: `ImageNotInChain`, `NothingBelow`, `TopNotAboveBase`, `GuestStateWrong`, `NotOnActivePath`,
 * `NotThisWay`, `CapabilityMissing`, `JobOverlaps`, `ImageShared`, `FormatCannotChangeBacking`,
 * `ShortImageExposesBase`, `InternalSnapshotsLost`, `BitmapsLost`, `PlaintextLeak`, `NotThisWay` (a definition that
 * cannot be mended, encrypted images through qemu-img), `NodeUnknown`, `PathNotAbsolute`, `LocationNotAddressable`,
 * `FilterAbove`, `NodeNameInvalid`, `GuestStateWrong` (a paused guest through libvirt), `PointUnknown`,
 * `BackingStringTooLong`, `ImageOpen`.
 *
 * Through a storage daemon there come first: `GuestStateWrong`, `CapabilityMissing`, `NotThisWay` (its socket), `PathNotAbsolute`,
 * `LocationNotAddressable`, `NotThisWay` (an encrypted image).
 *
 * Source: QMP `block-stream`, libvirt `virDomainBlockPull` and `virDomainBlockRebase`, `qemu-img rebase`; `qemu-storage-daemon` with the
 * QMP commands.
 *
 * @example
 * import { capabilitiesOfVersions, parseChain, pull } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- a <- b^')
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const plan = E.flatMap(parsed, ({ chain }) => pull(chain, { into: 'b', base: 'base' }, hypervisor))
 * E.isRight(plan) ? Array.from(plan.right.after.images.keys()) : [] // => ['base', 'b']
 *
 * @since 0.1.0
 */
export const pull = (chain: Chain, request: PullRequest, hypervisor: Hypervisor): E.Either<Refusal, Plan> =>
  throughDaemon(chain, hypervisor, (opened) =>
    pipe(
      resolvePull(opened, request, hypervisor),
      E.flatMap(guarded(pullGuards)),
      E.flatMap(planPull),
      E.flatMap(openGuard(hypervisor)),
    ),
  )
