import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Chain } from '../model/chain.js'
import type { Assumption } from '../plan/assumption.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { Plan, PointOutcome } from '../plan/plan.js'
import type { Refusal } from '../plan/refusal.js'
import { assumptionsOf, savedAssumption, startAssumption } from './assumptions.js'
import { qemuImgRename } from './dialect/qemu-img-rename.js'
import { fatesOf } from './fates.js'
import type { Mark } from './fates.js'
import { guarded } from './guard.js'
import { openGuard } from './open-guard.js'
import { pointOutcomes } from './points.js'
import { renameGuards } from './rename-guard.js'
import { resolveRename } from './rename-job.js'
import { climbing, settleRename } from './rename-outcome.js'
import type { RenameOutcome } from './rename-outcome.js'
import type { RenameRequest } from './request.js'

const marksOf = ({ job, renamed, overlays, own }: RenameOutcome): ReadonlyArray<Mark> => [
  [job.image.name, 'renamed'],
  ...(renamed.name === job.image.name ? [] : [[renamed.name, 'renamed'] as const]),
  ...(own === undefined ? [] : [[renamed.name, 'repointed'] as const]),
  ...Array.from(overlays.keys(), (name): Mark => [name, 'repointed']),
]

const stepsOf = (outcome: RenameOutcome): Plan['steps'] => {
  const { hypervisor } = outcome.job
  if (hypervisor.via !== 'qemu-img') throw new Error('unreachable: there is no other way')
  return qemuImgRename(outcome, hypervisor)
}

const assumesOf = (outcome: RenameOutcome, steps: Plan['steps']): ReadonlyArray<Assumption> => {
  const { job, own, after } = outcome
  const { chain, image, request, hypervisor } = job
  const climbs = climbing(outcome)
  const links = [...(own === undefined ? [] : [image]), ...job.overlays]
  return [
    ...assumptionsOf({ chain, claimed: [image], reopened: [], closed: [image, ...job.overlays], links }),
    ...(climbs.length === 0 ? [] : [{ _tag: 'HeadersLead', images: climbs } as const]),
    ...(request.found === 'nothing' ? [] : [{ _tag: 'NothingAt', path: request.to } as const]),
    ...savedAssumption(hypervisor),
    ...(image.name === chain.active ? startAssumption(hypervisor, after, steps) : []),
  ]
}

const planOf = (outcome: RenameOutcome, points: ReadonlyArray<PointOutcome>): Plan => {
  const { job, renamed, after } = outcome
  const steps = stepsOf(outcome)
  const { name, sizeBytes } = renamed
  return {
    operation: 'rename',
    via: job.hypervisor.via,
    before: job.chain,
    after,
    steps,
    contents: name === job.image.name ? [] : [{ image: name, span: [job.image.name], sizeBytes }],
    fates: fatesOf(job.chain, after, marksOf(outcome)),
    points,
    requires: [],
    assumes: assumesOf(outcome, steps),
  }
}

const planRename = (outcome: RenameOutcome): E.Either<Refusal, Plan> =>
  pipe(
    pointOutcomes(outcome.job, ({ name }) =>
      name === outcome.job.image.name ? outcome.renamed : outcome.after.images.get(name),
    ),
    E.map((points) => planOf(outcome, points)),
  )

/**
 * Plans to give the file of an image another path, while the guest is shut off: the old name, say, after a pull into the image
 * above it.
 *
 * The file gets the new name besides the old one, every overlay that reads it is repointed, libvirt's definition is mended, and
 * only then does the old name go: after every step both what was told and what was not finds the same bytes. Backing strings that
 * were relative stay relative; where the image moves to another folder, so does its own. Nothing is copied, so both paths have
 * to be in one file system, one that has hard links: else the first step fails and nothing has changed.
 *
 * Refuses, in this order: `ImageNotInChain`, `NotThisWay` (not through qemu-img), `GuestStateWrong`, `JobOverlaps`,
 * `ImageShared`, `LocationNotAddressable` (a device, a network image), `FormatCannotChangeBacking`, `DestinationWrong` (relative,
 * something there), `NameTaken` (by an image, its place, a header, the definition), `NotThisWay` (a data file, a definition that
 * cannot be mended, encrypted images whose header would be rewritten), `PathNotAbsolute`, `LocationNotAddressable` (for libvirt),
 * `PointUnknown`, `BackingStringUnknown`, `BackingStringTooLong`, `ImageOpen`.
 *
 * Source: `link(2)`, `qemu-img rebase -u`, libvirt `virDomainUpdateDeviceFlags`, `unlink(2)`.
 *
 * @example
 * import { capabilitiesOfVersions, parseChain, rename, shellLine } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- v.2^')
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const plan = E.flatMap(parsed, ({ chain }) => rename(chain, { image: 'v.2', to: '/images/v', name: 'v' }, hypervisor))
 * E.isRight(plan) ? plan.right.steps.map(({ call }) => shellLine(call)) : []
 * // => [
 * //   'link -- /images/v.2 /images/v',
 * //   'qemu-img info --backing-chain --output=json /images/v',
 * //   'unlink -- /images/v.2',
 * // ]
 *
 * @since 0.2.0
 */
export const rename = (chain: Chain, request: RenameRequest, hypervisor: Hypervisor): E.Either<Refusal, Plan> =>
  pipe(
    resolveRename(chain, request, hypervisor),
    E.flatMap(guarded(renameGuards)),
    E.flatMap(settleRename),
    E.flatMap(planRename),
    E.flatMap(openGuard(hypervisor)),
  )
