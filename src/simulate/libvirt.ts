import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { BlockCopyCall, BlockRebaseCall, LibvirtCall } from '../call/libvirt.js'
import type { XmlElement } from '../model/xml.js'
import { flushAll } from './cache.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Outcome } from './fault.js'
import { domainBlockJobAbort } from './libvirt-abort.js'
import { diskOf, domainOf, freeDisk } from './libvirt-chain.js'
import type { Disk } from './libvirt-chain.js'
import { domainBlockCommit } from './libvirt-commit.js'
import { copyByRebase, domainBlockCopy } from './libvirt-copy.js'
import type { CopyRequest } from './libvirt-copy.js'
import { domainBlockPull, domainBlockRebase } from './libvirt-pull.js'
import { domainSnapshotCreate } from './libvirt-snapshot.js'
import { childOf, formatIn, sourcePath, storedBelow } from './libvirt-xml.js'
import { withProcess } from './world.js'
import type { World } from './world.js'

/** `virDomainSuspend`. Suspending a guest that is paused already sends QEMU nothing, so it flushes nothing. */
export const suspend = (world: World): Outcome => {
  if (world.qemu === undefined) return libvirtRefuses('Requested operation is not valid: domain is not running')
  return E.right(world.qemu.guest === 'paused' ? world : withProcess(flushAll(world), { guest: 'paused' }))
}

/** `virDomainResume`. */
export const resume = (world: World): Outcome => {
  if (world.qemu === undefined) return libvirtRefuses('Requested operation is not valid: domain is not running')
  if (world.qemu.guest === 'running')
    return libvirtRefuses('Requested operation is not valid: domain is already running')
  return E.right(withProcess(world, { guest: 'running' }))
}

/** Replaces the disk in the persistent definition, `<backingStore>` and all. */
export const updateDevice = (world: World, disk: XmlElement): Outcome => {
  if (world.boot.keeper !== 'libvirt')
    return libvirtRefuses('Requested operation is not valid: cannot change persistent config of a transient domain')
  const dev = childOf(disk, 'target')?.attributes['dev']
  if (dev !== world.disk) return libvirtRefuses(`invalid argument: target ${dev ?? ''} doesn't exist.`)
  const path = sourcePath(disk)
  const format = formatIn(disk, 'driver')
  const below = storedBelow(disk)
  if (path === undefined || format === undefined || below === undefined)
    return unmodelled('a disk element without path or format')
  return E.right({ ...world, boot: { keeper: 'libvirt', path, format, ...below } })
}

const rebase = (disk: Disk, call: BlockRebaseCall): Outcome =>
  call.flags.includes('VIR_DOMAIN_BLOCK_REBASE_COPY')
    ? pipe(
        copyByRebase(call),
        E.flatMap((request) => domainBlockCopy(disk, request)),
      )
    : domainBlockRebase(disk, call)

const copyRequest = ({ arguments: { destxml }, flags }: BlockCopyCall): CopyRequest => ({
  destxml,
  shallow: flags.includes('VIR_DOMAIN_BLOCK_COPY_SHALLOW'),
  reuse: flags.includes('VIR_DOMAIN_BLOCK_COPY_REUSE_EXT'),
  transient: flags.includes('VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB'),
})

/** The calls that are about the block job of one disk. */
export type BlockJobCall = Extract<LibvirtCall, { readonly call: `virDomainBlock${string}` }>
type OtherCall = Exclude<LibvirtCall, BlockJobCall>

/** True for a call that is about the block job of one disk. */
export const isBlockJobCall = (call: LibvirtCall): call is BlockJobCall => call.call.startsWith('virDomainBlock')

const performBlockJob = (world: World, call: BlockJobCall): Outcome => {
  if (call.call === 'virDomainBlockJobAbort')
    return pipe(
      diskOf(world, call.arguments),
      E.flatMap((disk) => domainBlockJobAbort(disk, call.flags)),
    )
  return pipe(
    freeDisk(world, call.arguments),
    E.flatMap((disk) => startBlockJob(disk, call)),
  )
}

const startBlockJob = (
  disk: Disk,
  call: Exclude<BlockJobCall, { readonly call: 'virDomainBlockJobAbort' }>,
): Outcome => {
  switch (call.call) {
    case 'virDomainBlockCommit':
      return domainBlockCommit(disk, call)
    case 'virDomainBlockPull':
      return domainBlockPull(disk)
    case 'virDomainBlockRebase':
      return rebase(disk, call)
    case 'virDomainBlockCopy':
      return domainBlockCopy(disk, copyRequest(call))
  }
}

/** What a call does to one disk by itself; most others are on the whole machine. */
const performOther = (world: World, call: OtherCall): Outcome => {
  if (call.call === 'virDomainSnapshotCreateXML') return domainSnapshotCreate(world, call)
  if (call.call === 'virDomainSuspend') return suspend(world)
  if (call.call === 'virDomainResume') return resume(world)
  if (call.call === 'virDomainGetXMLDesc') return E.right(world)
  return call.call === 'virDomainUpdateDeviceFlags'
    ? updateDevice(world, call.arguments.xml)
    : unmodelled('a call on the whole machine')
}

/** Carries out one libvirt function: what libvirt checks and remembers, and the QMP commands that it sends. */
export const performLibvirt = (world: World, call: LibvirtCall): Outcome =>
  world.qemu?.guest === 'none' ? besideDaemon(world, call) : performForDomain(world, call)

const performForDomain = (world: World, call: LibvirtCall): Outcome =>
  pipe(
    domainOf(world, call.arguments.domain),
    E.flatMap(() => (isBlockJobCall(call) ? performBlockJob(world, call) : performOther(world, call))),
  )

/** libvirt knows nothing of a storage daemon: to it the domain is shut off. */
const besideDaemon = (world: World, call: LibvirtCall): Outcome =>
  pipe(
    performForDomain({ ...world, qemu: undefined }, call),
    E.flatMap((done) =>
      done.qemu === undefined ? E.right({ ...done, qemu: world.qemu }) : unmodelled('a guest beside a storage daemon'),
    ),
  )
