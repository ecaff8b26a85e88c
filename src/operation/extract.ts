import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import type { Machine } from '../model/machine.js'
import { imageOfDisk } from '../model/snapshot.js'
import type { Snapshot } from '../model/snapshot.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { dataGuard } from './copied-data.js'
import { isHalfDeleted } from './deletion-mark.js'
import { extractFeatures, extractParts } from './extract-part.js'
import type { Extraction } from './extract-part.js'
import { guarded } from './guard.js'
import { daemonGuard, featureGuard, knownGuard, machineJobGuard, viaGuard } from './machine-guard.js'
import { hypervisorAtRest } from './machine-hypervisor.js'
import type { ExtractRequest } from './machine-request.js'
import { outsideGuard } from './outside-guard.js'
import { emptyPlan } from './sequence.js'
import { newFilesGuard, pathsOfImages } from './taken-path.js'

interface Asked {
  readonly machine: Machine
  readonly snapshot: Snapshot
  readonly request: ExtractRequest
  readonly host: MachineHost
}

type AskedGuard = (asked: Asked) => MachineRefusal | undefined

const selectionGuard: AskedGuard = ({ machine, snapshot, request }) => {
  if (request.to.size === 0) return refuseMachine({ _tag: 'NothingSelected' })
  const unknown = Array.from(request.to.keys()).find((disk) => !machine.disks.has(disk) && !snapshot.disks.has(disk))
  return unknown === undefined ? undefined : refuseMachine({ _tag: 'DiskNotFound', disk: unknown })
}

const wayGuard: AskedGuard = ({ machine, host }) => daemonGuard(host, 'a copy of a snapshot') ?? viaGuard(machine, host)

/** Why the snapshot does not have a disk, where it has not. */
const goneWhy = (
  { machine, snapshot }: Asked,
  disk: string,
): 'lost' | 'manual' | 'disk gone' | 'left out' | undefined => {
  const held = snapshot.disks.get(disk)
  if (held === undefined || held.mode === 'no') return 'left out'
  if (!machine.disks.has(disk)) return 'disk gone'
  if (held.mode === 'manual') return 'manual'
  const lost = imageOfDisk(held) === undefined
  return lost || (held.mode === 'external' && isHalfDeleted(machine, snapshot.name, disk)) ? 'lost' : undefined
}

const goneGuard: AskedGuard = (asked) => {
  for (const why of ['disk gone', 'lost', 'manual', 'left out'] as const) {
    const disks = Array.from(asked.request.to.keys()).filter((disk) => goneWhy(asked, disk) === why)
    if (isNonEmpty(disks)) return refuseMachine({ _tag: 'PointGone', snapshot: asked.snapshot.name, disks, why })
  }
  return undefined
}

const pathGuard: AskedGuard = ({ machine, request: { to, reserved } }) =>
  newFilesGuard(machine, pathsOfImages(to), reserved)

const extractionsOf = ({ machine, snapshot, request, host }: Asked): ReadonlyArray<Extraction> =>
  Array.from(request.to).flatMap(([disk, to]) => {
    const chain = machine.disks.get(disk)
    const held = snapshot.disks.get(disk)
    const image = imageOfDisk(held)
    if (chain === undefined || image === undefined) return []
    const inside = held?.mode === 'internal' ? snapshot.name : undefined
    return [{ chain, image, inside, to, data: request, hypervisor: hypervisorAtRest(machine, host) }]
  })

const guards: ReadonlyArray<AskedGuard> = [
  selectionGuard,
  wayGuard,
  ({ request, host }) => dataGuard(request, host),
  (asked) => featureGuard(asked.host, extractFeatures(extractionsOf(asked))),
  ({ host, request }) => machineJobGuard(host, request.to.keys()),
  goneGuard,
  pathGuard,
]

const planned = (asked: Asked): E.Either<MachineRefusal, MachinePlan> => {
  const { machine, snapshot, host } = asked
  const extractions = extractionsOf(asked)
  const disks = extractions.filter(({ inside }) => inside !== undefined).map(({ chain }) => chain.disk)
  const sizes = disks.length > 0 ? [{ _tag: 'SizesAsTaken' as const, snapshot: snapshot.name, disks }] : []
  return pipe(
    extractParts(machine, extractions),
    E.map((made) => ({
      ...emptyPlan(machine, { operation: 'extract', via: host.via, consistency: undefined }),
      ...made,
      requires: extractFeatures(extractions),
      assumes: [...made.assumes, ...sizes],
    })),
  )
}

/**
 * Plans copies of a snapshot: for each of the disks that are asked for a new image without a backing file that shows what the snapshot
 * shows, in qcow2 or raw. Nothing that is there is written, and the snapshot stays.
 *
 * The guest can run meanwhile. A frozen image is read as anybody may read it; what is inside the image that the guest writes to is read
 * past QEMU's locks (`qemu-img convert -U -l`), which is exact as long as it stays: QEMU flushes a snapshot when it is taken and never
 * writes to it. Whoever deletes it meanwhile, loads it, or commits or pulls below it makes the copy wrong, and nothing says so:
 * hence a job on the disk is refused, and what somebody else might do is an assumption (`StaysInside`). To have
 * other plans refused meanwhile, give them the images with `opened`, as read by a tool. A snapshot inside is copied in the size that
 * its image has today (`SizesAsTaken`). Neither QMP nor libvirt has a way of its own to name a snapshot inside; all go through
 * `qemu-img`.
 *
 * Refuses, in this order: `SnapshotNotFound`, `NothingSelected`, `DiskNotFound`, `NotThisWay` (a storage daemon), `GuestStateWrong`,
 * `NotThisWay`, `DiskRefused` (an image that cannot be written compressed), `CapabilityMissing`, `JobActive`, `PointGone` (the disk has gone; no image holds it, or libvirt has begun to delete
 * it; somebody else has it; it was left out), `PathTaken`, `DiskRefused` (several snapshots of the name inside, encrypted images, what a new
 * image can have against it; `ImageOpen`).
 *
 * Source: `qemu-img convert -l` (2.0), `-U` (2.10), `-r` (5.2).
 *
 * @example
 * import { capabilitiesOfVersions, extractSnapshot, machine, parseChain, shellLine } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const snapshots = [{ name: 'monday', disks: [['vda', { mode: 'external', frozen: 'v' }]] as const }]
 * const copy = { name: 'copy', location: { _tag: 'File', path: '/backup/monday.qcow2' }, format: 'qcow2' } as const
 * const plan = pipe(
 *   parseChain('v <- v.1^'),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'shut-off', disks: [chain], snapshots })),
 *   E.flatMap((vm) => extractSnapshot(vm, { snapshot: 'monday', to: new Map([['vda', copy]]) }, host)),
 * )
 * E.isRight(plan) ? plan.right.steps.slice(0, 1).map(({ call }) => shellLine(call)) : plan.left
 * // => ['qemu-img convert -f qcow2 -O qcow2 /images/v /backup/monday.qcow2']
 *
 * @since 0.2.0
 */
export const extractSnapshot = (
  machine: Machine,
  request: ExtractRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> => {
  const unknown = knownGuard(machine, [request.snapshot])
  const snapshot = machine.snapshots.get(request.snapshot)
  if (unknown !== undefined || snapshot === undefined)
    return E.left(unknown ?? refuseMachine({ _tag: 'SnapshotNotFound', snapshot: request.snapshot }))
  const asked = { machine, snapshot, request, host }
  const plan = pipe(asked, guarded(guards), E.flatMap(planned))
  if (E.isLeft(plan)) return plan
  const outside = outsideGuard(plan.right, host)
  return outside === undefined ? plan : E.left(outside)
}
