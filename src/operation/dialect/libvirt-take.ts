import type { SnapshotCreateCall } from '../../call/libvirt.js'
import { element } from '../../model/xml.js'
import type { XmlElement } from '../../model/xml.js'
import type { Draft } from '../machine-lane.js'
import { disksTaken } from '../take-job.js'
import type { TakeJob } from '../take-job.js'
import { begun, frozenAround, overlaysOf, placed } from '../take-lane.js'
import type { FreezeSteps, TakeOutcome } from '../take-lane.js'
import { snapshotDisks } from '../take-record.js'
import { overlayMade } from './libvirt-overlay.js'
import { look } from './libvirt-step.js'
import { createImage } from './qemu-img-overlay.js'
import { observe as observeHeaders } from './qemu-img-step.js'
import { libvirt } from './step.js'

type Flag = SnapshotCreateCall['flags'][number]

/** libvirt's flag to use overlays that are there is for all of them at once; where one has to be made, so have the others. */
export const overlaysReused = (outcome: TakeOutcome): 'all' | 'none' =>
  overlaysOf(outcome).some(({ overlay }) => overlayMade(overlay.outcome) !== 'libvirt') ? 'all' : 'none'

const memoryElement = ({ memory }: TakeJob): ReadonlyArray<XmlElement> => {
  if (memory._tag === 'None') return []
  const kept = memory._tag === 'External' ? { snapshot: 'external', file: memory.path } : { snapshot: 'internal' }
  return [element('memory', kept)]
}

/** Every disk is named: libvirt would choose for those that are not. */
const snapshotXml = ({ job, disks }: TakeOutcome): XmlElement => {
  const { machine, request } = job
  const description = request.description === undefined ? [] : [element('description', {}, [request.description])]
  const name = element('name', {}, [request.name])
  const all = snapshotDisks(machine, disks)
  return element('domainsnapshot', {}, [name, ...description, ...memoryElement(job), all])
}

const flagsOf = (outcome: TakeOutcome): ReadonlyArray<Flag> => {
  const { job } = outcome
  const { memory, freeze, machine, request } = job
  const inside = disksTaken(job, 'internal').length > 0
  return [
    ...(request.metadata === 'none' ? (['VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA'] as const) : []),
    ...(memory._tag === 'None' && !inside ? (['VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY'] as const) : []),
    ...(overlaysReused(outcome) === 'all' ? (['VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT'] as const) : []),
    ...(freeze === 'flag' ? (['VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE'] as const) : []),
    ...(inside ? [] : (['VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC'] as const)),
    ...(memory._tag === 'External' && machine.state === 'running'
      ? (['VIR_DOMAIN_SNAPSHOT_CREATE_LIVE'] as const)
      : []),
  ]
}

/** The overlays that libvirt is handed and that are not there yet; the backing file stays closed where its guest runs. */
const creations = (outcome: TakeOutcome): ReadonlyArray<Draft> => {
  if (overlaysReused(outcome) === 'none') return []
  const check = outcome.job.machine.state === 'shut-off' ? 'backing' : 'nothing'
  const why = 'makes the overlay with the backing string wanted; libvirt is handed all of them or none'
  return overlaysOf(outcome).flatMap(({ disk, overlay }) =>
    overlayMade(overlay.outcome) === 'before'
      ? []
      : [{ step: createImage(overlay.outcome.placed.image, check, why), disk }],
  )
}

const why = (job: TakeJob): string => {
  if (disksTaken(job, 'manual').length > 0)
    return 'takes the snapshot of all disks at once, and leaves the guest paused: save the manual disks, then resume it'
  if (job.memory._tag !== 'None') return 'takes the snapshot of the memory and of all disks at one point in time'
  return 'takes the snapshot of all disks at once'
}

const creation = (outcome: TakeOutcome): Draft => {
  const { job, disks } = outcome
  const call = {
    call: 'virDomainSnapshotCreateXML',
    arguments: { domain: job.machine.name, xml: snapshotXml(outcome) },
    flags: flagsOf(outcome),
  } as const
  const inside = disks.filter(({ mode }) => mode === 'internal').flatMap((one) => placed(job, one))
  return { step: libvirt(call, why(job)), begins: begun(job), moves: inside }
}

/** A look at the chain of each disk that has got an overlay: in the live XML, or, shut off, in the headers. */
const observations = (outcome: TakeOutcome): ReadonlyArray<Draft> => {
  const { machine } = outcome.job
  return overlaysOf(outcome).map((taken) => {
    const { after } = taken.overlay.plan
    const live = look(machine.name, after, 'see that the chain is as planned, before anything depends on it')
    const step = machine.state === 'shut-off' ? observeHeaders(after) : live
    return { step, disk: taken.disk, moves: placed(outcome.job, taken) }
  })
}

/** libvirt's calls to the guest agent. */
export const libvirtFreeze = (domain: string): FreezeSteps => ({
  freeze: libvirt(
    { call: 'virDomainFSFreeze', arguments: { domain }, flags: [] },
    'the guest writes its file systems out, and nothing to them from then on',
  ),
  thaw: libvirt(
    { call: 'virDomainFSThaw', arguments: { domain }, flags: [] },
    'the guest may write again; nothing happens where nothing is frozen',
  ),
})

/** A snapshot as libvirt calls: one of them takes it, of all disks at once. */
export const libvirtTake = (outcome: TakeOutcome, freezing: FreezeSteps): ReadonlyArray<Draft> => [
  ...creations(outcome),
  ...frozenAround(outcome.job, freezing, [creation(outcome)]),
  ...observations(outcome),
]
