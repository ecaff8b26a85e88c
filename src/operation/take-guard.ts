import type { Feature } from '../call/capability.js'
import { activeImage } from '../model/chain-query.js'
import type { GuestState } from '../model/guest.js'
import { isSnapshotName } from '../model/snapshot.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineAlternative, MachineRefusal } from '../plan/machine-refusal.js'
import { jobGuard } from './guard-host.js'
import { isLikeId } from './inside-live.js'
import { agentGuard, backedUpDisks, featureGuard, savedGuard, stateGuard as usableGuard } from './machine-guard.js'
import { hypervisorOf } from './machine-hypervisor.js'
import { disksTaken, requiredInside } from './take-job.js'
import type { TakeJob } from './take-job.js'
import { pathGuard } from './take-path.js'
import { wayGuard } from './take-way.js'

/** A reason against a snapshot, or nothing. */
export type TakeGuard = (job: TakeJob) => MachineRefusal | undefined

const nameGuard: TakeGuard = ({ machine, request, disks }) => {
  const snapshot = request.name
  const taken = Array.from(machine.snapshots.keys())
  const instead = [{ _tag: 'UseAnotherName', taken }] as const
  if (!isSnapshotName(snapshot)) return refuseMachine({ _tag: 'SnapshotNameWrong', snapshot, why: 'invalid' })
  const inside = disksTaken({ disks }, 'internal').some((disk) => {
    const chain = machine.disks.get(disk)
    return chain !== undefined && activeImage(chain).internalSnapshots.some(({ name }) => name === snapshot)
  })
  if (isLikeId(snapshot) && disksTaken({ disks }, 'internal').length > 0)
    return refuseMachine({ _tag: 'SnapshotNameWrong', snapshot, why: 'digits' })
  const known = request.metadata !== 'none' && machine.snapshots.has(snapshot)
  return known || inside ? refuseMachine({ _tag: 'SnapshotNameWrong', snapshot, why: 'taken' }, instead) : undefined
}

/** A disk that only libvirt knows can be left out by name, and nothing else. */
const diskGuard: TakeGuard = ({ machine, request, others }) => {
  for (const [disk, { mode }] of request.disks ?? [])
    if (!machine.disks.has(disk) && !(mode === 'no' && others.includes(disk)))
      return refuseMachine({ _tag: 'DiskNotFound', disk })
  return undefined
}

const selectionGuard: TakeGuard = (job) =>
  job.memory._tag === 'None' && disksTaken(job, 'external', 'internal').length === 0
    ? refuseMachine({ _tag: 'NothingSelected' })
    : undefined

/** libvirt puts a snapshot inside every disk or inside none; what has memory inside has the disks there too. */
const kindGuard: TakeGuard = (job) => {
  const { machine, host, memory, disks } = job
  const mixed = (why: string): MachineRefusal => refuseMachine({ _tag: 'KindsMixed', why })
  const inside = disksTaken(job, 'internal')
  if (memory._tag === 'External' && inside.length > 0)
    return mixed('the memory is in a file of its own, and disks are inside their images')
  if (memory._tag === 'Internal' && inside.length === 0)
    return mixed('the memory is inside the image of an internal disk, and there is none')
  const missing = memory._tag === 'Internal' ? disksTaken(job, 'external', 'manual', 'no')[0] : undefined
  if (missing !== undefined && host.via === 'qmp')
    return mixed(`QEMU minds no disk that is left out of a snapshot with memory, as ${missing} would be`)
  if (inside.length === 0 || host.via !== 'libvirt') return undefined
  const outside = disksTaken(job, 'external', 'manual')[0]
  if (outside !== undefined)
    return mixed(`libvirt takes a snapshot inside all disks or inside none, and not so ${outside}`)
  const left = Array.from(requiredInside(machine)).find((disk) => disks.get(disk)?.mode !== 'internal')
  return left === undefined
    ? undefined
    : mixed(`libvirt leaves no disk out of an internal snapshot, as ${left} would be`)
}

const live: ReadonlyArray<GuestState> = ['running', 'paused']

const stateGuard: TakeGuard = (job) => {
  const { machine, host, memory } = job
  const { state: guest } = machine
  const wrong = (needs: ReadonlyArray<GuestState>, instead: ReadonlyArray<MachineAlternative>): MachineRefusal =>
    refuseMachine({ _tag: 'GuestStateWrong', via: host.via, guest, needs }, instead)
  const unusable = usableGuard(machine, host)
  if (unusable !== undefined) return unusable
  if (memory._tag !== 'None' && guest === 'shut-off') return wrong(live, [])
  const alone = host.via === 'libvirt' && memory._tag === 'None' && disksTaken(job, 'internal').length > 0
  return alone && guest !== 'shut-off'
    ? wrong(['shut-off'], [{ _tag: 'Via', via: 'libvirt', guest: ['shut-off'] }])
    : undefined
}

const qmpFeatures = (job: TakeJob): ReadonlyArray<Feature> => {
  const { overlays, memory } = job
  const needed: Array<Feature> = overlays.size > 0 ? ['qemu-blockdev-snapshot', 'qemu-blockdev'] : ['qemu-blockdev']
  if (Array.from(overlays.values()).some((overlay) => overlay?.made !== 'before')) needed.push('qemu-blockdev-create')
  if (disksTaken(job, 'internal').length > 0)
    needed.push(memory._tag === 'None' ? 'qemu-internal-snapshot' : 'qemu-save-snapshot')
  return needed
}

/** What the host has to have for a snapshot of this kind. */
export const takeFeatures = (job: TakeJob): ReadonlyArray<Feature> => {
  const { host, memory, freeze } = job
  const external = disksTaken(job, 'external').length > 0
  if (host.via === 'qemu-img') return []
  if (host.via === 'qmp') return qmpFeatures(job)
  return [
    ...(external ? (['libvirt-external-snapshot'] as const) : []),
    ...(memory._tag === 'External' ? (['libvirt-memory-snapshot'] as const) : []),
    ...(disksTaken(job, 'manual').length > 0 ? (['libvirt-manual-snapshot'] as const) : []),
    ...(freeze === 'prefer' ? (['libvirt-freeze'] as const) : []),
  ]
}

/**
 * libvirt minds any job on a disk that is not left out, and where memory is kept, or the job is a backup, on any disk at all. QEMU saves nothing inside an image
 * that it copies from; beside a pull 7.2 dies of it.
 */
const busyGuard: TakeGuard = (job) => {
  const { machine, host, memory } = job
  const own = disksTaken(job, 'external', 'internal', 'manual')
  const minded = memory._tag === 'None' ? [...own, ...backedUpDisks(host)] : Array.from(host.jobs?.keys() ?? [])
  for (const disk of minded) {
    const chain = machine.disks.get(disk)
    const found = host.jobs?.get(disk)?.find((running) => {
      if (host.via !== 'qmp' || chain === undefined || disksTaken(job, 'internal').length > 0) return true
      const one = { ...hypervisorOf(machine, host, disk), jobs: [running] }
      return jobGuard(one, { images: [activeImage(chain)], root: 'taken' }) !== undefined
    })
    if (found !== undefined) return refuseMachine({ _tag: 'JobActive', disk, job: found.id, kind: found.kind })
  }
  return undefined
}

/** Every guard that looks at the machine as a whole, in order. */
export const takeGuards: ReadonlyArray<TakeGuard> = [
  nameGuard,
  diskGuard,
  selectionGuard,
  kindGuard,
  stateGuard,
  wayGuard,
  (job) => featureGuard(job.host, takeFeatures(job)),
  busyGuard,
  ({ machine, host }) => savedGuard(machine, host),
  ({ host, freeze }) => (freeze === 'flag' || freeze === 'require' ? agentGuard(host) : undefined),
  pathGuard,
]
