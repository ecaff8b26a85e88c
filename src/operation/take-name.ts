import type { Image } from '../model/image.js'
import { pathOf } from '../model/location.js'
import type { NewImage } from './request.js'

const lastPart = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** A path with its last suffix replaced; one whose last part has none gets one. */
const withSuffix = (path: string, suffix: string): string => {
  const dot = path.lastIndexOf('.')
  return `${dot > path.lastIndexOf('/') ? path.slice(0, dot) : path}.${suffix}`
}

/**
 * The overlay that libvirt would make over an image for a snapshot: a qcow2 file beside it, with the snapshot's name as its
 * last suffix. Nothing for what is no file.
 *
 * The image is called by its path, or, where the active image is called by the last part of its own, by that.
 */
export const derivedOverlay = (active: Image, snapshot: string): NewImage | undefined => {
  if (active.location._tag !== 'File') return undefined
  const path = withSuffix(active.location.path, snapshot)
  const name = lastPart(pathOf(active.location) ?? '') === active.name ? lastPart(path) : path
  return { name, location: { _tag: 'File', path }, format: 'qcow2' }
}
