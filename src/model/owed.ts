import type { Chain } from './chain.js'
import type { ImageName } from './image.js'
import type { Snapshot } from './snapshot.js'

/**
 * A snapshot inside an image that nobody needs any more, and that is still to be deleted: the guest's QEMU had the image open when
 * it was used up, and only QEMU itself may write to it then.
 *
 * @since 0.2.0
 */
export interface OwedSnapshot {
  readonly disk: string
  readonly image: ImageName
  readonly snapshot: string
}

/**
 * The deletions that are owed, as a caller describes them.
 *
 * @since 0.2.0
 */
export interface OwedDescription {
  readonly disk: string
  readonly image: string
  readonly snapshot: string
}

interface Disks {
  readonly disks: ReadonlyMap<string, Chain>
}

/** True for the same debt. */
export const sameOwed = (a: OwedDescription, b: OwedDescription): boolean =>
  a.disk === b.disk && a.image === b.image && a.snapshot === b.snapshot

/** True where the snapshot is inside the image. */
export const isInside = ({ disks }: Disks, { disk, image, snapshot }: OwedDescription): boolean =>
  disks
    .get(disk)
    ?.images.get(image)
    ?.internalSnapshots.some(({ name }) => name === snapshot) === true

/** True where the snapshot inside the image is a point in time: nobody may take it away for a debt. */
const isPoint = (
  { snapshots }: { readonly snapshots: ReadonlyMap<string, Snapshot> },
  { disk, image, snapshot }: OwedSnapshot,
): boolean => {
  const held = snapshots.get(snapshot)?.disks.get(disk)
  return held?.mode === 'internal' && held.image === image
}

/**
 * The deletions that a machine still owes: snapshots inside its images that `exportSnapshot` has left there until the guest's QEMU ends.
 * They are part of the machine, and of its JSON: a caller who stores the one has stored the others.
 *
 * What has gone with its image, in a commit say, is owed no more; nor is what the machine has as a snapshot by now, under that name.
 *
 * @example
 * import { machine, owed } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const vm = machine({ name: 'vm', state: 'running', disks: [] })
 * E.isRight(vm) ? owed(vm.right) : vm.left // => []
 *
 * @since 0.2.0
 */
export const owed = (
  machine: Disks & {
    readonly owed: ReadonlyArray<OwedSnapshot>
    readonly snapshots: ReadonlyMap<string, Snapshot>
  },
): ReadonlyArray<OwedSnapshot> =>
  machine.owed.filter(
    (one, at) =>
      isInside(machine, one) &&
      !isPoint(machine, one) &&
      machine.owed.findIndex((other) => sameOwed(one, other)) === at,
  )
