import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import type { Chain } from '../model/chain.js'
import type { Reader } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import { refuse } from '../plan/refusal.js'
import type { AcceptableTag, Alternative, Refusal } from '../plan/refusal.js'
import type { CommonRequest } from './request.js'

const accepted = (request: CommonRequest, tag: AcceptableTag): boolean => request.accept?.includes(tag) === true

/** Refuses to write, or to take away, images that someone outside the span reads; names every reader of the lowest. */
export const sharedGuard = (
  chain: Chain,
  written: ReadonlyArray<Image>,
  inside: ReadonlySet<string>,
): Refusal | undefined => {
  const outside = new Map<string, Array<Reader>>()
  for (const { name } of written) outside.set(name, [])
  for (const { name, backing } of chain.images.values())
    if (backing !== undefined && !inside.has(name)) outside.get(backing.image)?.push({ _tag: 'Overlay', image: name })
  for (const { name, otherReaders } of written) {
    const readers: ReadonlyArray<Reader> = [
      ...(outside.get(name) ?? []),
      ...(otherReaders === 'unknown' ? [] : otherReaders.map((reader): Reader => ({ _tag: 'Other', reader }))),
    ]
    if (isNonEmpty(readers))
      return refuse({ _tag: 'ImageShared', image: name, readers }, waysAroundSharing(chain, inside))
  }
  return undefined
}

/** What changes no image that others read: pulls into the readers on the way, or a copy. */
const waysAroundSharing = (chain: Chain, inside: ReadonlySet<string>): ReadonlyArray<Alternative> => {
  const readers = Array.from(chain.images.values()).filter(
    ({ name, backing }) => backing !== undefined && inside.has(backing.image) && !inside.has(name),
  )
  return [
    { _tag: 'PullIntoReaders', readers: readers.map(({ name }) => name) },
    { _tag: 'Copy', depth: 'full' },
  ]
}

/** Refuses to change what internal snapshots read through the images below them. */
export const internalSnapshotGuard = (
  request: CommonRequest,
  images: ReadonlyArray<Image>,
  why: string,
): Refusal | undefined => {
  const found = images.find((image) => image.internalSnapshots.length > 0)
  if (found === undefined || accepted(request, 'InternalSnapshotsLost')) return undefined
  const snapshots = found.internalSnapshots.map(({ name }) => name)
  return refuse({ _tag: 'InternalSnapshotsLost', image: found.name, snapshots, why }, [
    { _tag: 'Accept', tag: 'InternalSnapshotsLost' },
  ])
}

/** Refuses to leave behind dirty bitmaps: they never travel with the data. */
export const bitmapGuard = (request: CommonRequest, images: ReadonlyArray<Image>): Refusal | undefined => {
  const found = images.find((image) => image.bitmaps.length > 0)
  if (found === undefined || accepted(request, 'BitmapsLost')) return undefined
  const bitmaps = found.bitmaps.map(({ name }) => name)
  return refuse({ _tag: 'BitmapsLost', image: found.name, bitmaps }, [{ _tag: 'Accept', tag: 'BitmapsLost' }])
}

/** Refuses to write what lies encrypted into an image that is not. */
export const plaintextGuard = (
  request: CommonRequest,
  from: ReadonlyArray<Image>,
  to: { readonly name: string; readonly encryption?: 'luks' | 'aes' | undefined; readonly format: string },
): Refusal | undefined => {
  const isEncrypted = (image: { readonly encryption?: unknown; readonly format: string }): boolean =>
    image.encryption !== undefined || image.format === 'luks'
  const leaking = from.find(isEncrypted)
  if (leaking === undefined || isEncrypted(to) || accepted(request, 'PlaintextLeak')) return undefined
  return refuse({ _tag: 'PlaintextLeak', from: leaking.name, to: to.name }, [{ _tag: 'Accept', tag: 'PlaintextLeak' }])
}
