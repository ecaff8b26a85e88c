import * as E from 'fp-ts/lib/Either.js'

import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { headerReaches, placeOf, relativeHeader, withLastName } from '../model/header.js'
import { isImageName } from '../model/image.js'
import type { Backing, Image, ImageName } from '../model/image.js'
import { isAbsolute, pathOf } from '../model/location.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { checkedBacking } from './backing-string.js'
import { misledBacking, staysInFolder } from './rename-job.js'
import type { RenameJob } from './rename-job.js'

/**
 * A rename with every header that it rewrites.
 *
 * - `overlays`: what each overlay of the image stores afterwards.
 * - `meanwhile`: what the image itself stores while its file has both names; `own`: what it stores in the end. Nothing
 *   where its own header is not touched.
 */
export interface RenameOutcome {
  readonly job: RenameJob
  readonly renamed: Image
  readonly overlays: ReadonlyMap<string, Backing>
  readonly meanwhile: Backing | undefined
  readonly own: Backing | undefined
  readonly after: Chain
}

const placedName = (name: string): ImageName => {
  if (!isImageName(name)) throw new Error('unreachable: the name was checked')
  return name
}

/** The string by which an overlay reaches the new path; relative where it plainly was. */
const headerTo = (overlay: Image, job: RenameJob): E.Either<Refusal, string> => {
  const { image, request } = job
  const header = overlay.backing?.header ?? ''
  const why = 'its backing string says more than a path, and the new one would not say that'
  if (isAbsolute(header) && !header.startsWith('/') && !header.startsWith('file:'))
    return E.left(refuse({ _tag: 'BackingStringUnknown', image: overlay.name, backing: image.name, why }))
  if (isAbsolute(header) || !headerReaches(overlay.location, header, image.location)) return E.right(request.to)
  return E.right(staysInFolder(job) ? withLastName(header, request.to) : relativeHeader(placeOf(overlay), request.to))
}

const backingTo = (overlay: Image, job: RenameJob): E.Either<Refusal, Backing> => {
  const header = headerTo(overlay, job)
  return E.isLeft(header)
    ? header
    : checkedBacking(overlay.name, {
        image: placedName(job.name),
        header: header.right,
        format: overlay.backing?.format ?? job.image.format,
      })
}

const overlayBackings = (job: RenameJob): E.Either<Refusal, ReadonlyMap<string, Backing>> => {
  const backings = new Map<string, Backing>()
  for (const overlay of job.overlays) {
    const backing = backingTo(overlay, job)
    if (E.isLeft(backing)) return backing
    backings.set(overlay.name, backing.right)
  }
  return E.right(backings)
}

/** A string that is right from both folders, and the one that is relative again, where the old one plainly led to the image. */
const ownBackings = (
  job: RenameJob,
): E.Either<Refusal, { readonly meanwhile: Backing | undefined; readonly own: Backing | undefined }> => {
  const below = misledBacking(job)
  const { backing, location, name } = job.image
  if (below === undefined || backing === undefined) return E.right({ meanwhile: undefined, own: undefined })
  const path = pathOf(below.location)
  const why = 'a relative string leads to something that has no path'
  if (path === undefined) return E.left(refuse({ _tag: 'BackingStringUnknown', image: name, backing: below.name, why }))
  const meanwhile = checkedBacking(name, { ...backing, header: path })
  if (E.isLeft(meanwhile)) return meanwhile
  const plain = headerReaches(location, backing.header, below.location)
  const own = checkedBacking(name, { ...backing, header: plain ? relativeHeader(job.request.to, path) : path })
  return E.isLeft(own) ? own : E.right({ meanwhile: meanwhile.right, own: own.right })
}

/** The chain with the image at its new path and under its new name, and everybody who reads it told. */
const chainAfter = (job: RenameJob, renamed: Image, overlays: ReadonlyMap<string, Backing>): Chain => {
  const images = new Map<string, Image>()
  for (const [name, image] of job.chain.images) {
    const backing = overlays.get(name)
    if (name === job.image.name) images.set(renamed.name, renamed)
    else images.set(name, backing === undefined ? image : { ...image, backing })
  }
  return withImages(job.chain, images, job.chain.active === job.image.name ? renamed.name : job.chain.active)
}

/** Refuses `BackingStringUnknown`, `BackingStringTooLong`. */
export const settleRename = (job: RenameJob): E.Either<Refusal, RenameOutcome> => {
  const overlays = overlayBackings(job)
  if (E.isLeft(overlays)) return overlays
  const own = ownBackings(job)
  if (E.isLeft(own)) return own
  const renamed: Image = {
    ...job.image,
    name: placedName(job.name),
    location: { _tag: 'File', path: job.request.to },
    backing: own.right.own ?? job.image.backing,
  }
  const after = chainAfter(job, renamed, overlays.right)
  return E.right({ job, renamed, overlays: overlays.right, ...own.right, after })
}

/** The images whose new strings climb to another folder: a symbolic link on the way would lead them elsewhere. */
export const climbing = ({ overlays, own, renamed }: RenameOutcome): ReadonlyArray<string> => [
  ...Array.from(overlays).flatMap(([name, { header }]) => (header.startsWith('../') ? [name] : [])),
  ...(own?.header.startsWith('../') === true ? [renamed.name] : []),
]
