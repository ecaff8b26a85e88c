import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { isFormat } from '../model/format.js'
import { composeHeaders } from '../model/header.js'
import { isAbsolute } from '../model/location.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Fault, Outcome } from './fault.js'
import { fileOf, keyOf } from './files.js'
import { downFrom } from './graph.js'
import type { Process, SimDomain, SimNode, Source, World } from './world.js'

/** A domain that runs, its disk, and the live chain of it, uppermost first. */
export interface Disk {
  readonly world: World
  readonly domain: SimDomain
  readonly qemu: Process
  readonly chain: ReadonlyArray<SimNode>
}

/** The domain of that name. */
export const domainOf = (world: World, name: string): E.Either<Fault, SimDomain> =>
  world.domain?.name === name
    ? E.right(world.domain)
    : libvirtRefuses(`Domain not found: no domain with matching name '${name}'`)

/** The disk of a running domain, by its target or the path of its source. */
export const diskOf = (world: World, on: { readonly domain: string; readonly disk: string }): E.Either<Fault, Disk> => {
  const domain = domainOf(world, on.domain)
  if (E.isLeft(domain)) return domain
  if (world.qemu === undefined) return libvirtRefuses('Requested operation is not valid: domain is not running')
  const chain = downFrom(world, world.qemu.root)
  if (on.disk !== world.disk && on.disk !== chain[0]?.openedAs)
    return libvirtRefuses(`invalid argument: disk '${on.disk}' not found in domain '${on.domain}'`)
  return E.right({ world, domain: domain.right, qemu: world.qemu, chain })
}

/** What speaks against another block job on the disk. */
const jobRefusal = ({ world, domain }: Disk): E.Either<Fault, never> | undefined => {
  if (domain.job === undefined) return undefined
  const mirrors = domain.job.kind === 'copy' || domain.job.kind === 'active-commit'
  const front = mirrors ? 'block copy still active' : 'Operation not supported'
  return libvirtRefuses(`${front}: disk '${world.disk}' already in active block job`)
}

/** The disk of a call, free of other jobs. */
export const freeDisk = (world: World, on: { readonly domain: string; readonly disk: string }): E.Either<Fault, Disk> =>
  pipe(
    diskOf(world, on),
    E.flatMap((disk) => jobRefusal(disk) ?? E.right(disk)),
  )

/** The place of a path in the chain; indexes like `vda[3]` are not modelled, for no plan may store one. */
export const placeOf = ({ world, chain }: Disk, path: string): E.Either<Fault, number> => {
  if (path.startsWith(`${world.disk}[`)) return unmodelled(`the index ${path}: it is valid only until the next start`)
  return E.right(chain.findIndex(({ openedAs }) => keyOf(openedAs) === keyOf(path)))
}

/** The live chain as libvirt stores it, uppermost first. */
export const sourcesOf = (chain: ReadonlyArray<SimNode>): ReadonlyArray<Source> =>
  chain.flatMap(({ openedAs: path, driver: format }) => (isFormat(format) ? [{ path, format }] : []))

const noRelative = "Requested operation is not valid: can't keep relative backing relationship"

/**
 * The backing string that libvirt has QEMU write into the overlay at one place of the chain for the image at a lower place:
 * the path, or with RELATIVE what the links in between make of it, if every one of them is relative.
 */
export const backingString = (
  { world, chain }: Disk,
  places: { readonly overlay: number; readonly base: number },
  relative: boolean,
): E.Either<Fault, string> => {
  const base = chain[places.base]
  if (!relative) return E.right(base?.openedAs ?? '')
  const headers = chain
    .slice(places.overlay, places.base)
    .map((node) => fileOf(world, node.file).header?.string)
    .filter((header) => header !== undefined)
  const all = headers.length === places.base - places.overlay && headers.every((header) => !isAbsolute(header))
  return all ? E.right(composeHeaders(headers)) : libvirtRefuses(noRelative)
}

/** What libvirt says when QEMU refuses one of its commands. */
export const throughMonitor = (command: string, outcome: Outcome): Outcome =>
  E.isLeft(outcome) && outcome.left._tag === 'Refused' && outcome.left.by === 'QEMU'
    ? libvirtRefuses(`internal error: unable to execute QEMU command '${command}': ${outcome.left.desc}`)
    : outcome

/** The world with libvirt's record of the domain changed. */
export const withDomain = (world: World, change: Partial<SimDomain>): World =>
  world.domain === undefined ? world : { ...world, domain: { ...world.domain, ...change } }
