import type { LibvirtCall, RevertCall } from '../../call/libvirt.js'
import type { Chain } from '../../model/chain.js'
import type { Snapshot } from '../../model/snapshot.js'
import type { XmlElement } from '../../model/xml.js'
import { isForkedBelow, libvirtDescendants, libvirtTree } from '../libvirt-tree.js'
import type { Draft, Move } from '../machine-lane.js'
import type { RevertJob } from '../revert-job.js'
import type { RevertOutcome } from '../revert-outcome.js'
import { changes, creations, endings, leftovers, memoryRemovals, sights } from './qemu-img-revert.js'
import { forgetStep, redefineStep } from './libvirt-snapshot.js'
import { look } from './libvirt-step.js'
import { observe } from './qemu-img-step.js'
import { libvirt } from './step.js'

const barrier = (call: LibvirtCall, why: string): Draft => ({ step: libvirt(call, why) })

const stop = ({ job }: RevertOutcome): ReadonlyArray<Draft> =>
  job.machine.state === 'shut-off'
    ? []
    : [
        barrier(
          {
            call: 'virDomainDestroyFlags',
            arguments: { domain: job.machine.name },
            flags: ['VIR_DOMAIN_DESTROY_GRACEFUL'],
          },
          'the guest cannot go back while it runs; QEMU writes its caches out and closes every image',
        ),
      ]

/** Disks that are no longer the machine's: where its snapshots have them is not for it to say. */
const detaching = ({ machine }: RevertJob, detached: ReadonlyArray<string>): ReadonlyArray<Move> =>
  Array.from(machine.snapshots.keys()).flatMap((snapshot) =>
    detached.map((disk) => ({ snapshot, disk, place: undefined })),
  )

const define = ({ job, definition, detached }: RevertOutcome): ReadonlyArray<Draft> => {
  if (definition === undefined) return []
  const { name: domain } = job.machine
  const call = { call: 'virDomainDefineXMLFlags', arguments: { domain, xml: definition }, flags: [] } as const
  const why = 'all disks change at once: the next start reads the new images, whose headers say what lies below'
  return [{ ...barrier(call, why), moves: detaching(job, detached) }]
}

const current = (domain: string, record: XmlElement): Draft =>
  barrier(
    {
      call: 'virDomainSnapshotCreateXML',
      arguments: { domain, xml: record },
      flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE', 'VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT'],
    },
    'the guest comes from this snapshot now, and its record names the images that the guest writes',
  )

/** Where libvirt has another tree than the machine, or would die of forgetting all at once, one after the other. */
const forgetEach = (outcome: RevertOutcome, known: ReadonlyArray<Snapshot>): ReadonlyArray<Draft> =>
  [...known].reverse().map(({ name }, index) => ({
    step: forgetStep(outcome.job.machine.name, name),
    ends: index === known.length - 1 ? endings(outcome) : [],
  }))

const forget = (outcome: RevertOutcome): ReadonlyArray<Draft> => {
  const { machine, snapshot, deleted } = outcome.job
  if (deleted.length === 0) return []
  const known = deleted.filter(({ recorded }) => recorded !== undefined)
  const tree = libvirtTree(machine)
  const below = new Set(libvirtDescendants(tree, snapshot.name).map(({ name }) => name))
  const others = below.size !== known.length || known.some(({ name }) => !below.has(name))
  if (others || isForkedBelow(tree, snapshot.name)) return forgetEach(outcome, known)
  const call = {
    call: 'virDomainSnapshotDelete',
    arguments: { domain: machine.name, snapshot: snapshot.name },
    flags: ['VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY', 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY'],
  } as const
  const why = 'libvirt forgets the snapshots that came after, before their files go'
  return [{ ...barrier(call, why), ends: endings(outcome) }]
}

const start = ({ job }: RevertOutcome): ReadonlyArray<Draft> =>
  job.guest === 'shut-off'
    ? []
    : [
        barrier(
          {
            call: 'virDomainCreateWithFlags',
            arguments: { domain: job.machine.name },
            flags: job.guest === 'paused' ? ['VIR_DOMAIN_START_PAUSED'] : [],
          },
          'the guest starts from the point in time',
        ),
      ]

const mendWhy = 'the record named an image that goes, for a disk that the snapshot left out'

/** A revert by hand of a domain, whatever it does at present. */
export const libvirtRevert = (outcome: RevertOutcome): ReadonlyArray<Draft> => {
  const { after, job } = outcome
  const record = after.snapshots.get(job.snapshot.name)?.recorded
  return [
    ...stop(outcome),
    ...creations(outcome),
    ...sights(outcome),
    ...define(outcome),
    ...changes(outcome),
    ...(record === undefined ? [] : [current(job.machine.name, record)]),
    ...outcome.mended.map((one): Draft => ({ step: redefineStep(job.machine.name, one, mendWhy) })),
    ...forget(outcome),
    ...leftovers(outcome),
    ...memoryRemovals(outcome),
    ...start(outcome),
  ]
}

/** libvirt's own revert, and a look at what it has made. */
export const libvirtOwnRevert = (
  job: RevertJob,
  { flags, seen }: { readonly flags: RevertCall['flags']; readonly seen: ReadonlyArray<Chain> },
  detached: ReadonlyArray<string>,
): ReadonlyArray<Draft> => {
  const domain = job.machine.name
  const call = { call: 'virDomainRevertToSnapshot', arguments: { domain, snapshot: job.snapshot.name }, flags } as const
  const why = 'libvirt stops the guest, brings the disks back, and its memory where the snapshot has it'
  return [
    { ...barrier(call, why), moves: detaching(job, detached) },
    ...seen.map((after): Draft => ({
      step:
        job.guest === 'shut-off' ? observe(after) : look(domain, after, 'see that the guest reads what was foreseen'),
    })),
  ]
}
