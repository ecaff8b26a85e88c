import { activeImage } from '../model/chain-query.js'
import type { Machine } from '../model/machine.js'
import { elementsOf, sourcesOfDomain } from '../model/record.js'
import type { Memory } from '../model/snapshot.js'
import { childOf } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { Consistency } from '../plan/machine-plan.js'
import type { TakeDisk, TakeRequest } from './machine-request.js'
import type { NewImage } from './request.js'
import { diskConsistency } from './consistency.js'
import { derivedOverlay } from './take-name.js'

/**
 * How file systems are frozen meanwhile: not at all, by libvirt's own flag, or by calls that may fail or may not.
 */
export type Freeze = 'none' | 'flag' | 'require' | 'prefer'

/**
 * A snapshot to be taken, with everything that the request leaves out.
 *
 * - `disks`: of every disk of the machine.
 * - `others`: what libvirt knows besides, empty drives say; nothing is done to them.
 * - `overlays`: of every external disk; nothing where the caller gives none and none can be derived.
 */
export interface TakeJob {
  readonly machine: Machine
  readonly request: TakeRequest
  readonly host: MachineHost
  readonly disks: ReadonlyMap<string, TakeDisk>
  readonly others: ReadonlyArray<string>
  readonly overlays: ReadonlyMap<string, NewImage | undefined>
  readonly memory: Memory
  readonly freeze: Freeze
}

/** What libvirt goes by now: the live definition of a guest that runs, else the persistent one. */
export const definitionNow = ({ definitions }: Machine): XmlElement | undefined =>
  definitions?.live ?? definitions?.persistent

/** The targets of the disks that are taken in one of these ways. */
export const disksTaken = (
  { disks }: Pick<TakeJob, 'disks'>,
  ...modes: ReadonlyArray<TakeDisk['mode']>
): ReadonlyArray<string> => Array.from(disks).flatMap(([disk, { mode }]) => (modes.includes(mode) ? [disk] : []))

/** The disks that libvirt will not leave out of an internal snapshot: those that have an image and can be written. */
export const requiredInside = (machine: Machine): ReadonlySet<string> => {
  const domain = definitionNow(machine)
  const devices = domain === undefined ? undefined : childOf(domain, 'devices')
  const required = new Set(machine.disks.keys())
  for (const disk of elementsOf(devices, 'disk')) {
    const target = childOf(disk, 'target')?.attributes['dev'] ?? ''
    const free = childOf(disk, 'source') === undefined || childOf(disk, 'readonly') !== undefined
    if (free) required.delete(target)
    else required.add(target)
  }
  return required
}

const freezeOf = ({ machine, request, host, disks, memory }: Omit<TakeJob, 'freeze'>): Freeze => {
  const { quiesce = 'no' } = request
  const useless = machine.state !== 'running' || memory._tag !== 'None'
  if (quiesce === 'no' || useless || disksTaken({ disks }, 'external', 'internal').length === 0) return 'none'
  if (quiesce === 'require') return host.via === 'libvirt' ? 'flag' : 'require'
  return host.agent === 'absent' || disksTaken({ disks }, 'manual').length > 0 ? 'none' : 'prefer'
}

/** Fills in what a request leaves out. */
export const takeJob = (machine: Machine, request: TakeRequest, host: MachineHost): TakeJob => {
  const disks = new Map<string, TakeDisk>()
  const overlays = new Map<string, NewImage | undefined>()
  for (const [target, chain] of machine.disks) {
    const disk = request.disks?.get(target) ?? { mode: 'external' }
    disks.set(target, disk)
    if (disk.mode === 'external') overlays.set(target, disk.overlay ?? derivedOverlay(activeImage(chain), request.name))
  }
  const known = Array.from(sourcesOfDomain(definitionNow(machine)).keys())
  const others = known.filter((target) => !machine.disks.has(target))
  const job = { machine, request, host, disks, others, overlays, memory: request.memory ?? { _tag: 'None' } } as const
  return { ...job, freeze: freezeOf(job) }
}

/** What the snapshot is good for. */
export const consistencyOf = ({ machine, memory, freeze }: TakeJob): Consistency => {
  if (memory._tag !== 'None') return 'memory'
  if (freeze === 'none') return diskConsistency(machine, 'no')
  return diskConsistency(machine, freeze === 'prefer' ? 'prefer' : 'require')
}
