import * as E from 'fp-ts/lib/Either.js'

import { emptyLayer } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import type { Chain } from '../model/chain.js'
import { activeImage, backingOf } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import { locationString } from '../model/location.js'
import { storable } from './cells.js'
import { inodeOf, writeFile } from './files.js'
import { addNode, withNode } from './graph.js'
import { newNode } from './node.js'
import { emptyTable } from './table.js'
import { withProcess } from './world.js'
import type { Boot, Process, World } from './world.js'

/**
 * What a world is besides its chain.
 *
 * - `guest`: whether QEMU runs, and its guest in it.
 * - `domain`: the libvirt domain, where libvirt is in charge.
 * - `backingStore`, `terminated`: what its persistent definition stores below the source; nothing, where left out.
 * - `inside`: what internal snapshots store; the same as their image, where left out.
 * - `numbersFrom`: the number after which nodes that are made up are counted; 0, where left out.
 *
 * @since 0.1.0
 */
export interface WorldOptions {
  readonly guest: 'running' | 'paused' | 'shut-off'
  readonly domain?: { readonly name: string; readonly definition: 'persistent' | 'transient' }
  readonly backingStore?: Boot['backingStore']
  readonly terminated?: boolean
  readonly inside?: Inside
  readonly numbersFrom?: number
}

/** What internal snapshots store, by image and by name. */
export type Inside = ReadonlyMap<string, ReadonlyMap<string, Layer>>

/**
 * Why there is no such world.
 *
 * @since 0.1.0
 */
export interface WorldError {
  readonly _tag: 'ContentsWrongSize'
  readonly image: string
  readonly sizeBytes: number
  readonly layerBytes: number
}

/**
 * The world with the file of an image besides what it has: one that was made before a plan begins, say.
 *
 * `layer` is what the image itself stores; nothing, where left out. Whatever was at its location is overwritten.
 *
 * @since 0.1.0
 */
export const withImage = (world: World, image: Image, layer: Layer = emptyLayer(image.sizeBytes)): World =>
  writeImage(world, image, { layer, inside: undefined })

const writeImage = (
  world: World,
  image: Image,
  { layer, inside }: { readonly layer: Layer; readonly inside: ReadonlyMap<string, Layer> | undefined },
): World =>
  writeFile(world, locationString(image.location), {
    format: image.format,
    layer: storable(image.format, layer),
    header: image.backing === undefined ? undefined : { string: image.backing.header, format: image.backing.format },
    clusterBytes: image.clusterBytes,
    version: image.version,
    internalSnapshots: image.internalSnapshots.map((one) => ({ ...one, layer: inside?.get(one.name) ?? layer })),
    bitmaps: image.bitmaps,
    access: 'read-write',
  })

/** The names of an image's nodes: the caller's, or made up as libvirt does it, or as QEMU does. */
const namesFor = (world: World, image: Image): { readonly name: string; readonly storage: string | undefined } => {
  if (image.node !== undefined) return { name: image.node.format, storage: image.node.storage }
  const number = (world.qemu?.counter ?? 0) + 1
  return world.domain === undefined
    ? { name: `#block${number}`, storage: undefined }
    : { name: `libvirt-${number}-format`, storage: `libvirt-${number}-storage` }
}

/** Adds what QEMU has of one image: its storage node, where there is one, and its format node, closed for writing. */
const withNodes = (world: World, image: Image, backing: string | undefined): { world: World; name: string } => {
  const { name, storage } = namesFor(world, image)
  const path = locationString(image.location)
  const owner = image.node?.owner ?? (world.domain === undefined ? 'implicit' : 'monitor')
  const named = image.node === undefined ? 'made up' : 'by caller'
  const common = { file: inodeOf(world, path) ?? '', openedAs: path, owner, named } as const
  const driver = image.location._tag === 'BlockDevice' ? 'host_device' : 'file'
  const counted = withProcess(world, { counter: (world.qemu?.counter ?? 0) + 1 })
  const below =
    storage === undefined ? counted : addNode(counted, newNode({ ...common, name: storage, kind: 'storage', driver }))
  const filters = image.node?.filters ?? []
  const node = newNode({
    ...common,
    name,
    kind: 'format',
    driver: image.format,
    storage,
    backing,
    filters,
    access: 'read-only',
  })
  return { world: addNode(below, node), name }
}

/** What is open so far: the world, and the name of each image's format node. */
interface Opening {
  readonly chain: Chain
  readonly names: ReadonlyMap<string, string>
  readonly world: World
}

/** The images that have to be opened for one, base first: those below it that are not open yet, and itself. */
const missingFor = ({ chain, names }: Opening, image: Image): ReadonlyArray<Image> => {
  const missing: Array<Image> = []
  for (let at: Image | undefined = image; at !== undefined && !names.has(at.name); at = backingOf(chain, at))
    missing.push(at)
  return missing.reverse()
}

const openAll = (opening: Opening, images: ReadonlyArray<Image>): Opening => {
  const names = new Map(opening.names)
  let { world } = opening
  for (const image of images) {
    for (const missing of missingFor({ ...opening, names }, image)) {
      const added = withNodes(
        world,
        missing,
        missing.backing === undefined ? undefined : names.get(missing.backing.image),
      )
      names.set(missing.name, added.name)
      world = added.world
    }
  }
  return { ...opening, names, world }
}

const noProcess: Omit<Process, 'declared' | 'counter' | 'guest'> = {
  root: '',
  nodes: emptyTable,
  open: emptyTable,
  cache: emptyTable,
  unflushed: emptyTable,
  jobs: [],
}

const started = (world: World, chain: Chain, how: Pick<Process, 'guest' | 'counter'>): World => {
  const wanted = [activeImage(chain), ...Array.from(chain.images.values()).filter(({ node }) => node !== undefined)]
  const opened = openAll(
    { chain, names: new Map(), world: { ...world, qemu: { ...noProcess, ...how, declared: world.boot } } },
    wanted,
  )
  const root = opened.names.get(chain.active) ?? ''
  return withProcess(withNode(opened.world, root, { access: 'read-write' }), { root })
}

const emptyWorld = (chain: Chain, options: WorldOptions): World => ({
  disk: chain.disk,
  paths: emptyTable,
  files: emptyTable,
  readers: emptyTable,
  inodes: 0,
  domain: options.domain === undefined ? undefined : { ...options.domain, job: undefined, event: undefined },
  boot: {
    keeper: options.domain?.definition === 'persistent' ? 'libvirt' : 'caller',
    path: locationString(activeImage(chain).location),
    format: activeImage(chain).format,
    backingStore: options.backingStore ?? [],
    terminated: options.terminated ?? false,
  },
  qemu: undefined,
  incidents: [],
})

/**
 * The world in which a chain is real: a file for each image, and, unless the guest is shut off, a QEMU that has the active
 * path open and every other image that the chain gives a node.
 *
 * `contents` says what each image itself stores; one that it leaves out stores nothing. Formats without holes store zeroes
 * there. Where an image on the active path has no node, one is made up. Refuses `ContentsWrongSize`. Linear.
 *
 * @example
 * import { layerOfPattern, parseChain, patternOfLayer } from 'backing-chain'
 * import { guestView, worldOf } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base[ab-] <- top[-c-]^')
 * const made = E.isRight(parsed) ? worldOf(parsed.right.chain, parsed.right.contents, { guest: 'running' }) : undefined
 * const seen = made !== undefined && E.isRight(made) ? guestView(made.right) : undefined
 * seen === undefined ? '' : patternOfLayer(seen) // => 'ac0'
 *
 * @since 0.1.0
 */
export const worldOf = (
  chain: Chain,
  contents: ReadonlyMap<string, Layer>,
  options: WorldOptions,
): E.Either<WorldError, World> => {
  let world = emptyWorld(chain, options)
  for (const image of chain.images.values()) {
    const layer = contents.get(image.name) ?? emptyLayer(image.sizeBytes)
    if (layer.sizeBytes !== image.sizeBytes)
      return E.left({
        _tag: 'ContentsWrongSize',
        image: image.name,
        sizeBytes: image.sizeBytes,
        layerBytes: layer.sizeBytes,
      })
    world = writeImage(world, image, { layer, inside: options.inside?.get(image.name) })
  }
  if (options.guest === 'shut-off') return E.right(world)
  return E.right(started(world, chain, { guest: options.guest, counter: options.numbersFrom ?? 0 }))
}
