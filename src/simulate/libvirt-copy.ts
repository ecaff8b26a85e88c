import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { element } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import type { BlockRebaseCall } from '../call/libvirt.js'
import { traitsOf } from '../model/format.js'
import { liveLayer } from './cache.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Fault, Outcome } from './fault.js'
import { fileAt, fileOf } from './files.js'
import { knownNode } from './graph.js'
import { sourcesOf, throughMonitor, withDomain } from './libvirt-chain.js'
import type { Disk } from './libvirt-chain.js'
import { makeImage, openImage } from './libvirt-new.js'
import { childOf, formatIn, sourcePath } from './libvirt-xml.js'
import { blockdevMirror } from './qmp-mirror.js'
import type { SimNode, Source, World } from './world.js'

/** What a copy is to do, whichever of the two functions asked for it. */
export interface CopyRequest {
  readonly destxml: XmlElement
  readonly shallow: boolean
  readonly reuse: boolean
  readonly transient: boolean
}

interface Target {
  readonly to: Source
  readonly source: SimNode
  readonly sync: 'full' | 'top'
}

const targetOf = ({ world, chain }: Disk, request: CopyRequest): E.Either<Fault, Target> => {
  const path = sourcePath(request.destxml)
  const source = chain[0]
  if (path === undefined || source === undefined)
    return unmodelled('a copy to what is neither a file nor a block device')
  if (!path.startsWith('/')) return libvirtRefuses('invalid argument: absolute path must be used as block copy target')
  const told = formatIn(request.destxml, 'driver')
  const format = told ?? (request.reuse ? fileAt(world, path)?.format : undefined) ?? fileOf(world, source.file).format
  return E.right({
    to: { path, format },
    source,
    sync: request.shallow && source.backing !== undefined ? 'top' : 'full',
  })
}

const refusal = ({ world, domain }: Disk, request: CopyRequest, target: Target): E.Either<Fault, never> | undefined => {
  const { path, format } = target.to
  if (domain.definition === 'persistent' && !request.transient)
    return libvirtRefuses('Requested operation is not valid: domain is not transient')
  if (childOf(request.destxml, 'backingStore') !== undefined)
    return request.shallow
      ? unmodelled('a shallow copy whose XML names its backing chain')
      : libvirtRefuses(
          "Operation not supported: backingStore of mirror without VIR_DOMAIN_BLOCK_COPY_SHALLOW doesn't make sense",
        )
  if (target.sync === 'top' && traitsOf(format).holds === 'base')
    return libvirtRefuses(
      `Operation not supported: shallow copy of disk '${world.disk}' into a raw file is not possible`,
    )
  const there = fileAt(world, path)
  if (request.reuse && there === undefined)
    return libvirtRefuses(`missing destination file for disk ${world.disk}: ${path}: No such file or directory`)
  if (!request.reuse && there !== undefined && request.destxml.attributes['type'] !== 'block')
    return libvirtRefuses(
      `external destination file for disk ${world.disk} already exists and is not a block device: ${path}`,
    )
  return undefined
}

/** A destination that libvirt makes gets the size, the cluster size and, for a shallow copy, the backing file of the source. */
const made = (world: World, { to, source, sync }: Target): World => {
  const below = source.backing === undefined || sync === 'full' ? undefined : knownNode(world, source.backing)
  return makeImage(world, {
    to,
    sizeBytes: liveLayer(world, source.file).sizeBytes,
    clusterBytes: fileOf(world, source.file).clusterBytes,
    header: below === undefined ? undefined : { string: below.openedAs, format: fileOf(world, below.file).format },
  })
}

const begin = (disk: Disk, request: CopyRequest, target: Target): Outcome => {
  const { to, source, sync } = target
  const ready = request.reuse ? disk.world : made(disk.world, target)
  const shares = sync === 'top' && !request.reuse
  const { world, name } = openImage(ready, to, shares ? source.backing : undefined)
  const id = `copy-${disk.world.disk}-${source.name}`
  const started = blockdevMirror(world, {
    'job-id': id,
    device: source.name,
    target: name,
    sync,
    replaces: source.name,
    'auto-dismiss': false,
  })
  const below = sync === 'top' && request.reuse ? 'opened late' : 'opened'
  const job = {
    id,
    kind: 'copy',
    chain: sourcesOf(disk.chain),
    dropped: disk.chain,
    files: 'kept',
    base: undefined,
    copy: { node: name, to, below, terminated: !request.shallow },
  } as const
  return pipe(
    throughMonitor('blockdev-mirror', started),
    E.map((copying) => withDomain(copying, { job, event: undefined })),
  )
}

/** `virDomainBlockCopy`, and `virDomainBlockRebase` with COPY: the destination is made here unless REUSE_EXT says it is there. */
export const domainBlockCopy = (disk: Disk, request: CopyRequest): Outcome =>
  pipe(
    targetOf(disk, request),
    E.flatMap((target) => refusal(disk, request, target) ?? begin(disk, request, target)),
  )

/** What `virDomainBlockRebase` with COPY asks for: `base` is the path of the destination. */
export const copyByRebase = ({ arguments: { base }, flags }: BlockRebaseCall): E.Either<Fault, CopyRequest> => {
  if (base === null) return libvirtRefuses('invalid argument: base in virDomainBlockRebase must not be NULL')
  if (flags.includes('VIR_DOMAIN_BLOCK_REBASE_RELATIVE'))
    return libvirtRefuses('Operation not supported: Relative backing during copy not supported yet')
  const isDevice = flags.includes('VIR_DOMAIN_BLOCK_REBASE_COPY_DEV')
  const driver = flags.includes('VIR_DOMAIN_BLOCK_REBASE_COPY_RAW') ? [element('driver', { type: 'raw' })] : []
  const source = element('source', { [isDevice ? 'dev' : 'file']: base })
  return E.right({
    destxml: element('disk', { type: isDevice ? 'block' : 'file' }, [source, ...driver]),
    shallow: flags.includes('VIR_DOMAIN_BLOCK_REBASE_SHALLOW'),
    reuse: flags.includes('VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT'),
    transient: false,
  })
}
