import type { BlockdevCreate, FormatOptions, StorageOptions } from '../../call/qmp.js'
import type { Chain } from '../../model/chain.js'
import { pathOf } from '../../model/location.js'
import type { Image } from '../../model/image.js'
import type { Step } from '../../plan/plan.js'
import { digest } from '../identifier.js'
import type { Placed } from '../new-image.js'
import { dismiss } from './qmp-step.js'
import { qmp } from './step.js'

type CreateOptions = BlockdevCreate['arguments']['options']

const storageName = ({ node, image }: Placed): string => node.storage ?? `${image.name}-storage`

const addStorage = (placed: Placed): Step => {
  const options: StorageOptions = {
    driver: placed.image.location._tag === 'BlockDevice' ? 'host_device' : 'file',
    'node-name': storageName(placed),
    filename: pathOf(placed.image.location) ?? '',
    'auto-read-only': true,
  }
  return qmp({ execute: 'blockdev-add', arguments: options }, 'opens the file of the new image')
}

const create = (job: string, options: CreateOptions, why: string): ReadonlyArray<Step> => [
  qmp(createCommand(job, options), why, { _tag: 'QmpJob', job, status: 'concluded' }),
  dismiss(job),
]

const createCommand = (job: string, options: CreateOptions) =>
  ({ execute: 'blockdev-create', arguments: { 'job-id': job, options } }) as const

/** Makes and opens the storage of a new image. */
const storageSteps = (chain: Chain, placed: Placed, made: 'now' | 'before'): ReadonlyArray<Step> => {
  const { image } = placed
  if (made === 'before' || image.location._tag !== 'File') return [addStorage(placed)]
  const job = `create-${digest(`${chain.disk}\0${image.name}\0storage`)}`
  const size = image.format === 'raw' ? image.sizeBytes : 0
  const options = { driver: 'file', filename: image.location.path, size } as const
  return [...create(job, options, 'makes the file; what is there already would be overwritten'), addStorage(placed)]
}

const formatSteps = (chain: Chain, placed: Placed): ReadonlyArray<Step> => {
  const { image } = placed
  if (image.format !== 'qcow2') return []
  const options = {
    driver: 'qcow2',
    file: storageName(placed),
    size: image.sizeBytes,
    ...(image.clusterBytes === undefined ? {} : { 'cluster-size': image.clusterBytes }),
    ...(image.backing === undefined
      ? {}
      : { 'backing-file': image.backing.header, 'backing-fmt': image.backing.format }),
  } as const
  const job = `create-${digest(`${chain.disk}\0${image.name}\0format`)}`
  return create(job, options, 'writes the header, with the backing string that the next start needs')
}

/** The backing file that a new node is opened with; raw images are asked about none. */
const backingOption = (image: Image, backing: string | null): { readonly backing?: string | null } =>
  image.format === 'raw' ? {} : { backing }

/** Makes a new image, where that is wanted, and opens it over the given node, or over nothing. */
export const openNew = (
  chain: Chain,
  placed: Placed,
  how: { readonly made: 'now' | 'before'; readonly backing: string | null },
): ReadonlyArray<Step> => {
  const { image, node } = placed
  const options: FormatOptions = {
    driver: image.format,
    'node-name': node.format,
    file: storageName(placed),
    ...backingOption(image, how.backing),
  }
  return [
    ...storageSteps(chain, placed, how.made),
    ...(how.made === 'now' ? formatSteps(chain, placed) : []),
    qmp({ execute: 'blockdev-add', arguments: options }, 'opens the new image'),
  ]
}

/** Opens an image of the chain value that QEMU does not have open, read-only, over the given node, or over nothing. */
export const openExisting = (placed: Placed, backing: string | null): ReadonlyArray<Step> => [
  addStorage(placed),
  qmp(
    {
      execute: 'blockdev-add',
      arguments: {
        driver: placed.image.format,
        'node-name': placed.node.format,
        file: storageName(placed),
        ...(placed.image.backing === undefined ? {} : { backing }),
        'read-only': true,
      },
    },
    'opens an image under the copy',
  ),
]

/** Closes the two nodes of an image again. */
export const closeNew = ({ node, image }: Placed): ReadonlyArray<Step> =>
  [node.format, node.storage ?? `${image.name}-storage`].map((id) =>
    qmp({ execute: 'blockdev-del', arguments: { 'node-name': id } }, 'the copy is complete, and QEMU lets go of it'),
  )
