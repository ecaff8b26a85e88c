import * as E from 'fp-ts/lib/Either.js'

import type { Call } from '../call/call.js'
import { parseQemuImg } from '../call/qemu-img-argv.js'
import { parseStorageDaemon } from '../call/storage-daemon-argv.js'
import type { DaemonArguments } from '../call/storage-daemon-argv.js'
import type { GuestState } from '../model/guest.js'
import type { Image } from '../model/image.js'
import type { Access, Opener, Opening } from '../model/opening.js'
import { at, indexOf } from './opens-index.js'
import type { Chains, Index, Open } from './opens-index.js'
import { libvirtOpens, qmpOpens, starts } from './opens-live.js'
import { qemuImgOpens } from './opens-qemu-img.js'

/** What libvirt does to images of a domain that is shut off, it does with programs of its own. */
const openerOf = (call: Call, guest: GuestState): Opener => {
  if (call._tag === 'StorageDaemon' || (call._tag === 'Qmp' && call.socket !== undefined))
    return { _tag: 'Tool', name: 'qemu-storage-daemon' }
  if (call._tag === 'Qmp' || call._tag === 'Agent') return { _tag: 'ThisGuest' }
  if (call._tag === 'Libvirt')
    return guest === 'shut-off' && !starts(call.function) ? { _tag: 'Tool', name: 'libvirt' } : { _tag: 'ThisGuest' }
  return { _tag: 'Tool', name: call._tag === 'QemuImg' ? 'qemu-img' : 'the executor' }
}

/** A storage node is opened as the format node on it is. */
const daemonOpens =
  (index: Index, { blockdevs }: DaemonArguments) =>
  (options: DaemonArguments['blockdevs'][number]): ReadonlyArray<Open> => {
    if (!('filename' in options)) return []
    const above = blockdevs.find((one) => 'file' in one && one.file === options['node-name'])
    return [[at(index, options.filename), above?.['read-only'] === true ? 'read' : 'write']]
  }

/**

/**
 * A file that goes, or changes its name, is nobody's to read any more. Programs of the host know no locks, and keep nobody out: what they
 * may do follows from the state of the guest, which the operations that call them look at.
 */
const openedBy = (index: Index, call: Call): ReadonlyArray<Open> => {
  switch (call._tag) {
    case 'QemuImg': {
      const parsed = parseQemuImg(call.argv)
      return E.isRight(parsed) ? qemuImgOpens(index, parsed.right) : []
    }
    case 'Qmp':
      return qmpOpens(index, call.command)
    case 'Libvirt':
      return libvirtOpens(index, call.function)
    case 'StorageDaemon': {
      const parsed = parseStorageDaemon(call.argv)
      return E.isRight(parsed) ? parsed.right.blockdevs.flatMap(daemonOpens(index, parsed.right)) : []
    }
    case 'Files':
      return [[at(index, call.path), 'write']]
    case 'Agent':
    case 'Host':
    case 'HandOver':
      return []
  }
}

/** The image that a storage node stands for from now on, by the name of the node. */
const nodeAdded = (index: Index, call: Call): ReadonlyArray<readonly [string, Image]> => {
  const options = call._tag === 'Qmp' && call.command.execute === 'blockdev-add' ? call.command.arguments : undefined
  return options === undefined || !('filename' in options)
    ? []
    : at(index, options.filename).map((image) => [options['node-name'], image])
}

const strength: { readonly [A in Access]: number } = { header: 0, read: 1, write: 2 }

/**
 * What calls open, besides what the guest has open by itself: the images that they find by path or node in the chains before and
 * after, each once, as it is opened at the most. The chains are searched once, when the first argument is given; calls are to be
 * asked about in their order, since one can name a node that another has added.
 */
export const opensIn = (chains: Chains): ((call: Call, guest: GuestState) => ReadonlyArray<Opening>) => {
  const index = indexOf(chains)
  const nodes = new Map(index.nodes)
  return (call, guest) => {
    for (const [node, image] of nodeAdded(index, call)) nodes.set(node, image)
    const by = openerOf(call, guest)
    const most = new Map<string, Access>()
    for (const [images, access] of openedBy({ ...index, nodes }, call))
      for (const { name } of images)
        if (strength[access] >= strength[most.get(name) ?? 'header']) most.set(name, access)
    return Array.from(most, ([image, access]) => ({ image, by, access }))
  }
}
