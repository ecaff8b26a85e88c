import * as E from 'fp-ts/lib/Either.js'

import type { Machine } from '../model/machine.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { featureGuard, knownGuard, recordsAssumption } from './machine-guard.js'
import { assemble } from './machine-lane.js'
import type { ForgetRequest } from './machine-request.js'
import { forgotten, redefined } from './record-steps.js'

const managedGuard = (machine: Machine, { via }: MachineHost): MachineRefusal | undefined =>
  (via === 'libvirt') === (machine.definitions !== undefined)
    ? undefined
    : refuseMachine({
        _tag: 'NotThisWay',
        via,
        why: via === 'libvirt' ? 'libvirt does not manage this machine' : 'libvirt manages this machine',
      })

const recordPlan = (
  before: Machine,
  host: MachineHost,
  { operation, done }: { readonly operation: 'forget' | 'redefine'; readonly done: ReturnType<typeof forgotten> },
): MachinePlan => ({
  operation,
  via: host.via,
  how: 'by hand',
  before,
  after: done.machine,
  parts: [],
  steps: assemble(before, done.drafts),
  finally: [],
  consistency: undefined,
  unlinked: [],
  requires: host.via === 'libvirt' ? ['libvirt-redefine'] : [],
  assumes: recordsAssumption(before, host),
})

/**
 * Plans to forget snapshots: their records go, and every file and every chain stays. The points in time are then tied to nothing;
 * children get the parent of the one that goes, and where the current one goes its parent is current.
 *
 * It is the way to clear up after somebody has shortened a chain by hand. Block jobs may run meanwhile. Law: no part of the
 * plan touches a disk.
 *
 * Refuses, in this order: `NothingSelected`, `SnapshotNotFound`, `NotThisWay`, `CapabilityMissing`.
 * Source: `virDomainSnapshotDelete` with METADATA_ONLY (0.9.5), `virDomainSnapshotCreateXML` with REDEFINE (0.9.5).
 *
 * @example
 * import { capabilitiesOfVersions, forget, machine } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const vm = machine({ name: 'vm', state: 'shut-off', disks: [], snapshots: [{ name: 'old', disks: [] }] })
 * const plan = E.flatMap(vm, (of) => forget(of, { snapshots: ['old'] }, host))
 * E.isRight(plan) ? plan.right.after.snapshots.size : plan.left // => 0
 *
 * @since 0.2.0
 */
export const forget = (
  machine: Machine,
  request: ForgetRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const refused =
    (request.snapshots.length === 0 ? refuseMachine({ _tag: 'NothingSelected' }) : undefined) ??
    knownGuard(machine, request.snapshots) ??
    managedGuard(machine, host) ??
    (host.via === 'libvirt' ? featureGuard(host, ['libvirt-redefine']) : undefined)
  if (refused !== undefined) return E.left(refused)
  const names = new Set(request.snapshots)
  const all = Array.from(machine.snapshots.values(), ({ name }) => String(name)).filter((name) => names.has(name))
  const gone = forgotten(machine, all, host.via)
  const mended = redefined(gone.machine, new Map(), host.via)
  const done = { machine: mended.machine, drafts: [...gone.drafts, ...mended.drafts] }
  return E.right(recordPlan(machine, host, { operation: 'forget', done }))
}

/**
 * Plans to have libvirt write down what is so: for each snapshot whose record names another image than the one that holds it, or,
 * being current, an overlay that is not the active image, the call that redefines it. No step, where all is right.
 *
 * libvirt believes what it is told, and follows it at the next deletion and revert; a wrong record loses data there.
 *
 * Refuses, in this order: `NotThisWay`, `CapabilityMissing`.
 * Source: `virDomainSnapshotCreateXML` with REDEFINE (0.9.5), seen on libvirt 11.3.
 *
 * @example
 * import { capabilitiesOfVersions, machine, redefine } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const host = { via: 'libvirt', capabilities: capabilitiesOfVersions({ libvirt: '11.3.0' }) } as const
 * const persistent = { name: 'domain', attributes: {}, children: [] }
 * const definitions = { persistent, live: undefined }
 * const vm = machine({ name: 'vm', state: 'shut-off', disks: [], definitions })
 * const plan = E.flatMap(vm, (of) => redefine(of, host))
 * E.isRight(plan) ? plan.right.steps : plan.left // => []
 *
 * @since 0.2.0
 */
export const redefine = (machine: Machine, host: MachineHost): E.Either<MachineRefusal, MachinePlan> => {
  const refused =
    managedGuard(machine, host) ?? (host.via === 'libvirt' ? featureGuard(host, ['libvirt-redefine']) : undefined)
  if (refused !== undefined) return E.left(refused)
  const done = redefined(machine, new Map(), host.via)
  return E.right(recordPlan(machine, host, { operation: 'redefine', done }))
}
