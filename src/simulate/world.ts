import type { Layer } from '../content/layer.js'
import type { Format } from '../model/format.js'
import type { Bitmap, InternalSnapshot } from '../model/image.js'
import type { Job } from './job.js'
import type { Table } from './table.js'

/**
 * Everything that a plan can touch, at one moment: the disk's files, what libvirt has written down, and QEMU if it runs.
 *
 * `paths`, `files`, `readers`, `domain` and `boot` are durable: they outlive a kill. `qemu` does not.
 *
 * - `paths` names the inode of each path, `files` holds the inodes: a file that is open or linked elsewhere outlives its name.
 * - `readers` names, for each path, the paths of the images whose header leads there.
 * - `boot` is what whoever starts the guest gives it: libvirt's persistent definition, or the caller's own record.
 * - `incidents` are things that no program refuses and no plan should do.
 *
 * @since 0.1.0
 */
export interface World {
  readonly disk: string
  readonly paths: Table<string>
  readonly files: Table<SimFile>
  readonly readers: Table<ReadonlyArray<string>>
  readonly inodes: number
  readonly domain: SimDomain | undefined
  readonly boot: Boot
  readonly qemu: Process | undefined
  readonly incidents: ReadonlyArray<Incident>
}

/**
 * One file, device or network object. `layer` is its own allocation, as it stands on disk.
 *
 * `clusterBytes` is undefined where unknown (65,536 is assumed where it matters); `access` is what QEMU's user may do; `outside`
 * is how somebody has it open whom nothing here stands for: another guest, a program. `deviceBytes` is how large the device is that it is on.
 *
 * @since 0.1.0
 */
export interface SimFile {
  readonly paths: ReadonlyArray<string>
  readonly format: Format
  readonly layer: Layer
  readonly header: FileHeader | undefined
  readonly clusterBytes: number | undefined
  readonly version: 2 | 3 | undefined
  readonly internalSnapshots: ReadonlyArray<SavedLayer>
  readonly bitmaps: ReadonlyArray<Bitmap>
  readonly access: 'read-write' | 'read-only'
  readonly outside?: 'read' | 'write' | undefined
  readonly deviceBytes?: number | undefined
}

/**
 * A snapshot inside a qcow2 file: what the image itself stored when it was taken. What it does not store reads through the backing
 * file that the image has today.
 *
 * @since 0.2.0
 */
export interface SavedLayer extends InternalSnapshot {
  readonly layer: Layer
}

/**
 * What an image's header stores about its backing file. `format` is undefined in a format that cannot store it.
 *
 * @since 0.1.0
 */
export interface FileHeader {
  readonly string: string
  readonly format: Format | undefined
}

/** A libvirt domain, and what libvirt knows of the block job on its disk. */
export interface SimDomain {
  readonly name: string
  readonly definition: 'persistent' | 'transient'
  readonly job: LibvirtJob | undefined
  /** The last block job event for the disk since the last call that can cause one. */
  readonly event: 'ready' | 'completed' | 'failed' | 'canceled' | undefined
}

/** A disk source by its path and format. */
export interface Source {
  readonly path: string
  readonly format: Format
}

/** What libvirt remembers about the block job on the disk, to tidy up behind it. */
export interface LibvirtJob {
  readonly id: string
  readonly kind: 'pull' | 'commit' | 'active-commit' | 'copy' | 'backup'
  /** The live chain when the job began, uppermost first. */
  readonly chain: ReadonlyArray<Source>
  /** The format nodes to be dropped when the job has succeeded, uppermost first. */
  readonly dropped: ReadonlyArray<Pick<SimNode, 'name' | 'openedAs'>>
  readonly files: 'kept' | 'deleted'
  /** The path of the image that remains below what was dropped; nothing after a pull of everything. */
  readonly base: string | undefined
  readonly copy: LibvirtCopy | undefined
  /** libvirt has told QEMU to cancel it, and has not waited until that was done. */
  readonly ending?: 'canceled'
}

/** The destination of a copy or backup: its node, and whether its backing chain is opened at the pivot only, and what the definition gets. */
export interface LibvirtCopy {
  readonly node: string
  readonly to: Source
  readonly below: 'opened late' | 'opened'
  readonly terminated: boolean
}

/**
 * What the guest's disk is started from: source and format, and what libvirt stores of the backing chain.
 *
 * `backingStore` is base first and leaves the source out; where it is empty the headers decide. `terminated` says that
 * nothing lies below the first of them (below the source, where there are none), whatever the header says.
 *
 * @since 0.1.0
 */
export interface Boot {
  readonly keeper: 'libvirt' | 'caller'
  readonly path: string
  readonly format: Format
  readonly backingStore: ReadonlyArray<Source>
  readonly terminated: boolean
}

/**
 * A running QEMU, or a storage daemon: gone at a kill, all of it.
 *
 * `guest` is `none` in a storage daemon, which has a monitor on `socket` and no disk: its `root` is the empty string.
 * `declared` is the live definition's own record of the disk: what it was started from, as far as libvirt did not find it by itself.
 * `open` names the format nodes that have an inode open; `cache` is what an inode holds for this QEMU where that is not yet
 * on disk; `root` is the node that the guest's disk reads. `unflushed` is what a copy of a qcow2 file that is made now would have of an
 * inode that the guest has written since the last flush: QEMU holds tables back that point to the new clusters.
 *
 * @since 0.1.0
 */
export interface Process {
  readonly guest: 'running' | 'paused' | 'none'
  readonly socket?: string
  readonly root: string
  readonly declared: Boot
  readonly nodes: Table<SimNode>
  readonly open: Table<ReadonlyArray<string>>
  readonly cache: Table<Layer>
  readonly unflushed: Table<Layer>
  readonly jobs: ReadonlyArray<Job>
  readonly counter: number
}

/**
 * A node of the running QEMU.
 *
 * - `file`: the inode that it stands for. `openedAs`: the string that it was opened by.
 * - `storage`, `backing`: the nodes below; `overlays`: the nodes whose backing this is; `users`: format nodes on a storage node.
 * - `access`: how it is open now; `protocol`: whether QEMU could reopen it for writing.
 * - `named`: whether its name comes from the caller or was made up here.
 *
 * @since 0.1.0
 */
export interface SimNode {
  readonly name: string
  readonly kind: 'format' | 'storage'
  readonly driver: string
  readonly file: string
  readonly openedAs: string
  readonly storage: string | undefined
  readonly backing: string | undefined
  readonly overlays: ReadonlyArray<string>
  readonly users: ReadonlyArray<string>
  readonly owner: 'monitor' | 'implicit'
  readonly access: 'read-write' | 'read-only'
  readonly protocol: 'reopens' | 'read-only'
  readonly filters: ReadonlyArray<string>
  readonly named: 'by caller' | 'made up'
}

/**
 * Something that every program allows and that loses data: a file was removed, or replaced by a new one of its name, while
 * nodes of the running QEMU or somebody outside had it open, or while headers of other files led to it.
 *
 * @since 0.1.0
 */
export interface Incident {
  readonly _tag: 'RemovedWhileRead'
  readonly path: string
  readonly nodes: ReadonlyArray<string>
  readonly headers: ReadonlyArray<string>
  readonly outside?: 'read' | 'write'
}

/** The world with another running QEMU in the place of this one. */
export const withProcess = (world: World, change: Partial<Process>): World =>
  world.qemu === undefined ? world : { ...world, qemu: { ...world.qemu, ...change } }
