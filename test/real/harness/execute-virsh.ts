// Executes plans through virsh, with libvirt's own events for the waits.

import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { judgeLibvirtJob, judgeLibvirtJobs, virshCommand } from 'backing-chain'
import type { LibvirtCall, Wait } from 'backing-chain'
import { runOk } from '../lab/exec.js'
import type { Libvirt } from '../lab/libvirtd.js'
import { fileCall, judgeChain, qemuImgCall } from './files.js'
import type { Host, Settled } from './steps.js'
import { chainOfDisk, diskOf } from './xml.js'

/** What `virsh event` prints, line by line. */
export interface Events {
  readonly lines: ReadonlyArray<string>
  readonly stop: () => void
}

/** Listens to the events of all domains; settles once a domain's event has come through. */
export const listen = async (libvirt: Libvirt): Promise<Events> => {
  const argv = ['-oL', 'virsh', '-q', '-c', libvirt.uri, 'event', '--all', '--loop']
  const child = spawn('stdbuf', argv, { stdio: ['ignore', 'pipe', 'ignore'] })
  const lines: string[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  const stop = (): void => {
    child.kill('SIGKILL')
  }
  process.once('exit', stop)
  await libvirt.define(`<domain type='qemu'><name>herald</name><memory>1</memory><os><type>hvm</type></os></domain>`)
  for (const deadline = Date.now() + 30_000; lines.length === 0; await delay(20)) {
    await libvirt.ask('metadata', 'herald', '--uri', 'urn:herald', '--key', 'h', '--set', '<at/>', '--config')
    if (Date.now() > deadline) throw new Error('virsh event hears nothing')
  }
  return { lines, stop }
}

const statuses = ['completed', 'failed', 'canceled', 'ready'] as const

/** The number of the event that a line reports, for that disk. */
const statusIn = (line: string, domain: string, disk: string): 0 | 1 | 2 | 3 | undefined => {
  if (!line.startsWith(`event 'block-job-2' for domain '${domain}': `)) return undefined
  const found = statuses.find((status) => line.endsWith(` for ${disk} ${status}`))
  if (found === undefined) return undefined
  return ({ completed: 0, failed: 1, canceled: 2, ready: 3 } as const)[found]
}

const jobIsGone = async (libvirt: Libvirt, domain: string, disk: string): Promise<boolean> =>
  (await libvirt.virsh('blockjob', domain, disk, '--raw')).stdout.trim() === ''

const waitJob = async (
  on: VirshOptions,
  wait: Wait & { readonly _tag: 'LibvirtJob' },
  since: number,
): Promise<Settled> => {
  const { events, libvirt, domain } = on
  let goneAt: number | undefined
  for (let next = since; ; await delay(5)) {
    for (; next < events.lines.length; next++) {
      const status = statusIn(events.lines[next] ?? '', domain, wait.disk)
      const state = status === undefined ? 'waiting' : judgeLibvirtJob(wait, status)
      if (state !== 'waiting') return { state, seen: events.lines[next] ?? '' }
    }
    if (goneAt === undefined && (await jobIsGone(libvirt, domain, wait.disk))) goneAt = Date.now()
    if (goneAt !== undefined && Date.now() - goneAt > 5_000)
      return { state: 'lost', seen: events.lines.slice(since).join('; ') }
  }
}

const areGone = async ({ libvirt, domain }: VirshOptions, disks: ReadonlyArray<string>): Promise<boolean> => {
  for (const disk of disks) if (!(await jobIsGone(libvirt, domain, disk))) return false
  return true
}

/** The jobs of several disks, by the last event of each. */
const waitJobs = async (
  on: VirshOptions,
  wait: Wait & { readonly _tag: 'LibvirtJobs' },
  since: number,
): Promise<Settled> => {
  const { events, domain } = on
  for (let goneAt: number | undefined; ; await delay(5)) {
    const lines = events.lines.slice(since)
    const seen = new Map<string, 0 | 1 | 2 | 3>()
    for (const disk of wait.disks)
      for (const line of lines) {
        const status = statusIn(line, domain, disk)
        if (status !== undefined) seen.set(disk, status)
      }
    const state = judgeLibvirtJobs(wait, seen)
    if (state !== 'waiting') return { state, seen: lines.join('; ') }
    if (goneAt === undefined && (await areGone(on, wait.disks))) goneAt = Date.now()
    if (goneAt !== undefined && Date.now() - goneAt > 5_000) return { state: 'lost', seen: lines.join('; ') }
  }
}

export interface VirshOptions {
  readonly libvirt: Libvirt
  readonly events: Events
  readonly domain: string
}

const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']

/** A file as standard input. Node's own pipes are sockets, and nobody can open `/dev/stdin` when it is a socket. */
const withInput = ['sh', '-c', 'exec "$@" <"$0"'] as const

/** Runs the virsh line of a libvirt call. */
export const virshCall = async (libvirt: Libvirt, call: LibvirtCall): Promise<string> => {
  const { argv, stdin } = virshCommand(call)
  if (stdin === undefined) return libvirt.ask(...argv.slice(1))
  const line = ['virsh', '-q', '-c', libvirt.uri, ...argv.slice(1)]
  const folder = await mkdtemp(join(tmpdir(), 'bc-x-'))
  try {
    const file = join(folder, 'stdin.xml')
    await writeFile(file, stdin)
    return await runOk([...withInput, file, ...line])
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** A host that is a libvirt domain; qemu-img runs as the user whose files they are. */
export const virshHost = (on: VirshOptions): Host => ({
  mark: () => on.events.lines.length,
  call: async (call) => {
    switch (call._tag) {
      case 'Libvirt':
        return virshCall(on.libvirt, call.function)
      case 'QemuImg':
        return qemuImgCall(call, '10.0', process.getuid?.() === 0 ? asNobody : [])
      case 'Files':
        return fileCall(call)
      case 'Qmp':
      case 'StorageDaemon':
      case 'Agent':
      case 'Host':
      case 'HandOver':
        throw new Error('a plan for libvirt talks to libvirt')
    }
  },
  wait: async (wait, { reply, since }) => {
    switch (wait._tag) {
      case 'LibvirtJob':
        return waitJob(on, wait, since)
      case 'LibvirtJobs':
        return waitJobs(on, wait, since)
      case 'ChainIs':
        return judgeChain(wait, chainOfDisk(diskOf(String(reply), wait.disk)).images)
      case 'QmpJob':
      case 'Daemon':
        throw new Error('a plan for libvirt waits for libvirt')
    }
  },
})
