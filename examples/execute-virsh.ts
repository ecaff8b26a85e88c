// Executes a plan through virsh, waiting as the plan says.
//
//     npx tsx examples/execute-virsh.ts DOMAIN DISK commit TOP BASE [pivot|keep]
//     npx tsx examples/execute-virsh.ts DOMAIN DISK pull INTO [BASE]
//
// plans and executes on a disk (such as vda) of a running domain; images are named by their paths. LIBVIRT_DEFAULT_URI
// says which libvirt, as for virsh itself.

import { setTimeout as delay } from 'node:timers/promises'
import {
  activePath,
  capabilitiesOfVersions,
  commit,
  explain,
  explainRefusal,
  locationString,
  pull,
  virshCommand,
} from 'backing-chain'
import type { LibvirtCall, LibvirtHypervisor, Plan, Step, Wait } from 'backing-chain'
import { decodeBackingChain, decodeDomainDisks } from 'backing-chain/codec'
import type { DomainDisk } from 'backing-chain/codec'
import { isEntry, requestOf, valueOf } from './arguments.js'
import { expectChain, runArgv, say, touchFile } from './steps.js'

const virsh = (...words: ReadonlyArray<string>): Promise<string> => runArgv(['virsh', '--quiet', ...words])

const diskOf = (xml: string, target: string): DomainDisk => {
  const disk = valueOf(decodeDomainDisks(xml)).find((one) => one.target === target)
  if (disk === undefined) throw new Error(`the domain has no disk ${target}`)
  return disk
}

/**
 * Polls until a job is ready, or gone. Ready is what `<mirror>` says, never a progress of 100 %. A job that is gone proves
 * nothing: it is the plan's own look at the chain, a step later, that tells how it ended.
 */
const waitForJob = async (wait: Wait & { readonly _tag: 'LibvirtJob' }, domain: string): Promise<void> => {
  for (;;) {
    const running = (await virsh('blockjob', domain, wait.disk, '--raw')).trim() !== ''
    const { mirror } = diskOf(await virsh('dumpxml', domain), wait.disk)
    if (wait.status === 'ready' ? mirror?.ready === 'yes' : !running) return
    if (!running) throw new Error(`disk ${wait.disk}: the job ended before it was ready`)
    await delay(100)
  }
}

const inXml = (printed: string, disk: string): ReadonlyArray<{ format: string; location: string }> =>
  diskOf(printed, disk).images.map(({ format, location }) => ({
    format: format ?? 'raw',
    location: location === undefined ? '' : locationString(location),
  }))

const inHeaders = (printed: string): ReadonlyArray<{ format: string; location: string }> =>
  activePath(valueOf(decodeBackingChain(printed, { disk: 'vda' }))).map(({ format, location }) => ({
    format,
    location: locationString(location),
  }))

const waitFor = async ({ until, call }: Step, printed: string): Promise<void> => {
  if (until?._tag === 'LibvirtJob' && call._tag === 'Libvirt') await waitForJob(until, call.function.arguments.domain)
  if (until?._tag === 'ChainIs')
    expectChain(until, call._tag === 'QemuImg' ? inHeaders(printed) : inXml(printed, until.disk))
}

const callVirsh = (call: LibvirtCall): Promise<string> => {
  const { argv, stdin } = virshCommand(call)
  return runArgv(argv, stdin)
}

const perform = async ({ call }: Step): Promise<string> => {
  if (call._tag === 'Libvirt') return callVirsh(call.function)
  if (call._tag === 'QemuImg') return runArgv(call.argv)
  if (call._tag !== 'Files') throw new Error(`a plan for libvirt has no ${call._tag} calls`)
  await touchFile(call)
  return ''
}

/** Executes the steps of a plan one after the other. Stops, by throwing, at the first that does not end as planned. */
export const executeVirsh = async (plan: Pick<Plan, 'steps'>): Promise<void> => {
  for (const step of plan.steps) {
    say(step)
    await waitFor(step, await perform(step))
  }
}

const libvirtOf = async (domain: string, target: string): Promise<LibvirtHypervisor> => {
  const version = await virsh('version')
  const [libvirt = '', qemu = ''] = [/library: libvirt ([\d.]+)/, /hypervisor: QEMU ([\d.]+)/].map(
    (pattern) => pattern.exec(version)?.[1] ?? '',
  )
  const info = await virsh('dominfo', domain)
  const disks = valueOf(decodeDomainDisks(await virsh('dumpxml', domain)))
  const names = disks.map((disk) => disk.target)
  return {
    via: 'libvirt',
    guest: (await virsh('domstate', domain)).startsWith('running') ? 'running' : 'paused',
    capabilities: capabilitiesOfVersions({ qemu, libvirt }),
    domain: {
      name: domain,
      definition: /^Persistent: *yes/m.test(info) ? 'persistent' : 'transient',
      otherDisks: names.filter((name) => name !== target),
    },
  }
}

if (isEntry(import.meta.url)) {
  const [domain = '', target = '', ...words] = process.argv.slice(2)
  const active = diskOf(await virsh('dumpxml', domain), target).images.at(-1)?.location
  const file = active === undefined ? '' : locationString(active)
  // -U, since the guest has the active image open: its header is all that is read.
  const info = await runArgv(['qemu-img', 'info', '-U', '--backing-chain', '--output=json', file])
  const chain = valueOf(decodeBackingChain(info, { disk: target }))
  const hypervisor = await libvirtOf(domain, target)
  const asked = requestOf(words)
  const planned =
    asked.kind === 'pull' ? pull(chain, asked.request, hypervisor) : commit(chain, asked.request, hypervisor)
  const plan = valueOf(planned, explainRefusal)
  console.log(explain(plan))
  await executeVirsh(plan)
}
