import * as E from 'fp-ts/lib/Either.js'

import type { Chain } from '../model/chain.js'
import { traitsOf } from '../model/format.js'
import { headerReaches, normalPath } from '../model/header.js'
import { isImageName, newImage, placesOf } from '../model/image.js'
import type { Backing, Image, ImageName, LiveNode } from '../model/image.js'
import { locationString, noFileAt, pathOf } from '../model/location.js'
import type { Machine } from '../model/machine.js'
import type { Assumption } from '../plan/assumption.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { checkedBacking } from './backing-string.js'
import { firstRefusal } from './guard.js'
import type { Guard } from './guard.js'
import { xmlGuard } from './guard-host.js'
import { identifierProblem, nodeNames, takenNodes } from './identifier.js'
import type { NewImage } from './request.js'

/** What a new image is to be: how large, and over which image, if any. */
export interface Place {
  readonly chain: Chain
  readonly hypervisor: Hypervisor
  readonly wanted: NewImage
  readonly sizeBytes: number
  readonly below: Image | undefined
}

type PlaceGuard = Guard<Place>

const wrong = (
  { wanted }: Place,
  why: (Refusal & { readonly _tag: 'DestinationWrong' })['why'],
  detail: string,
): Refusal => refuse({ _tag: 'DestinationWrong', name: wanted.name, why, detail })

const nameGuard: PlaceGuard = ({ chain, wanted, below }) => {
  const taken = Array.from(chain.images.keys())
  const instead = [{ _tag: 'UseAnotherName', taken }] as const
  if (!isImageName(wanted.name) || chain.images.has(wanted.name))
    return refuse({ _tag: 'NameTaken', name: wanted.name, by: 'image' }, instead)
  const where = normalPath(locationString(wanted.location))
  const holder = Array.from(chain.images.values()).find((image) =>
    placesOf(image).some((place) => normalPath(locationString(place)) === where),
  )
  if (holder === undefined) return undefined
  const by = holder.name === below?.name ? 'own backing' : 'location'
  return refuse({ _tag: 'NameTaken', name: where, by }, instead)
}

const notAddressable = ({ wanted, hypervisor }: Place, why: string): Refusal =>
  refuse({ _tag: 'LocationNotAddressable', image: wanted.name, via: hypervisor.via, why })

const locationGuard: PlaceGuard = (place) => {
  const path = pathOf(place.wanted.location)
  if (path === undefined) return notAddressable(place, 'a plan opens new images as files and block devices only')
  const unfit = noFileAt(path)
  if (unfit !== undefined) return notAddressable(place, unfit)
  const relative = 'a relative path means another file in another directory'
  return (
    xmlGuard(place.hypervisor, [place.wanted]) ??
    (path.startsWith('/') ? undefined : wrong(place, 'relative', relative))
  )
}

const foundGuard: PlaceGuard = (place) => {
  const { made, found } = place.wanted
  if (made === 'before')
    return found === 'nothing' ? wrong(place, 'missing', 'there is nothing at its path') : undefined
  return found === 'something' && place.wanted.location._tag === 'File'
    ? wrong(place, 'exists', 'the file that is there would be overwritten')
    : undefined
}

const formatGuard: PlaceGuard = (place) => {
  const { wanted, below } = place
  if (below !== undefined && traitsOf(wanted.format).holds === 'base')
    return refuse({ _tag: 'FormatCannotHoldOverlay', image: wanted.name, format: wanted.format })
  return wanted.format === 'qcow2' || wanted.format === 'raw'
    ? undefined
    : wrong(place, 'format', 'new images are qcow2 or raw')
}

const sizeGuard: PlaceGuard = (place) => {
  const { wanted, sizeBytes } = place
  const found = wanted.sizeBytes
  if (wanted.format === 'raw' && wanted.location._tag === 'BlockDevice' && found === undefined)
    return wrong(
      place,
      'missing',
      "the size of the device: a raw image on one is as large as it is, and so is the guest's disk",
    )
  if (wanted.made === 'before' && found === undefined)
    return wrong(place, 'missing', 'the size of the image that is there')
  if (found !== undefined && found !== sizeBytes)
    return wrong(place, 'size', `it has ${found} bytes and the guest's disk has ${sizeBytes}`)
  return sizeBytes % 512 === 0 ? undefined : wrong(place, 'size', `${sizeBytes} is no multiple of 512`)
}

const clusterGuard: PlaceGuard = (place) => {
  const { clusterBytes, format } = place.wanted
  if (clusterBytes === undefined) return undefined
  const fits = Number.isInteger(Math.log2(clusterBytes)) && clusterBytes >= 512 && clusterBytes <= 2097152
  return format === 'qcow2' && fits
    ? undefined
    : wrong(place, 'format', 'clusters are of qcow2, and of 512 bytes to 2 MiB by powers of two')
}

const headerGuard: PlaceGuard = (place) => {
  const { wanted, below } = place
  if (below === undefined && wanted.header !== undefined)
    return wrong(place, 'contents', 'an image with no backing file has no backing string')
  if (below === undefined) return undefined
  if (wanted.made === 'before' && wanted.header === undefined)
    return wrong(place, 'contents', 'the backing string that the image has already')
  const elsewhere = Array.from(place.chain.images.values()).find(
    ({ name, location }) => name !== below.name && headerReaches(wanted.location, wanted.header ?? '', location),
  )
  if (wanted.header !== undefined && elsewhere !== undefined)
    return wrong(place, 'contents', `its backing string leads to ${elsewhere.name} and not to ${below.name}`)
  const relativeBacking = wanted.header === undefined && !locationString(below.location).startsWith('/')
  if (!relativeBacking || pathOf(below.location) === undefined) return undefined
  const why = 'the backing file has a relative path, which means another file from elsewhere'
  return refuse({ _tag: 'BackingStringUnknown', image: wanted.name, backing: below.name, why }, [
    { _tag: 'GiveHeader', image: wanted.name },
  ])
}

const nodeGuard: PlaceGuard = ({ chain, hypervisor, wanted }) => {
  const named = hypervisor.via === 'qmp' || hypervisor.via === 'storage-daemon'
  if (!named || wanted.nodes === undefined) return undefined
  const { format, storage } = wanted.nodes
  const taken = takenNodes(chain)
  for (const node of [format, storage]) {
    const why = identifierProblem(node, 'node')
    if (why !== undefined) return refuse({ _tag: 'NodeNameInvalid', node, why })
    if (taken.has(node)) return refuse({ _tag: 'NameTaken', name: node, by: 'node' })
  }
  return format === storage ? refuse({ _tag: 'NameTaken', name: format, by: 'node' }) : undefined
}

/** Refuses a node name that another disk of the machine has, or gets: a QEMU has them all. */
export const nodesElsewhereGuard = (
  { disks }: Pick<Machine, 'disks'>,
  wanted: ReadonlyMap<string, NewImage | undefined>,
  disk: string,
): Refusal | undefined => {
  const { format, storage } = wanted.get(disk)?.nodes ?? {}
  for (const [other, chain] of disks) {
    if (other === disk) continue
    const next = other < disk ? wanted.get(other)?.nodes : undefined
    const taken = new Set([...takenNodes(chain), next?.format, next?.storage])
    for (const node of [format, storage])
      if (node !== undefined && taken.has(node)) return refuse({ _tag: 'NameTaken', name: node, by: 'node' })
  }
  return undefined
}

const guards: ReadonlyArray<PlaceGuard> = [
  nameGuard,
  locationGuard,
  foundGuard,
  formatGuard,
  sizeGuard,
  clusterGuard,
  headerGuard,
  nodeGuard,
]

/** What can be wrong with a new image, in this order: its name, location, file, format, size, clusters, backing string, nodes. */
export const newImageGuard: PlaceGuard = (place) => firstRefusal(guards, place)

const backingOfNew = ({ wanted, below }: Place): E.Either<Refusal, Backing | undefined> =>
  below === undefined
    ? E.right(undefined)
    : checkedBacking(wanted.name, {
        image: below.name,
        header: wanted.header ?? locationString(below.location),
        format: below.format,
      })

/** A new image as it stands in the chain afterwards; `node` is what QEMU is to call it. */
export interface Placed {
  readonly image: Image
  readonly node: LiveNode
}

const placedName = (name: string): ImageName => {
  if (!isImageName(name)) throw new Error('unreachable: the name was checked')
  return name
}

/** The new image, checked. */
export const placeImage = (place: Place): E.Either<Refusal, Placed> => {
  const backing = backingOfNew(place)
  if (E.isLeft(backing)) return backing
  const { chain, wanted, sizeBytes } = place
  const nodes = wanted.nodes ?? nodeNames(chain, wanted.name)
  const image = newImage({
    name: placedName(wanted.name),
    format: wanted.format,
    sizeBytes,
    clusterBytes: wanted.clusterBytes,
    version: wanted.format === 'qcow2' && wanted.made !== 'before' ? 3 : undefined,
    location: wanted.location,
    backing: backing.right,
  })
  return E.right({ image, node: { ...nodes, owner: 'monitor', filters: [] } })
}

/** What has to be so at the path of a new image. What is made before under a backing file would show what it held. */
export const newImageAssumptions = ({ wanted, below, sizeBytes }: Place): ReadonlyArray<Assumption> => {
  const path = pathOf(wanted.location) ?? ''
  const device: ReadonlyArray<Assumption> =
    wanted.location._tag === 'BlockDevice' ? [{ _tag: 'DeviceHolds', image: wanted.name, sizeBytes }] : []
  if (wanted.made !== 'before') return wanted.found === 'nothing' ? device : [...device, { _tag: 'NothingAt', path }]
  const empty: ReadonlyArray<Assumption> =
    below === undefined ? [] : [{ _tag: 'HoldsNothing', image: wanted.name, path }]
  return [...device, { _tag: 'MadeBefore', image: wanted.name, path }, ...empty]
}
