import type { Chain } from '../model/chain.js'
import { activeImage } from '../model/chain-query.js'
import { isEncrypted } from '../model/image.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineAlternative, MachineRefusal } from '../plan/machine-refusal.js'
import { dataFileGuard, isJobName, rootGuard } from './inside-live.js'
import { daemonGuard } from './machine-guard.js'
import { memoryPathGuard } from './memory-files.js'
import { disksTaken } from './take-job.js'
import type { TakeJob } from './take-job.js'

type WayGuard = (job: TakeJob) => MachineRefusal | undefined

const refused = (job: TakeJob, why: string, instead: ReadonlyArray<MachineAlternative> = []): MachineRefusal =>
  refuseMachine({ _tag: 'NotThisWay', via: job.host.via, why }, instead)

const throughLibvirt = { _tag: 'Via', via: 'libvirt', guest: ['running', 'paused', 'shut-off'] } as const

/** libvirt has to know of what is done to its domains, and what it takes has to be named in full. */
const managedGuard: WayGuard = (job) => {
  const managed = job.machine.definitions !== undefined
  if (managed === (job.host.via === 'libvirt')) return undefined
  return managed
    ? refused(job, 'libvirt manages the machine, and would not know of the new images', [throughLibvirt])
    : refused(job, 'the definitions of the machine are not given: libvirt would snapshot disks that nobody names')
}

/** libvirt makes the id of a job of the name, where QEMU saves memory; QEMU takes a longer one than the file keeps. */
const jobNameGuard: WayGuard = (job) =>
  job.host.via !== 'libvirt' || job.memory._tag !== 'Internal' || isJobName(job.request.name)
    ? undefined
    : refused(job, 'libvirt makes the id of a job of the name: letters, digits, ".", "_" and "-" only')

const insideImageGuard = (job: TakeJob, chain: Chain): MachineRefusal | undefined => {
  const { disk } = chain
  const active = activeImage(chain)
  if (active.format !== 'qcow2')
    return refused(job, `${disk} is ${active.format}, and only qcow2 has internal snapshots`)
  const apart = dataFileGuard(active)
  if (apart !== undefined) return refused(job, apart)
  if (job.machine.state === 'shut-off' && isEncrypted(active))
    return refused(job, `${disk} is encrypted, and qemu-img would have to be given its secret`)
  const refusal = job.host.via === 'qmp' ? rootGuard(chain, active) : undefined
  return refusal === undefined ? undefined : refuseMachine({ _tag: 'DiskRefused', disk, refusal })
}

const insideGuard: WayGuard = (job) => {
  const { machine, host, memory } = job
  if (host.via === 'qmp' && memory._tag === 'External')
    return refused(job, 'a plan saves no memory to a file through the monitor', [throughLibvirt])
  for (const disk of disksTaken(job, 'internal')) {
    const chain = machine.disks.get(disk)
    const found = chain === undefined ? undefined : insideImageGuard(job, chain)
    if (found !== undefined) return found
  }
  return jobNameGuard(job)
}

/** Memory that is saved while file systems are frozen comes back frozen; an agent in a guest that stays paused thaws nothing. */
const freezeGuard: WayGuard = (job) => {
  const { machine, request, memory } = job
  if (request.quiesce !== 'require' || machine.state !== 'running') return undefined
  const instead = [{ _tag: 'Quiesce', quiesce: 'no' }] as const
  if (memory._tag !== 'None') return refused(job, 'the memory would be kept with its file systems frozen', instead)
  return disksTaken(job, 'manual').length > 0
    ? refused(job, 'the guest stays paused for the manual disks, and its agent cannot thaw', instead)
    : undefined
}

const fileGuard: WayGuard = (job) => {
  const { memory, overlays, host } = job
  const files = memory._tag === 'External' ? [memory.path] : []
  const relative = memoryPathGuard(files, { via: host.via, instead: [] })
  if (relative !== undefined) return relative
  const unnamed = Array.from(overlays).find(([, overlay]) => overlay === undefined)
  return unnamed === undefined
    ? undefined
    : refused(job, `${unnamed[0]} is in no file, and the path of an overlay cannot be derived from it`)
}

/** Refuses what the dialect cannot do, or not without harm. */
export const wayGuard: WayGuard = (job) =>
  managedGuard(job) ??
  daemonGuard(job.host, 'a snapshot of a guest that is shut off') ??
  insideGuard(job) ??
  freezeGuard(job) ??
  fileGuard(job)
