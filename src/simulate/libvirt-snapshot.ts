import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { SnapshotCreateCall } from '../call/libvirt.js'
import { traitsOf } from '../model/format.js'
import { liveLayer } from './cache.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Fault, Outcome } from './fault.js'
import { fileAt, fileOf } from './files.js'
import { knownNode } from './graph.js'
import { diskOf, throughMonitor } from './libvirt-chain.js'
import type { Disk } from './libvirt-chain.js'
import { withOverlay } from './libvirt-definition.js'
import { makeImage, openImage } from './libvirt-new.js'
import { childOf, childrenOf, formatIn, sourcePath } from './libvirt-xml.js'
import { blockdevSnapshot } from './qmp-snapshot.js'
import { withProcess } from './world.js'
import type { Source, World } from './world.js'

/** The overlay that the XML asks for on the disk; only external snapshots of the disk alone are modelled. */
const overlayOf = (world: World, { arguments: { xml }, flags }: SnapshotCreateCall): E.Either<Fault, Source> => {
  const disk = childrenOf(childOf(xml, 'disks'), 'disk').find(({ attributes }) => attributes['name'] === world.disk)
  const path = sourcePath(disk)
  if (!flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY')) return unmodelled('a snapshot with memory')
  if (disk?.attributes['snapshot'] !== 'external' || path === undefined)
    return unmodelled('a snapshot whose XML does not give the disk an external file')
  const format = formatIn(disk, 'driver') ?? 'qcow2'
  return traitsOf(format).holds === 'overlay'
    ? E.right({ path, format })
    : libvirtRefuses(
        `unsupported configuration: external snapshot format for disk ${world.disk} is unsupported: ${format}`,
      )
}

/** What libvirt says against the file of an overlay. */
export const overlayRefusal = (
  world: World,
  overlay: Source,
  reuse: boolean,
): E.Either<Fault<never>, never> | undefined => {
  const there = fileAt(world, overlay.path) !== undefined
  if (reuse && !there)
    return libvirtRefuses(`missing existing file for disk ${world.disk}: ${overlay.path}: No such file or directory`)
  if (!reuse && there)
    return libvirtRefuses(
      `unsupported configuration: external snapshot file for disk ${world.disk} already exists and is not a block device: ${overlay.path}`,
    )
  return undefined
}

/** Lays an overlay over a running disk: made like the old image, opened without a backing file, and laid on top. */
export const overlayLive = (disk: Disk, overlay: Source, reuse: boolean): Outcome => {
  if (disk.domain.job !== undefined)
    return libvirtRefuses(`block copy still active: disk '${disk.world.disk}' already in active block job`)
  const root = knownNode(disk.world, disk.qemu.root)
  const file = fileOf(disk.world, root.file)
  const old: Source = { path: root.openedAs, format: file.format }
  const image = {
    to: overlay,
    sizeBytes: liveLayer(disk.world, root.file).sizeBytes,
    clusterBytes: file.clusterBytes,
    header: { string: old.path, format: old.format },
  }
  const { world, name } = openImage(reuse ? disk.world : makeImage(disk.world, image), overlay, undefined)
  return pipe(
    throughMonitor('transaction', blockdevSnapshot(world, { node: root.name, overlay: name })),
    E.map((laid) => declaring({ ...laid, boot: withOverlay(laid, overlay, old) }, overlay, old)),
  )
}

const declaring = (world: World, overlay: Source, old: Source): World => {
  const declared = world.qemu?.declared
  if (declared === undefined) return world
  return withProcess(world, {
    declared: { ...declared, ...overlay, backingStore: [...declared.backingStore, old] },
  })
}

/**
 * Lays one over a disk that is shut off: `qemu-img create`, and the definition gets the new source. It stores the old one below
 * only where it stored something below that one.
 */
export const overlayOffline = (world: World, overlay: Source, reuse: boolean): Outcome => {
  const { path, format, backingStore, terminated } = world.boot
  if (terminated) return unmodelled('a snapshot of a shut-off domain whose definition ends its backing chain')
  const old = fileAt(world, world.boot.path)
  if (old === undefined) return libvirtRefuses(`Cannot access storage file '${world.boot.path}'`)
  const header = { string: world.boot.path, format: world.boot.format }
  const image = { to: overlay, sizeBytes: old.layer.sizeBytes, clusterBytes: 65536, header }
  const ready = reuse ? world : makeImage(world, image)
  const below = backingStore.length === 0 ? [] : [...backingStore, { path, format }]
  return E.right({ ...ready, boot: { ...world.boot, ...overlay, backingStore: below } })
}

/** `virDomainSnapshotCreateXML` of the disk alone into an external file. Metadata of snapshots is not modelled. */
export const domainSnapshotCreate = (world: World, call: SnapshotCreateCall): Outcome => {
  const overlay = overlayOf(world, call)
  if (E.isLeft(overlay)) return overlay
  const reuse = call.flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT')
  const refused = overlayRefusal(world, overlay.right, reuse)
  if (refused !== undefined) return refused
  if (world.qemu === undefined) return overlayOffline(world, overlay.right, reuse)
  return pipe(
    diskOf(world, { domain: call.arguments.domain, disk: world.disk }),
    E.flatMap((disk) => overlayLive(disk, overlay.right, reuse)),
  )
}
