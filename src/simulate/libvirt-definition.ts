import { keyOf } from './files.js'
import type { Boot, LibvirtJob, Source, World } from './world.js'

const same = (a: Source | undefined, b: Source | undefined): boolean =>
  a !== undefined && b !== undefined && keyOf(a.path) === keyOf(b.path)

const storedChainOf = (boot: Boot): ReadonlyArray<Source> => [
  { path: boot.path, format: boot.format },
  ...boot.backingStore.slice().reverse(),
]

const bootOf = (boot: Boot, chain: ReadonlyArray<Source>): Boot => {
  const [source, ...below] = chain
  return source === undefined ? boot : { ...boot, ...source, backingStore: below.reverse() }
}

/**
 * What becomes of the persistent definition when images drop out of the live chain: they drop out of the stored chain, if the two
 * are equal down to the image that remains below; else the stored backing chain is cleared.
 *
 * Nothing changes where the definition has another source than the running domain.
 */
export const withoutDropped = (boot: Boot, job: LibvirtJob, droppedPaths: ReadonlySet<string>): Boot => {
  const stored = storedChainOf(boot)
  if (boot.keeper !== 'libvirt' || !same(stored[0], job.chain[0])) return boot
  const baseAt = job.chain.findIndex(({ path }) => path === job.base)
  const down = job.base === undefined ? job.chain : job.chain.slice(0, baseAt + 1)
  const equal = down.every((source, index) => same(source, stored[index]))
  const kept = (chain: ReadonlyArray<Source>): ReadonlyArray<Source> =>
    chain.filter(({ path }) => !droppedPaths.has(keyOf(path)))
  if (equal) return { ...bootOf(boot, kept(stored)), terminated: boot.terminated && job.base !== undefined }
  return { ...bootOf(boot, kept(job.chain).slice(0, 1)), backingStore: [], terminated: false }
}

/** What becomes of the live definition when images drop out: they drop out of it. */
export const declaredWithoutDropped = (declared: Boot, job: LibvirtJob, droppedPaths: ReadonlySet<string>): Boot => {
  const left = storedChainOf(declared).filter(({ path }) => !droppedPaths.has(keyOf(path)))
  if (left.length > 0) return bootOf(declared, left)
  return bootOf(declared, job.chain.filter(({ path }) => !droppedPaths.has(keyOf(path))).slice(0, 1))
}

/** What becomes of it when the guest pivots to a copy. */
export const withCopy = (boot: Boot, job: LibvirtJob): Boot =>
  boot.keeper !== 'libvirt' || job.copy === undefined || !same(boot, job.chain[0])
    ? boot
    : { ...boot, ...job.copy.to, backingStore: [], terminated: job.copy.terminated }

/** What becomes of it when an overlay is laid over the disk of a running domain: the old source is stored below it. */
export const withOverlay = (world: World, overlay: Source, old: Source): Boot =>
  world.boot.keeper !== 'libvirt' || !same(world.boot, old)
    ? world.boot
    : { ...world.boot, ...overlay, backingStore: [...world.boot.backingStore, old] }
