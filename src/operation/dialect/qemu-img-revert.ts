import { withImages } from '../../model/chain.js'
import type { Chain } from '../../model/chain.js'
import { locationString } from '../../model/location.js'
import type { Step } from '../../plan/plan.js'
import type { Draft } from '../machine-lane.js'
import { memoryGoing } from '../memory-files.js'
import type { RevertedDisk, RevertOutcome } from '../revert-outcome.js'
import type { NewActive } from '../revert-place.js'
import { createImage } from './qemu-img-overlay.js'
import { observe } from './qemu-img-step.js'
import { operand, qemuImg, removals } from './step.js'

const quoted = (name: string): string => JSON.stringify(name)

/** The chain while the new image is there and the active one too. */
const whileBoth = (before: Chain, first: NewActive['image']): Chain =>
  withImages(before, new Map(before.images).set(first.name, first), first.name)

const creation = ({ active }: RevertedDisk): ReadonlyArray<Step> => {
  if (active === undefined || active.place.wanted.made === 'before') return []
  const { image, first, held } = active
  const why = `an empty image over ${quoted(held.image.name)}, which holds the point in time; nothing else changes`
  return [createImage(first ?? image, 'backing', why)]
}

/** Makes the new images, each in the lane of its disk. */
export const creations = ({ disks }: RevertOutcome): ReadonlyArray<Draft> =>
  disks.flatMap((one) => creation(one).map((step): Draft => ({ step, disk: one.before.disk })))

const sight = ({ before, after, active, inside }: RevertedDisk): ReadonlyArray<Step> => {
  if (active?.first !== undefined) return [observe(whileBoth(before, active.first))]
  return active === undefined && inside === undefined ? [] : [observe(after)]
}

/** Reads back the headers of what the guest is to read. */
export const sights = ({ disks }: RevertOutcome): ReadonlyArray<Draft> =>
  disks.flatMap((one) => sight(one).map((step): Draft => ({ step, disk: one.before.disk })))

const renaming = ({ after, active }: RevertedDisk): ReadonlyArray<Step> => {
  const first = active?.first
  if (active === undefined || first === undefined) return []
  const [path, to] = [locationString(first.location), locationString(active.image.location)]
  const why = 'the new image takes the name of the active one, whole or not at all: what the guest wrote last goes here'
  return [{ call: { _tag: 'Files', operation: 'rename', path, to }, why }, observe(after)]
}

const loading = ({ inside }: RevertedDisk, snapshot: string): ReadonlyArray<Step> =>
  inside === undefined
    ? []
    : [
        qemuImg(
          ['snapshot', '-a', snapshot, operand(inside)],
          'the image shows the point in time again; what it showed goes',
        ),
      ]

const forgetting = ({ snapshots }: RevertedDisk): ReadonlyArray<Step> =>
  snapshots.map(({ image, name }) =>
    qemuImg(['snapshot', '-d', name, operand(image)], `snapshot ${quoted(name)} goes, and its image stays`),
  )

/** What cannot be taken back: new images under old names, points in time loaded over what was there. */
export const changes = ({ disks, job }: RevertOutcome): ReadonlyArray<Draft> =>
  disks.flatMap((one) =>
    [...renaming(one), ...loading(one, job.snapshot.name)].map((step): Draft => ({ step, disk: one.before.disk })),
  )

/** Takes away what the caller has given up and nobody needs. */
export const leftovers = ({ disks }: RevertOutcome): ReadonlyArray<Draft> =>
  disks.flatMap((one) =>
    [...forgetting(one), ...removals({ leftovers: 'remove' }, one.going)].map((step): Draft => ({
      step,
      disk: one.before.disk,
    })),
  )

/** The files of the memory of snapshots that are deleted, without those that another one needs. */
export const memoryFiles = ({ job }: RevertOutcome): ReadonlyArray<string> => memoryGoing(job.deleted, job.kept)

/** Removes those files. */
export const memoryRemovals = (outcome: RevertOutcome): ReadonlyArray<Draft> =>
  memoryFiles(outcome).map((path) => ({
    step: { call: { _tag: 'Files', operation: 'remove', path }, why: 'the memory of a snapshot that is deleted' },
  }))

/** The snapshots that are nobody's any more. */
export const endings = ({ job }: RevertOutcome): ReadonlyArray<string> => job.deleted.map(({ name }) => name)

/** What has been seen holds for all disks before anything goes on any of them. */
const asBarriers = (seen: ReadonlyArray<Draft>, ends: ReadonlyArray<string>): ReadonlyArray<Draft> =>
  seen.map(({ step }, index) => ({ step, ...(index === seen.length - 1 ? { ends } : {}) }))

/** A revert as qemu-img command lines, for a guest that is shut off and that libvirt does not manage. */
export const qemuImgRevert = (outcome: RevertOutcome): ReadonlyArray<Draft> => {
  const after = [...changes(outcome), ...leftovers(outcome), ...memoryRemovals(outcome)]
  const seen = sights(outcome)
  const ends = endings(outcome)
  const barred = after.length > 0 || ends.length > 0
  return [...creations(outcome), ...(barred ? asBarriers(seen, ends) : seen), ...after]
}
