// Executes plans that start a qemu-storage-daemon, with qemu-img beside it, and virsh where libvirt holds a definition.

import { judgeDaemon } from 'backing-chain'
import type { Call, Wait } from 'backing-chain'
import type { QemuVersion } from '../lab/binaries.js'
import { startDaemon, type Daemon } from '../lab/daemon.js'
import { fields, isFields, list, text } from '../lab/json.js'
import type { Libvirt } from '../lab/libvirtd.js'
import { plainPath, waitJob } from './execute-qmp.js'
import { virshCall } from './execute-virsh.js'
import { chainOfInfo, fileCall, judgeChain, qemuImgCall, type Seen } from './files.js'
import type { Host, Settled } from './steps.js'

/** A host whose daemons are those that plans start, by socket. */
export interface DaemonHost extends Host {
  /** Kills every daemon that runs. */
  readonly kill: () => Promise<void>
  /** What every daemon that has ended printed to its standard error. */
  readonly stderr: () => string
}

/** The chain that the reply to query-named-block-nodes shows from the node of that file on, base first. */
export const chainOfNodes = (reply: unknown, uppermost: string): ReadonlyArray<Seen> => {
  const node = list(reply)
    .map(fields)
    .find((one) => one['drv'] !== 'file' && plainPath(text(one['file'])) === uppermost)
  const seen: Seen[] = []
  for (let image = node?.['image']; isFields(image); image = image['backing-image'])
    seen.unshift({ format: text(image['format']), path: plainPath(text(image['filename'])) })
  return seen
}

const socketOf = (call: Call): string | undefined => (call._tag === 'Qmp' ? call.socket : undefined)

const waitDaemon = async (daemon: Daemon | undefined, wait: Wait & { readonly _tag: 'Daemon' }): Promise<Settled> => {
  if (daemon === undefined) return { state: 'failed', seen: 'no daemon' }
  if (wait.status === 'answers') {
    const state = judgeDaemon(wait, { process: 'runs', monitor: 'answers' })
    return { state: state === 'waiting' ? 'failed' : state, seen: 'it greets' }
  }
  const { code, signal } = await daemon.exited
  const state = judgeDaemon(wait, { process: { exit: code ?? 128 }, monitor: 'silent' })
  return {
    state: state === 'waiting' ? 'failed' : state,
    seen: `exit ${String(code)} ${String(signal)} ${daemon.stderr()}`,
  }
}

/** A host that starts storage daemons of a version. */
export const storageDaemonHost = (version: QemuVersion, libvirt?: Libvirt): DaemonHost => {
  const daemons = new Map<string, Daemon>()
  let last: Daemon | undefined
  const daemonOf = (socket: string | undefined): Daemon => {
    const daemon = socket === undefined ? undefined : daemons.get(socket)
    if (daemon === undefined) throw new Error(`no daemon listens on ${String(socket)}`)
    return daemon
  }
  const start = async (argv: ReadonlyArray<string>): Promise<void> => {
    const escaped = /path=(.*),server=on/.exec(argv.find((word) => word.startsWith('socket,')) ?? '')?.[1] ?? ''
    const socket = escaped.replaceAll(',,', ',')
    last = await startDaemon(argv, socket, version)
    daemons.set(socket, last)
  }
  return {
    mark: () => 0,
    call: async (call) => {
      switch (call._tag) {
        case 'StorageDaemon':
          return start(call.argv)
        case 'Qmp':
          last = daemonOf(socketOf(call))
          return last.qmp.ask(call.command.execute, 'arguments' in call.command ? call.command.arguments : undefined)
        case 'QemuImg':
          return qemuImgCall(call, version)
        case 'Files':
          return fileCall(call)
        case 'Libvirt':
          if (libvirt === undefined) throw new Error('there is no libvirt here')
          return virshCall(libvirt, call.function)
        case 'Agent':
        case 'Host':
        case 'HandOver':
          throw new Error('there is no agent here')
      }
    },
    wait: async (wait, { reply, since }) => {
      switch (wait._tag) {
        case 'Daemon':
          return waitDaemon(daemons.get(wait.socket), wait)
        case 'QmpJob':
          if (last === undefined) throw new Error('no daemon was started')
          return waitJob(last.qmp, wait, since)
        case 'ChainIs':
          return judgeChain(
            wait,
            typeof reply === 'string' ? chainOfInfo(reply) : chainOfNodes(reply, wait.images.at(-1)?.location ?? ''),
          )
        case 'LibvirtJob':
        case 'LibvirtJobs':
          throw new Error('there are no jobs of libvirt here')
      }
    },
    kill: async () => {
      for (const daemon of daemons.values()) await daemon.kill()
    },
    stderr: () => Array.from(daemons.values(), (daemon) => daemon.stderr()).join(''),
  }
}
