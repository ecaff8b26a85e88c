import type { Chain } from './chain.js'
import { imageAt, path } from './chain-query.js'
import { normalPath, placeOf } from './header.js'
import type { Image } from './image.js'
import type { Machine } from './machine.js'
import { sourcesOfDomain } from './record.js'
import type { RecordedSource } from './record.js'
import type { PinnedImage, SavedState } from './saved-state.js'

const pinned = (image: Image): PinnedImage => ({
  path: placeOf(image),
  format: image.format,
  sizeBytes: image.sizeBytes,
})

/** What a disk reads, base first. */
export const pinsOfChain = (chain: Chain): ReadonlyArray<PinnedImage> => (path(chain) ?? []).map(pinned)

/** What the definition names, and what lies below that by the headers. */
const pinsOfSource = (source: RecordedSource, chain: Chain | undefined): ReadonlyArray<PinnedImage> => {
  if (source.path === undefined) return []
  const stored = [{ path: source.path, format: source.format }, ...source.below].reverse()
  const lowest = chain && imageAt(chain, stored[0]?.path ?? '')
  const found = chain === undefined || lowest === undefined ? [] : (path(chain, lowest.name) ?? []).slice(0, -1)
  const below = source.end === 'terminated' ? [] : found.map(pinned)
  return [
    ...below,
    ...stored.map((one) => ({
      path: normalPath(one.path),
      format: one.format,
      sizeBytes: chain && imageAt(chain, one.path)?.sizeBytes,
    })),
  ]
}

/**
 * The images of each disk, base first, that have to stay what they are until a saved state is restored: those that its definition
 * names, and, where it leaves that to the headers, all below them as the machine has them now.
 *
 * Of each its path, its size and what it holds are pinned. libvirt checks the path alone, and that when it is too late.
 *
 * Source: `virsh managedsave-dumpxml` of libvirt 11.3.
 *
 * @example
 * import { machine, parseChain, pinnedBy } from 'backing-chain'
 * import { decodeSavedState } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const xml =
 *   '<domain><devices><disk type="file"><driver type="qcow2"/><source file="/images/v.1"/><target dev="vda"/></disk></devices></domain>'
 * const saved = decodeSavedState(xml, { place: { kind: 'managed' } })
 * const vm = pipe(
 *   parseChain('v <- v.1^'),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'shut-off', disks: [chain] })),
 * )
 * // libvirt reads on from the headers: the base is pinned too.
 * E.isRight(saved) && E.isRight(vm) ? pinnedBy(saved.right, vm.right).get('vda')?.map(({ path }) => path) : [] // => ['/images/v', '/images/v.1']
 *
 * @since 0.2.0
 */
export const pinnedBy = (
  saved: SavedState,
  machine: Pick<Machine, 'disks'>,
): ReadonlyMap<string, ReadonlyArray<PinnedImage>> => {
  const pins = new Map<string, ReadonlyArray<PinnedImage>>()
  for (const [disk, source] of sourcesOfDomain(saved.definition)) {
    const own = saved.images?.get(disk) ?? pinsOfSource(source, machine.disks.get(disk))
    if (own.length > 0) pins.set(disk, own)
  }
  return pins
}
