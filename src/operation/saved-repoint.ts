import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { pinsOfChain } from '../model/saved-pin.js'
import { samePlace } from '../model/saved-state.js'
import type { SavedState } from '../model/saved-state.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { pinConflicts } from '../plan/pin-conflict.js'
import type { Changes } from '../plan/pin-conflict.js'
import { libvirt } from './dialect/step.js'
import { withPlainSource } from './machine-definition.js'
import { featureGuard } from './machine-guard.js'
import type { Draft } from './machine-lane.js'
import type { DeleteRequest } from './machine-request.js'

/** A machine whose saved states name the disks of afterwards, and the calls that have libvirt write them so. */
export interface Repointed {
  readonly machine: Machine
  readonly drafts: ReadonlyArray<Draft>
}

/** The state on the disks of now: the source of each disk that changes, and nothing stored of what lies below. */
const moved = (saved: SavedState, after: Machine, disks: ReadonlySet<string>): SavedState => {
  const chains = Array.from(after.disks.values()).filter(({ disk }) => disks.has(disk))
  const definition = chains.reduce(withPlainSource, saved.definition)
  const images = new Map([...(saved.images ?? []), ...chains.map((chain) => [chain.disk, pinsOfChain(chain)] as const)])
  return { ...saved, definition, ...(saved.images === undefined ? {} : { images }) }
}

const draftOf = (domain: string, { place, definition: xml }: SavedState): Draft => {
  const why = 'the guest goes on from its memory on the disks of now, which read the same; what they named may go'
  return {
    step:
      place.kind === 'managed'
        ? libvirt({ call: 'virDomainManagedSaveDefineXML', arguments: { domain, xml }, flags: [] }, why)
        : libvirt(
            { call: 'virDomainSaveImageDefineXML', arguments: { domain, path: place.path, xml }, flags: [] },
            why,
          ),
  }
}

/** The states that a plan would spoil, with the disks on which it would. */
const spoilt = (plan: Changes): ReadonlyMap<SavedState, ReadonlySet<string>> =>
  new Map(
    plan.before.saved.flatMap((saved) => {
      const disks = new Set(saved.disks === 'as saved' ? pinConflicts(plan, saved).map(({ disk }) => disk) : [])
      return disks.size === 0 ? [] : [[saved, disks] as const]
    }),
  )

/**
 * Has every saved state follow that a plan would spoil. Only for what keeps all that the guest reads. Its calls come when the chains are
 * done and before any file goes: until then the old images read what they read.
 */
const repointed = (plan: Changes): Repointed => {
  const { after } = plan
  const states = spoilt(plan)
  const saved = after.saved.map((one) => {
    const disks = states.get(one)
    return disks === undefined ? one : moved(one, after, disks)
  })
  const changed = saved.filter((one) => !after.saved.includes(one))
  return {
    machine: changed.length === 0 ? after : withMachine(after, { saved }),
    drafts: changed.map((one) => draftOf(after.name, one)),
  }
}

/** The same where the caller wants it; else the states are left as they are, and what they pin is asked of the plan. */
export const followed = (changes: Changes, { saved }: Pick<DeleteRequest, 'saved'>): Repointed =>
  saved === 'repoint' ? repointed(changes) : { machine: changes.after, drafts: [] }

/** Refuses what libvirt has to be able to do for that. */
export const followGuard = (
  machine: Machine,
  { saved }: Pick<DeleteRequest, 'saved'>,
  host: MachineHost,
): MachineRefusal | undefined => {
  if (saved !== 'repoint' || machine.saved.length === 0) return undefined
  const { via } = host
  return via === 'libvirt'
    ? featureGuard(host, ['libvirt-redefine-save'])
    : refuseMachine({ _tag: 'NotThisWay', via, why: 'only libvirt writes a saved state anew' })
}

/** Refuses to have libvirt write a state anew from what was only foreseen: it takes back what it has printed itself. */
export const repointGuard = ({ before, after, via }: MachinePlan): MachineRefusal | undefined => {
  const foreseen = after.saved.some((one) => {
    const was = before.saved.find(({ place }) => samePlace(place, one.place))
    return one.known === 'foreseen' && was?.definition !== one.definition
  })
  const why = 'read the saved state as libvirt prints it first (`virsh managedsave-dumpxml --security-info`)'
  return foreseen ? refuseMachine({ _tag: 'NotThisWay', via, why }) : undefined
}
