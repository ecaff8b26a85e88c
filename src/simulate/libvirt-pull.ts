import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { BlockRebaseCall } from '../call/libvirt.js'
import { libvirtRefuses } from './fault.js'
import type { Fault, Outcome } from './fault.js'
import { backingString, placeOf, sourcesOf, throughMonitor, withDomain } from './libvirt-chain.js'
import type { Disk } from './libvirt-chain.js'
import { blockStream } from './qmp-block-stream.js'

/** Starts a pull into the active image, down to the image at a place; everything where there is none. */
const begin = (disk: Disk, place: number | undefined, string: string | undefined): Outcome => {
  const device = disk.chain[0]?.name ?? ''
  const id = `pull-${disk.world.disk}-${device}`
  const base = place === undefined ? undefined : disk.chain[place]
  const started = blockStream(disk.world, {
    'job-id': id,
    device,
    ...(base === undefined ? {} : { 'base-node': base.name }),
    ...(string === undefined ? {} : { 'backing-file': string }),
    'auto-dismiss': false,
  })
  const job = {
    id,
    kind: 'pull',
    chain: sourcesOf(disk.chain),
    dropped: disk.chain.slice(1, place),
    files: 'kept',
    base: base?.openedAs,
    copy: undefined,
  } as const
  return pipe(
    throughMonitor('block-stream', started),
    E.map((world) => withDomain(world, { job, event: undefined })),
  )
}

const basePlace = (disk: Disk, base: string): E.Either<Fault, number> => {
  const found = placeOf(disk, base)
  if (E.isLeft(found) || found.right > 0) return found
  return libvirtRefuses(
    `invalid argument: could not find image '${base}' beneath '${disk.chain[0]?.openedAs ?? ''}' in chain for '${disk.world.disk}'`,
  )
}

/** `virDomainBlockPull`: everything. */
export const domainBlockPull = (disk: Disk): Outcome => begin(disk, undefined, undefined)

/** `virDomainBlockRebase` without COPY: a pull down to `base`; with NULL everything. */
export const domainBlockRebase = (disk: Disk, { arguments: { base }, flags }: BlockRebaseCall): Outcome => {
  const relative = flags.includes('VIR_DOMAIN_BLOCK_REBASE_RELATIVE')
  if (flags.some((flag) => flag !== 'VIR_DOMAIN_BLOCK_REBASE_RELATIVE'))
    return libvirtRefuses('Requested operation is not valid: use of flags requires a copy job')
  if (base === null)
    return relative
      ? libvirtRefuses('invalid argument: flag VIR_DOMAIN_BLOCK_REBASE_RELATIVE is valid only with non-null base')
      : domainBlockPull(disk)
  const place = basePlace(disk, base)
  if (E.isLeft(place)) return place
  const string = backingString(disk, { overlay: 0, base: place.right }, relative)
  return E.isLeft(string) ? string : begin(disk, place.right, string.right)
}
