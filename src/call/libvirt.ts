import type { XmlElement } from '../model/xml.js'

/** One libvirt function with its arguments, and its flags by name. */
interface LibvirtFunction<Name extends string, Arguments, Flag extends string> {
  readonly call: Name
  readonly arguments: Arguments
  readonly flags: ReadonlyArray<Flag>
}

interface OnDisk {
  readonly domain: string
  readonly disk: string
}

/**
 * The libvirt functions that plans use: name, arguments, and flags by name; {@link flagBits} gives the number.
 *
 * `base` and `top` are paths: an index like `vda[3]` is valid only until the next start. `null` is C's `NULL`, and plans
 * never pass it where both ends of a span matter. Bandwidth 0 means no limit.
 *
 * @since 0.1.0
 */
export type LibvirtCall =
  | BlockCommitCall
  | BlockPullCall
  | BlockRebaseCall
  | BlockCopyCall
  | LibvirtFunction<
      'virDomainBlockJobAbort',
      OnDisk,
      'VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC' | 'VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT'
    >
  | SnapshotCreateCall
  | SnapshotDeleteCall
  | RevertCall
  | LibvirtFunction<
      'virDomainSuspend' | 'virDomainResume' | 'virDomainFSFreeze' | 'virDomainFSThaw',
      { readonly domain: string },
      never
    >
  | LibvirtFunction<'virDomainDestroyFlags', { readonly domain: string }, 'VIR_DOMAIN_DESTROY_GRACEFUL'>
  | LibvirtFunction<
      'virDomainCreateWithFlags',
      { readonly domain: string },
      'VIR_DOMAIN_START_PAUSED' | 'VIR_DOMAIN_START_FORCE_BOOT'
    >
  | SavedStateCall
  | BackupBeginCall
  | LibvirtFunction<'virDomainAbortJob', { readonly domain: string }, never>
  | LibvirtFunction<'virDomainDefineXMLFlags', { readonly domain: string; readonly xml: XmlElement }, never>
  | LibvirtFunction<'virDomainSnapshotGetXMLDesc', OnSnapshot, never>
  | LibvirtFunction<'virDomainGetXMLDesc', { readonly domain: string }, 'VIR_DOMAIN_XML_INACTIVE'>
  | LibvirtFunction<
      'virDomainUpdateDeviceFlags',
      { readonly domain: string; readonly xml: XmlElement },
      'VIR_DOMAIN_AFFECT_CONFIG'
    >

/** `virDomainBlockCommit` (API 0.10.2, qemu driver 1.0.0; of the active image 1.2.6). */
export type BlockCommitCall = LibvirtFunction<
  'virDomainBlockCommit',
  OnDisk & { readonly base: string | null; readonly top: string | null; readonly bandwidth: number },
  | 'VIR_DOMAIN_BLOCK_COMMIT_SHALLOW'
  | 'VIR_DOMAIN_BLOCK_COMMIT_DELETE'
  | 'VIR_DOMAIN_BLOCK_COMMIT_ACTIVE'
  | 'VIR_DOMAIN_BLOCK_COMMIT_RELATIVE'
>

/** `virDomainBlockPull` (0.9.4): everything into the active image. */
export type BlockPullCall = LibvirtFunction<'virDomainBlockPull', OnDisk & { readonly bandwidth: number }, never>

/** `virDomainBlockRebase` (0.9.10): a pull down to `base`; with COPY a copy to `base`, which is then the destination. */
export type BlockRebaseCall = LibvirtFunction<
  'virDomainBlockRebase',
  OnDisk & { readonly base: string | null; readonly bandwidth: number },
  | 'VIR_DOMAIN_BLOCK_REBASE_SHALLOW'
  | 'VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT'
  | 'VIR_DOMAIN_BLOCK_REBASE_COPY_RAW'
  | 'VIR_DOMAIN_BLOCK_REBASE_COPY'
  | 'VIR_DOMAIN_BLOCK_REBASE_RELATIVE'
  | 'VIR_DOMAIN_BLOCK_REBASE_COPY_DEV'
>

/** `virDomainBlockCopy` (1.2.8; qemu driver 1.2.9). */
export type BlockCopyCall = LibvirtFunction<
  'virDomainBlockCopy',
  OnDisk & { readonly destxml: XmlElement },
  'VIR_DOMAIN_BLOCK_COPY_SHALLOW' | 'VIR_DOMAIN_BLOCK_COPY_REUSE_EXT' | 'VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB'
>

/** `virDomainSnapshotCreateXML` (0.8.0; external since 0.9.10). */
export type SnapshotCreateCall = LibvirtFunction<
  'virDomainSnapshotCreateXML',
  { readonly domain: string; readonly xml: XmlElement },
  | 'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE'
  | 'VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT'
  | 'VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA'
  | 'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY'
  | 'VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE'
  | 'VIR_DOMAIN_SNAPSHOT_CREATE_LIVE'
  | 'VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT'
  | 'VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC'
>

interface OnSnapshot {
  readonly domain: string
  readonly snapshot: string
}

/** `virDomainSnapshotDelete` (0.8.0; of external snapshots 9.0.0). */
export type SnapshotDeleteCall = LibvirtFunction<
  'virDomainSnapshotDelete',
  OnSnapshot,
  | 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN'
  | 'VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY'
  | 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY'
>

/** `virDomainRevertToSnapshot` (0.8.0; to external snapshots 9.9.0). */
export type RevertCall = LibvirtFunction<
  'virDomainRevertToSnapshot',
  OnSnapshot,
  'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING' | 'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED' | 'VIR_DOMAIN_SNAPSHOT_REVERT_FORCE'
>

/**
 * `virDomainBackupBegin` (6.0.0; by default since 7.2.0), without a checkpoint: begins a job on every disk that the XML names for it, at
 * one moment. `virDomainAbortJob` ends it early. `REUSE_EXTERNAL` takes the targets that are there; else libvirt makes them.
 */
export type BackupBeginCall = LibvirtFunction<
  'virDomainBackupBegin',
  { readonly domain: string; readonly xml: XmlElement },
  'VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL'
>

interface OnSavedFile {
  readonly domain: string
  readonly path: string
}

type SaveFlag = 'VIR_DOMAIN_SAVE_BYPASS_CACHE' | 'VIR_DOMAIN_SAVE_RUNNING' | 'VIR_DOMAIN_SAVE_PAUSED'

/**
 * `virDomainManagedSave`, `virDomainManagedSaveRemove` (0.8.0), `virDomainManagedSaveDefineXML` (3.7.0); `virDomainSaveFlags`,
 * `virDomainRestoreFlags`, `virDomainSaveImageDefineXML` (0.9.4). Those that take a file take no domain; which one it is is said all the
 * same.
 */
export type SavedStateCall =
  | LibvirtFunction<'virDomainManagedSave', { readonly domain: string }, SaveFlag>
  | LibvirtFunction<'virDomainManagedSaveRemove', { readonly domain: string }, never>
  | LibvirtFunction<
      'virDomainManagedSaveDefineXML',
      { readonly domain: string; readonly xml: XmlElement },
      'VIR_DOMAIN_SAVE_RUNNING' | 'VIR_DOMAIN_SAVE_PAUSED'
    >
  | LibvirtFunction<'virDomainSaveFlags', OnSavedFile, SaveFlag>
  | LibvirtFunction<'virDomainRestoreFlags', OnSavedFile, SaveFlag>
  | LibvirtFunction<
      'virDomainSaveImageDefineXML',
      OnSavedFile & { readonly xml: XmlElement },
      'VIR_DOMAIN_SAVE_RUNNING' | 'VIR_DOMAIN_SAVE_PAUSED'
    >

/** A flag that some libvirt call of a plan can carry. */
export type LibvirtFlag = LibvirtCall['flags'][number]

const bits: { readonly [F in LibvirtFlag]: number } = {
  VIR_DOMAIN_BLOCK_COMMIT_SHALLOW: 1,
  VIR_DOMAIN_BLOCK_COMMIT_DELETE: 2,
  VIR_DOMAIN_BLOCK_COMMIT_ACTIVE: 4,
  VIR_DOMAIN_BLOCK_COMMIT_RELATIVE: 8,
  VIR_DOMAIN_BLOCK_REBASE_SHALLOW: 1,
  VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT: 2,
  VIR_DOMAIN_BLOCK_REBASE_COPY_RAW: 4,
  VIR_DOMAIN_BLOCK_REBASE_COPY: 8,
  VIR_DOMAIN_BLOCK_REBASE_RELATIVE: 16,
  VIR_DOMAIN_BLOCK_REBASE_COPY_DEV: 32,
  VIR_DOMAIN_BLOCK_COPY_SHALLOW: 1,
  VIR_DOMAIN_BLOCK_COPY_REUSE_EXT: 2,
  VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB: 4,
  VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC: 1,
  VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT: 2,
  VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE: 1,
  VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT: 2,
  VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA: 4,
  VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY: 16,
  VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT: 32,
  VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE: 64,
  VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC: 128,
  VIR_DOMAIN_SNAPSHOT_CREATE_LIVE: 256,
  VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN: 1,
  VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY: 2,
  VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY: 4,
  VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING: 1,
  VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED: 2,
  VIR_DOMAIN_SNAPSHOT_REVERT_FORCE: 4,
  VIR_DOMAIN_DESTROY_GRACEFUL: 1,
  VIR_DOMAIN_START_PAUSED: 1,
  VIR_DOMAIN_START_FORCE_BOOT: 16,
  VIR_DOMAIN_SAVE_BYPASS_CACHE: 1,
  VIR_DOMAIN_SAVE_RUNNING: 2,
  VIR_DOMAIN_SAVE_PAUSED: 4,
  VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL: 1,
  VIR_DOMAIN_XML_INACTIVE: 2,
  VIR_DOMAIN_AFFECT_CONFIG: 2,
}

/**
 * The number that goes into the `flags` argument of a libvirt call, as `libvirt-domain*.h` of 11.3.0 defines it.
 *
 * @example
 * import { flagBits } from 'backing-chain'
 *
 * flagBits({ flags: ['VIR_DOMAIN_BLOCK_COMMIT_SHALLOW', 'VIR_DOMAIN_BLOCK_COMMIT_ACTIVE'] }) // => 5
 *
 * @since 0.1.0
 */
export const flagBits = (of: { readonly flags: ReadonlyArray<LibvirtFlag> }): number =>
  of.flags.reduce((sum, flag) => sum | bits[flag], 0)
