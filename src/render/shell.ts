import type { Call } from '../call/call.js'
import type { FileCall } from '../call/files.js'
import type { HandOverCall } from '../call/host.js'
import { virshLine } from './virsh.js'
import { shellWords } from './word.js'

/** The utility that makes the one system call: `unlink(1)`, `link(1)`, and `mv -T`, since `rename(2)` has none. */
const fileArgv = (call: FileCall): ReadonlyArray<string> => {
  switch (call.operation) {
    case 'remove':
      return ['unlink', '--', call.path]
    case 'rename':
      return ['mv', '-T', '--', call.path, call.to]
    case 'link':
      return ['link', '--', call.path, call.to]
    default: {
      const never: never = call
      return never
    }
  }
}

const tasks = { take: 'take', delete: 'delete', revert: 'revert to' } as const

/** No shell can do it, and a comment may not have a second line. */
const handOverLine = ({ level, task, disk, snapshot, path }: HandOverCall): string =>
  `# ${[level, tasks[task], snapshot, `of ${disk},`, path].join(' ')}`.replaceAll(/[\n\r]/g, ' ')

/**
 * Writes a call on one line, to read or to paste: shell words for qemu-img and files, `virsh` for libvirt, and the JSON of
 * the socket for QMP and for the guest agent. A storage daemon is started in the background; what somebody else has to do is a comment.
 *
 * Law: a POSIX shell splits the line of a qemu-img call, or of a program of the host, into exactly its `argv`.
 *
 * @example
 * import { shellLine } from 'backing-chain'
 *
 * const argv = ['qemu-img', 'rebase', '-u', '-b', '/a b', '/top.qcow2'] as const
 * shellLine({ _tag: 'QemuImg', argv }) // => "qemu-img rebase -u -b '/a b' /top.qcow2"
 *
 * @since 0.1.0
 */
export const shellLine = (call: Call): string => {
  switch (call._tag) {
    case 'Qmp':
    case 'Agent':
      return JSON.stringify(call.command)
    case 'Libvirt':
      return virshLine(call.function)
    case 'QemuImg':
      return shellWords(call.argv)
    case 'StorageDaemon':
      return `${shellWords(call.argv)} &`
    case 'Files':
      return shellWords(fileArgv(call))
    case 'Host':
      return shellWords(call.argv)
    case 'HandOver':
      return handOverLine(call)
    default: {
      const never: never = call
      return never
    }
  }
}
