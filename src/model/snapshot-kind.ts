import type { Snapshot } from './snapshot.js'

/**
 * The classes of the field: what is kept, and where.
 *
 * - `internal disk snapshot`: the disks, each inside its own image.
 * - `internal system checkpoint`: the disks and the memory, inside the images.
 * - `external disk snapshot`: the disks, each in the image that was frozen.
 * - `external system checkpoint`: the same, and the memory in a file of its own.
 * - `VM state alone`: the memory, and no disk.
 * - `mixed`: some disks inside, some in frozen images: each by itself of its class.
 * - `nothing kept`: every disk is left out, or held by somebody else.
 *
 * @since 0.2.0
 */
export type SnapshotKind =
  | 'internal disk snapshot'
  | 'internal system checkpoint'
  | 'external disk snapshot'
  | 'external system checkpoint'
  | 'VM state alone'
  | 'mixed'
  | 'nothing kept'

/**
 * The class of a snapshot.
 *
 * @example
 * import { kindOfSnapshot } from 'backing-chain'
 *
 * kindOfSnapshot({ memory: { _tag: 'External', path: '/memory' }, disks: new Map() }) // => 'VM state alone'
 *
 * @since 0.2.0
 */
export const kindOfSnapshot = ({ memory, disks }: Pick<Snapshot, 'memory' | 'disks'>): SnapshotKind => {
  const modes = new Set(Array.from(disks.values(), ({ mode }) => mode))
  const [inside, outside] = [modes.has('internal'), modes.has('external')]
  if (inside && outside) return 'mixed'
  if (inside) return memory._tag === 'None' ? 'internal disk snapshot' : 'internal system checkpoint'
  if (outside) return memory._tag === 'None' ? 'external disk snapshot' : 'external system checkpoint'
  return memory._tag === 'None' ? 'nothing kept' : 'VM state alone'
}

/**
 * True for a snapshot that was taken while the machine had a QEMU.
 *
 * @since 0.2.0
 */
export const wasLive = ({ state }: Pick<Snapshot, 'state'>): boolean => state !== 'shutoff'
