import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import type { Feature } from '../call/capability.js'
import { activeImage, overlaysOf } from '../model/chain-query.js'
import { normalPath, placeOf } from '../model/header.js'
import { knownReaders } from '../model/image.js'
import { recordedSources, sourcesOfDomain } from '../model/record.js'
import { managedIn } from '../model/saved-state.js'
import { frozenIn, imageOfDisk } from '../model/snapshot.js'
import type { Snapshot } from '../model/snapshot.js'
import type { XmlElement } from '../model/xml.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { Loss, MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'
import { isHalfDeleted } from './deletion-mark.js'
import { definitionGuard as unmendableGuard } from './guard-live.js'
import { featureGuard, machineJobGuard, viaGuard } from './machine-guard.js'
import { rootGuard } from './inside-live.js'
import { howToRevert, loadsLive, loadsMemory, memoryDisk, offlineHypervisor } from './revert-job.js'
import type { HeldDisk, RevertJob } from './revert-job.js'

/** A reason against a revert, or nothing. */
export type RevertGuard = (job: RevertJob) => MachineRefusal | undefined

const offline = [{ _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] }] as const
const managed = [{ _tag: 'Via', via: 'libvirt', guest: ['running', 'paused', 'shut-off'] }] as const

/** Refuses a monitor, which brings no disk back without its memory, and command lines under a guest that runs. */
const stateGuard: RevertGuard = (job) => {
  const { machine, host } = job
  const { via } = host
  const { state: guest } = machine
  return via === 'libvirt' || guest === 'shut-off' || loadsLive(job)
    ? viaGuard(machine, host)
    : refuseMachine({ _tag: 'GuestStateWrong', via, guest, needs: ['shut-off'] }, offline)
}

/** Refuses what qemu-img cannot do: start a guest, or tell libvirt. */
const reachGuard: RevertGuard = ({ host, guest, request }) => {
  const { via } = host
  if (via === 'storage-daemon')
    return refuseMachine(
      { _tag: 'NotThisWay', via, why: 'a revert makes a new image, and needs no block job' },
      offline,
    )
  if (via === 'libvirt') return undefined
  if (request.how === 'libvirt')
    return refuseMachine({ _tag: 'NotThisWay', via, why: 'this is done without libvirt' }, managed)
  if (request.definition === 'as taken')
    return refuseMachine({ _tag: 'NotThisWay', via, why: 'only libvirt knows of a definition of the guest' }, managed)
  const why = "qemu-img starts no guest; say guest: 'shut-off', and start it afterwards"
  return guest === 'shut-off' || via === 'qmp' ? undefined : refuseMachine({ _tag: 'NotThisWay', via, why }, managed)
}

const removalFeatures = ({ deleted }: RevertJob): ReadonlyArray<Feature> =>
  deleted.length === 0 ? [] : ['qemu-delete-internal-snapshot']

const features = (job: RevertJob): ReadonlyArray<Feature> => {
  if (loadsLive(job)) return ['qemu-load-snapshot', 'qemu-blockdev', ...removalFeatures(job)]
  if (job.host.via !== 'libvirt') return []
  if (howToRevert(job) === 'by hand') return ['libvirt-redefine']
  return job.outside.length > 0 || job.snapshot.memory._tag === 'External' ? ['libvirt-revert-external'] : []
}

/** What the host has to be able to do. */
export const revertFeatures = features

/** Why a disk of a snapshot cannot go back, where it cannot. */
const goneWhy = ({ machine, snapshot }: RevertJob, target: string): 'lost' | 'manual' | 'disk gone' | undefined => {
  const disk = snapshot.disks.get(target)
  if (disk === undefined || disk.mode === 'no') return undefined
  if (!machine.disks.has(target)) return 'disk gone'
  if (disk.mode === 'manual') return 'manual'
  const lost = imageOfDisk(disk) === undefined
  return lost || (disk.mode === 'external' && isHalfDeleted(machine, snapshot.name, target)) ? 'lost' : undefined
}

/** Refuses a point in time that is not there: on every one of its disks, since half of it is none. */
const goneGuard: RevertGuard = (job) => {
  const { snapshot, outside, inside } = job
  const targets = Array.from(snapshot.disks.keys())
  for (const why of ['disk gone', 'lost', 'manual'] as const) {
    const disks = targets.filter((target) => goneWhy(job, target) === why)
    if (isNonEmpty(disks)) return refuseMachine({ _tag: 'PointGone', snapshot: snapshot.name, disks, why })
  }
  if (outside.length + inside.length > 0 || loadsMemory(job)) return undefined
  return isNonEmpty(targets)
    ? refuseMachine({ _tag: 'PointGone', snapshot: snapshot.name, disks: targets, why: 'left out' })
    : refuseMachine({ _tag: 'NothingSelected' })
}

/**
 * Refuses a domain that would resume a saved state at its next start. One that runs has such a state too, where libvirt has
 * loaded a snapshot's memory over it.
 */
const savedGuard: RevertGuard = ({ machine, host }) =>
  host.via === 'libvirt' && (host.managedSave === 'present' || managedIn(machine.saved) !== undefined)
    ? refuseMachine({ _tag: 'ManagedSavePresent', domain: machine.name }, [
        { _tag: 'DropState', place: { kind: 'managed' } },
      ])
    : undefined

/** Refuses names of new images for disks that get none. */
const askedGuard: RevertGuard = ({ request, outside }) => {
  const disk = Array.from(request.overlays?.keys() ?? []).find(
    (target) => !outside.some(({ chain }) => chain.disk === target),
  )
  return disk === undefined ? undefined : refuseMachine({ _tag: 'DiskNotFound', disk })
}

/** Refuses to load memory by hand. */
const memoryGuard: RevertGuard = (job) => {
  if (howToRevert(job) === 'libvirt' || !loadsMemory(job) || loadsLive(job)) return undefined
  const why = "a guest's memory is loaded by libvirt itself only; with guest: 'shut-off' its disks go back alone"
  return refuseMachine({ _tag: 'NotThisWay', via: job.host.via, why }, [{ _tag: 'How', how: 'libvirt' }])
}

/** The definition that a snapshot has stored for the next start. */
export const definitionTaken = ({ recorded }: Snapshot) =>
  recordedSources(recorded, 'inactiveDomain').size > 0 ? ('inactiveDomain' as const) : ('domain' as const)

const recordGuard: RevertGuard = ({ host, snapshot, request }) => {
  if (host.via !== 'libvirt') return undefined
  const { name, recorded } = snapshot
  if (recorded === undefined)
    return refuseMachine({ _tag: 'RecordMissing', snapshot: name, why: 'libvirt has no record of it to make current' })
  const stored = recordedSources(recorded, definitionTaken(snapshot)).size > 0
  return request.definition !== 'as taken' || stored
    ? undefined
    : refuseMachine({ _tag: 'RecordMissing', snapshot: name, why: 'its record has stored no definition' })
}

/** Why a disk that stays would not, where the guest starts again from its persistent definition. */
const unfitStay = ({ machine, outside }: RevertJob, persistent: XmlElement): string | undefined => {
  const sources = sourcesOfDomain(persistent)
  for (const chain of machine.disks.values()) {
    const source = sources.get(chain.disk)
    if (source === undefined) return `the persistent definition has no disk ${chain.disk}, and a restart takes it away`
    const active = placeOf(activeImage(chain))
    const stays = !outside.some((held) => held.chain.disk === chain.disk)
    if (stays && (source.path === undefined || normalPath(source.path) !== active))
      return `the persistent definition has another image for disk ${chain.disk}`
  }
  return undefined
}

/** Refuses a domain that ends with its QEMU, and a definition in which more than the images would change. */
const definitionGuard: RevertGuard = (job) => {
  const { machine, host, request } = job
  if (host.via !== 'libvirt') return undefined
  const persistent = machine.definitions?.persistent
  const ends = 'a transient domain ends with its QEMU, and its snapshots with it; define it first'
  if (persistent === undefined) return refuseMachine({ _tag: 'NotThisWay', via: 'libvirt', why: ends })
  if (request.definition === 'as taken') return undefined
  const why = unfitStay(job, persistent)
  if (why !== undefined) return refuseMachine({ _tag: 'NotThisWay', via: 'libvirt', why })
  for (const { chain } of job.outside) {
    const refusal = unmendableGuard(offlineHypervisor(job, chain.disk), chain, 'changes')
    if (refusal !== undefined) return refuseMachine({ _tag: 'DiskRefused', disk: chain.disk, refusal })
  }
  return undefined
}

/** The points in time, and the guest's present, that change when an image is made to show something older. */
const shownThrough = (job: RevertJob, { chain, image }: HeldDisk): ReadonlyArray<Loss> => {
  const above = new Set<string>([image.name])
  for (const name of above) for (const overlay of overlaysOf(chain, name)) above.add(overlay.name)
  const points = Array.from(job.machine.snapshots.values()).flatMap((one): ReadonlyArray<Loss> => {
    const held = frozenIn(one, chain.disk)
    return held !== undefined && above.has(held) ? [{ snapshot: one.name, disk: chain.disk, image: held }] : []
  })
  return above.has(chain.active) ? [...points, { snapshot: undefined, disk: chain.disk, image: chain.active }] : points
}

/** An internal snapshot is loaded into the image that it is in, and the guest would go on reading another. */
const asideGuard = ({ host }: RevertJob, { chain, image }: HeldDisk): MachineRefusal => {
  const why = `it is inside ${JSON.stringify(String(image.name))}, and the guest reads ${JSON.stringify(String(chain.active))}`
  const refusal = refuse({ _tag: 'NotThisWay', via: host.via, why })
  return refuseMachine({ _tag: 'DiskRefused', disk: chain.disk, refusal })
}

/** Refuses to load an internal snapshot where that changes more than what the guest reads now. */
const insideGuard: RevertGuard = (job) => {
  for (const held of job.inside) {
    const { chain, image } = held
    const { disk } = chain
    const lost = shownThrough(job, held)
    const others = chain.active !== image.name || overlaysOf(chain, image.name).length > 0
    if (others && isNonEmpty(lost))
      return refuseMachine({ _tag: 'PointsLost', lost, why: 'what lies above the image would show something else' })
    if (image.name !== chain.active) return asideGuard(job, held)
    const [reader, ...readers] = knownReaders(image).map((name) => ({ _tag: 'Other', reader: name }) as const)
    const shared = reader && refuse({ _tag: 'ImageShared', image: image.name, readers: [reader, ...readers] })
    if (shared !== undefined) return refuseMachine({ _tag: 'DiskRefused', disk, refusal: shared })
    const why = 'QEMU loads no internal snapshot into an image that has dirty bitmaps'
    if (image.bitmaps.length > 0)
      return refuseMachine({
        _tag: 'DiskRefused',
        disk,
        refusal: refuse({ _tag: 'NotThisWay', via: job.host.via === 'qmp' ? 'qmp' : 'qemu-img', why }),
      })
    const overwritten = 'an internal snapshot is loaded over what the image shows now'
    if (job.request.present !== 'discard' && isNonEmpty(lost))
      return refuseMachine({ _tag: 'PointsLost', lost, why: overwritten }, [{ _tag: 'TakeFirst' }])
  }
  return undefined
}

/** Refuses an internal snapshot that QEMU would not find: it takes a name for an id first, and of two of a name the first. */
const ambiguousGuard: RevertGuard = ({ inside, snapshot: { name }, host }) => {
  for (const { chain, image } of inside) {
    const named = image.internalSnapshots.filter((one) => one.name === name)
    const meant = image.internalSnapshots.find(({ id }) => id === name)
    if (named.length < 2 && (meant === undefined || meant.name === name)) continue
    const other =
      meant === undefined || meant.name === name ? 'one of several of that name' : JSON.stringify(meant.name)
    const why = `QEMU would load ${other}: ${JSON.stringify(String(name))} is not the only one that it looks for so`
    const refusal = refuse({ _tag: 'NotThisWay', via: host.via, why })
    return refuseMachine({ _tag: 'DiskRefused', disk: chain.disk, refusal })
  }
  return undefined
}

/** What is asked of every revert, in this order. */
export const commonGuards: ReadonlyArray<RevertGuard> = [
  stateGuard,
  reachGuard,
  (job) => featureGuard(job.host, features(job)),
  ({ host, machine }) => machineJobGuard(host, new Set([...machine.disks.keys(), ...(host.jobs?.keys() ?? [])])),
  savedGuard,
  goneGuard,
  askedGuard,
  memoryGuard,
  ambiguousGuard,
]

/**
 * Refuses to have a running QEMU load memory where it is not with every disk of the guest, each as the root of its device: QEMU does not
 * mind a disk that is left out, and has loaded some disks when it finds that it cannot load another.
 */
const liveGuard: RevertGuard = (job) => {
  if (!loadsLive(job)) return undefined
  const { snapshot, inside, machine } = job
  const left = Array.from(machine.disks.keys()).filter((disk) => !inside.some(({ chain }) => chain.disk === disk))
  if (isNonEmpty(left))
    return refuseMachine({ _tag: 'PointGone', snapshot: snapshot.name, disks: left, why: 'left out' })
  for (const { chain, image } of inside) {
    const refusal = image.name === chain.active ? rootGuard(chain, image) : undefined
    if (refusal !== undefined) return refuseMachine({ _tag: 'DiskRefused', disk: chain.disk, refusal })
  }
  const why = 'several disks have the memory of it inside'
  return memoryDisk(job) === undefined ? refuseMachine({ _tag: 'NotThisWay', via: 'qmp', why }, offline) : undefined
}

/** What is asked of a revert by hand besides. */
export const handGuards: ReadonlyArray<RevertGuard> = [recordGuard, definitionGuard, liveGuard, insideGuard]
