import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { BlockCommitCall } from '../call/libvirt.js'
import { libvirtRefuses } from './fault.js'
import type { Fault, Outcome } from './fault.js'
import { backingString, placeOf, sourcesOf, throughMonitor, withDomain } from './libvirt-chain.js'
import type { Disk } from './libvirt-chain.js'
import { blockCommit } from './qmp-block-commit.js'

/** Where a commit's images are in the chain, counted from the active one. */
interface Places {
  readonly top: number
  readonly base: number
}

const topOf = (disk: Disk, { arguments: { top, disk: name }, flags }: BlockCommitCall): E.Either<Fault, number> => {
  const found = top === null ? E.right(0) : placeOf(disk, top)
  if (E.isLeft(found)) return found
  if (found.right < 0)
    return libvirtRefuses(`invalid argument: could not find image '${String(top)}' in chain for '${name}'`)
  const active = flags.includes('VIR_DOMAIN_BLOCK_COMMIT_ACTIVE')
  if (found.right === 0 && !active)
    return libvirtRefuses(`invalid argument: commit of '${name}' active layer requires active flag`)
  if (found.right > 0 && active)
    return libvirtRefuses(`invalid argument: active commit requested but '${String(top)}' is not active`)
  const path = disk.chain[found.right]?.openedAs ?? ''
  const root = disk.chain[0]?.openedAs ?? ''
  return found.right === disk.chain.length - 1
    ? libvirtRefuses(`invalid argument: top '${path}' in chain for '${root}' has no backing file`)
    : found
}

const baseOf = (disk: Disk, call: BlockCommitCall, top: number): E.Either<Fault, number> => {
  const { base, disk: name } = call.arguments
  const shallow = call.flags.includes('VIR_DOMAIN_BLOCK_COMMIT_SHALLOW')
  if (base === null) return E.right(shallow ? top + 1 : disk.chain.length - 1)
  const found = placeOf(disk, base)
  if (E.isLeft(found)) return found
  const above = disk.chain[top]?.openedAs ?? ''
  if (found.right <= top)
    return libvirtRefuses(`invalid argument: could not find image '${base}' beneath '${above}' in chain for '${name}'`)
  return shallow && found.right !== top + 1
    ? libvirtRefuses(`invalid argument: base '${base}' is not immediately below '${above}' in chain for '${name}'`)
    : found
}

const placesOf = (disk: Disk, call: BlockCommitCall): E.Either<Fault, Places> =>
  pipe(
    topOf(disk, call),
    E.flatMap((top) =>
      pipe(
        baseOf(disk, call, top),
        E.map((base) => ({ top, base })),
      ),
    ),
  )

interface Begin {
  readonly call: BlockCommitCall
  readonly finalizing: Finalizing
}

/** Who says when the job ends: it itself, or libvirt with `job-finalize`, once every disk has come so far. */
export type Finalizing = 'by itself' | 'by libvirt'

const begin = (disk: Disk, { call, finalizing }: Begin, { top, base }: Places): Outcome => {
  const relative = call.flags.includes('VIR_DOMAIN_BLOCK_COMMIT_RELATIVE')
  const string = top === 0 ? E.right(undefined) : backingString(disk, { overlay: top - 1, base }, relative)
  if (E.isLeft(string)) return string
  const name = (place: number): string => disk.chain[place]?.name ?? ''
  const id = `commit-${disk.world.disk}-${name(top)}`
  const started = blockCommit(disk.world, {
    'job-id': id,
    device: name(0),
    'top-node': name(top),
    'base-node': name(base),
    ...(string.right === undefined ? {} : { 'backing-file': string.right }),
    'auto-dismiss': false,
    ...(finalizing === 'by itself' ? {} : { 'auto-finalize': false }),
  })
  const job = {
    id,
    kind: top === 0 ? 'active-commit' : 'commit',
    chain: sourcesOf(disk.chain),
    dropped: disk.chain.slice(top, base),
    files: call.flags.includes('VIR_DOMAIN_BLOCK_COMMIT_DELETE') ? 'deleted' : 'kept',
    base: disk.chain[base]?.openedAs,
    copy: undefined,
  } as const
  return pipe(
    throughMonitor('block-commit', started),
    E.map((world) => withDomain(world, { job, event: undefined })),
  )
}

/** `virDomainBlockCommit`: NULL for `top` is the active image, NULL for `base` the lowest one, or with SHALLOW top's own. */
export const domainBlockCommit = (disk: Disk, call: BlockCommitCall, finalizing: Finalizing = 'by itself'): Outcome =>
  pipe(
    placesOf(disk, call),
    E.flatMap((places) => begin(disk, { call, finalizing }, places)),
  )
