import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Format } from '../model/format.js'
import type { Fault, Outcome } from './fault.js'
import { fileOf, isKept } from './files.js'
import { addNode, withNode } from './graph.js'
import { newNode } from './node.js'
import { storedChain } from './stored.js'
import type { Reference, StoredImage } from './stored.js'
import { emptyTable } from './table.js'
import { withProcess } from './world.js'
import type { Boot, World } from './world.js'

/** How whoever starts the guest names its disk: what is stored of the backing chain overrides the headers. */
export const bootReference = (boot: Boot): Reference => {
  let below: Reference | null | undefined = boot.terminated ? null : undefined
  for (const { path, format } of boot.backingStore) below = { path, format, backing: below }
  return { path: boot.path, format: boot.format, backing: below }
}

/** How the guest is started; the nodes are numbered from `numbersFrom` + 1. */
export interface StartOptions {
  readonly guest: 'running' | 'paused'
  readonly numbersFrom: number
}

const opened = (world: World, images: ReadonlyArray<StoredImage>, { guest, numbersFrom }: StartOptions): World => {
  const nodes = emptyTable
  const counter = numbersFrom + images.length
  let next: World = {
    ...world,
    qemu: {
      guest,
      root: '',
      declared: world.boot,
      nodes,
      open: nodes,
      cache: nodes,
      unflushed: nodes,
      jobs: [],
      counter,
    },
  }
  let below: string | undefined
  for (const [index, image] of Array.from(images.entries()).reverse()) {
    const common = { file: image.inode, openedAs: image.path, named: 'made up' } as const
    const name = `libvirt-${numbersFrom + index + 1}-format`
    const storage = `libvirt-${numbersFrom + index + 1}-storage`
    const stored = addNode(next, newNode({ ...common, name: storage, kind: 'storage', driver: 'file' }))
    const format = { name, kind: 'format', driver: image.format, storage, backing: below, access: 'read-only' } as const
    next = addNode(stored, newNode({ ...common, ...format }))
    below = name
  }
  return below === undefined ? world : withProcess(withNode(next, below, { access: 'read-write' }), { root: below })
}

const locked = (path: string): Fault => ({
  _tag: 'Refused',
  by: 'QEMU',
  class: 'GenericError',
  desc: `Failed to get "write" lock\nIs another process using the image [${path}]?`,
})

/** Starts a new QEMU from what is on record. */
export const startFromBoot = (world: World, options: StartOptions): Outcome => {
  if (world.qemu?.guest === 'none') return E.left(locked(world.boot.path))
  if (world.qemu !== undefined)
    return E.left({ _tag: 'Refused', by: 'QEMU', class: 'GenericError', desc: 'a QEMU is running already' })
  return pipe(
    storedChain(world, bootReference(world.boot), 'QEMU'),
    E.filterOrElseW(
      ([active, ...below]) =>
        (active === undefined || !isKept(fileOf(world, active.inode), 'write')) &&
        below.every(({ inode }) => !isKept(fileOf(world, inode), 'read')),
      ([active]) => locked(active?.path ?? ''),
    ),
    E.map((images) => opened(world, images, options)),
  )
}

/**
 * Starts a new QEMU: from the persistent definition, which overrides the headers, or from what the caller gives it.
 *
 * `source` is another disk source than the one on record. Faults: `Refused` where something is missing or already runs, `Hang`
 * for a loop.
 *
 * @since 0.1.0
 */
export const start = (world: World, source?: { readonly path: string; readonly format: Format }): Outcome => {
  const boot: Boot =
    source === undefined ? world.boot : { keeper: 'caller', ...source, backingStore: [], terminated: false }
  return startFromBoot({ ...world, boot }, { guest: 'running', numbersFrom: 0 })
}
