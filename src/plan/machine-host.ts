import type { Capabilities } from '../call/capability.js'
import type { Opening } from '../model/opening.js'
import type { Hypervisor, RunningJob } from './hypervisor.js'

/**
 * Who executes a plan for a whole machine, and what is known of the host; whether the guest runs is the machine's to say.
 *
 * - `via`: `libvirt` for a domain, running or shut off (then with qemu-img where libvirt has no way); `qmp` for a monitor socket of
 *   a guest that libvirt does not manage, `qemu-img` for such a guest that is shut off.
 * - `socket`: of `storage-daemon`, which is for a guest that is shut off and that libvirt does not manage: the absolute path under
 *   which the daemon of each disk makes its own, `<socket>.<disk>`.
 * - `jobs`: block jobs that are under way, by disk.
 * - `opened`: who has which image of a disk open besides the guest itself, by disk; left out where nobody looked.
 * - `agent`: whether the guest agent answers; left out where nobody looked.
 * - `managedSave`: whether libvirt has a saved state of the domain; left out where nobody looked.
 * - `heldBack`: of a guest that is paused, `nothing` where QEMU has written out all that it held back: a call has paused it and no error
 *   of a disk, and no block job has ended since. Through libvirt nothing makes a paused guest's QEMU do so; left out where nobody knows.
 *
 * @since 0.2.0
 */
export interface MachineHost {
  readonly via: Hypervisor['via']
  readonly capabilities: Capabilities
  readonly socket?: string
  readonly jobs?: ReadonlyMap<string, ReadonlyArray<RunningJob>>
  readonly opened?: ReadonlyMap<string, ReadonlyArray<Opening>>
  readonly agent?: 'answers' | 'absent'
  readonly managedSave?: 'none' | 'present'
  readonly heldBack?: 'nothing'
}
