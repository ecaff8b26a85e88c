import type { Capabilities } from '../call/capability.js'
import type { GuestState } from '../model/guest.js'
import type { Opening } from '../model/opening.js'
import type { XmlElement } from '../model/xml.js'

/**
 * A block job that is under way on the disk. `images` are those that it works on, base first: of a commit from its base to
 * its top, of a pull from the image above its base to the one that it pulls into, of a copy or backup the active one.
 *
 * @since 0.1.0
 */
export interface RunningJob {
  readonly id: string
  readonly kind: 'commit' | 'pull' | 'copy' | 'backup'
  readonly images: ReadonlyArray<string>
}

/**
 * A libvirt domain: its name, whether it has a persistent definition, and its disks besides the one in question.
 *
 * @since 0.1.0
 */
export interface Domain {
  readonly name: string
  readonly definition: 'persistent' | 'transient'
  readonly otherDisks: ReadonlyArray<string>
}

/**
 * The persistent definition of a shut-off domain that libvirt holds: the `<disk>` element of the disk, as
 * `virsh dumpxml --inactive` prints it. A plan that changes the chain outside libvirt mends it. `managedSave` says whether
 * the domain has a saved state (`virsh list --all --managed-save`): it would be resumed on the old chain.
 *
 * @since 0.1.0
 */
export interface Definition {
  readonly domain: string
  readonly disk: XmlElement
  readonly managedSave?: 'none' | 'present'
}

/** What every way knows: the guest, the host, jobs that are under way, and who else has images open. */
interface Common {
  readonly guest: GuestState
  readonly capabilities: Capabilities
  readonly jobs?: ReadonlyArray<RunningJob>
  /** Besides the guest itself, whose openings follow from its state; left out where nobody looked. */
  readonly opened?: ReadonlyArray<Opening>
}

/**
 * Who executes the plan, what state the guest is in, and what the host can do.
 *
 * - `qmp`: a QEMU monitor socket of a guest that libvirt does not manage.
 * - `libvirt`: a domain.
 * - `qemu-img`: command lines, for a guest that is shut off.
 * - `storage-daemon`: a qemu-storage-daemon that the plan starts for itself, for a guest that is shut off.
 *
 * @since 0.1.0
 */
export type Hypervisor = QmpHypervisor | LibvirtHypervisor | QemuImgHypervisor | StorageDaemonHypervisor

/** Through a QEMU monitor. */
export interface QmpHypervisor extends Common {
  readonly via: 'qmp'
}

/** Through libvirt. */
export interface LibvirtHypervisor extends Common {
  readonly via: 'libvirt'
  readonly domain: Domain
}

/** Through qemu-img; `definition` where libvirt holds one. */
export interface QemuImgHypervisor extends Common {
  readonly via: 'qemu-img'
  readonly definition?: Definition
}

/**
 * Through a qemu-storage-daemon: the live block jobs, with no guest. `socket` is the absolute path of the QMP socket that it is to
 * make; `definition` where libvirt holds one.
 *
 * @since 0.2.0
 */
export interface StorageDaemonHypervisor extends Common {
  readonly via: 'storage-daemon'
  readonly socket: string
  readonly definition?: Definition
}
