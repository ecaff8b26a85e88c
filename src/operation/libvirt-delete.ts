import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { imageAt } from '../model/chain-query.js'
import { samePath } from '../model/header.js'
import type { Machine } from '../model/machine.js'
import type { LibvirtRefusal } from '../plan/machine-refusal.js'
import { committedDisks, isUnlinked, unlinkedDisks, validated } from './libvirt-delete-guard.js'
import type { Above, DeleteFacts, LibvirtDeleteRequest } from './libvirt-delete-guard.js'
import { recordsAfterDelete } from './libvirt-delete-record.js'
import type { LibvirtRecords } from './libvirt-delete-record.js'
import { deleteRefusal } from './libvirt-rule.js'
import { isForkedBelow, libvirtActive, parentOfDisk, libvirtDescendants, libvirtTree } from './libvirt-tree.js'
import type { LibvirtSnapshot } from './libvirt-tree.js'

/**
 * What libvirt 11.3 does to one disk when it deletes a snapshot.
 *
 * - `commit`: `overlay` is committed into `base`, which held the point in time, and unlinked. `siblings`: the paths of other overlays
 *   of it that libvirt knows of and repoints to `base`, with `qemu-img rebase -u`.
 * - `unlink`: the file that held the point in time goes. It is `kept`, and nobody's, where no ancestor has the disk, or the nearest that
 *   does is an internal snapshot.
 * - `internal`: the snapshot of that name goes from inside the image.
 *
 * @since 0.2.0
 */
export type LibvirtDiskDeletion =
  | {
      readonly disk: string
      readonly way: 'commit'
      readonly overlay: string
      readonly base: string
      readonly place: 'active' | 'below'
      readonly siblings: ReadonlyArray<string>
    }
  | { readonly disk: string; readonly way: 'unlink'; readonly path: string; readonly file: 'unlinked' | 'kept' }
  | { readonly disk: string; readonly way: 'internal'; readonly path: string; readonly snapshot: string }

/**
 * What libvirt 11.3 does when it deletes a snapshot, and what it has written down afterwards.
 *
 * - `guest`: `started` where libvirt runs a paused QEMU for the time of it, and so needs all that the domain needs to start.
 * - `unlinked`: files of the guest's memory that go.
 * - `deleted`: the snapshots that go, in the order in which they do.
 * - `records`: those that stay, by name. `current`: nothing after the deletion of a current root.
 *
 * @since 0.2.0
 */
export interface LibvirtDeletion extends LibvirtRecords {
  readonly guest: 'as it is' | 'started'
  readonly disks: ReadonlyArray<LibvirtDiskDeletion>
  readonly unlinked: ReadonlyArray<string>
  readonly deleted: ReadonlyArray<string>
}

/** The images that libvirt repoints: of snapshots below, off the active path, whose record says that they lie on the overlay. */
const siblingsOf = ({ tree, snapshot }: DeleteFacts, { overlay }: Above): ReadonlyArray<string> => {
  const active = libvirtActive(tree)
  const found = new Set<string>()
  for (const { name, sources } of libvirtDescendants(tree, snapshot.name))
    for (const { path, below } of active.has(name) ? [] : sources.values())
      if (path !== undefined && samePath(below[0]?.path, overlay)) found.add(path)
  return Array.from(found)
}

/** libvirt unlinks only what lies on an external snapshot of the disk: the file below might be somebody's base. */
const unlinkOf = ({ tree, snapshot }: DeleteFacts, disk: string): LibvirtDiskDeletion => {
  const path = snapshot.sources.get(disk)?.path ?? ''
  const parent = parentOfDisk(tree, snapshot.name, disk)
  return { disk, way: 'unlink', path, file: parent?.kind === 'external' ? 'unlinked' : 'kept' }
}

const insideOf = (
  { machine }: DeleteFacts,
  { name, disks, sources }: LibvirtSnapshot,
): ReadonlyArray<LibvirtDiskDeletion> =>
  Array.from(disks).flatMap(([disk, { mode }]): ReadonlyArray<LibvirtDiskDeletion> => {
    const path = sources.get(disk)?.path
    const chain = machine.disks.get(disk)
    const image = path === undefined || chain === undefined ? undefined : imageAt(chain, path)
    const there = image?.internalSnapshots.some((one) => one.name === name) === true
    return mode === 'internal' && path !== undefined && there ? [{ disk, way: 'internal', path, snapshot: name }] : []
  })

const externalDeletion = (facts: DeleteFacts): E.Either<LibvirtRefusal, LibvirtDeletion> => {
  const { machine, tree, snapshot } = facts
  const unlinked = snapshot.memory === undefined ? [] : [snapshot.memory]
  const done = { unlinked, deleted: [snapshot.name] }
  if (isUnlinked(facts))
    return pipe(
      unlinkedDisks(facts),
      E.map((disks) => ({
        ...done,
        ...recordsAfterDelete(tree, [snapshot]),
        guest: 'as it is',
        disks: disks.map((disk) => unlinkOf(facts, disk)),
      })),
    )
  return pipe(
    committedDisks(facts),
    E.map((above) => ({
      ...done,
      ...recordsAfterDelete(tree, [snapshot], above),
      guest: machine.state === 'shut-off' ? 'started' : 'as it is',
      disks: above.map((one) => ({ ...one, way: 'commit', siblings: siblingsOf(facts, one) })),
    })),
  )
}

/** Internal snapshots, one after the other. */
const internalDeletion = (facts: DeleteFacts): LibvirtDeletion => {
  const { tree, snapshot, request } = facts
  const below = request.children === 'none' ? [] : libvirtDescendants(tree, snapshot.name)
  const deleted = request.children === 'children only' ? below : [...below, snapshot]
  return {
    guest: 'as it is',
    disks: deleted.flatMap((one) => insideOf(facts, one)),
    unlinked: [],
    deleted: deleted.map(({ name }) => name),
    ...recordsAfterDelete(tree, deleted),
  }
}

/**
 * Foresees what libvirt 11.3 does when it is asked to delete a snapshot, by its records and the chains as they are.
 *
 * Gives libvirt's own refusal instead, with its text: E0 where it has no record, then E1 to E15 in its order, and E16
 * where its daemon dies. What a QEMU could object
 * to (a lock, an image that is missing, a domain that does not start) is not foreseen.
 * `virDomainSnapshotDelete`, libvirt 11.3.0.
 *
 * @since 0.2.0
 */
export const predictDelete = (
  machine: Machine,
  name: string,
  request: LibvirtDeleteRequest,
): E.Either<LibvirtRefusal, LibvirtDeletion> => {
  const tree = libvirtTree(machine)
  const snapshot = tree.snapshots.get(name)
  if (snapshot === undefined) return E.left(deleteRefusal.E0({ snapshot: name }))
  const facts: DeleteFacts = { machine, tree, snapshot, request }
  const refusal = validated(facts)
  if (refusal !== undefined) return E.left(refusal)
  if (request.children !== 'none' && isForkedBelow(tree, name)) return E.left(deleteRefusal.E16())
  return snapshot.kind === 'external' && request.children === 'none'
    ? externalDeletion(facts)
    : E.right(internalDeletion(facts))
}
