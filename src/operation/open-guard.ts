import * as E from 'fp-ts/lib/Either.js'

import type { Call } from '../call/call.js'
import type { Chain } from '../model/chain.js'
import { path } from '../model/chain-query.js'
import type { Opener, Opening } from '../model/opening.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { stepConflicts } from '../plan/open-conflict.js'
import type { StepConflict } from '../plan/open-conflict.js'
import { diskConflicts } from '../plan/open-machine.js'
import type { Plan } from '../plan/plan.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'

/** Two who cannot have an image open at once, as a refusal; the guest itself is not asked to close it. */
export const imageOpen = ({ image, step, wants, by, held }: StepConflict): Refusal =>
  refuse(
    { _tag: 'ImageOpen', image, step, wants, by, held },
    held.by._tag === 'ThisGuest' ? [] : [{ _tag: 'CloseFirst', image, by: held.by }],
  )

/** Refuses a plan that opens what somebody else has open, or the guest itself where qemu-img would have to open it too. */
export const openGuard =
  (hypervisor: Hypervisor) =>
  (plan: Plan): E.Either<Refusal, Plan> => {
    const [conflict] = stepConflicts(plan, { guest: hypervisor.guest, opened: hypervisor.opened ?? [] })
    return conflict === undefined ? E.right(plan) : E.left(imageOpen(conflict))
  }

const changing: ReadonlySet<string> = new Set(['written', 'repointed', 'removed', 'created'])

/** An image opened for writing, and what lies below it for reading. */
const withBelow = (chain: Chain, image: string, by: Opener): ReadonlyArray<Opening> =>
  (path(chain, image) ?? []).map(({ name }) => ({ image: name, by, access: name === image ? 'write' : 'read' }))

/** What one disk of a plan for a machine is about. */
interface OnDisk {
  readonly plan: MachinePlan
  readonly before: Chain
  readonly after: Chain
  readonly by: Opener
}

const changed = ({ plan, before, by }: OnDisk): ReadonlyArray<Opening> =>
  plan.parts
    .filter((part) => part.before.disk === before.disk)
    .flatMap(({ fates, ...part }) =>
      Array.from(fates).flatMap(([image, all]) => {
        if (!all.some((fate) => changing.has(fate))) return []
        const chain = part.before.images.has(image) ? part.before : part.after
        return all.includes('written') ? withBelow(chain, image, by) : [{ image, by, access: 'write' } as const]
      }),
    )

/** The images that get or lose a snapshot inside, which the call does not name. */
const changedInside = ({ before, after, by }: OnDisk): ReadonlyArray<Opening> =>
  Array.from(after.images.values())
    .filter(({ name, internalSnapshots }) => {
      const had = before.images.get(name)?.internalSnapshots.length
      return had !== undefined && internalSnapshots.length !== had
    })
    .flatMap(({ name }) => withBelow(before, name, by))

/** A guest that libvirt reverts is started on the frozen image, and gets its overlay then. */
const started = ({ before, after, by }: OnDisk): ReadonlyArray<Opening> => {
  const frozen = before.images.has(after.active) ? undefined : after.images.get(after.active)?.backing?.image
  return withBelow(after, after.active, by).concat(frozen === undefined ? [] : withBelow(after, frozen, by))
}

/**
 * libvirt's own functions say nothing of images: they open what they change, the whole chain where they start a QEMU for the work, and
 * what the guest reads afterwards where it runs then.
 */
const ownOpenings =
  (on: OnDisk) =>
  (call: Call): ReadonlyArray<Opening> => {
    if (call._tag !== 'Libvirt') return []
    const { plan, before, by } = on
    const own = call.function
    if (own.call === 'virDomainSnapshotCreateXML')
      return own.flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE') ? [] : changedInside(on)
    if (own.call === 'virDomainSnapshotDelete') {
      if (own.flags.includes('VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY')) return []
      const starts = plan.before.state === 'shut-off' && plan.parts.some(({ contents }) => contents.length > 0)
      return [...changed(on), ...changedInside(on), ...(starts ? withBelow(before, before.active, by) : [])]
    }
    if (own.call !== 'virDomainRevertToSnapshot') return []
    return [...changed(on), ...(plan.after.state === 'shut-off' ? [] : started(on))]
  }

/** The same of a plan for a machine, disk by disk. */
export const machineOpenGuard = (plan: MachinePlan, host: MachineHost): MachineRefusal | undefined => {
  const by: Opener = plan.before.state === 'shut-off' ? { _tag: 'Tool', name: 'libvirt' } : { _tag: 'ThisGuest' }
  const [conflict] = diskConflicts(plan, host.opened ?? new Map(), (chains) => ownOpenings({ plan, by, ...chains }))
  return conflict === undefined
    ? undefined
    : refuseMachine({ _tag: 'DiskRefused', disk: conflict.disk, refusal: imageOpen(conflict) })
}
