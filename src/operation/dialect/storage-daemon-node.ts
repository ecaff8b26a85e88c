import type { BlockdevReopen, FormatOptions, StorageOptions } from '../../call/qmp.js'
import type { Chain } from '../../model/chain.js'
import { activePath, backingOf } from '../../model/chain-query.js'
import { traitsOf } from '../../model/format.js'
import type { Image } from '../../model/image.js'
import { pathOf } from '../../model/location.js'

const nodesOf = ({ name, node }: Image): { readonly format: string; readonly storage: string } => {
  if (node?.storage === undefined) throw new Error(`unreachable: no nodes for ${JSON.stringify(String(name))}`)
  return { format: node.format, storage: node.storage }
}

const storage = (image: Image): StorageOptions => ({
  driver: image.location._tag === 'BlockDevice' ? 'host_device' : 'file',
  'node-name': nodesOf(image).storage,
  filename: pathOf(image.location) ?? '',
  'auto-read-only': true,
})

/** How the format node of an image is open: over the node of the image below, whatever the header says. */
const format = (chain: Chain, image: Image, access: 'read-only' | 'read-write'): FormatOptions => {
  const below = backingOf(chain, image)
  const backing = traitsOf(image.format).holds === 'base' ? {} : { backing: below?.node?.format ?? null }
  const { format: name, storage: file } = nodesOf(image)
  return { driver: image.format, 'node-name': name, file, ...backing, 'read-only': access === 'read-only' }
}

/** The nodes of every image that the guest reads, base first: as a guest has them, the active image alone open for writing. */
export const openedNodes = (chain: Chain): ReadonlyArray<StorageOptions | FormatOptions> =>
  activePath(chain).flatMap((image) => [
    storage(image),
    format(chain, image, image.name === chain.active ? 'read-write' : 'read-only'),
  ])

/** Reopens an image as the job has it, for writing: that changes nothing, and flushes it. */
export const reopened = (chain: Chain, image: Image): BlockdevReopen => ({
  execute: 'blockdev-reopen',
  arguments: { options: [format(chain, image, 'read-write')] },
})
