import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { activeImage } from '../model/chain-query.js'
import { normalPath, placeOf } from '../model/header.js'
import type { Image } from '../model/image.js'
import { withMachine } from '../model/machine.js'
import type { Definitions, Machine } from '../model/machine.js'
import { recordedSources, sourcesOfDomain, withoutRevertDisks } from '../model/record.js'
import type { Snapshot } from '../model/snapshot.js'
import { childOf } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import type { DiskPart } from '../plan/machine-plan.js'
import { fatesOf } from './fates.js'
import type { Mark } from './fates.js'
import type { GoingInside } from './inside-name.js'
import { withoutNodes } from './live.js'
import { withLiveChain, withPlainSource } from './machine-definition.js'
import { goingImages, goingSnapshots, withoutGoing } from './revert-going.js'
import { definitionTaken } from './revert-guard.js'
import type { RevertJob } from './revert-job.js'
import type { NewActive } from './revert-place.js'
import { sameElement, trueRecord } from './snapshot-record.js'
import type { Successors } from './snapshot-record.js'

/** What becomes of one disk. */
export interface RevertedDisk {
  readonly before: Chain
  readonly after: Chain
  readonly active: NewActive | undefined
  readonly inside: Image | undefined
  readonly going: ReadonlyArray<Image>
  readonly snapshots: ReadonlyArray<GoingInside>
}

/**
 * A revert, made up. `definition` is what libvirt has to be told of the domain; nothing, where that stays. `mended` are records of
 * other snapshots that name a file that goes.
 */
export interface RevertOutcome {
  readonly job: RevertJob
  readonly disks: ReadonlyArray<RevertedDisk>
  readonly after: Machine
  readonly definition: XmlElement | undefined
  readonly detached: ReadonlyArray<string>
  readonly mended: ReadonlyArray<XmlElement>
}

const withActive = (chain: Chain, active: NewActive | undefined): Chain =>
  active === undefined
    ? chain
    : withImages(chain, new Map(chain.images).set(active.image.name, active.image), active.image.name)

const settleDisk = (job: RevertJob, before: Chain, actives: ReadonlyArray<NewActive>): RevertedDisk => {
  const active = actives.find(({ held }) => held.chain.disk === before.disk)
  const overlaid = withActive(before, active)
  const going = goingImages(job, before, overlaid)
  const left = withoutGoing(overlaid, { images: going, snapshots: [] })
  const snapshots = goingSnapshots(job, left)
  const inside = job.inside.find(({ chain }) => chain.disk === before.disk)?.image
  const after = withoutGoing(left, { images: [], snapshots })
  return {
    before,
    after: job.host.via === 'qmp' ? after : withoutNodes(after),
    active,
    inside,
    going,
    snapshots,
  }
}

/** The part of a plan that one disk is, where anything happens to it. */
export const partOf = ({ before, after, active, inside, going, snapshots }: RevertedDisk): ReadonlyArray<DiskPart> => {
  const touched = active !== undefined || inside !== undefined || going.length + snapshots.length > 0
  if (!touched) return []
  const added: ReadonlyArray<Mark> =
    active === undefined
      ? []
      : active.first === undefined
        ? [[active.image.name, 'created']]
        : [
            [active.image.name, 'written'],
            [active.image.name, 'repointed'],
          ]
  const loaded: ReadonlyArray<Mark> = inside === undefined ? [] : [[inside.name, 'written']]
  const removed = going.map(({ name }): Mark => [name, 'removed'])
  const fates = fatesOf(before, after, [...added, ...loaded, ...removed])
  const made = active === undefined ? [] : [{ image: active.image.name, span: [], sizeBytes: active.image.sizeBytes }]
  return [{ before, after, contents: made, fates }]
}

/** The whole definition that a snapshot has stored, as one of a domain. */
const takenDefinition = (snapshot: Snapshot): XmlElement | undefined => {
  const { recorded } = snapshot
  const stored = recorded === undefined ? undefined : childOf(recorded, definitionTaken(snapshot))
  return stored === undefined ? undefined : { ...stored, name: 'domain' }
}

/** The definition afterwards: as it is, or as it was, with the images of now. */
const definitionAfter = (job: RevertJob, disks: ReadonlyArray<RevertedDisk>): XmlElement | undefined => {
  const whole = job.request.definition === 'as taken'
  const start = whole ? takenDefinition(job.snapshot) : job.machine.definitions?.persistent
  if (job.host.via !== 'libvirt' || start === undefined) return undefined
  const changed = disks.filter(({ active }) => whole || active !== undefined)
  return whole || changed.length > 0
    ? changed.reduce((domain, { after }) => withPlainSource(domain, after), start)
    : undefined
}

const definitionsAfter = (
  { machine, guest }: RevertJob,
  disks: ReadonlyArray<RevertedDisk>,
  definition: XmlElement | undefined,
): Definitions | undefined => {
  if (machine.definitions === undefined) return undefined
  const persistent = definition ?? machine.definitions.persistent
  const starts = guest !== 'shut-off' && persistent !== undefined
  const live = starts ? disks.reduce((domain, { after }) => withLiveChain(domain, after), persistent) : undefined
  return { persistent, live }
}

/** What takes the place of files that go, in records of a disk that holds nothing: the image that the guest has now. */
const successorsOf = (disks: ReadonlyArray<RevertedDisk>): Successors =>
  new Map(disks.flatMap(({ after, going }) => going.map((image) => [placeOf(image), activeImage(after)] as const)))

const namesAny = (record: XmlElement, gone: Successors): boolean =>
  (['domain', 'inactiveDomain'] as const).some((of) =>
    Array.from(recordedSources(record, of).values()).some(({ path, below }) =>
      [path, ...below.map((image) => image.path)].some((one) => one !== undefined && gone.has(normalPath(one))),
    ),
  )

/**
 * The records afterwards. Making another snapshot current has libvirt forget what a revert had noted down in the last one;
 * a record that names a file that goes has to be written anew.
 */
const recordsAfter = (
  { snapshot, machine }: RevertJob,
  after: Machine,
  gone: Successors,
): Pick<RevertOutcome, 'after' | 'mended'> => {
  const snapshots = new Map(after.snapshots)
  const last = machine.current === undefined ? undefined : snapshots.get(machine.current)
  for (const one of new Set([snapshot, ...(last === undefined ? [] : [last])]))
    if (one.recorded !== undefined) snapshots.set(one.name, { ...one, recorded: withoutRevertDisks(one.recorded) })
  const mended: Array<XmlElement> = []
  for (const one of Array.from(snapshots.values())) {
    const own = one.name === snapshot.name
    if (one.recorded === undefined || (!own && !namesAny(one.recorded, gone))) continue
    const recorded = trueRecord(one, { machine: after, gone })
    if (recorded !== undefined && !own && !sameElement(recorded, one.recorded)) mended.push(recorded)
    snapshots.set(one.name, { ...one, recorded })
  }
  return { after: withMachine(after, { snapshots }), mended }
}

/** The machine after a revert by hand. */
export const settleRevert = (job: RevertJob, actives: ReadonlyArray<NewActive>): RevertOutcome => {
  const { machine, snapshot } = job
  const all = Array.from(machine.disks.values(), (chain) => settleDisk(job, chain, actives))
  const definition = definitionAfter(job, all)
  const defined = job.request.definition === 'as taken' ? sourcesOfDomain(definition) : undefined
  const disks = all.filter(({ before }) => defined === undefined || defined.has(before.disk))
  const after = withMachine(machine, {
    state: job.guest,
    disks: new Map(disks.map((one) => [one.before.disk, one.after])),
    definitions: definitionsAfter(job, disks, definition),
    snapshots: new Map(job.kept.map((one) => [one.name, one])),
    current: snapshot.name,
  })
  const detached = Array.from(machine.disks.keys()).filter((target) => !after.disks.has(target))
  const gone: Successors = job.host.via === 'libvirt' ? successorsOf(disks) : new Map()
  return { job, disks, definition, detached, ...recordsAfter(job, after, gone) }
}
