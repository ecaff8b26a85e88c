import { traitsOf } from '../model/format.js'
import { combineHeader, normalPath } from '../model/header.js'
import { isImageName, knownReaders, placesOf } from '../model/image.js'
import { locationString, noFileAt, pathOf } from '../model/location.js'
import { pathsOfDisk } from '../model/record.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import type { Guard } from './guard.js'
import { addressGuard, guestStateGuard, jobGuard, xmlGuard } from './guard-host.js'
import { definitionGuard, secretGuard } from './guard-live.js'
import { pointGuard } from './points.js'
import { isOnPath, misledBacking, rewritten, staysInFolder } from './rename-job.js'
import type { RenameJob } from './rename-job.js'

type RenameGuard = Guard<RenameJob>

/** A running QEMU has files open, not names; libvirt and monitors have no call that gives a file another one. */
const wayGuard: RenameGuard = ({ hypervisor: { via } }) =>
  via === 'qemu-img'
    ? undefined
    : refuse({ _tag: 'NotThisWay', via, why: 'it has no call that gives a file another name' }, [
        { _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] },
      ])

/** Whoever else opens the image by its path would lose it, and whoever has an overlay open shuts qemu-img out. */
const readerGuard: RenameGuard = (job) => {
  for (const image of [job.image, ...job.overlays]) {
    const [first, ...rest] = knownReaders(image).map((reader) => ({ _tag: 'Other', reader }) as const)
    if (first !== undefined) return refuse({ _tag: 'ImageShared', image: image.name, readers: [first, ...rest] })
  }
  return undefined
}

const formatGuard: RenameGuard = (job) => {
  const fixed = rewritten(job).find(({ format }) => traitsOf(format).holds !== 'overlay')
  return fixed === undefined
    ? undefined
    : refuse({ _tag: 'FormatCannotChangeBacking', image: fixed.name, format: fixed.format })
}

const fileGuard: RenameGuard = ({ image, hypervisor: { via } }) =>
  image.location._tag === 'File'
    ? undefined
    : refuse({ _tag: 'LocationNotAddressable', image: image.name, via, why: 'only a file can get another path' })

const wrong = (
  { request: { to } }: RenameJob,
  why: (Refusal & { readonly _tag: 'DestinationWrong' })['why'],
  detail: string,
): Refusal => refuse({ _tag: 'DestinationWrong', name: to, why, detail })

const pathGuard: RenameGuard = (job) => {
  const { to, found } = job.request
  if (!to.startsWith('/')) return wrong(job, 'relative', 'a relative path means another file in another directory')
  const unfit = noFileAt(to)
  if (unfit !== undefined)
    return refuse({ _tag: 'LocationNotAddressable', image: job.image.name, via: job.hypervisor.via, why: unfit })
  return found === 'something' ? wrong(job, 'exists', 'link(2) would not replace the file that is there') : undefined
}

const nameGuard: RenameGuard = ({ chain, image, name }) =>
  name === image.name || (isImageName(name) && !chain.images.has(name))
    ? undefined
    : refuse({ _tag: 'NameTaken', name, by: 'image' }, [
        { _tag: 'UseAnotherName', taken: Array.from(chain.images.keys()) },
      ])

/** Who has a path already: an image, or a string that leads there though the chain value knows the file by another path. */
const takenGuard: RenameGuard = ({ chain, request, hypervisor }) => {
  const where = normalPath(request.to)
  const images = Array.from(chain.images.values())
  const places = images.flatMap((image) => placesOf(image).map((place) => normalPath(locationString(place))))
  const leads = images.flatMap(({ location, backing }) =>
    backing === undefined ? [] : [normalPath(combineHeader(pathOf(location) ?? '', backing.header))],
  )
  const stored =
    hypervisor.via === 'qemu-img' && hypervisor.definition !== undefined
      ? pathsOfDisk(hypervisor.definition.disk).map(normalPath)
      : []
  const holders = [
    ['location', places],
    ['header', leads],
    ['definition', stored],
  ] as const
  const by = holders.find(([, paths]) => paths.includes(where))?.[0]
  return by === undefined
    ? undefined
    : refuse({ _tag: 'NameTaken', name: where, by }, [{ _tag: 'UseAnotherName', taken: places }])
}

/** A qcow2 header names its data file too, and nobody rewrites that. */
const dataFileGuard: RenameGuard = (job) =>
  job.image.dataFile === undefined || staysInFolder(job)
    ? undefined
    : refuse({
        _tag: 'NotThisWay',
        via: job.hypervisor.via,
        why: 'its data file is named in its header, which may mean another file from another folder',
      })

const addressedGuard: RenameGuard = (job) => {
  const below = misledBacking(job)
  return addressGuard('qemu-img', [job.image, ...job.overlays, ...(below === undefined ? [] : [below])])
}

/** The guards of a rename, in the order in which they are asked. */
export const renameGuards: ReadonlyArray<RenameGuard> = [
  wayGuard,
  (job) => guestStateGuard(job.hypervisor, { chain: job.chain, written: [job.image, ...job.overlays] }),
  (job) => jobGuard(job.hypervisor, { images: [job.image, ...job.overlays], root: 'free' }),
  readerGuard,
  fileGuard,
  formatGuard,
  pathGuard,
  nameGuard,
  takenGuard,
  dataFileGuard,
  (job) =>
    isOnPath(job)
      ? definitionGuard(job.hypervisor, job.chain, job.image.name === job.chain.active ? 'changes' : 'stays')
      : undefined,
  (job) => secretGuard('qemu-img', rewritten(job)),
  addressedGuard,
  (job) => xmlGuard(job.hypervisor, [{ name: job.image.name, location: { _tag: 'File', path: job.request.to } }]),
  (job) => pointGuard(job.chain, job.request.points ?? []),
]
