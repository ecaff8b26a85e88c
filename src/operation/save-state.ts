import * as E from 'fp-ts/lib/Either.js'

import type { LibvirtFlag, SavedStateCall } from '../call/libvirt.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { pinsOfChain } from '../model/saved-pin.js'
import type { SavedState } from '../model/saved-state.js'
import { element } from '../model/xml.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { withoutNodes } from './live.js'
import { featureGuard, machineJobGuard } from './machine-guard.js'
import type { SaveRequest } from './machine-request.js'
import { guestGuard, libvirtOnly, onGuest, placeGuard, savedPlan, withoutState } from './saved-plan.js'
import { takenGuard, takenPaths } from './taken-path.js'

const features = ['libvirt-save'] as const

/** libvirt writes over whatever is there, be it a disk of this very guest. */
const pathGuard = (machine: Machine, { to, reserved = [] }: SaveRequest): MachineRefusal | undefined => {
  if (to.kind === 'managed') return undefined
  return takenGuard(takenPaths(machine, reserved), { disk: 'memory', path: to.path })
}

const persistentGuard = ({ definitions }: Machine, { via }: MachineHost): MachineRefusal | undefined => {
  const why = 'a transient domain ends with its QEMU, and its snapshots with it; define it first'
  return definitions?.persistent === undefined ? refuseMachine({ _tag: 'NotThisWay', via, why }) : undefined
}

const guards = (machine: Machine, request: SaveRequest, host: MachineHost): MachineRefusal | undefined =>
  libvirtOnly(machine, host) ??
  guestGuard(machine, host, ['running', 'paused']) ??
  placeGuard(request.to, host) ??
  persistentGuard(machine, host) ??
  featureGuard(host, features) ??
  machineJobGuard(host, host.jobs?.keys() ?? []) ??
  pathGuard(machine, request)

type SaveFlag = Extract<LibvirtFlag, `VIR_DOMAIN_SAVE_${string}`>

const flagsOf = ({ guest = 'as now', cache = 'use' }: SaveRequest): ReadonlyArray<SaveFlag> => [
  ...(cache === 'bypass' ? (['VIR_DOMAIN_SAVE_BYPASS_CACHE'] as const) : []),
  ...(guest === 'running' ? (['VIR_DOMAIN_SAVE_RUNNING'] as const) : []),
  ...(guest === 'paused' ? (['VIR_DOMAIN_SAVE_PAUSED'] as const) : []),
]

const callOf = ({ name: domain }: Machine, request: SaveRequest): SavedStateCall => {
  const flags = flagsOf(request)
  const { to } = request
  return to.kind === 'managed'
    ? { call: 'virDomainManagedSave', arguments: { domain }, flags }
    : { call: 'virDomainSaveFlags', arguments: { domain, path: to.path }, flags }
}

const stateOf = ({ state, disks, definitions }: Machine, { to, guest = 'as now' }: SaveRequest): SavedState => ({
  place: to,
  guest: guest === 'as now' ? (state === 'paused' ? 'paused' : 'running') : guest,
  definition: definitions?.live ?? definitions?.persistent ?? element('domain'),
  known: 'foreseen',
  disks: 'as saved',
  images: new Map(Array.from(disks, ([disk, chain]) => [disk, pinsOfChain(chain)])),
})

const machineSaved = (machine: Machine, request: SaveRequest): Machine =>
  withMachine(machine, {
    state: 'shut-off',
    disks: new Map(Array.from(machine.disks, ([disk, chain]) => [disk, withoutNodes(chain)])),
    definitions: { persistent: machine.definitions?.persistent, live: undefined },
    saved: [...withoutState(machine.saved, request.to), stateOf(machine, request)],
  })

/**
 * Plans to save the guest's memory: the guest is stopped, everything that it has written is flushed, its memory goes into a file, and
 * QEMU ends. The machine is shut off then, and has a saved state, which {@link restoreState} brings back.
 *
 * The state has no disk in it: it pins the images of every disk, their sizes, what they hold, and which of them is active
 * ({@link pinnedBy}). Until it is restored or dropped, plans that would change one of them are refused (`StateSaved`), which
 * libvirt does not do. The state's definition is the live one as it is given; libvirt's own says the same of the disks.
 *
 * Refuses, in this order: `NotThisWay` (without libvirt), `GuestStateWrong`, `NotThisWay` (a relative path, a transient
 * domain), `CapabilityMissing`, `JobActive` (on any disk), `PathTaken` (libvirt writes over what is there, its own disks too).
 *
 * Source: libvirt `virDomainManagedSave` (0.8.0), `virDomainSaveFlags` (0.9.4), as 11.3 answers.
 *
 * @example
 * import { capabilitiesOfVersions, machine, saveState, virshLine } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const host = { via: 'libvirt', capabilities: capabilitiesOfVersions({ libvirt: '11.3.0' }) } as const
 * const domain = { name: 'domain', attributes: {}, children: [] }
 * const vm = machine({ name: 'vm', state: 'running', disks: [], definitions: { persistent: domain, live: domain } })
 * const plan = E.flatMap(vm, (of) => saveState(of, { to: { kind: 'managed' } }, host))
 * const [call] = E.isRight(plan) ? plan.right.steps.map((step) => step.call) : []
 * call?._tag === 'Libvirt' ? virshLine(call.function) : plan // => 'virsh managedsave vm'
 * E.isRight(plan) ? plan.right.after.saved.map(({ place }) => place.kind) : plan.left // => ['managed']
 *
 * @since 0.2.0
 */
export const saveState = (
  machine: Machine,
  request: SaveRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const refused = guards(machine, request, host)
  if (refused !== undefined) return E.left(refused)
  const { to } = request
  const why = 'the guest stops, what it has written is flushed, its memory goes into a file, and QEMU ends'
  return E.right(
    savedPlan(machine, {
      operation: 'save',
      after: machineSaved(machine, request),
      drafts: [onGuest(callOf(machine, request), why)],
      consistency: 'memory',
      requires: features,
      assumes:
        to.kind === 'managed'
          ? []
          : [{ _tag: 'OfDisk', disk: 'memory', assumption: { _tag: 'NothingAt', path: to.path } }],
    }),
  )
}
