import * as E from 'fp-ts/lib/Either.js'

import type { FormatOptions, StorageOptions } from './qmp.js'
import type { StorageDaemonCall } from './storage-daemon.js'

/** What a storage daemon is started with: nodes, each after those that it names, and the socket of its monitor. */
export interface DaemonArguments {
  readonly blockdevs: ReadonlyArray<StorageOptions | FormatOptions>
  readonly socket: string
}

const chardev = 'monitor'
const before = `socket,id=${chardev},path=`
// It waits for the first connection before its threads run: two of them would read one that comes earlier (docs/limits.md).
const after = ',server=on,wait=on'

/** In an option a comma is doubled. */
const escaped = (path: string): string => path.replaceAll(',', ',,')

/** The argument vector: the monitor comes last, so that it answers only when all nodes are open. */
export const storageDaemonArgv = ({ blockdevs, socket }: DaemonArguments): StorageDaemonCall['argv'] => [
  'qemu-storage-daemon',
  ...blockdevs.flatMap((options) => ['--blockdev', JSON.stringify(options)]),
  '--chardev',
  `${before}${escaped(socket)}${after}`,
  '--monitor',
  `chardev=${chardev}`,
]

const membersOf = (value: unknown): ReadonlyMap<string, unknown> =>
  new Map<string, unknown>(typeof value === 'object' && value !== null ? Object.entries(value) : [])

const parsedJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const flags = (members: ReadonlyMap<string, unknown>) => {
  const [readOnly, auto] = [members.get('read-only'), members.get('auto-read-only')]
  return {
    ...(typeof readOnly === 'boolean' ? { 'read-only': readOnly } : {}),
    ...(typeof auto === 'boolean' ? { 'auto-read-only': auto } : {}),
  }
}

const known: ReadonlySet<string> = new Set([
  ...['driver', 'node-name', 'filename', 'file', 'backing', 'read-only', 'auto-read-only'],
])

const optionsOf = (text: string): StorageOptions | FormatOptions | undefined => {
  const members = membersOf(parsedJson(text))
  const [driver, node, filename] = [members.get('driver'), members.get('node-name'), members.get('filename')]
  const [file, backing] = [members.get('file'), members.get('backing')]
  if (typeof driver !== 'string' || typeof node !== 'string') return undefined
  if (Array.from(members.keys()).some((name) => !known.has(name))) return undefined
  if (typeof filename === 'string' && (driver === 'file' || driver === 'host_device'))
    return { driver, 'node-name': node, filename, ...flags(members) }
  if (typeof file !== 'string') return undefined
  const under = typeof backing === 'string' || backing === null ? { backing } : {}
  return { driver, 'node-name': node, file, ...under, ...flags(members) }
}

const socketOf = (text: string): string | undefined =>
  text.startsWith(before) && text.endsWith(after)
    ? text.slice(before.length, -after.length).replaceAll(',,', ',')
    : undefined

/**
 * Reads an argument vector as the library writes it: nodes, a socket and a monitor on it. Left: what it does not know.
 *
 * Law: it gives back what `storageDaemonArgv` was given.
 */
export const parseStorageDaemon = (argv: ReadonlyArray<string>): E.Either<string, DaemonArguments> => {
  const blockdevs: Array<StorageOptions | FormatOptions> = []
  let socket: string | undefined
  for (let at = 1; at < argv.length; at += 2) {
    const [option = '', value = ''] = argv.slice(at, at + 2)
    const options = option === '--blockdev' ? optionsOf(value) : undefined
    const monitored = option === '--monitor' && value === `chardev=${chardev}` && socket !== undefined
    if (options !== undefined) blockdevs.push(options)
    else if (option === '--chardev' && socketOf(value) !== undefined) socket = socketOf(value)
    else if (!monitored) return E.left(`qemu-storage-daemon ${option} ${value}`)
  }
  return socket === undefined ? E.left('qemu-storage-daemon without a socket') : E.right({ blockdevs, socket })
}
