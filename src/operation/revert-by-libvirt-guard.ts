import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import { activeImage } from '../model/chain-query.js'
import { samePath } from '../model/header.js'
import { locationString } from '../model/location.js'
import { sourcesOfDomain } from '../model/record.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { Loss, MachineAlternative, MachineRefusal } from '../plan/machine-refusal.js'
import type { LibvirtRevert } from './libvirt-revert.js'
import { changesOfRevert, lossesOfRevert } from './libvirt-revert-loss.js'
import { loadsMemory } from './revert-job.js'
import type { RevertJob } from './revert-job.js'

const revertFunction = 'virDomainRevertToSnapshot'

/** By hand there is another way, except to the guest's memory. */
export const otherHow = (job: RevertJob): ReadonlyArray<MachineAlternative> =>
  loadsMemory(job) ? [] : [{ _tag: 'How', how: 'by hand' }]

const inLibvirt = (job: RevertJob, why: string): MachineRefusal =>
  refuseMachine({ _tag: 'NotThisWay', via: 'libvirt', why }, otherHow(job))

/** Refuses what libvirt cannot be asked for. */
export const askedOfLibvirt = (job: RevertJob): MachineRefusal | undefined => {
  const { request, outside } = job
  if (request.overlays !== undefined && request.overlays.size > 0)
    return inLibvirt(job, 'libvirt names the new images itself')
  if (request.later === 'delete')
    return inLibvirt(job, 'libvirt keeps the snapshots that came after; delete them in a plan of their own')
  const named = outside.length === 0 || request.seconds !== undefined
  return named
    ? undefined
    : inLibvirt(job, 'libvirt names the new images after its clock; say what it reads, in `seconds`')
}

/** Disks that libvirt does not bring where they were, or does not leave where they are. */
const misplaced = ({ machine, outside, inside }: RevertJob, predicted: LibvirtRevert): ReadonlyArray<string> => {
  const made = new Set(predicted.overlays.map(({ disk }) => disk))
  const loaded = new Map(predicted.inside.map(({ disk, path }) => [disk, path]))
  const sources = sourcesOfDomain(predicted.definition)
  const missed = outside.filter(({ chain }) => !made.has(chain.disk))
  const wrong = inside.filter(({ chain, image }) => !samePath(loaded.get(chain.disk), locationString(image.location)))
  const moved = Array.from(machine.disks.values()).filter((chain) => {
    const source = sources.get(chain.disk)
    const stays = source !== undefined && !made.has(chain.disk) && !loaded.has(chain.disk)
    return stays && !samePath(source.path, locationString(activeImage(chain).location))
  })
  return [...[...missed, ...wrong].map(({ chain }) => chain.disk), ...moved.map(({ disk }) => disk)]
}

const listed = (disks: ReadonlyArray<string>): string => `disk${disks.length > 1 ? 's' : ''} ${disks.join(', ')}`

/** An internal snapshot that is loaded into another image than the guest reads leaves that one to nobody. */
const leftWhy = ({ inside }: RevertJob): string | undefined => {
  const left = inside.flatMap(({ chain, image }) => (image.name === chain.active ? [] : [chain.disk]))
  return left.length === 0
    ? undefined
    : `${listed(left)} would change to another image, and leave the one it has behind`
}

/** What libvirt would do otherwise than asked, where it would. */
const differsWhy = (job: RevertJob, predicted: LibvirtRevert): string | undefined => {
  const { overlaid, elsewhere, back, gone, definition } = changesOfRevert(job.machine, predicted)
  const wrong = [...new Set([...elsewhere, ...misplaced(job, predicted)])]
  if (wrong.length > 0) return `by its record ${listed(wrong)} would show something else`
  if (overlaid.length > 0) return `it lays overlays on ${listed(overlaid)} too, which the snapshot left out`
  if (predicted.guest !== job.guest) return `the guest would be ${predicted.guest} afterwards`
  if (job.request.definition === 'as taken') return undefined
  if (back.length > 0) return `${listed(back)} would come back to the definition`
  if (gone.length > 0) return `${listed(gone)} would go from the definition`
  return definition === 'changed' ? 'it brings the whole definition back as it was taken' : undefined
}

/** True where the active image of a disk goes or is written over, and is not left behind without its backing file. */
const presentGoes = ({ machine }: RevertJob, predicted: LibvirtRevert, disk: string): boolean => {
  const chain = machine.disks.get(disk)
  const place = chain === undefined ? undefined : locationString(activeImage(chain).location)
  const loaded = predicted.inside.flatMap((one) => (one.disk === disk ? [one.path] : []))
  return place !== undefined && [...predicted.unlinked, ...loaded].some((path) => samePath(path, place))
}

/** What the caller has given up: what the guest wrote since the last snapshot. */
const isGivenUp =
  (job: RevertJob, predicted: LibvirtRevert) =>
  ({ snapshot, disk, image }: Loss): boolean =>
    job.request.present === 'discard' &&
    snapshot === undefined &&
    job.machine.disks.get(disk)?.active === image &&
    presentGoes(job, predicted, disk)

/** Refuses what libvirt would do otherwise than asked, and what it would lose. */
export const doneByLibvirt = (job: RevertJob, predicted: LibvirtRevert): MachineRefusal | undefined => {
  const facts = { function: revertFunction, snapshot: job.snapshot.name }
  const unlike = (why: string | undefined): MachineRefusal | undefined =>
    why === undefined ? undefined : refuseMachine({ _tag: 'LibvirtDiffers', ...facts, why }, otherHow(job))
  const differs = unlike(differsWhy(job, predicted))
  if (differs !== undefined) return differs
  const givenUp = isGivenUp(job, predicted)
  const lost = lossesOfRevert(job.machine, predicted).filter((loss) => !givenUp(loss))
  if (!isNonEmpty(lost)) return unlike(leftWhy(job))
  const first: ReadonlyArray<MachineAlternative> = lost.every(({ snapshot }) => snapshot === undefined)
    ? [{ _tag: 'TakeFirst' }]
    : []
  const why =
    predicted.inside.length > 0
      ? 'it loads an internal snapshot over what its image shows now'
      : 'it unlinks what it has written down as the overlays of the current snapshot'
  return refuseMachine({ _tag: 'LibvirtLoses', ...facts, lost, why }, [...otherHow(job), ...first])
}
