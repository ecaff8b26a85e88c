import * as E from 'fp-ts/lib/Either.js'

import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { activeImage, overlaysOf, path } from '../model/chain-query.js'
import { headerReaches, normalPath } from '../model/header.js'
import { isImageName } from '../model/image.js'
import type { Image } from '../model/image.js'
import { hasProtocol, isAbsolute, locationString } from '../model/location.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { firstRefusal } from './guard.js'
import type { Guard } from './guard.js'
import { addressGuard } from './guard-host.js'
import { secretGuard } from './guard-live.js'
import { newImageGuard, placeImage } from './new-image.js'
import type { Place } from './new-image.js'
import type { NewImage } from './request.js'
import { offlineHypervisor } from './revert-job.js'
import type { HeldDisk, RevertJob } from './revert-job.js'
import { inPlaceGuard } from './revert-in-place.js'
import { freeName } from './revert-name.js'
import { takenGuard, takenPaths } from './taken-path.js'
import type { TakenPaths } from './taken-path.js'

/**
 * The new active image of a disk. `first` is the path under which it is made, where it then takes the one of the image that
 * is active now.
 */
export interface NewActive {
  readonly held: HeldDisk
  readonly place: Place
  readonly image: Image
  readonly first: Image | undefined
}

const refusedDisk = (disk: string, refusal: Refusal): MachineRefusal =>
  refuseMachine({ _tag: 'DiskRefused', disk, refusal })

/** The backing string of an overlay: relative where the image's overlays have relative ones and it leads there. */
const headerFor = (chain: Chain, frozen: Image, to: string): string | undefined => {
  const headers = overlaysOf(chain, frozen.name).flatMap(({ backing }) => backing?.header ?? [])
  if (headers.length === 0 || headers.some(isAbsolute)) return undefined
  const base = locationString(frozen.location)
  const beside = base.slice(base.lastIndexOf('/') + 1)
  const near = hasProtocol(beside) ? `./${beside}` : beside
  return [near, ...headers].find((header) => headerReaches({ _tag: 'File', path: to }, header, frozen.location))
}

const fileImage = (
  { name, at }: { readonly name: string; readonly at: string },
  header: string | undefined,
): NewImage => ({
  name,
  location: { _tag: 'File', path: at },
  format: 'qcow2',
  ...(header === undefined ? {} : { header }),
})

const guards: ReadonlyArray<Guard<Place & { readonly below: Image }>> = [
  ({ below }) => addressGuard('qemu-img', [below]),
  ({ chain, below }) => secretGuard('qemu-img', path(chain, below.name) ?? []),
  newImageGuard,
]

const placed = (job: RevertJob, { held, wanted, chain }: { held: HeldDisk; wanted: NewImage; chain: Chain }) => {
  const below = held.image
  const place = { chain, hypervisor: offlineHypervisor(job, chain.disk), wanted, sizeBytes: below.sizeBytes, below }
  const refusal = firstRefusal(guards, place)
  const made = refusal === undefined ? placeImage(place) : E.left(refusal)
  return E.isLeft(made) ? E.left(refusedDisk(chain.disk, made.left)) : E.right({ place, image: made.right.image })
}

const derivable = (job: RevertJob, { chain, image }: HeldDisk): MachineRefusal | undefined => {
  if (image.location._tag === 'File') return undefined
  const why = 'the name of the overlay would follow from the path of a file, and this image is in none; say `overlays`'
  const { via } = job.host
  return refusedDisk(chain.disk, refuse({ _tag: 'LocationNotAddressable', image: image.name, via, why }))
}

const derived = (job: RevertJob, held: HeldDisk, paths: TakenPaths): E.Either<MachineRefusal, NewActive> => {
  const { chain, image } = held
  const refusal = derivable(job, held)
  if (refusal !== undefined) return E.left(refusal)
  const free = freeName(image, job.snapshot.name, { paths, images: chain.images })
  const wanted = fileImage({ name: free.name, at: free.path }, headerFor(chain, image, free.path))
  return E.map((made: { place: Place; image: Image }) => ({ held, ...made, first: undefined }))(
    placed(job, { held, wanted, chain }),
  )
}

const given = (
  job: RevertJob,
  held: HeldDisk,
  { wanted, paths }: { readonly wanted: NewImage; readonly paths: TakenPaths },
): E.Either<MachineRefusal, NewActive> => {
  const made = placed(job, { held, wanted, chain: held.chain })
  if (E.isLeft(made)) return made
  const refusal = takenGuard(paths, { disk: held.chain.disk, path: locationString(wanted.location) })
  return refusal === undefined ? E.right({ held, ...made.right, first: undefined }) : E.left(refusal)
}

/** The chain without its active image, which nobody reads. */
const withoutActive = (chain: Chain, below: Image): Chain => {
  const images = new Map(chain.images)
  images.delete(chain.active)
  return withImages(chain, images, below.name)
}

const inPlace = (job: RevertJob, held: HeldDisk, paths: TakenPaths): E.Either<MachineRefusal, NewActive> => {
  const { chain, image } = held
  const refusal = inPlaceGuard(job, held)
  if (refusal !== undefined) return E.left(refusal)
  const active = activeImage(chain)
  const at = locationString(active.location)
  const wanted = fileImage({ name: active.name, at }, headerFor(chain, image, at))
  const made = placed(job, { held, wanted: { ...wanted, found: 'nothing' }, chain: withoutActive(chain, image) })
  if (E.isLeft(made)) return made
  const free = freeName(active, job.snapshot.name, { paths, images: chain.images })
  const first = { ...made.right.image, ...nameOf(free.name), location: { _tag: 'File', path: free.path } as const }
  return E.right({ held, ...made.right, first })
}

const nameOf = (name: string): Partial<Pick<Image, 'name'>> => (isImageName(name) ? { name } : {})

/** The new active image of every disk that goes back to a frozen one, or the first reason against one. */
export const placeActives = (job: RevertJob): E.Either<MachineRefusal, ReadonlyArray<NewActive>> => {
  const paths = takenPaths(job.machine, job.request.reserved ?? [])
  const actives: Array<NewActive> = []
  for (const held of job.outside) {
    const asked = job.request.overlays?.get(held.chain.disk)
    const made =
      asked === undefined
        ? derived(job, held, paths)
        : asked === 'in place'
          ? inPlace(job, held, paths)
          : given(job, held, { wanted: asked, paths })
    if (E.isLeft(made)) return made
    actives.push(made.right)
    const { image, first } = made.right
    for (const one of [image, ...(first === undefined ? [] : [first])])
      paths.set(normalPath(locationString(one.location)), `the new image of ${held.chain.disk}`)
  }
  return E.right(actives)
}
