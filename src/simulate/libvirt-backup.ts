import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { liveLayer } from './cache.js'
import { libvirtRefuses } from './fault.js'
import type { Fault, Outcome } from './fault.js'
import { fileAt, fileOf, unlink } from './files.js'
import { knownNode } from './graph.js'
import { diskOf, sourcesOf, throughMonitor, withDomain } from './libvirt-chain.js'
import type { Disk } from './libvirt-chain.js'
import { makeImage, openImage } from './libvirt-new.js'
import { blockdevBackup } from './qmp-backup.js'
import type { Source, World } from './world.js'

/** Where the backup of one disk goes, and whether that is made here. */
export interface BackupTarget {
  readonly to: Source
  readonly on: 'file' | 'device'
  readonly reuse: boolean
}

/** What libvirt says of a target before it touches any disk. */
export const targetRefusal = (world: World, { to, on, reuse }: BackupTarget): E.Either<Fault, never> | undefined => {
  if (world.domain?.job !== undefined)
    return libvirtRefuses(`internal error: disk '${world.disk}' has a blockjob assigned`)
  const there = fileAt(world, to.path) !== undefined
  if (reuse && !there)
    return libvirtRefuses(
      `internal error: unable to execute QEMU command 'blockdev-add': Could not open '${to.path}': No such file or directory`,
    )
  return !reuse && there && on === 'file'
    ? libvirtRefuses(`invalid argument: store '${to.path}' for backup of '${world.disk}' exists`)
    : undefined
}

/** A target that libvirt makes has the size and the clusters of the disk's active image. */
const begun = (disk: Disk, { to, on, reuse }: BackupTarget): Outcome => {
  const root = knownNode(disk.world, disk.qemu.root)
  const image = {
    to,
    sizeBytes: liveLayer(disk.world, root.file).sizeBytes,
    clusterBytes: fileOf(disk.world, root.file).clusterBytes,
    header: undefined,
  }
  const made = reuse || (on === 'device' && to.format === 'raw') ? disk.world : makeImage(disk.world, image)
  const { world, name } = openImage(made, to, undefined)
  const id = `backup-${disk.world.disk}-${root.name}`
  const args = { 'job-id': id, device: root.name, target: name, sync: 'full', 'auto-dismiss': false } as const
  const copy = { node: name, to, below: 'opened', terminated: true } as const
  const job = {
    id,
    kind: 'backup',
    chain: sourcesOf(disk.chain),
    dropped: [],
    files: 'kept',
    base: undefined,
    copy,
  } as const
  return pipe(
    throughMonitor('transaction', blockdevBackup(world, args)),
    E.map((copying) => withDomain(copying, { job, event: undefined })),
  )
}

/** Begins the backup of a running disk. */
export const beginBackup = (world: World, domain: string, target: BackupTarget): Outcome =>
  pipe(
    diskOf(world, { domain, disk: world.disk }),
    E.flatMap((disk) => begun(disk, target)),
  )

/** Has QEMU told to cancel the backup of a disk, if it still runs; nobody waits until it has. */
export const endingBackup = (world: World): World =>
  world.domain?.job?.kind === 'backup' ? withDomain(world, { job: { ...world.domain.job, ending: 'canceled' } }) : world

/** What libvirt has made for a backup that comes to nothing it removes again. */
export const withoutTarget = (world: World, { to, on, reuse }: BackupTarget): World =>
  reuse || on === 'device' ? world : unlink(world, to.path)
