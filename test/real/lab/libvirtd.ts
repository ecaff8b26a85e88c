// A libvirt of one's own: an unprivileged session daemon in a temporary folder, so that test files can run beside each
// other. Started by root it runs as nobody, since a daemon of root's would be the system's one.

import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { okOf, run, type Ran } from './exec.js'
import { haltingFirmware } from './firmware.js'
import { virshFor } from './virsh.js'
import type { Monitor } from './writer.js'

export interface Libvirt {
  readonly uri: string
  /** A folder for images, which QEMU may write to; see `adopt`. */
  readonly images: string
  /** Runs virsh; what it says is a value. */
  readonly virsh: (...args: ReadonlyArray<string>) => Promise<Ran>
  /** Runs virsh and gives back its output; rejects if it fails. */
  readonly ask: (...args: ReadonlyArray<string>) => Promise<string>
  /** Defines a persistent domain from XML; its name is in there. */
  readonly define: (xml: string) => Promise<void>
  /** The human monitor of a running domain, for `writeCell` and `startWriter`. */
  readonly monitor: (domain: string) => Monitor
  /** Sends one QMP command past libvirt and gives back the reply as JSON text. */
  readonly qmp: (domain: string, command: object) => Promise<string>
  /** Hands files that the test created in `images` to the daemon's user. Call it before a domain opens them. */
  readonly adopt: () => Promise<void>
  /** The process id of a running domain's QEMU. */
  readonly pidOf: (domain: string) => number
  /** Ends a running domain's QEMU in order, flushing everything, and waits until libvirt has noticed. */
  readonly quit: (domain: string) => Promise<void>
  /** What the daemon logged. */
  readonly log: () => string
  /** Ends the daemon without its domains, as a crash would. */
  readonly kill: () => Promise<void>
  /** Starts it again on the same folder. */
  readonly restart: () => Promise<void>
  /** Kills the daemon and all domains, and removes the folder. Images end as after a power failure: read them before. */
  readonly stop: () => Promise<void>
}

const nobody = 65534
const isRoot = process.getuid?.() === 0

const environment = (folder: string): Readonly<Record<string, string>> => ({
  HOME: folder,
  XDG_RUNTIME_DIR: join(folder, 'run'),
  XDG_CONFIG_HOME: join(folder, 'conf'),
  XDG_CACHE_HOME: join(folder, 'cache'),
  XDG_DATA_HOME: join(folder, 'data'),
})

const own = async (path: string): Promise<void> => {
  if (isRoot) await chown(path, nobody, nobody)
}

const layOut = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-lv-'))
  await chmod(folder, 0o755)
  for (const name of ['.', 'run', 'conf', 'conf/libvirt', 'cache', 'data', 'images']) {
    await mkdir(join(folder, name), { recursive: true })
    await own(join(folder, name))
  }
  await writeFile(join(folder, 'conf/libvirt/qemu.conf'), 'security_driver = "none"\nstdio_handler = "file"\n')
  await writeFile(join(folder, 'conf/libvirt/libvirtd.conf'), 'unix_sock_rw_perms = "0700"\n')
  return folder
}

// A domain's QEMU is nobody's child: when it ends, libvirt waits until it has been reaped, and the process 1 of a container
// can take seconds over that. So the daemon's parent is a reaper (perl: prctl PR_SET_CHILD_SUBREAPER); if the reaper is
// killed, so is the daemon.
const reaper =
  'syscall(157, 36, 1, 0, 0, 0); unless ($daemon = fork) { exec @ARGV } 1 while ($pid = wait) > 0 && $pid != $daemon; exit $? >> 8'

const spawnDaemon = (folder: string, log: (chunk: string) => void): ChildProcess => {
  const ids = [`--reuid=${String(nobody)}`, `--regid=${String(nobody)}`, '--clear-groups']
  const daemon = ['setpriv', ...(isRoot ? ids : []), '--pdeathsig=KILL', 'libvirtd']
  const child = spawn('perl', ['-e', reaper, '--', ...daemon], {
    env: { ...process.env, ...environment(folder) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  child.stderr.setEncoding('utf8').on('data', log)
  return child
}

const pidFiles = (folder: string): string => join(folder, 'run/libvirt/qemu/run')

const pidIn = (folder: string, domain: string): number =>
  Number.parseInt(readFileSync(join(pidFiles(folder), `${domain}.pid`), 'utf8'), 10)

const pidsIn = (folder: string): ReadonlyArray<number> => {
  try {
    const files = readdirSync(pidFiles(folder)).filter((name) => name.endsWith('.pid'))
    return files.map((name) => pidIn(folder, name.slice(0, -'.pid'.length)))
  } catch {
    return []
  }
}

// When the test process goes down without `stop`, no QEMU may stay behind. A pid file may be left over from a process
// that is gone, so the process has to name the folder.
const killDomains = (folder: string): void => {
  for (const pid of pidsIn(folder)) {
    try {
      if (readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').includes(folder)) process.kill(pid, 'SIGKILL')
    } catch {
      // It has just ended by itself.
    }
  }
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else
      child.once('exit', () => {
        resolve()
      })
  })

/** Starts a libvirt daemon and waits until it answers. */
export const startLibvirt = async (): Promise<Libvirt> => {
  const folder = await layOut()
  const images = join(folder, 'images')
  const uri = `qemu:///session?socket=${join(folder, 'run/libvirt/libvirt-sock')}`
  let log = ''
  const note = (chunk: string): void => {
    log += chunk
  }
  const { run: virsh, drop } = virshFor(uri, folder)
  const ask = async (...args: ReadonlyArray<string>): Promise<string> => okOf(await virsh(...args))
  let daemon = spawnDaemon(folder, note)
  const reap = (): void => {
    daemon.kill('SIGKILL')
    killDomains(folder)
  }
  process.once('exit', reap)

  const ready = async (): Promise<void> => {
    for (const deadline = Date.now() + 60_000; ;) {
      if ((await run(['virsh', '-q', '-c', uri, 'list'])).code === 0) return
      if (daemon.exitCode !== null || Date.now() > deadline) throw new Error(`libvirtd does not answer: ${log}`)
      await delay(50)
    }
  }
  const kill = async (): Promise<void> => {
    drop()
    daemon.kill('SIGKILL')
    await ended(daemon)
  }
  const restart = async (): Promise<void> => {
    daemon = spawnDaemon(folder, note)
    await ready()
  }
  const stop = async (): Promise<void> => {
    await kill()
    killDomains(folder)
    process.off('exit', reap)
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  }
  const define = async (xml: string): Promise<void> => {
    const path = join(folder, 'define.xml')
    await writeFile(path, xml)
    await ask('define', path)
  }
  const adopt = async (): Promise<void> => {
    for (const name of await readdir(images, { recursive: true })) await own(join(images, name))
  }
  const monitor =
    (domain: string): Monitor =>
    (line) =>
      ask('qemu-monitor-command', domain, '--hmp', line)
  const qmp = (domain: string, command: object): Promise<string> =>
    ask('qemu-monitor-command', domain, JSON.stringify(command))
  const quit = async (domain: string): Promise<void> => {
    await virsh('qemu-monitor-command', domain, JSON.stringify({ execute: 'quit' }))
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await delay(10)) {
      if (!(await ask('list', '--name')).split('\n').includes(domain)) return
    }
    throw new Error(`${domain} does not end`)
  }
  const pidOf = (domain: string): number => pidIn(folder, domain)
  await ready()
  return { uri, images, virsh, ask, define, monitor, qmp, adopt, pidOf, quit, log: () => log, kill, restart, stop }
}

export interface DiskSpec {
  readonly target: string
  readonly path: string
  readonly format: string
  /** 'block' for a device; 'file' if left out. */
  readonly type?: 'file' | 'block'
  /** Inner XML, such as a `<backingStore>`. */
  readonly more?: string
}

const escapeXml = (value: string): string =>
  value.replace(/[&<>'"\n\t\r]/g, (character) => `&#${String(character.charCodeAt(0))};`)

const diskXml = (disk: DiskSpec): string => {
  const type = disk.type ?? 'file'
  const source = `<source ${type === 'file' ? 'file' : 'dev'}='${escapeXml(disk.path)}'/>`
  const driver = `<driver name='qemu' type='${disk.format}'/>`
  const target = `<target dev='${disk.target}' bus='virtio'/>`
  return `<disk type='${type}' device='disk'>${driver}${source}${disk.more ?? ''}${target}</disk>`
}

/**
 * A small domain without an operating system, emulated, whose disks are the given ones. With the BIOS, which costs time, its definition
 * names no file of the lab's own.
 */
export const domainXml = (name: string, disks: ReadonlyArray<DiskSpec>, boot: 'halt' | 'bios' = 'halt'): string =>
  `<domain type='qemu'><name>${name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type>${boot === 'halt' ? `<loader type='rom'>${haltingFirmware()}</loader>` : ''}</os>
<devices>${disks.map(diskXml).join('')}
<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>`
