import * as E from 'fp-ts/lib/Either.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Feature } from '../call/capability.js'
import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { normalPath, placeOf } from '../model/header.js'
import { locationString } from '../model/location.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { Snapshot } from '../model/snapshot.js'
import type { DiskPart, MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { Loss, MachineRefusal } from '../plan/machine-refusal.js'
import type { Plan, Step } from '../plan/plan.js'
import { assumedOf, withMovedPoints } from './delete-by-hand.js'
import { deleteOnDisk } from './delete-disk.js'
import type { DiskPlans } from './delete-disk.js'
import { withoutInsideChains } from './delete-inside.js'
import { acceptedOn, doomedImages, keptPoints } from './delete-request.js'
import type { DeleteJob } from './delete-request.js'
import { look } from './dialect/libvirt-step.js'
import { observe as observeHeaders } from './dialect/qemu-img-step.js'
import { libvirt } from './dialect/step.js'
import { isJobName } from './inside-live.js'
import { predictDelete } from './libvirt-delete.js'
import type { LibvirtDeletion, LibvirtDiskDeletion } from './libvirt-delete.js'
import { lossesOfDelete } from './libvirt-loss.js'
import { definitionsAfter } from './machine-definition.js'
import { featureGuard, recordsAssumption } from './machine-guard.js'
import { hypervisorOf } from './machine-hypervisor.js'
import { assemble, diskPart } from './machine-lane.js'
import type { Draft, Move } from './machine-lane.js'
import { memoryShared } from './memory-files.js'
import { redefined, successorsOf, withoutSnapshot } from './record-steps.js'

const byHand = [{ _tag: 'How', how: 'by hand' }] as const
const deletion = 'virDomainSnapshotDelete'

const unlike = (snapshot: string, why: string): MachineRefusal =>
  refuseMachine({ _tag: 'LibvirtDiffers', function: deletion, snapshot, why }, byHand)

const losing = (snapshot: string, lost: ReadonlyNonEmptyArray<Loss>): MachineRefusal => {
  const why = 'it goes by its records, and writes over or removes what they do not tell'
  return refuseMachine({ _tag: 'LibvirtLoses', function: deletion, snapshot, lost, why }, byHand)
}

/** What libvirt's own function cannot be asked for. */
const askedGuard = ({ doomed, request, host }: DeleteJob): MachineRefusal | undefined => {
  const no = (why: string): MachineRefusal => refuseMachine({ _tag: 'NotThisWay', via: host.via, why }, byHand)
  if (host.via !== 'libvirt') return no('only libvirt has a function for it')
  if (doomed.length > 1) return no('libvirt deletes one snapshot at a time')
  if (request.direction === 'pull') return no('libvirt only commits')
  if (request.leftovers === 'keep') return no('libvirt removes the files')
  const memory = doomed.some((one) => one.memory._tag === 'External')
  return request.memory === 'keep' && memory ? no('libvirt removes the file of the memory') : undefined
}

const featuresOf = ({ disks, memory }: Snapshot): ReadonlyArray<Feature> => {
  const external = memory._tag === 'External' || Array.from(disks.values()).some(({ mode }) => mode === 'external')
  return external ? ['libvirt-delete-external', 'libvirt-delete-mends-siblings'] : []
}

const pathOf = (chain: Chain, image: string | undefined): string | undefined => {
  const found = image === undefined ? undefined : chain.images.get(image)
  return found === undefined ? undefined : placeOf(found)
}

const isSame = (chain: Chain, image: string | undefined, path: string): boolean =>
  pathOf(chain, image) === normalPath(path)

/** Where the plan for a disk and what libvirt will do are not the same; nothing where they are. */
const difference = (plans: ReadonlyArray<Plan>, chain: Chain, theirs: LibvirtDiskDeletion): string | undefined => {
  const [plan, ...others] = plans
  if (plan === undefined || others.length > 0) return `disk ${theirs.disk} needs ${plans.length} jobs`
  const [change] = plan.contents
  if (theirs.way === 'commit') {
    const same =
      plan.operation === 'commit' &&
      isSame(chain, change?.image, theirs.base) &&
      isSame(chain, change?.span.at(-1), theirs.overlay)
    return same ? undefined : `libvirt would commit ${theirs.overlay} into ${theirs.base}`
  }
  if (theirs.way === 'internal') return `libvirt would look for it inside ${theirs.path}`
  const [dropped, ...more] = Array.from(plan.before.images.keys()).filter((name) => !plan.after.images.has(name))
  const same = plan.operation === 'remove' && more.length === 0 && isSame(chain, dropped, theirs.path)
  return same && theirs.file === 'unlinked' ? undefined : `libvirt would remove ${theirs.path}, and nothing else`
}

/** libvirt writes the whole path of the base into what lay above the overlay, whatever was there. */
const withAbsoluteHeaders = (part: Plan): DiskPart => {
  const base = part.contents[0]?.image
  const images = new Map(part.after.images)
  for (const image of part.after.images.values()) {
    const before = part.before.images.get(image.name)?.backing?.image
    if (base === undefined || image.backing?.image !== base || before === base) continue
    const below = part.after.images.get(base)
    const header = below === undefined ? image.backing.header : locationString(below.location)
    images.set(image.name, { ...image, backing: { ...image.backing, header } })
  }
  return { ...part, after: withImages(part.after, images) }
}

/** The work of one disk, as far as it is the same whoever does it. */
interface Work {
  readonly disk: string
  readonly done: DiskPlans
}

const worksOf = (job: DeleteJob): E.Either<MachineRefusal, ReadonlyArray<Work>> => {
  const works: Array<Work> = []
  for (const disk of job.machine.disks.keys()) {
    const accept = acceptedOn(job, disk, job.request.accept ?? [])
    const of = { machine: job.machine, host: job.host, disk, points: keptPoints(job, disk), accept }
    const doomed = doomedImages(job, disk)
    const how = { direction: 'commit', leftovers: 'remove', short: 'refuse' } as const
    const done = deleteOnDisk({ ...of, ...how, doomed, devices: job.request.devices ?? [] })
    if (E.isLeft(done)) return E.left(refuseMachine({ _tag: 'DiskRefused', disk, refusal: done.left }, byHand))
    works.push({ disk, done: done.right })
  }
  return E.right(works)
}

/** libvirt looks for an internal snapshot in the image that its record names. */
const insideDifference = ({ machine, doomed }: DeleteJob, theirs: LibvirtDeletion): string | undefined => {
  for (const [disk, chain] of machine.disks) {
    const held = doomed.flatMap(({ disks }) => {
      const own = disks.get(disk)
      return own?.mode === 'internal' ? (pathOf(chain, own.image) ?? []) : []
    })
    const found = theirs.disks.flatMap((one) =>
      one.disk === disk && one.way === 'internal' ? [normalPath(one.path)] : [],
    )
    if (held[0] !== found[0])
      return `libvirt would look for it inside ${String(found[0] ?? 'no image')} of disk ${disk}`
  }
  return undefined
}

/** What libvirt would do besides, or otherwise, than the plan. */
const otherwise = (job: DeleteJob, works: ReadonlyArray<Work>, theirs: LibvirtDeletion): string | undefined => {
  const shared = memoryShared(job.doomed, job.kept)
  const memory =
    shared === undefined || theirs.unlinked.length === 0
      ? undefined
      : `libvirt would remove ${shared.path}, which ${JSON.stringify(shared.snapshot)} needs`
  return differences(job, works, theirs) ?? insideDifference(job, theirs) ?? memory
}

const isLeft = (theirs: LibvirtDiskDeletion): boolean => theirs.way === 'unlink' && theirs.file === 'kept'

/** The first disk on which libvirt would do something else than the plan. */
const differences = (job: DeleteJob, works: ReadonlyArray<Work>, theirs: LibvirtDeletion): string | undefined => {
  for (const { disk, done } of works) {
    const chain = job.machine.disks.get(disk)
    const own = theirs.disks.filter((one) => one.disk === disk && one.way !== 'internal')
    const plans = done.plans.map(({ plan }) => plan)
    if (chain === undefined || (plans.length === 0 && own.every(isLeft))) continue
    const [one] = own
    const why = one === undefined ? `libvirt would leave disk ${disk} alone` : difference(plans, chain, one)
    if (why !== undefined) return why
  }
  const strange = theirs.disks.find(({ disk }) => !job.machine.disks.has(disk))
  return strange === undefined ? undefined : `libvirt would touch disk ${strange.disk}, which the machine does not have`
}

const withParts = (machine: Machine, parts: ReadonlyArray<DiskPart>, job: DeleteJob): Machine => {
  let at = machine
  for (const part of parts) {
    const running = hypervisorOf({ ...machine, state: 'running' }, job.host, part.after.disk)
    at = withMachine(at, {
      disks: new Map(at.disks).set(part.after.disk, part.after),
      definitions: definitionsAfter(at.definitions, part, running),
    })
  }
  return at
}

const withTheirRecords = (machine: Machine, snapshot: Snapshot, { records }: LibvirtDeletion): Machine => {
  const without = withoutSnapshot(machine, snapshot.name)
  const snapshots = Array.from(without.snapshots, ([name, one]) => {
    const recorded = records.get(name)
    return [name, recorded === undefined ? one : { ...one, recorded }] as const
  })
  return withMachine(without, { snapshots: new Map(snapshots) })
}

const movesOf = (works: ReadonlyArray<Work>): ReadonlyArray<Move> =>
  works.flatMap(({ disk, done }) =>
    done.plans.flatMap(({ plan }) =>
      plan.points
        .filter(({ before, after }) => before !== after)
        .map(({ point, after, format, sizeBytes }): Move => {
          const place = { held: 'frozen', image: after, format, sizeBytes } as const
          return { snapshot: point, disk, place }
        }),
    ),
  )

const deleteStep = (domain: string, snapshot: string): Step =>
  libvirt(
    { call: deletion, arguments: { domain, snapshot }, flags: [] },
    'libvirt commits the overlays down, removes them, and mends its records; it returns when that is done',
  )

const observations = (job: DeleteJob, machine: Machine, parts: ReadonlyArray<DiskPart>): ReadonlyArray<Draft> =>
  Array.from(new Set(parts.map(({ after }) => after.disk))).flatMap((disk) => {
    const chain = machine.disks.get(disk)
    if (chain === undefined) return []
    const step = machine.state === 'shut-off' ? observeHeaders(chain) : look(job.machine.name, chain)
    return [{ step, disk }]
  })

interface Settled {
  readonly after: Machine
  readonly parts: ReadonlyArray<DiskPart>
  readonly mending: ReadonlyArray<Draft>
}

/** The machine when libvirt has done it, with what it has written down wrong mended. */
const settled = (job: DeleteJob, works: ReadonlyArray<Work>, theirs: LibvirtDeletion): Settled => {
  const plans = works.flatMap(({ done }) => done.plans.map(({ plan }) => plan))
  const outside = plans.map((plan) => (plan.operation === 'commit' ? withAbsoluteHeaders(plan) : plan))
  const points = new Map(works.map(({ disk, done }) => [disk, done.points]))
  const moved = withMovedPoints(withParts(job.machine, outside, job), points)
  const inside = withoutInsideChains(job, moved)
  const recorded = job.doomed.reduce((at, snapshot) => withTheirRecords(at, snapshot, theirs), inside.machine)
  const { machine: after, drafts: mending } = redefined(recorded, successorsOf(plans, recorded), job.host.via)
  return { after, parts: [...outside.map(diskPart), ...inside.parts], mending }
}

const planOf = (job: DeleteJob, snapshot: Snapshot, outcome: Settled & { readonly moves: ReadonlyArray<Move> }) => {
  const { after, parts, mending, moves } = outcome
  const first: Draft = { step: deleteStep(job.machine.name, snapshot.name), moves, ends: [snapshot.name] }
  return {
    operation: 'delete',
    via: job.host.via,
    how: 'libvirt',
    before: job.machine,
    after,
    parts,
    steps: assemble(job.machine, [first, ...observations(job, after, parts), ...mending]),
    finally: [],
    consistency: undefined,
    requires: featuresOf(snapshot),
  } as const
}

/** Refuses a name that QEMU would not have in the id of a job; shut off libvirt asks for none. */
const nameGuard = ({ machine }: DeleteJob, { name, disks }: Snapshot): MachineRefusal | undefined => {
  const inside = Array.from(disks.values()).some(({ mode }) => mode === 'internal')
  if (!inside || machine.state === 'shut-off' || isJobName(name)) return undefined
  const why = 'libvirt makes the id of a job of the name: letters, digits, ".", "_" and "-" only'
  return refuseMachine({ _tag: 'NotThisWay', via: 'libvirt', why }, [
    { _tag: 'Via', via: 'libvirt', guest: ['shut-off'] },
  ])
}

/**
 * Plans the deletion of one snapshot by libvirt's own function, where that does exactly what the calls by hand would do.
 *
 * Refuses, in this order: `NotThisWay`, `CapabilityMissing`, `LibvirtRefuses`, `LibvirtLoses`, `DiskRefused`, `LibvirtDiffers`.
 */
export const deleteByLibvirt = (job: DeleteJob): E.Either<MachineRefusal, MachinePlan> => {
  const [snapshot] = job.doomed
  const refused =
    askedGuard(job) ?? (snapshot && (featureGuard(job.host, featuresOf(snapshot)) ?? nameGuard(job, snapshot)))
  if (refused !== undefined) return E.left(refused)
  if (snapshot === undefined) return E.left(refuseMachine({ _tag: 'NothingSelected' }))
  const { jobs } = job.host
  const theirs = predictDelete(job.machine, snapshot.name, {
    children: 'none',
    ...(jobs === undefined ? {} : { jobs }),
  })
  if (E.isLeft(theirs))
    return E.left(
      refuseMachine({ _tag: 'LibvirtRefuses', function: deletion, snapshot: snapshot.name, ...theirs.left }, byHand),
    )
  const lost = lossesOfDelete(job.machine, theirs.right)
  if (isNonEmpty(lost)) return E.left(losing(snapshot.name, lost))
  const works = worksOf(job)
  if (E.isLeft(works)) return works
  const why = otherwise(job, works.right, theirs.right)
  if (why !== undefined) return E.left(unlike(snapshot.name, why))
  const outcome = { ...settled(job, works.right, theirs.right), moves: movesOf(works.right) }
  const plan = planOf(job, snapshot, outcome)
  const plans = works.right.flatMap(({ done }) => done.plans.map((one) => one.plan))
  return E.right({
    ...plan,
    unlinked: theirs.right.unlinked,
    assumes: [...assumedOf(plans, plan.steps), ...recordsAssumption(job.machine, job.host)],
  })
}
