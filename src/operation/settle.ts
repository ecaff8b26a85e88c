import * as E from 'fp-ts/lib/Either.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { owed } from '../model/owed.js'
import type { Machine } from '../model/machine.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { pausing } from './export-saved.js'
import { daemonGuard, viaGuard } from './machine-guard.js'
import type { SettleEvent } from './machine-request.js'
import { owedRemoval } from './owed-removal.js'
import { emptyPlan, inSequence } from './sequence.js'

/** Nobody but QEMU may write to what it has open, whatever its guest has done meanwhile. */
const eventGuard = (machine: Machine, event: SettleEvent, { via }: MachineHost): MachineRefusal | undefined => {
  const all = owed(machine)
  if ((event === 'rebooted' || event === 'migrated') && isNonEmpty(all))
    return refuseMachine({ _tag: 'OwedStillOpen', owed: all, event }, [{ _tag: 'Settle', event: 'stopped' }])
  return event === 'stopped' && machine.state !== 'shut-off'
    ? refuseMachine({ _tag: 'GuestStateWrong', via, guest: machine.state, needs: ['shut-off'] }, [
        { _tag: 'Settle', event: 'now' },
      ])
    : undefined
}

/**
 * Plans the deletions that a machine owes ({@link owed}), now that something has become of the guest's QEMU.
 *
 * Once it has ended they are qemu-img's. While it runs (`now`) they are QEMU's own through its monitor; of a domain of libvirt's, which has no
 * function for it, the guest's memory is saved meanwhile, and it goes on from there. Nothing that anybody else reads
 * changes. Where nothing is owed, the plan has no steps.
 *
 * Refuses, in this order: `OwedStillOpen` (the guest has rebooted, which its QEMU does not notice; another host has the
 * images), `GuestStateWrong`, `NotThisWay` (a storage daemon: qemu-img does it, and a daemon that is left over would keep it out), what {@link saveState} and {@link restoreState} refuse, `CapabilityMissing`, `JobActive`,
 * `DiskRefused` (several snapshots of the name; an image that is not the active one, while QEMU runs; `ImageOpen`).
 *
 * Source: `qemu-img snapshot -d`; QMP `blockdev-snapshot-delete-internal-sync` (1.7); libvirt `virDomainManagedSave`.
 *
 * @example
 * import { capabilitiesOfVersions, chain, machine, owed, settle, shellLine } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const location = { _tag: 'File', path: '/images/v' } as const
 * const internalSnapshots = [{ id: '1', name: 'export', vmStateBytes: 0 }]
 * const owing = [{ disk: 'vda', image: 'v', snapshot: 'export' }]
 * const plan = pipe(
 *   chain('vda', [{ name: 'v', format: 'qcow2', sizeBytes: 65536, location, internalSnapshots }], 'v'),
 *   E.flatMap((disk) => machine({ name: 'vm', state: 'shut-off', disks: [disk], owed: owing })),
 *   E.flatMap((vm) => settle(vm, 'stopped', host)),
 * )
 * E.isRight(plan) ? plan.right.steps.map(({ call }) => shellLine(call)) : [] // => ['qemu-img snapshot -d export /images/v']
 * E.isRight(plan) ? owed(plan.right.after) : [] // => []
 *
 * @since 0.2.0
 */
export const settle = (
  machine: Machine,
  event: SettleEvent,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const refused = eventGuard(machine, event, host)
  if (refused !== undefined) return E.left(refused)
  const all = owed(machine)
  const whole = { operation: 'settle', via: host.via, consistency: undefined } as const
  const begin = emptyPlan(machine, whole)
  if (all.length === 0) return E.right(begin)
  const wrong = daemonGuard(host, 'the deletion of what is inside an image') ?? viaGuard(machine, host)
  if (wrong !== undefined) return E.left(wrong)
  const removal = owedRemoval(all, host, whole)
  const paused = host.via === 'libvirt' && machine.state !== 'shut-off'
  return inSequence(begin, paused ? pausing(host, [removal]) : [removal])
}
