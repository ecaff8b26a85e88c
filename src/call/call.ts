import type { AgentCommand } from './agent.js'
import type { FileCall } from './files.js'
import type { HandOverCall, HostCall } from './host.js'
import type { LibvirtCall } from './libvirt.js'
import type { QemuImgCall } from './qemu-img.js'
import type { QmpCommand } from './qmp.js'
import type { StorageDaemonCall } from './storage-daemon.js'

/**
 * Something that a plan asks of the outside. What is inside is wire-shaped: a QMP command is the JSON of the socket, a
 * qemu-img call an argument vector, a libvirt call a function with its arguments and flag names.
 *
 * @since 0.1.0
 */
export type Call =
  /** To the guest's own monitor, or to the storage daemon that listens on this socket. */
  | { readonly _tag: 'Qmp'; readonly command: QmpCommand; readonly socket?: string }
  | { readonly _tag: 'Libvirt'; readonly function: LibvirtCall }
  | ({ readonly _tag: 'QemuImg' } & QemuImgCall)
  | ({ readonly _tag: 'StorageDaemon' } & StorageDaemonCall)
  | ({ readonly _tag: 'Files' } & FileCall)
  | { readonly _tag: 'Agent'; readonly command: AgentCommand }
  | ({ readonly _tag: 'Host' } & HostCall)
  | ({ readonly _tag: 'HandOver' } & HandOverCall)
