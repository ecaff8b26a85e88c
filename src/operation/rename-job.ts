import * as E from 'fp-ts/lib/Either.js'

import type { Chain } from '../model/chain.js'
import { activePath, backingOf, overlaysOf } from '../model/chain-query.js'
import { folderOf, placeOf } from '../model/header.js'
import type { Image } from '../model/image.js'
import { isAbsolute, locationString } from '../model/location.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import type { RenameRequest } from './request.js'

/** A rename whose image has been found; `overlays` are all that read it, `below` is what it reads. */
export interface RenameJob {
  readonly chain: Chain
  readonly request: RenameRequest
  readonly hypervisor: Hypervisor
  readonly image: Image
  readonly name: string
  readonly overlays: ReadonlyArray<Image>
  readonly below: Image | undefined
}

/** Finds what a rename names. Refuses `ImageNotInChain`. */
export const resolveRename = (
  chain: Chain,
  request: RenameRequest,
  hypervisor: Hypervisor,
): E.Either<Refusal, RenameJob> => {
  const image = chain.images.get(request.image)
  if (image === undefined) return E.left(refuse({ _tag: 'ImageNotInChain', image: request.image }))
  const overlays = overlaysOf(chain, image.name)
  const name = request.name ?? image.name
  return E.right({ chain, request, hypervisor, image, name, overlays, below: backingOf(chain, image) })
}

/** True where the file stays in its folder, so that its own relative strings go on leading where they lead. */
export const staysInFolder = ({ image, request }: RenameJob): boolean =>
  folderOf(placeOf(image)) === folderOf(request.to)

/** The backing file of an image whose own header would lead elsewhere from the new folder; nothing where it would not. */
export const misledBacking = (job: RenameJob): Image | undefined =>
  job.image.backing === undefined || isAbsolute(job.image.backing.header) || staysInFolder(job) ? undefined : job.below

/** The images whose headers are rewritten. */
export const rewritten = (job: RenameJob): ReadonlyArray<Image> =>
  misledBacking(job) === undefined ? job.overlays : [job.image, ...job.overlays]

/** True for an image that the guest's disk reads. */
export const isOnPath = ({ chain, image }: RenameJob): boolean =>
  activePath(chain).some(({ name }) => name === image.name)

/** The path that the file has now. */
export const oldPath = ({ image }: RenameJob): string => locationString(image.location)
