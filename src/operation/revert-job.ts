import type { Chain } from '../model/chain.js'
import type { GuestState } from '../model/guest.js'
import type { Image } from '../model/image.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { imageOfDisk } from '../model/snapshot.js'
import type { Snapshot, SnapshotDisk } from '../model/snapshot.js'
import { descendantsOf } from '../model/snapshot-tree.js'
import type { QemuImgHypervisor } from '../plan/hypervisor.js'
import type { MachineHost } from '../plan/machine-host.js'
import { hypervisorAtRest, hypervisorOf } from './machine-hypervisor.js'
import type { RevertRequest } from './machine-request.js'

/** A disk that goes back, and the image that holds it: frozen, or with the point in time inside. */
export interface HeldDisk {
  readonly chain: Chain
  readonly image: Image
}

/**
 * A revert whose names have been found.
 *
 * - `guest`: what the guest does afterwards.
 * - `outside`, `inside`: the disks that go back, by where the snapshot has them; all others stay as they are.
 * - `deleted`: the snapshots that go with it, parents before children; `kept`: all others.
 */
export interface RevertJob {
  readonly machine: Machine
  readonly request: RevertRequest
  readonly host: MachineHost
  readonly snapshot: Snapshot
  readonly guest: GuestState
  readonly outside: ReadonlyArray<HeldDisk>
  readonly inside: ReadonlyArray<HeldDisk>
  readonly deleted: ReadonlyArray<Snapshot>
  readonly kept: ReadonlyArray<Snapshot>
}

const stateAsTaken = ({ memory, state }: Snapshot): GuestState =>
  memory._tag !== 'None' && (state === 'running' || state === 'paused') ? state : 'shut-off'

/** What the guest does after a revert: what it did then, where its memory was kept; else it is shut off. */
export const guestAfter = (snapshot: Snapshot, { guest = 'as taken' }: RevertRequest): GuestState =>
  guest === 'as taken' ? stateAsTaken(snapshot) : guest

const heldDisks = (machine: Machine, snapshot: Snapshot, mode: SnapshotDisk['mode']): ReadonlyArray<HeldDisk> =>
  Array.from(machine.disks.values()).flatMap((chain) => {
    const disk = snapshot.disks.get(chain.disk)
    const name = imageOfDisk(disk)
    const image = name === undefined || disk?.mode !== mode ? undefined : chain.images.get(name)
    return image === undefined ? [] : [{ chain, image }]
  })

interface Asked {
  readonly machine: Machine
  readonly request: RevertRequest
  readonly host: MachineHost
}

/** Finds what a revert names; nothing for a snapshot that the machine does not have. */
export const revertJob = ({ machine, request, host }: Asked): RevertJob | undefined => {
  const snapshot = machine.snapshots.get(request.to)
  if (snapshot === undefined) return undefined
  const deleted = request.later === 'delete' ? descendantsOf(machine, snapshot.name) : []
  const gone = new Set(deleted.map(({ name }) => String(name)))
  return {
    machine,
    request,
    host,
    snapshot,
    guest: guestAfter(snapshot, request),
    outside: heldDisks(machine, snapshot, 'external'),
    inside: heldDisks(machine, snapshot, 'internal'),
    deleted,
    kept: Array.from(machine.snapshots.values()).filter(({ name }) => !gone.has(name)),
  }
}

/** True where the guest's memory has to be loaded. */
export const loadsMemory = ({ snapshot, guest }: Pick<RevertJob, 'snapshot' | 'guest'>): boolean =>
  snapshot.memory._tag !== 'None' && guest !== 'shut-off'

/** True where a running QEMU loads the memory from inside its images. */
export const loadsLive = ({ host, snapshot, guest }: Pick<RevertJob, 'host' | 'snapshot' | 'guest'>): boolean =>
  host.via === 'qmp' && snapshot.memory._tag === 'Internal' && guest !== 'shut-off'

/** By hand, except where libvirt has to load a guest's memory. */
export const howToRevert = (job: RevertJob): 'libvirt' | 'by hand' => {
  const { how = 'auto' } = job.request
  if (how !== 'auto') return how
  return loadsMemory(job) && !loadsLive(job) ? 'libvirt' : 'by hand'
}

/** The disk whose image has the memory inside: the one that says so, or the first where nobody has looked; nothing where several do. */
export const memoryDisk = ({ inside, snapshot }: Pick<RevertJob, 'inside' | 'snapshot'>): Chain | undefined => {
  const having = inside.filter(({ image }) =>
    image.internalSnapshots.some(({ name, vmStateBytes }) => name === snapshot.name && vmStateBytes > 0),
  )
  return having.length > 1 ? undefined : (having[0] ?? inside[0])?.chain
}

/** Whoever works on the images of a disk while the guest is off. */
export const offlineHypervisor = ({ machine, host }: RevertJob, disk: string): QemuImgHypervisor => {
  const off = withMachine(machine, { state: 'shut-off' })
  const hypervisor = hypervisorOf(off, { ...host, jobs: new Map() }, disk)
  return hypervisor.via === 'qemu-img' ? hypervisor : hypervisorAtRest(off, host)
}
