import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { activePath } from '../model/chain-query.js'
import { headerBytes, normalPath } from '../model/header.js'
import { isEncrypted, placesOf } from '../model/image.js'
import type { Image } from '../model/image.js'
import { locationString, pathOf } from '../model/location.js'
import type { Hypervisor, StorageDaemonHypervisor } from '../plan/hypervisor.js'
import type { Cleanup, Plan, Step } from '../plan/plan.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { quitDaemon } from './dialect/storage-daemon-step.js'
import { firstRefusal } from './guard.js'
import type { Guard } from './guard.js'
import { capabilityGuard, guestStateGuard } from './guard-host.js'
import { nodeNames } from './identifier.js'
import { withoutNodes } from './live.js'

interface Asked {
  readonly chain: Chain
  readonly hypervisor: StorageDaemonHypervisor
}

const via = 'storage-daemon'

/** What `sun_path` of a Unix socket holds, without the byte that ends it. */
const largestSocketBytes = 107

const socketGuard: Guard<Asked> = ({ hypervisor: { socket } }) => {
  const fits = socket.startsWith('/') && !socket.includes('\0') && headerBytes(socket) <= largestSocketBytes
  const why = `its socket has to be an absolute path of at most ${largestSocketBytes} bytes`
  return fits ? undefined : refuse({ _tag: 'NotThisWay', via, why })
}

const imageGuard: Guard<Asked> = ({ chain }) => {
  for (const image of activePath(chain)) {
    const path = pathOf(image.location)
    if (path !== undefined && !path.startsWith('/')) return refuse({ _tag: 'PathNotAbsolute', image: image.name, path })
    const why = 'a plan opens files and block devices only'
    if (path === undefined) return refuse({ _tag: 'LocationNotAddressable', image: image.name, via, why })
    if (isEncrypted(image)) return encrypted(image)
  }
  return undefined
}

const encrypted = ({ name }: Image): Refusal => {
  const why = `${JSON.stringify(String(name))} is encrypted, and the daemon would have to be given its secret`
  return refuse({ _tag: 'NotThisWay', via, why }, [{ _tag: 'Via', via: 'qmp', guest: ['running', 'paused'] }])
}

const guards: ReadonlyArray<Guard<Asked>> = [
  ({ hypervisor }) => guestStateGuard(hypervisor),
  ({ hypervisor }) => capabilityGuard(hypervisor, ['qemu-storage-daemon']),
  socketGuard,
  imageGuard,
]

/** The chain as a daemon has it open: the images of the active path have nodes, of names that the plan gives them. */
const opened = (given: Chain): Chain => {
  const chain = withoutNodes(given)
  const images = new Map(chain.images)
  const taken = new Set<string>()
  for (const image of activePath(chain)) {
    const names = nodeNames(chain, image.name, taken)
    taken.add(names.format).add(names.storage)
    images.set(image.name, { ...image, node: { ...names, owner: 'monitor', filters: [] } })
  }
  return withImages(chain, images)
}

/** Whether an image of these chains is stored there: QEMU unlinks what is in the way of a socket. */
export const hasPlace = (chains: ReadonlyArray<Chain>, socket: string): boolean =>
  chains.some(({ images }) =>
    Array.from(images.values()).some((image) =>
      placesOf(image).some((location) => normalPath(locationString(location)) === normalPath(socket)),
    ),
  )

/** A daemon that is left behind would keep the guest from starting; asked twice, there is nobody to answer. */
export const daemonCleanups = (steps: ReadonlyArray<Step>): ReadonlyArray<Cleanup> =>
  steps.flatMap(({ until }, from) =>
    until?._tag === 'Daemon' && until.status === 'answers'
      ? [{ from, step: { ...quitDaemon(until.socket), failure: 'the daemon has ended already' } }]
      : [],
  )

/**
 * Has an operation planned on the chain as it is while somebody works on it: with the nodes of a storage daemon where the plan
 * starts one, and as it was given else.
 *
 * Refuses, before whatever the operation refuses: `GuestStateWrong`, `CapabilityMissing`, `NotThisWay` (the socket),
 * `PathNotAbsolute`, `LocationNotAddressable`, `NotThisWay` (an encrypted image); after it, `NotThisWay` (the socket would take the
 * place of an image).
 */
export const throughDaemon = (
  chain: Chain,
  hypervisor: Hypervisor,
  plan: (chain: Chain) => E.Either<Refusal, Plan>,
): E.Either<Refusal, Plan> => {
  if (hypervisor.via !== via) return plan(chain)
  const refused = firstRefusal(guards, { chain, hypervisor })
  if (refused !== undefined) return E.left(refused)
  return pipe(
    plan(opened(chain)),
    E.filterOrElse(
      ({ after }) => !hasPlace([chain, after], hypervisor.socket),
      () => refuse({ _tag: 'NotThisWay', via, why: 'its socket would take the place of an image, which is then gone' }),
    ),
    E.map((planned) => ({ ...planned, before: chain, finally: daemonCleanups(planned.steps) })),
  )
}
