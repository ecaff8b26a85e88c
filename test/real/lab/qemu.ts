// A running QEMU without a guest operating system: its block layer is real, and the human monitor writes to its disks.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { binary, type QemuVersion } from './binaries.js'
import { unless, watched, type Exit } from './child.js'
import { haltingFirmware } from './firmware.js'
import { setTimeout as delay } from 'node:timers/promises'
import { connectQmp, type Qmp } from './qmp.js'
import type { Monitor } from './writer.js'

/** A virtio disk; `writerPath(id)` is what the guest's writes name it by. */
export interface Device {
  readonly id: string
  readonly node: string
}

export interface QemuOptions {
  readonly version: QemuVersion
  /** Where the socket goes; an existing folder with a short path. */
  readonly folder: string
  /** Each one argument of -blockdev, in order: storage node before format node, backing file before overlay. */
  readonly blockdevs: ReadonlyArray<object>
  readonly devices: ReadonlyArray<Device>
  /** With 'paused' the guest never ran (-S). */
  readonly guest?: 'running' | 'paused'
  /** Arguments that come before the nodes, such as an -object that a node refers to. */
  readonly first?: ReadonlyArray<string>
  /** Arguments that come last. */
  readonly more?: ReadonlyArray<string>
  /** What runs QEMU, such as setpriv or strace with their arguments. */
  readonly under?: ReadonlyArray<string>
}

export interface Qemu {
  readonly qmp: Qmp
  /** The human monitor. To a `qemu-io` write it also gives back the report, which QEMU prints to its standard output. */
  readonly monitor: Monitor
  readonly pid: number
  readonly exited: Promise<Exit>
  /** What QEMU printed to its standard error so far. */
  readonly stderr: () => string
  /** Ends QEMU in order, flushing everything. */
  readonly quit: () => Promise<Exit>
  /** Ends it as a power failure would: SIGKILL. */
  readonly kill: () => Promise<Exit>
}

const argvOf = (options: QemuOptions, socket: string): ReadonlyArray<string> => [
  ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'pc,accel=tcg', '-m', '32'],
  ...['-bios', haltingFirmware()],
  ...(options.guest === 'paused' ? ['-S'] : []),
  // It waits for the first connection before its threads run: two of them would now and then read one that comes earlier.
  ...['-qmp', `unix:${socket},server=on,wait=on`],
  ...(options.first ?? []),
  ...options.blockdevs.flatMap((blockdev) => ['-blockdev', JSON.stringify(blockdev)]),
  ...options.devices.flatMap(({ id, node }) => ['-device', `virtio-blk-pci,id=${id},drive=${node},share-rw=off`]),
  ...(options.more ?? []),
]

let started = 0

/** Starts QEMU and connects to its QMP socket; rejects with QEMU's own words if it does not come up. */
export const startQemu = async (options: QemuOptions): Promise<Qemu> => {
  const socket = join(options.folder, `qmp-${String(process.pid)}-${String(started++)}`)
  // Line by line, or its standard output would come in blocks of 4 KiB.
  const [program = 'stdbuf', ...words] = [...(options.under ?? []), 'stdbuf', '-oL']
  const argv = [...words, binary(options.version, 'qemu-system-x86_64'), ...argvOf(options, socket)]
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (chunk: string) => (stdout += chunk))
  const { exited, stderr, reap, early } = watched(child, 'QEMU')
  const qmp = await unless(early, connectQmp(socket))
  const reported = async (line: string): Promise<string> => {
    const before = stdout.length
    const said = await qmp.hmp(line)
    if (!/^qemu-io .*"write /.test(line)) return said
    for (const deadline = Date.now() + 10_000; ; await delay(1)) {
      if (stdout.includes('\n', before)) return said + stdout.slice(before)
      if (Date.now() > deadline) throw new Error(`no report of ${line}`)
    }
  }
  // One at a time, so that each report is found with its line.
  let last: Promise<unknown> = Promise.resolve()
  const monitor: Monitor = (line) => {
    const next = last.then(() => reported(line))
    last = next.catch(() => undefined)
    return next
  }
  const quit = async (): Promise<Exit> => {
    await qmp.execute({ execute: 'quit' }).catch(() => undefined)
    return exited
  }
  const kill = (): Promise<Exit> => {
    reap()
    return exited
  }
  return { qmp, monitor, pid: child.pid ?? -1, exited, stderr, quit, kill }
}

/** The path by which `qemu-io -d` reaches the disk of a virtio device. */
export const writerPath = (deviceId: string): string => `/machine/peripheral/${deviceId}/virtio-backend`

const storageName = (node: string): string => `${node}-s`

/**
 * The nodes of a chain in libvirt's style: for each image a storage node (`<node>-s`, auto-read-only) and a format node
 * that names its backing node; all but the active image read-only. Base first.
 */
export const chainNodes = (
  images: ReadonlyArray<{ readonly node: string; readonly path: string; readonly format: string }>,
): ReadonlyArray<object> =>
  images.flatMap(({ node, path, format }, depth) => {
    const driver = path.startsWith('/dev/') ? 'host_device' : 'file'
    const storage = { driver, filename: path, 'node-name': storageName(node), 'auto-read-only': true }
    const backing = images[depth - 1]?.node ?? null
    return [
      { ...storage, discard: 'unmap' },
      {
        driver: format,
        'node-name': node,
        'read-only': depth < images.length - 1,
        discard: 'unmap',
        file: storageName(node),
        ...(format === 'raw' ? {} : { backing }),
      },
    ]
  })
