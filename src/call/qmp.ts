/**
 * The QMP commands that plans use, each exactly the JSON that goes down the socket: `JSON.stringify(command)` is the
 * message. Argument names are those of QEMU 10.0; none is deprecated there.
 *
 * @since 0.1.0
 */
export type QmpCommand =
  | BlockCommit
  | BlockStream
  | BlockdevMirror
  | BlockdevBackup
  | BlockdevSnapshot
  | SnapshotInternal
  | SnapshotDeleteInternal
  | SnapshotSave
  | SnapshotLoad
  | SnapshotDelete
  | Transaction
  | BlockdevCreate
  | BlockdevAdd
  | Named<'blockdev-del', { readonly 'node-name': string }>
  | Named<'job-complete' | 'job-finalize' | 'job-dismiss' | 'job-cancel', { readonly id: string }>
  | Named<'block-job-cancel', { readonly device: string; readonly force?: boolean }>
  | BlockdevReopen
  | Named<'query-named-block-nodes', { readonly flat: boolean }>
  | { readonly execute: 'stop' | 'cont' | 'query-jobs' | 'query-block' | 'query-status' | 'quit' }

interface Named<Name extends string, Arguments> {
  readonly execute: Name
  readonly arguments: Arguments
}

/** The arguments that every job-starting command shares; `job-id` is never left to QEMU. */
interface JobArguments {
  readonly 'job-id': string
  readonly 'auto-finalize'?: boolean
  readonly 'auto-dismiss'?: boolean
  readonly speed?: number
  readonly 'filter-node-name'?: string
}

/**
 * `block-commit` (QEMU 1.3; of the active image 2.0; by node name 3.1).
 *
 * @since 0.1.0
 */
export type BlockCommit = Named<
  'block-commit',
  JobArguments & {
    readonly device: string
    readonly 'top-node'?: string
    readonly 'base-node'?: string
    readonly 'backing-file'?: string
    readonly 'backing-mask-protocol'?: boolean
  }
>

/**
 * `block-stream` (QEMU 1.1; into an intermediate image 2.8).
 *
 * @since 0.1.0
 */
export type BlockStream = Named<
  'block-stream',
  JobArguments & {
    readonly device: string
    readonly 'base-node'?: string
    readonly 'backing-file'?: string
    readonly 'backing-mask-protocol'?: boolean
  }
>

/**
 * `blockdev-mirror` (QEMU 2.6).
 *
 * @since 0.1.0
 */
export type BlockdevMirror = Named<
  'blockdev-mirror',
  JobArguments & {
    readonly device: string
    readonly target: string
    readonly sync: 'full' | 'top'
    readonly replaces?: string
    readonly 'copy-mode'?: 'background' | 'write-blocking'
  }
>

/**
 * `blockdev-backup` (QEMU 2.3; told when to be dismissed 2.12): `target` shows what `device` showed when the job began. Before the guest
 * writes anything that has not been copied, it is copied; where the target is full, the guest's write fails. `compress` (2.8) is for
 * targets of qcow2 that have no clusters yet. `speed` does not hold up what is copied before a write of the guest.
 *
 * @since 0.2.0
 */
export type BlockdevBackup = Named<
  'blockdev-backup',
  JobArguments & {
    readonly device: string
    readonly target: string
    readonly sync: 'full'
    readonly compress?: boolean
  }
>

/**
 * `blockdev-snapshot` (QEMU 2.5).
 *
 * @since 0.1.0
 */
export type BlockdevSnapshot = Named<'blockdev-snapshot', { readonly node: string; readonly overlay: string }>

/**
 * `blockdev-snapshot-internal-sync` (QEMU 1.7; by node name 2.8): saves one disk inside its image. No job.
 *
 * @since 0.2.0
 */
export type SnapshotInternal = Named<
  'blockdev-snapshot-internal-sync',
  { readonly device: string; readonly name: string }
>

/**
 * `blockdev-snapshot-delete-internal-sync` (QEMU 1.7; by node name 2.8): both `id` and `name` have to fit. No job, and no action
 * of a transaction.
 *
 * @since 0.2.0
 */
export type SnapshotDeleteInternal = Named<
  'blockdev-snapshot-delete-internal-sync',
  { readonly device: string; readonly id?: string; readonly name?: string }
>

/** The disks that keep a snapshot, by node, and the one of them whose image keeps the guest's memory. */
interface WithMemory {
  readonly 'job-id': string
  readonly tag: string
  readonly vmstate: string
  readonly devices: ReadonlyArray<string>
}

/**
 * `snapshot-save` (QEMU 6.0): the guest's memory and these disks, inside their images. A job that stays until `job-dismiss`; QEMU
 * stops the guest meanwhile and lets it go on by itself.
 *
 * @since 0.2.0
 */
export type SnapshotSave = Named<'snapshot-save', WithMemory>

/**
 * `snapshot-load` (QEMU 6.0): a job that stays until `job-dismiss`. A guest that ran goes on; one that fails leaves it stopped, in
 * the status `restore-vm`.
 *
 * @since 0.2.0
 */
export type SnapshotLoad = Named<'snapshot-load', WithMemory>

/**
 * `snapshot-delete` (QEMU 6.0): a job that stays until `job-dismiss`.
 *
 * @since 0.2.0
 */
export type SnapshotDelete = Named<'snapshot-delete', Omit<WithMemory, 'vmstate'>>

/**
 * An action of a `transaction`: all or nothing, later ones see what earlier ones did.
 *
 * @since 0.1.0
 */
export type TransactionAction =
  | { readonly type: 'blockdev-snapshot'; readonly data: BlockdevSnapshot['arguments'] }
  | { readonly type: 'blockdev-backup'; readonly data: BlockdevBackup['arguments'] }
  | { readonly type: 'blockdev-snapshot-internal-sync'; readonly data: SnapshotInternal['arguments'] }
  | {
      readonly type: 'block-dirty-bitmap-add'
      readonly data: {
        readonly node: string
        readonly name: string
        readonly granularity: number
        readonly persistent: boolean
      }
    }

/**
 * `transaction` (QEMU 1.1).
 *
 * @since 0.1.0
 */
export type Transaction = Named<'transaction', { readonly actions: ReadonlyArray<TransactionAction> }>

/**
 * `blockdev-create` (QEMU 3.0): a job; every real error comes asynchronously, and the job stays until `job-dismiss`.
 *
 * @since 0.1.0
 */
export type BlockdevCreate = Named<
  'blockdev-create',
  {
    readonly 'job-id': string
    readonly options:
      | { readonly driver: 'file'; readonly filename: string; readonly size: number }
      | {
          readonly driver: 'qcow2'
          readonly file: string
          readonly size: number
          readonly 'cluster-size'?: number
          readonly 'backing-file'?: string
          readonly 'backing-fmt'?: string
        }
  }
>

/** The storage node of an image that a plan opens itself. */
export interface StorageOptions {
  readonly driver: 'file' | 'host_device'
  readonly 'node-name': string
  readonly filename: string
  readonly 'read-only'?: boolean
  readonly 'auto-read-only'?: boolean
}

/** The format node of an image that a plan opens itself; `file` names its storage node. */
export interface FormatOptions {
  readonly driver: string
  readonly 'node-name': string
  readonly file: string
  /** A node name; `null` for no backing file whatever the header says; left out, the header decides. */
  readonly backing?: string | null
  readonly 'read-only'?: boolean
}

/**
 * `blockdev-add` (QEMU 2.9). A node named here belongs to the monitor until `blockdev-del`.
 *
 * @since 0.1.0
 */
export type BlockdevAdd = Named<'blockdev-add', StorageOptions | FormatOptions>

/**
 * `blockdev-reopen` (QEMU 6.1): changes how open nodes are open, each given whole, and flushes them. Of its own effect plans use the
 * flush alone: it works while a job waits to be finalized, and where there is no guest to stop.
 *
 * @since 0.2.0
 */
export type BlockdevReopen = Named<'blockdev-reopen', { readonly options: ReadonlyArray<FormatOptions> }>
