import * as E from 'fp-ts/lib/Either.js'

import { imageAt } from '../model/chain-query.js'
import type { RevertCall } from '../call/libvirt.js'
import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { isImageName, newImage } from '../model/image.js'
import type { Image } from '../model/image.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { sourcesOfDomain } from '../model/record.js'
import type { DiskPart, MachineAssumption, MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { assumptionsOf } from './assumptions.js'
import { libvirtOwnRevert } from './dialect/libvirt-revert.js'
import { fatesOf } from './fates.js'
import type { Mark } from './fates.js'
import { predictRevert } from './libvirt-revert.js'
import type { LibvirtRevert } from './libvirt-revert.js'
import { withoutNodes } from './live.js'
import { withLiveChain } from './machine-definition.js'
import { recordsAssumption } from './machine-guard.js'
import { assemble } from './machine-lane.js'
import { askedOfLibvirt, doneByLibvirt, otherHow } from './revert-by-libvirt-guard.js'
import { revertFeatures } from './revert-guard.js'
import { loadsMemory } from './revert-job.js'
import type { RevertJob } from './revert-job.js'
import { sameName } from './revert-name.js'

/** One disk before and after libvirt's own revert. */
interface OwnDisk {
  readonly before: Chain
  readonly after: Chain
  readonly made: Image | undefined
  readonly gone: ReadonlyArray<Image>
  readonly loaded: Image | undefined
}

const flagsFor = ({ request, guest }: RevertJob): RevertCall['flags'] => {
  if (request.guest === undefined || request.guest === 'as taken') return []
  if (guest === 'running') return ['VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING']
  return guest === 'paused' ? ['VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED'] : []
}

/** The overlay as libvirt makes it: with an absolute backing string, and as large as what it lies on. */
const overlayOf = (below: Image, path: string, header: string): Image | undefined => {
  const name = sameName(below, path)
  if (!isImageName(name)) return undefined
  return newImage({
    name,
    format: 'qcow2',
    sizeBytes: below.sizeBytes,
    clusterBytes: undefined,
    version: 3,
    location: { _tag: 'File', path },
    backing: { image: below.name, header, format: below.format },
  })
}

const settleDisk = (before: Chain, predicted: LibvirtRevert): OwnDisk => {
  const overlay = predicted.overlays.find(({ disk }) => disk === before.disk)
  const below = overlay === undefined ? undefined : imageAt(before, overlay.backing)
  const made = overlay && below && overlayOf(below, overlay.path, overlay.backing)
  const inside = predicted.inside.find(({ disk }) => disk === before.disk)
  const gone = predicted.unlinked.flatMap((path) => imageAt(before, path) ?? [])
  const images = new Map(before.images)
  for (const { name } of gone) images.delete(name)
  if (made !== undefined) images.set(made.name, made)
  const after = withoutNodes(withImages(before, images, made?.name ?? before.active))
  return { before, after, made, gone, loaded: inside && imageAt(before, inside.path) }
}

const partOf = ({ before, after, made, gone, loaded }: OwnDisk): ReadonlyArray<DiskPart> => {
  if (made === undefined && loaded === undefined && gone.length === 0) return []
  const marks: ReadonlyArray<Mark> = [
    ...(made === undefined ? [] : [[made.name, 'created'] as const]),
    ...(loaded === undefined ? [] : [[loaded.name, 'written'] as const]),
    ...gone.map(({ name }): Mark => [name, 'removed']),
  ]
  const contents = made === undefined ? [] : [{ image: made.name, span: [], sizeBytes: made.sizeBytes }]
  return [{ before, after, contents, fates: fatesOf(before, after, marks) }]
}

/** libvirt keeps a transient domain over a revert, with its snapshots, and defines none. */
const isTransient = ({ definitions }: Machine): boolean =>
  definitions !== undefined && definitions.persistent === undefined

const machineAfter = (
  { machine, snapshot }: RevertJob,
  disks: ReadonlyArray<OwnDisk>,
  predicted: LibvirtRevert,
): Machine => {
  const { definition, records, guest } = predicted
  const live = disks.reduce((domain, { after }) => withLiveChain(domain, after), definition)
  const persistent = isTransient(machine) ? undefined : definition
  const snapshots = Array.from(
    machine.snapshots.values(),
    (one) => [one.name, { ...one, recorded: records.get(one.name) }] as const,
  )
  return withMachine(machine, {
    state: guest,
    disks: new Map(disks.map(({ after }) => [after.disk, after])),
    definitions: { persistent, live: guest === 'shut-off' ? undefined : live },
    snapshots: new Map(snapshots),
    current: snapshot.name,
  })
}

const goneDisks = ({ machine }: RevertJob, after: Machine): ReadonlyArray<string> =>
  Array.from(machine.disks.keys()).filter((target) => !after.disks.has(target))

const assumptionsFor = (
  job: RevertJob,
  disks: ReadonlyArray<OwnDisk>,
  after: Machine,
): ReadonlyArray<MachineAssumption> => {
  const { machine, host, snapshot, request } = job
  const { memory } = snapshot
  const domain = machine.name
  const detached = goneDisks(job, after)
  return [
    ...(request.seconds === undefined || job.outside.length === 0
      ? []
      : [{ _tag: 'ClockReads', seconds: request.seconds } as const]),
    ...(host.managedSave === undefined ? [{ _tag: 'NoManagedSave', domain } as const] : []),
    ...(loadsMemory(job) && memory._tag === 'External'
      ? [{ _tag: 'MemoryFile', snapshot: snapshot.name, path: memory.path } as const]
      : []),
    ...(after.state === 'shut-off' ? [] : [{ _tag: 'Starts', domain } as const]),
    ...(detached.length === 0 ? [] : [{ _tag: 'DiskGone', snapshot: snapshot.name, disks: detached } as const]),
    ...disks.flatMap(({ before, made, gone, loaded }): ReadonlyArray<MachineAssumption> => {
      const claimed = [...gone, ...(loaded === undefined ? [] : [loaded])]
      const all = [
        ...(made?.location._tag === 'File' ? [{ _tag: 'NothingAt', path: made.location.path } as const] : []),
        ...assumptionsOf({ chain: before, claimed, reopened: [], closed: [], links: [] }),
      ]
      return all.map((assumption) => ({ _tag: 'OfDisk', disk: before.disk, assumption }))
    }),
  ]
}

const planOf = (job: RevertJob, predicted: LibvirtRevert): MachinePlan => {
  const defined = sourcesOfDomain(predicted.definition)
  const disks = Array.from(job.machine.disks.values())
    .filter(({ disk }) => defined.has(disk))
    .map((chain) => settleDisk(chain, predicted))
  const after = machineAfter(job, disks, predicted)
  const detached = goneDisks(job, after)
  const seen = disks.flatMap((one) => (one.made === undefined ? [] : [one.after]))
  return {
    operation: 'revert',
    via: 'libvirt',
    how: 'libvirt',
    before: job.machine,
    after,
    parts: disks.flatMap(partOf),
    steps: assemble(job.machine, libvirtOwnRevert(job, { flags: flagsFor(job), seen }, detached)),
    finally: [],
    consistency: undefined,
    unlinked: [],
    requires: revertFeatures(job),
    assumes: [...assumptionsFor(job, disks, after), ...recordsAssumption(after, job.host)],
  }
}

/** A revert by libvirt's own function, where it does what is asked and loses nothing that is not given up. */
export const revertByLibvirt = (job: RevertJob): E.Either<MachineRefusal, MachinePlan> => {
  const { machine, host, snapshot, request } = job
  const asked = askedOfLibvirt(job)
  if (asked !== undefined) return E.left(asked)
  const predicted = predictRevert(machine, snapshot.name, {
    flags: flagsFor(job),
    seconds: request.seconds ?? 0,
    ...(host.jobs === undefined ? {} : { jobs: host.jobs }),
    ...(host.managedSave === undefined ? {} : { managedSave: host.managedSave }),
    taken: request.reserved ?? [],
  })
  if (E.isLeft(predicted)) {
    const { rule, desc } = predicted.left
    const facts = { function: 'virDomainRevertToSnapshot', snapshot: snapshot.name, rule, desc }
    return E.left(refuseMachine({ _tag: 'LibvirtRefuses', ...facts }, otherHow(job)))
  }
  const refusal = doneByLibvirt(job, predicted.right)
  return refusal === undefined ? E.right(planOf(job, predicted.right)) : E.left(refusal)
}
