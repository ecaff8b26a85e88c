import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { RevertCall } from '../call/libvirt.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Fault } from './fault.js'
import { startedByLibvirt } from './machine-domain.js'
import { appliedInside, loadedInside } from './machine-inside.js'
import { mapWorlds, guestOf, managedSave, withSnapshot } from './machine-world.js'
import type { MachineWorld, SimSnapshot, StoredDisk } from './machine-world.js'
import { stoppedMachine } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { revertedOutside } from './machine-revert-external.js'
import { isExternal } from './machine-tree.js'

/** What the guest does after a revert. */
export type Target = 'running' | 'paused' | 'shut-off'

const targetOf = ({ state }: SimSnapshot, { flags }: RevertCall): Target => {
  if (flags.includes('VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING')) return 'running'
  if (flags.includes('VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED')) return 'paused'
  return state === 'running' || state === 'paused' ? state : 'shut-off'
}

const hasJob = ({ worlds }: MachineWorld): boolean =>
  Array.from(worlds.values()).some(({ domain, qemu }) => domain?.job !== undefined || (qemu?.jobs.length ?? 0) > 0)

/** The disks as the snapshot knows them, one for each that the machine has. */
const disksThen = ({ inactiveDomain, domain }: SimSnapshot): ReadonlyMap<string, StoredDisk> | undefined =>
  inactiveDomain ?? domain

type Refusal = E.Either<Fault<never>, never> | undefined

/** True where a guest would be resumed from a saved state on reverted disks, and nobody forces it. */
const isUnasked = (machine: MachineWorld, { memory }: SimSnapshot, { flags }: RevertCall): boolean =>
  memory._tag === 'None' &&
  !flags.includes('VIR_DOMAIN_SNAPSHOT_REVERT_FORCE') &&
  machine.saved.has(managedSave) &&
  guestOf(machine) === 'shut-off'

const refusal = (machine: MachineWorld, snapshot: SimSnapshot, call: RevertCall): Refusal => {
  const invalid = (desc: string): Refusal => libvirtRefuses(`Requested operation is not valid: ${desc}`)
  const then = disksThen(snapshot)
  if (targetOf(snapshot, call) === 'running' && call.flags.includes('VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED'))
    return libvirtRefuses(
      "invalid argument: Flags 'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING' and 'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED' are mutually exclusive",
    )
  if (hasJob(machine)) return invalid('domain has active block job')
  if (then === undefined)
    return libvirtRefuses(
      `unsupported configuration: snapshot '${snapshot.name}' lacks domain '${machine.domain?.name ?? ''}' rollback info`,
    )
  if (isUnasked(machine, snapshot, call))
    return libvirtRefuses(
      'revert requires force: snapshot without memory state, removal of existing managed saved state strongly recommended to avoid corruption',
    )
  if (machine.domain?.definition === 'transient' && targetOf(snapshot, call) === 'shut-off')
    return invalid('transient domain needs to request run or pause to revert to inactive snapshot')
  const same = then.size === machine.worlds.size && Array.from(machine.worlds.keys()).every((disk) => then.has(disk))
  if (!same) return unmodelled('a revert to a snapshot of other disks than the machine has')
  return undefined
}

/** The whole configuration becomes what it was. */
const configured = (machine: MachineWorld, snapshot: SimSnapshot): MachineWorld =>
  mapWorlds(machine, (world) => {
    const then = disksThen(snapshot)?.get(world.disk)
    return then === undefined ? world : { ...world, boot: { keeper: world.boot.keeper, ...then } }
  })

const revertedInside = (machine: MachineWorld, snapshot: SimSnapshot, target: Target): MachineOutcome => {
  if (snapshot.memory._tag === 'Internal')
    return loadedInside(machine, snapshot, target === 'paused' ? target : 'running')
  return pipe(
    appliedInside(machine, snapshot),
    E.flatMap((applied) => (target === 'shut-off' ? E.right(applied) : startedByLibvirt(applied, target))),
  )
}

/** A revert that fails leaves the guest off, for QEMU is killed first; a transient domain stays there all the same. */
const orStopped = (before: MachineWorld, stopped: MachineWorld, outcome: MachineOutcome): MachineOutcome => {
  if (E.isRight(outcome) || outcome.left._tag !== 'Refused' || guestOf(before) === 'shut-off') return outcome
  return E.left({ _tag: 'Failed', by: 'libvirt', desc: outcome.left.desc, world: stopped })
}

const madeCurrent = (machine: MachineWorld, from: string | undefined, to: string): MachineWorld => ({
  ...(from === undefined || from === to ? machine : withSnapshot(machine, from, { revertDisks: undefined })),
  current: to,
})

/**
 * `virDomainRevertToSnapshot`: QEMU is killed, the configuration is reset, and the guest begins anew in overlays named after the
 * clock, or in what is restored from inside.
 */
export const revert = (machine: MachineWorld, call: RevertCall): MachineOutcome => {
  const snapshot = machine.snapshots.get(call.arguments.snapshot)
  if (snapshot === undefined)
    return libvirtRefuses(
      `Domain snapshot not found: no domain snapshot with matching name '${call.arguments.snapshot}'`,
    )
  const refused = refusal(machine, snapshot, call)
  if (refused !== undefined) return refused
  const stopped = stoppedMachine(machine)
  const target = targetOf(snapshot, call)
  const then = configured(stopped, snapshot)
  const reverted = isExternal(snapshot)
    ? revertedOutside(then, snapshot, target)
    : revertedInside(then, snapshot, target)
  return orStopped(
    machine,
    stopped,
    pipe(
      reverted,
      E.map((done) => madeCurrent(done, machine.current, snapshot.name)),
    ),
  )
}
