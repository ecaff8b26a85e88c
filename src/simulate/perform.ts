import type { Call } from '../call/call.js'
import { unmodelled } from './fault.js'
import type { Outcome } from './fault.js'
import { performLibvirt } from './libvirt.js'
import { performFiles } from './perform-files.js'
import { performQemuImg } from './qemu-img.js'
import { performQmp } from './qmp.js'
import { performStorageDaemon } from './storage-daemon.js'
import type { World } from './world.js'

/**
 * Carries out one call, as QEMU, libvirt, qemu-img or the file system would, flaws included.
 *
 * A call that starts a job only starts it: see {@link settle}. What concerns the whole machine is for `performMachine`. Faults: `Refused` with the program's own text, `Crash`, `Hang`,
 * `Unmodelled`. Never throws on account of the call.
 *
 * @since 0.1.0
 */
export const perform = (world: World, call: Call): Outcome => {
  switch (call._tag) {
    case 'Qmp':
      return performQmp(world, call.command, call.socket)
    case 'Libvirt':
      return performLibvirt(world, call.function)
    case 'QemuImg':
      return performQemuImg(world, call.argv)
    case 'StorageDaemon':
      return performStorageDaemon(world, call.argv)
    case 'Files':
      return performFiles(world, call)
    case 'Agent':
    case 'Host':
    case 'HandOver':
      return unmodelled('a call on the whole machine')
  }
}
