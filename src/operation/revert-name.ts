import { normalPath } from '../model/header.js'
import type { Image } from '../model/image.js'
import { locationString } from '../model/location.js'
import type { TakenPaths } from './taken-path.js'

/** A path with its last suffix, where it has one, replaced. */
const withSuffix = (path: string, suffix: string): string => {
  const slash = path.lastIndexOf('/')
  const dot = path.lastIndexOf('.')
  return `${dot > slash + 1 ? path.slice(0, dot) : path}.${suffix}`
}

/** What an image is called, as far as its path says it: the same part of another path. */
export const sameName = ({ name, location }: Image, path: string): string => {
  const own = locationString(location)
  return own !== name && own.endsWith(`/${name}`) && !name.includes('/') ? path.slice(path.lastIndexOf('/') + 1) : path
}

/** A new image beside one that is there. */
export interface FreeName {
  readonly name: string
  readonly path: string
}

/**
 * The first free name of an overlay: the frozen image's path with its last suffix replaced by the name of the snapshot, then by
 * that name with `-1`, `-2` and so on.
 */
export const freeName = (
  frozen: Image,
  suffix: string,
  { paths, images }: { readonly paths: TakenPaths; readonly images: ReadonlyMap<string, unknown> },
): FreeName => {
  for (let attempt = 0; ; attempt++) {
    const path = withSuffix(locationString(frozen.location), attempt === 0 ? suffix : `${suffix}-${attempt}`)
    const name = sameName(frozen, path)
    if (!paths.has(normalPath(path)) && !images.has(name)) return { name, path }
  }
}
