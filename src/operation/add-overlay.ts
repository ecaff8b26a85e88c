import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Feature } from '../call/capability.js'
import type { Chain } from '../model/chain.js'
import { activeImage, activePath, knownImage } from '../model/chain-query.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { Plan, PointOutcome } from '../plan/plan.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { assumptionsOf, bitmapAssumptions, savedAssumption, startAssumption } from './assumptions.js'
import { libvirtOverlay } from './dialect/libvirt-overlay.js'
import { qemuImgOverlay } from './dialect/qemu-img-overlay.js'
import { qmpOverlay } from './dialect/qmp-overlay.js'
import { fatesOf } from './fates.js'
import { guarded } from './guard.js'
import type { Guard } from './guard.js'
import { addressGuard, capabilityGuard, guestStateGuard, jobGuard, xmlGuard } from './guard-host.js'
import { definitionGuard, secretGuard } from './guard-live.js'
import { carriesBitmaps, plaintextGuard } from './guard-loss.js'
import { newImageAssumptions, newImageGuard, placeImage } from './new-image.js'
import type { Place } from './new-image.js'
import { settleOverlay } from './overlay-outcome.js'
import type { OverlayJob, OverlayOutcome } from './overlay-outcome.js'
import { openGuard } from './open-guard.js'
import { pointGuard, pointOutcomes } from './points.js'
import type { AddOverlayRequest } from './request.js'

const overlayFeatures = ({ hypervisor, request }: OverlayJob): ReadonlyArray<Feature> => {
  if (hypervisor.via === 'qemu-img') return []
  if (hypervisor.via === 'libvirt') return ['libvirt-external-snapshot']
  const create: ReadonlyArray<Feature> = request.overlay.made === 'before' ? [] : ['qemu-blockdev-create']
  return ['qemu-blockdev-snapshot', 'qemu-blockdev', ...create]
}

const placeOf = ({ chain, request, hypervisor, active }: OverlayJob): Place => ({
  chain,
  hypervisor,
  wanted: request.overlay,
  sizeBytes: active.sizeBytes,
  below: active,
})

/** A daemon has nobody to switch over: the new image is a header, and the guest is started with it. */
const wayGuard: Guard<OverlayJob> = ({ hypervisor: { via } }) => {
  const why =
    'an overlay of a guest that is shut off is made with qemu-img create, and nobody has to have anything open'
  return via === 'storage-daemon'
    ? refuse({ _tag: 'NotThisWay', via, why }, [{ _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] }])
    : undefined
}

const guards: ReadonlyArray<Guard<OverlayJob>> = [
  (job) => guestStateGuard(job.hypervisor),
  wayGuard,
  (job) => capabilityGuard(job.hypervisor, overlayFeatures(job)),
  (job) => jobGuard(job.hypervisor, { images: [job.active], root: 'taken' }),
  (job) => newImageGuard(placeOf(job)),
  (job) => plaintextGuard(job.request, [job.active], job.request.overlay),
  (job) => definitionGuard(job.hypervisor, job.chain, 'changes'),
  (job) => secretGuard(job.hypervisor.via, [job.active]),
  (job) => addressGuard(job.hypervisor.via, [job.active]),
  (job) => xmlGuard(job.hypervisor, activePath(job.chain)),
  (job) => pointGuard(job.chain, job.request.points ?? []),
]

const stepsOf = (outcome: OverlayOutcome): Plan['steps'] => {
  const { hypervisor } = outcome.job
  switch (hypervisor.via) {
    case 'qmp':
      return qmpOverlay(outcome)
    case 'libvirt':
      return libvirtOverlay(outcome, hypervisor)
    case 'qemu-img':
      return qemuImgOverlay(outcome, hypervisor)
    case 'storage-daemon':
      throw new Error('unreachable: refused')
  }
}

const planOf = (outcome: OverlayOutcome, points: ReadonlyArray<PointOutcome>): Plan => {
  const { job, placed, after } = outcome
  const { chain, hypervisor, active } = job
  const offline = hypervisor.via === 'qemu-img'
  const steps = stepsOf(outcome)
  return {
    operation: 'addOverlay',
    via: hypervisor.via,
    before: chain,
    after,
    steps,
    contents: [{ image: placed.image.name, span: [], sizeBytes: placed.image.sizeBytes }],
    fates: fatesOf(chain, after, [[placed.image.name, 'created']]),
    points,
    requires: overlayFeatures(job),
    assumes: [
      ...newImageAssumptions(placeOf(job)),
      ...assumptionsOf({
        chain: after,
        claimed: [],
        reopened: [],
        closed: offline ? [active] : [],
        links: [placed.image],
      }),
      ...bitmapAssumptions(carriesBitmaps(hypervisor, job.request.overlay) ? [] : [active]),
      ...savedAssumption(hypervisor),
      ...startAssumption(hypervisor, after, steps),
    ],
  }
}

/** A new overlay and the plan for it: whoever takes several at once has other steps. */
export interface PlannedOverlay {
  readonly outcome: OverlayOutcome
  readonly plan: Plan
}

const planOverlay = (job: OverlayJob): E.Either<Refusal, PlannedOverlay> =>
  pipe(
    placeImage(placeOf(job)),
    E.map((placed) => settleOverlay(job, placed)),
    E.flatMap((outcome) =>
      pipe(
        pointOutcomes(job, ({ name }) => knownImage(outcome.after, name)),
        E.map((points) => ({ outcome, plan: planOf(outcome, points) })),
      ),
    ),
  )

/** A new active image over the present one, with what its plan was made of; refuses what `addOverlay` refuses. */
export const plannedOverlay = (
  chain: Chain,
  request: AddOverlayRequest,
  hypervisor: Hypervisor,
): E.Either<Refusal, PlannedOverlay> =>
  pipe(guarded(guards)({ chain, request, hypervisor, active: activeImage(chain) }), E.flatMap(planOverlay))

/**
 * Plans a new active image over the present one, which is frozen at that point in time.
 *
 * What the guest reads stays the same; what it writes from then on goes into the overlay. The overlay has exactly the
 * size of the guest's disk: QEMU does not check, and a guest's disk would change its size.
 *
 * Refuses, in this order: `GuestStateWrong`, `NotThisWay` (a storage daemon), `CapabilityMissing`, `JobOverlaps`, `NameTaken`,
 * `LocationNotAddressable`, `DestinationWrong` (relative, missing, exists), `FormatCannotHoldOverlay`,
 * `DestinationWrong` (format, missing, size, contents), `BackingStringUnknown`, `NodeNameInvalid`, `PlaintextLeak`,
 * `NotThisWay` (a definition that cannot be mended, encrypted images through qemu-img), `NodeUnknown`,
 * `PathNotAbsolute`, `LocationNotAddressable` (a path that libvirt does not give back), `PointUnknown`,
 * `BackingStringTooLong`, `ImageOpen`.
 *
 * Source: QMP `blockdev-create`, `blockdev-add`, `blockdev-snapshot`; libvirt `virDomainSnapshotCreateXML` without
 * metadata; `qemu-img create`.
 *
 * @example
 * import { addOverlay, capabilitiesOfVersions, parseChain, printChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- a^')
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const overlay = { name: 'b', location: { _tag: 'File', path: '/images/b' }, format: 'qcow2' } as const
 * const plan = E.flatMap(parsed, ({ chain }) => addOverlay(chain, { overlay }, hypervisor))
 * E.isRight(plan) ? printChain(plan.right.after) : '' // => 'base <- a <- b^'
 *
 * @since 0.1.0
 */
export const addOverlay = (chain: Chain, request: AddOverlayRequest, hypervisor: Hypervisor): E.Either<Refusal, Plan> =>
  pipe(
    plannedOverlay(chain, request, hypervisor),
    E.map(({ plan }) => plan),
    E.flatMap(openGuard(hypervisor)),
  )
