import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { locationString } from '../model/location.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { OwedSnapshot } from '../model/owed.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { changeChain } from './change-chain.js'
import { diskConsistency } from './consistency.js'
import { copied } from './export-copy.js'
import type { ExportAsked } from './export-copy.js'
import { exportGuard, exportWay } from './export-guard.js'
import { backedUp } from './export-live.js'
import { pausing } from './export-saved.js'
import { deviceOf } from './machine-device.js'
import type { ExportRequest, TakeDisk, TakeRequest } from './machine-request.js'
import { owedRemoval } from './owed-removal.js'
import { goingOnAlways } from './flush-pause.js'
import { emptyPlan, inSequence } from './sequence.js'
import type { Stage } from './sequence.js'
import { take } from './take.js'

const temporaryOf = ({ temporary = 'export' }: ExportRequest): string => temporary

/** What becomes of each disk in the temporary snapshot. */
const takeRequest = (machine: Machine, request: ExportRequest, mode: 'external' | 'internal'): TakeRequest => {
  const selected = (disk: string): TakeDisk => {
    const overlay = request.overlays?.get(disk)
    return mode === 'internal' || overlay === undefined ? { mode } : { mode, overlay }
  }
  const disks = Array.from(machine.disks.keys(), (disk): readonly [string, TakeDisk] => [
    disk,
    request.to.has(disk) ? selected(disk) : { mode: 'no' },
  ])
  const exported = Array.from(request.to.values(), ({ location }) => locationString(location))
  return {
    name: temporaryOf(request),
    disks: new Map(disks),
    metadata: 'none',
    reserved: [...(request.reserved ?? []), ...exported],
    ...(request.quiesce === undefined ? {} : { quiesce: request.quiesce }),
    ...(request.accept === undefined ? {} : { accept: request.accept }),
  }
}

/**
 * The temporary snapshot inside the images. While the guest's memory is saved qemu-img takes it: libvirt has no record of it, and none of
 * its definitions names it.
 */
const insideTaken =
  ({ request, host }: ExportAsked): Stage =>
  (machine) => {
    if (host.via !== 'libvirt') return take(machine, takeRequest(machine, request, 'internal'), host)
    const bare = withMachine(machine, { definitions: undefined, saved: [] })
    return pipe(
      take(bare, takeRequest(bare, request, 'internal'), { ...host, via: 'qemu-img' }),
      E.map((plan) => ({
        ...plan,
        before: machine,
        after: withMachine(machine, { disks: plan.after.disks }),
      })),
    )
  }

const insideOf = (machine: Machine, request: ExportRequest): ReadonlyArray<OwedSnapshot> =>
  Array.from(machine.disks.values())
    .filter(({ disk }) => request.to.has(disk))
    .map(({ disk, active }) => ({ disk, image: active, snapshot: temporaryOf(request) }))

const insideRemoved =
  ({ request, host }: ExportAsked): Stage =>
  (machine) =>
    owedRemoval(insideOf(machine, request), host, { operation: 'export', consistency: undefined })(machine)

/** Nothing is done about what is inside: the machine says that it is owed. */
const insideOwed =
  ({ request, host }: ExportAsked): Stage =>
  (machine) =>
    E.right({
      ...emptyPlan(machine, { operation: 'export', via: host.via, consistency: undefined }),
      after: withMachine(machine, { owed: [...machine.owed, ...insideOf(machine, request)] }),
    })

const insideCopied = (asked: ExportAsked): Stage =>
  copied(asked, ({ active }) => ({ image: active, inside: temporaryOf(asked.request) }))

const presentCopied = (asked: ExportAsked): Stage =>
  copied(asked, ({ active }) => ({ image: active, inside: undefined }))

const savedStages = (asked: ExportAsked, removal: ExportRequest['removal']): ReadonlyArray<Stage> => {
  const { host } = asked
  if (removal === 'first pause') return pausing(host, [presentCopied(asked)])
  const until = [...pausing(host, [insideTaken(asked)]), insideCopied(asked)]
  return [...until, ...(removal === 'second pause' ? pausing(host, [insideRemoved(asked)]) : [insideOwed(asked)])]
}

/** The overlay goes down again into the image that it has frozen. */
const overlayCommitted =
  ({ request, host }: ExportAsked, disk: string, base: string): Stage =>
  (at) => {
    const commit = {
      top: at.disks.get(disk)?.active ?? '',
      base,
      end: 'pivot',
      leftovers: 'remove',
      ...deviceOf(request.devices ?? [], { disk, image: base }),
      ...(request.accept === undefined ? {} : { accept: request.accept }),
    } as const
    return pipe(
      changeChain(at, { disk, commit }, host),
      E.map((plan) => ({ ...plan, finally: [...plan.finally, ...goingOnAlways(plan)] })),
    )
  }

/** What was frozen, by the overlay that lies on it; and then the overlay goes down into it again. */
const overlayStages = (asked: ExportAsked, machine: Machine): ReadonlyArray<Stage> => {
  const { request, host } = asked
  const frozen = (disk: string): string => machine.disks.get(disk)?.active ?? ''
  return [
    (at) => take(at, takeRequest(at, request, 'external'), host),
    copied(asked, ({ disk }) => ({ image: frozen(disk), inside: undefined })),
    ...Array.from(request.to.keys(), (disk) => overlayCommitted(asked, disk, frozen(disk))),
  ]
}

const stagesOf = (machine: Machine, asked: ExportAsked): ReadonlyArray<Stage> => {
  const { way, removal } = exportWay(machine, asked.request)
  switch (way) {
    case 'copy':
      return [presentCopied(asked)]
    case 'backup':
      return [backedUp(asked)]
    case 'overlay':
      return overlayStages(asked, machine)
    case 'inside': {
      const last = removal === 'next stop' ? insideOwed(asked) : insideRemoved(asked)
      return [insideTaken(asked), insideCopied(asked), last]
    }
    case 'saved':
      return savedStages(asked, removal)
  }
}

/**
 * Plans to write the present of some disks into standalone images, all of them as they are at one moment, while the guest goes on.
 *
 * What is temporary is taken away again in the same plan, or, for images that QEMU would have to close first, is owed: `after` says so
 * (see {@link owed} and {@link settle}). {@link pausesOf} says of each way for how long the guest stands, and on what that depends.
 * Points in time stay where they are. Should a step fail: the guest goes on (`finally`); a temporary overlay or snapshot that is there by
 * then stays in the way of nothing, and a new image that is not complete is worth nothing.
 *
 * | way | needs | the guest stands | is left behind |
 * | --- | --- | --- | --- |
 * | shut off | | | |
 * | `backup` | QMP or libvirt | until its requests are done | |
 * | `overlay` | QMP or libvirt | until its requests are done, three times | |
 * | `inside` | QMP, qcow2 | while tables are copied, twice | owed, or nothing |
 * | `saved` | libvirt, qcow2 | while memory is written, tables copied, a QEMU started and memory read, once or twice | owed, or nothing |
 * | `saved`, in the first pause | libvirt | so long, and until all data are copied | |
 *
 * Refuses, in this order: `NothingSelected`, `DiskNotFound`, `DiskRefused` (`devices` of an image that is not there), `GuestStateWrong`,
 * `NotThisWay`, `DiskRefused` (an image that cannot be written compressed), `JobActive`, `ManagedSavePresent`,
 * `OwedTooMany`, `PathTaken`, and then what the stages refuse: {@link take} (`SnapshotNameWrong`, `CapabilityMissing`, ...), {@link saveState},
 * {@link restoreState}, {@link changeChain}, `CapabilityMissing`, or `DiskRefused` for what a new image can have against it (`ImageOpen`).
 *
 * Source: `qemu-img convert -l` (2.0), `-U` (2.10), `-r` (5.2); QMP `transaction`, `blockdev-backup`, `blockdev-snapshot-delete-internal-sync`; libvirt
 * `virDomainManagedSave`, `virDomainSnapshotCreateXML`, `virDomainBlockCommit`, `virDomainBackupBegin`, as QEMU 10.0 and 7.2 and libvirt 11.3 answer.
 *
 * @example
 * import { capabilitiesOfVersions, exportSnapshot, machine, parseChain, shellLine } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const copy = { name: 'copy', location: { _tag: 'File', path: '/backup/v' }, format: 'qcow2' } as const
 * const plan = pipe(
 *   parseChain('v <- v.1^'),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'shut-off', disks: [chain] })),
 *   E.flatMap((vm) => exportSnapshot(vm, { to: new Map([['vda', copy]]) }, host)),
 * )
 * E.isRight(plan) ? plan.right.steps.slice(0, 1).map(({ call }) => shellLine(call)) : plan.left
 * // => ['qemu-img convert -f qcow2 -O qcow2 /images/v.1 /backup/v']
 *
 * @since 0.2.0
 */
export const exportSnapshot = (
  machine: Machine,
  request: ExportRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const asked = { request, host }
  const refused = exportGuard({ machine, ...asked })
  if (refused !== undefined) return E.left(refused)
  const consistency = diskConsistency(machine, machine.state === 'running' ? (request.quiesce ?? 'no') : 'no')
  const begin = emptyPlan(machine, { operation: 'export', via: host.via, consistency })
  const own = exportWay(machine, request).way === 'backup' && host.via === 'libvirt'
  return pipe(
    inSequence(begin, stagesOf(machine, asked)),
    E.map((plan) => ({ ...plan, how: own ? 'libvirt' : 'by hand' })),
  )
}
