import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { knownReaders } from '../model/image.js'
import type { Image } from '../model/image.js'
import { frozenIn, imageOfDisk } from '../model/snapshot.js'
import type { GoingInside } from './inside-name.js'
import { unreadAmong } from './remove-images.js'
import type { RevertJob } from './revert-job.js'

/** The images that a caller has given up: the active one where the present is discarded, and what deleted snapshots had frozen. */
const givenUp = ({ request, outside, deleted }: RevertJob, { disk, active }: Chain): ReadonlyArray<string> => {
  const goesBack = outside.some(({ chain }) => chain.disk === disk)
  const frozen = deleted.flatMap((one) => frozenIn(one, disk) ?? [])
  return [...(request.present === 'discard' && goesBack ? [active] : []), ...frozen]
}

/** The names of a disk's internal snapshots that go with the snapshots that are deleted, by image. */
const goingInside = ({ deleted }: RevertJob, disk: string, image: Image): ReadonlyArray<string> =>
  deleted.flatMap(({ name, disks }) => {
    const own = disks.get(disk)
    return own?.mode === 'internal' && own.image === image.name ? [String(name)] : []
  })

/** True for an image that is somebody's besides its overlays: a snapshot's that stays, another reader's, or no file. */
const isNeeded = (job: RevertJob, disk: string, image: Image): boolean => {
  const inside = new Set(goingInside(job, disk, image))
  return (
    image.location._tag !== 'File' ||
    knownReaders(image).length > 0 ||
    image.internalSnapshots.some(({ name }) => !inside.has(name)) ||
    job.kept.some(({ disks }) => imageOfDisk(disks.get(disk)) === image.name)
  )
}

/** The images of a disk that go, uppermost first: given up, and needed by nobody. `after` is the chain with its new active image. */
export const goingImages = (job: RevertJob, before: Chain, after: Chain): ReadonlyArray<Image> => {
  const { disk } = before
  const free = givenUp(job, before).flatMap((name) => {
    const image = before.images.get(name)
    return image === undefined || name === after.active || isNeeded(job, disk, image) ? [] : [name]
  })
  return unreadAmong(after, new Set(free)).flatMap((name) => before.images.get(name) ?? [])
}

/** The internal snapshots of a disk that go while their images stay. */
export const goingSnapshots = (job: RevertJob, chain: Chain): ReadonlyArray<GoingInside> =>
  Array.from(chain.images.values()).flatMap((image) =>
    knownReaders(image).length > 0
      ? []
      : goingInside(job, chain.disk, image).flatMap((name) =>
          image.internalSnapshots.some((one) => one.name === name) ? [{ disk: chain.disk, image, name }] : [],
        ),
  )

/** The chain without images, and without internal snapshots. */
export const withoutGoing = (
  chain: Chain,
  going: { readonly images: ReadonlyArray<Image>; readonly snapshots: ReadonlyArray<GoingInside> },
): Chain => {
  const images = new Map(chain.images)
  for (const { image, name } of going.snapshots) {
    const now = images.get(image.name)
    if (now !== undefined)
      images.set(image.name, { ...now, internalSnapshots: now.internalSnapshots.filter((one) => one.name !== name) })
  }
  for (const { name } of going.images) images.delete(name)
  return withImages(chain, images)
}
