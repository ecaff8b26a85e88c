import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Chain } from '../model/chain.js'
import { backingOf, knownImage } from '../model/chain-query.js'
import type { Assumption } from '../plan/assumption.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { Plan, PointOutcome } from '../plan/plan.js'
import type { Refusal } from '../plan/refusal.js'
import {
  assumptionsOf,
  bitmapAssumptions,
  isOffline,
  savedAssumption,
  snapshotAssumptions,
  startAssumption,
} from './assumptions.js'
import { copyFeatures, copyGuards } from './copy-guard.js'
import { placeOfCopy, resolveCopy } from './copy-job.js'
import type { CopyJob } from './copy-job.js'
import { settleCopy } from './copy-outcome.js'
import type { CopyOutcome } from './copy-outcome.js'
import { libvirtCopy } from './dialect/libvirt-copy.js'
import { qemuImgCopy } from './dialect/qemu-img-copy.js'
import { qmpCopy } from './dialect/qmp-copy.js'
import { storageDaemonCopy } from './dialect/storage-daemon-copy.js'
import { fatesOf, removedMarks } from './fates.js'
import type { Mark } from './fates.js'
import { guarded } from './guard.js'
import { carriesBitmaps } from './guard-loss.js'
import { newImageAssumptions, placeImage } from './new-image.js'
import { openGuard } from './open-guard.js'
import { throughDaemon } from './storage-daemon.js'
import { pointOutcomes } from './points.js'
import type { CopyRequest } from './request.js'

const stepsOf = (outcome: CopyOutcome): Plan['steps'] => {
  const { hypervisor } = outcome.job
  switch (hypervisor.via) {
    case 'qmp':
      return qmpCopy(outcome, hypervisor)
    case 'libvirt':
      return libvirtCopy(outcome, hypervisor)
    case 'qemu-img':
      return qemuImgCopy(outcome, hypervisor)
    case 'storage-daemon':
      return storageDaemonCopy(outcome, hypervisor)
  }
}

const marksOf = ({ job, placed, dropped }: CopyOutcome): ReadonlyArray<Mark> => {
  return [
    [placed.image.name, 'created'],
    ...dropped.map(({ name }): Mark => [name, 'redundant']),
    ...removedMarks(job.request, dropped),
  ]
}

const sameContents = ({ chain, request, active, below }: CopyJob): ReadonlyArray<Assumption> => {
  const own = backingOf(chain, active)
  return request.onto === undefined || below === undefined || own === undefined || own.name === below.name
    ? []
    : [{ _tag: 'SameContents', left: own.name, right: below.name }]
}

const assumesOf = ({ job, placed, dropped, after }: CopyOutcome, steps: Plan['steps']): Plan['assumes'] => {
  const { chain, hypervisor, active, request } = job
  const offline = isOffline(hypervisor)
  return [
    ...newImageAssumptions(placeOfCopy(job)),
    ...sameContents(job),
    ...assumptionsOf({
      chain: after,
      claimed: request.leftovers === 'remove' ? dropped : [],
      reopened: [],
      closed: offline ? [active] : [],
      links: [placed.image],
    }),
    ...(request.end === 'pivot' ? bitmapAssumptions(carriesBitmaps(hypervisor, request.to) ? [] : [active]) : []),
    ...(request.leftovers === 'remove' ? snapshotAssumptions(dropped) : []),
    ...savedAssumption(hypervisor),
    ...(after.active === chain.active ? [] : startAssumption(hypervisor, after, steps)),
  ]
}

const planOf = (outcome: CopyOutcome, points: ReadonlyArray<PointOutcome>): Plan => {
  const { job, placed, after } = outcome
  const span = job.span.map(({ name }) => name)
  const steps = stepsOf(outcome)
  return {
    operation: 'copy',
    via: job.hypervisor.via,
    before: job.chain,
    after,
    steps,
    contents: [{ image: placed.image.name, span, sizeBytes: placed.image.sizeBytes }],
    fates: fatesOf(job.chain, after, marksOf(outcome)),
    points,
    requires: copyFeatures(job),
    assumes: assumesOf(outcome, steps),
  }
}

const planCopy = (job: CopyJob): E.Either<Refusal, Plan> =>
  pipe(
    placeImage(placeOfCopy(job)),
    E.map((placed) => settleCopy(job, placed)),
    E.flatMap((outcome) =>
      pipe(
        pointOutcomes(job, ({ name }) => knownImage(outcome.after, name)),
        E.map((points) => planOf(outcome, points)),
      ),
    ),
  )

/**
 * Plans a copy of what the guest sees to a new image: all of it (`full`), or the active image alone (`shallow`) onto the
 * same backing file or, with `onto`, onto another image from which a guest reads the same.
 *
 * At the end the guest goes on in the copy (`end: 'pivot'`) or stays where it is and the copy holds the moment at which
 * the job ended (`'keep'`). Nothing of the old chain is written, so every named point in time stays where it is. A full
 * copy to an image that was made before fills it, and what it held is gone; under a shallow one it has to hold nothing.
 *
 * Refuses, in this order: `ImageNotInChain`, `NothingBelow`, `GuestStateWrong`, `CapabilityMissing`, `NotThisWay`,
 * `JobOverlaps`, `NameTaken`, `LocationNotAddressable`, `DestinationWrong` (relative, missing, exists),
 * `FormatCannotHoldOverlay`, `DestinationWrong` (format, missing, size, contents), `BackingStringUnknown`,
 * `NodeNameInvalid`, `TopNotAboveBase` (`onto` lies above the active image), `InternalSnapshotsLost`, `BitmapsLost`,
 * `PlaintextLeak`, `NotThisWay` (a definition that cannot be mended, encrypted images through qemu-img),
 * `NodeUnknown`, `PathNotAbsolute`, `LocationNotAddressable` (a path that libvirt does not give back), `FilterAbove`,
 * `GuestStateWrong` (removing files while paused, through libvirt), `PointUnknown`, `BackingStringTooLong`,
 * `ImageOpen`.
 *
 * Through a storage daemon there come first: `GuestStateWrong`, `CapabilityMissing`, `NotThisWay` (its socket), `PathNotAbsolute`,
 * `LocationNotAddressable`, `NotThisWay` (an encrypted image).
 *
 * Source: QMP `blockdev-mirror`, libvirt `virDomainBlockCopy` (`virDomainBlockRebase` before 1.2.9), `qemu-img convert`;
 * `qemu-storage-daemon` with the QMP commands.
 *
 * @example
 * import { capabilitiesOfVersions, copy, parseChain, printChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- a <- b^')
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const to = { name: 'new', location: { _tag: 'File', path: '/images/new' }, format: 'qcow2' } as const
 * const plan = E.flatMap(parsed, ({ chain }) => copy(chain, { to, depth: 'full', end: 'pivot' }, hypervisor))
 * E.isRight(plan) ? printChain(plan.right.after) : '' // => 'new^'
 *
 * @since 0.1.0
 */
export const copy = (chain: Chain, request: CopyRequest, hypervisor: Hypervisor): E.Either<Refusal, Plan> =>
  throughDaemon(chain, hypervisor, (opened) =>
    pipe(
      resolveCopy(opened, request, hypervisor),
      E.flatMap(guarded(copyGuards)),
      E.flatMap(planCopy),
      E.flatMap(openGuard(hypervisor)),
    ),
  )
