import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import type { Chain } from '../model/chain.js'
import type { Reader } from '../model/chain-query.js'
import { isEncrypted, knownReaders } from '../model/image.js'
import type { Image } from '../model/image.js'
import type { Hypervisor } from '../plan/hypervisor.js'
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
  for (const image of written) {
    const { name } = image
    const readers: ReadonlyArray<Reader> = [
      ...(outside.get(name) ?? []),
      ...knownReaders(image).map((reader): Reader => ({ _tag: 'Other', reader })),
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

/** Refuses to change what internal snapshots read through the images below them; names every one. */
export const internalSnapshotGuard = (
  request: CommonRequest,
  images: ReadonlyArray<Image>,
  why: string,
): Refusal | undefined => {
  const lost = images
    .filter(({ internalSnapshots }) => internalSnapshots.length > 0)
    .map(({ name, internalSnapshots }) => ({ image: name, snapshots: internalSnapshots.map((one) => one.name) }))
  return !isNonEmpty(lost) || accepted(request, 'InternalSnapshotsLost')
    ? undefined
    : refuse({ _tag: 'InternalSnapshotsLost', lost, why }, [{ _tag: 'Accept', tag: 'InternalSnapshotsLost' }])
}

/** Refuses to leave behind dirty bitmaps, which never travel with the data; names every one. */
export const bitmapGuard = (request: CommonRequest, images: ReadonlyArray<Image>): Refusal | undefined => {
  const lost = images
    .filter(({ bitmaps }) => bitmaps.length > 0)
    .map(({ name, bitmaps }) => ({ image: name, bitmaps: bitmaps.map((one) => one.name) }))
  return !isNonEmpty(lost) || accepted(request, 'BitmapsLost')
    ? undefined
    : refuse({ _tag: 'BitmapsLost', lost }, [{ _tag: 'Accept', tag: 'BitmapsLost' }])
}

/** libvirt carries the bitmaps of a commit or copy into an image that can store them, since 7.6 with QEMU 6.1. */
export const carriesBitmaps = (
  { via, capabilities }: Hypervisor,
  into: { readonly format: string; readonly version?: 2 | 3 | undefined },
): boolean =>
  via === 'libvirt' &&
  capabilities.features.has('libvirt-carries-bitmaps') &&
  capabilities.features.has('qemu-carries-bitmaps') &&
  into.format === 'qcow2' &&
  into.version !== 2

/** Refuses to write what lies encrypted into an image that is not. */
export const plaintextGuard = (
  request: CommonRequest,
  images: ReadonlyArray<Image>,
  to: { readonly name: string } & Parameters<typeof isEncrypted>[0],
): Refusal | undefined => {
  const from = images.filter(isEncrypted).map(({ name }) => name)
  return !isNonEmpty(from) || isEncrypted(to) || accepted(request, 'PlaintextLeak')
    ? undefined
    : refuse({ _tag: 'PlaintextLeak', from, to: to.name }, [{ _tag: 'Accept', tag: 'PlaintextLeak' }])
}
