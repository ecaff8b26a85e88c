/**
 * A job of the running QEMU, as `query-jobs` would list it, with what it still has to do.
 *
 * `error` is set once it has failed or was cancelled. Only the states in which a job can rest are told apart: `created`,
 * `waiting`, `aborting`, `null`, `paused` and `standby` pass within one call here.
 *
 * @since 0.1.0
 */
export interface Job {
  readonly id: string
  readonly status: 'running' | 'ready' | 'pending' | 'concluded'
  readonly autoFinalize: boolean
  readonly autoDismiss: boolean
  readonly error: string | undefined
  /** The nodes that nobody else may change until the job lets go of them. */
  readonly held: ReadonlySet<string>
  readonly work: Work
}

/** What a job does. */
export type Work = CommitWork | StreamWork | MirrorWork | BackupWork | CreateWork | SnapshotWork

/**
 * An intermediate commit: copies what lies above `base` up to `top` into `base`, from offset `atBytes` on, which is
 * undefined before base has been enlarged.
 */
export interface CommitWork {
  readonly _tag: 'Commit'
  readonly root: string
  readonly top: string
  readonly base: string
  readonly backingFile: string | undefined
  readonly maskProtocol: boolean
  readonly atBytes: number | undefined
  /** How base was open before, which it is again afterwards. */
  readonly baseAccess: 'read-write' | 'read-only'
}

/** A stream: copies what lies above `base` up to `target`'s backing file into `target`, from offset `atBytes` on. */
export interface StreamWork {
  readonly _tag: 'Stream'
  readonly target: string
  readonly base: string | undefined
  readonly backingFile: string | undefined
  readonly maskProtocol: boolean
  readonly atBytes: number
  readonly targetAccess: 'read-write' | 'read-only'
}

/**
 * A mirror, or the commit of the active image, which is one underneath: copies what is dirty from the guest's disk to `target`.
 *
 * `dirty` is sorted and disjoint, and undefined before the job has looked. `commits` tells an active commit, whose target is
 * the base. `padding` is what the rest
 * of a larger target cluster gets: the source's bytes if the target's header names a backing file, else zeroes (a flaw).
 */
export interface MirrorWork {
  readonly _tag: 'Mirror'
  readonly source: string
  readonly target: string
  readonly sync: 'full' | 'top'
  readonly commits: boolean
  readonly dirty: ReadonlyArray<Range> | undefined
  readonly padding: 'whole clusters' | 'zeroes' | 'none'
  readonly copyMode: 'background' | 'write-blocking'
  readonly end: 'pivot' | 'keep' | undefined
  readonly targetAccess: 'read-write' | 'read-only'
}

/**
 * A backup: copies what `source` shows to `target`, and, before the guest writes to what has not been copied, that.
 *
 * `left` is what has not been copied, sorted and disjoint. `clusterBytes` is how much is copied at once before a write.
 */
export interface BackupWork {
  readonly _tag: 'Backup'
  readonly source: string
  readonly target: string
  readonly left: ReadonlyArray<Range>
  readonly clusterBytes: number
}

/** Guest offsets in bytes, `startBytes` inclusive and `endBytes` exclusive. */
export interface Range {
  readonly startBytes: number
  readonly endBytes: number
}

/** The creation of a file, or of a qcow2 image in one. */
export interface CreateWork {
  readonly _tag: 'Create'
  readonly what: NewFile | NewQcow2
}

/** Saving, loading or deleting a snapshot of the whole machine: done at once, while everything else stands still. */
export interface SnapshotWork {
  readonly _tag: 'Snapshot'
  readonly verb: 'save' | 'load' | 'delete'
}

/** A plain file that is made or truncated. */
export interface NewFile {
  readonly driver: 'file'
  readonly path: string
  readonly sizeBytes: number
}

/** A qcow2 image that is written into an open file. */
export interface NewQcow2 {
  readonly driver: 'qcow2'
  readonly storage: string
  readonly sizeBytes: number
  readonly clusterBytes: number
  readonly backing: { readonly string: string; readonly format: string | undefined } | undefined
}

/** What QEMU calls the type of a job. */
export const typeOf = (
  work: Work,
): 'commit' | 'stream' | 'mirror' | 'backup' | 'create' | `snapshot-${SnapshotWork['verb']}` => {
  switch (work._tag) {
    case 'Commit':
      return 'commit'
    case 'Stream':
      return 'stream'
    case 'Mirror':
      return work.commits ? 'commit' : 'mirror'
    case 'Backup':
      return 'backup'
    case 'Create':
      return 'create'
    case 'Snapshot':
      return `snapshot-${work.verb}`
  }
}

/** True once a job no longer holds its nodes: a mirror or backup lets go as it concludes, an intermediate commit only where it has failed. */
export const letsGo = ({ status, work, error }: Job): boolean => {
  if (status !== 'concluded') return false
  if (work._tag === 'Snapshot' || work._tag === 'Backup') return true
  return work._tag === 'Mirror' || work._tag === 'Create' || (work._tag === 'Commit' && error !== undefined)
}
