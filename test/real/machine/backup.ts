// A machine without libvirt whose disks are large enough for a backup to be caught on the way.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capabilitiesOfVersions, chain, machine } from 'backing-chain'
import type {
  Call,
  Chain,
  ExportRequest,
  ImageDescription,
  Machine,
  MachineHost,
  MachinePlan,
  NewImage,
} from 'backing-chain'
import { backupPlan } from '../../operation/backup.js'
import { fullVersion } from '../harness/stage-qmp.js'
import type { Host } from '../harness/steps.js'
import { right } from '../harness/tree.js'
import type { QemuVersion } from '../lab/binaries.js'
import { cellBytes, createImage, readCells } from '../lab/images.js'
import { fields, list, text } from '../lab/json.js'
import { chainNodes, startQemu, writerPath, type Qemu } from '../lab/qemu.js'
import { writeCell } from '../lab/writer.js'
import { freeHost, noAgent } from './qmp-host.js'
import { deviceOf } from './qmp-machine.js'
import type { Write } from './qmp-writer.js'

/** 8 MiB: QEMU copies a megabyte at a time. */
export const cells = 128

const sizeBytes = cells * cellBytes

export type Target = 'vda' | 'vdb'

const pictures: { readonly [T in Target]: ReadonlyArray<string> } = {
  vda: ['ab-0c'.repeat(25), '-d-0'.repeat(30)],
  vdb: ['f'.repeat(cells)],
}

/** What the guest reads at first: an explicit zero hides what is below, and what nobody has written is zero. */
export const firstReads: ReadonlyMap<Target, string> = new Map(
  (['vda', 'vdb'] as const).map((target) => {
    const reads = Array.from({ length: cells }, (_, cell) => {
      const written = pictures[target].map((one) => one[cell] ?? '-').findLast((one) => one !== '-')
      return written ?? '0'
    })
    return [target, reads.join('')]
  }),
)

export const afterWrites = (of: string, target: Target, writes: ReadonlyArray<Write>): string => {
  const reads = [...of]
  for (const write of writes) if (write.target === target) reads[write.cell] = write.value
  return reads.join('')
}

export interface BackupLab {
  readonly version: QemuVersion
  readonly folder: string
  readonly qemu: Qemu
  readonly machine: Machine
  readonly hypervisor: MachineHost
  readonly host: Host
}

const newChain = async (folder: string, version: QemuVersion, target: Target): Promise<Chain> => {
  const images: ImageDescription[] = []
  for (const [depth, picture] of pictures[target].entries()) {
    const name = `${target}.${String(depth)}`
    const path = join(folder, name)
    const below = images.at(-1)
    const header = join(folder, below?.name ?? '')
    const backing = below === undefined ? undefined : { header, format: 'qcow2' as const }
    const spec = { path, format: 'qcow2' as const, sizeBytes, cells: picture.slice(0, cells) }
    await createImage({ ...spec, ...(backing === undefined ? {} : { backing }) }, version)
    images.push({
      ...{ name, format: 'qcow2', sizeBytes, clusterBytes: cellBytes, otherReaders: [] },
      location: { _tag: 'File', path },
      node: { format: name, storage: `${name}-s`, owner: 'monitor', filters: [] },
      ...(below === undefined || backing === undefined ? {} : { backing: { image: below.name, ...backing } }),
    })
  }
  return right(chain(target, images, images.at(-1)?.name ?? ''))
}

const nodesOf = (of: Chain): ReadonlyArray<object> =>
  chainNodes(
    Array.from(of.images.values(), ({ name, format, location }) => ({
      node: name,
      format,
      path: location._tag === 'File' ? location.path : '',
    })),
  )

/** Runs something on new images with their guest. */
export const onBackupLab = async (version: QemuVersion, act: (lab: BackupLab) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-b-'))
  try {
    const chains = [await newChain(folder, version, 'vda'), await newChain(folder, version, 'vdb')]
    const devices = chains.map(({ disk, active }) => ({ id: deviceOf(disk), node: active }))
    const qemu = await startQemu({ version, folder, blockdevs: chains.flatMap(nodesOf), devices })
    const capabilities = capabilitiesOfVersions({ qemu: fullVersion[version] })
    const host = freeHost({ version, qemu, agent: noAgent })
    const of = right(machine({ name: 'vm', state: 'running', disks: chains }))
    try {
      await act({ version, folder, qemu, machine: of, hypervisor: { via: 'qmp', capabilities }, host })
    } finally {
      await qemu.kill()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export const newImage = (lab: BackupLab, name: string, more: Partial<NewImage> = {}): NewImage => ({
  name,
  location: { _tag: 'File', path: join(lab.folder, name) },
  format: 'qcow2',
  ...more,
})

/** The plan that copies both disks. */
export const planFor = (
  lab: BackupLab,
  more: Partial<NewImage> = {},
  data: Pick<ExportRequest, 'data' | 'bytesPerSecond'> = {},
): MachinePlan => {
  const images = (['vda', 'vdb'] as const).map((target) => [target, newImage(lab, `export.${target}`, more)] as const)
  return right(backupPlan(lab.machine, { to: new Map(images), ...data }, lab.hypervisor))
}

/** What a new image reads as by itself. */
export const exported = (lab: BackupLab, plan: MachinePlan, target: Target): Promise<string> => {
  const image = plan.after.disks.get(target)?.images.get(`export.${target}`)
  if (image?.location._tag !== 'File') throw new Error('no such image')
  return readCells(image.location.path, image.format, { version: lab.version, share: 'force' })
}

/** What the guest's own disk reads as, once QEMU is gone. */
export const ownReads = ({ folder, version, machine: of }: BackupLab, target: Target): Promise<string> =>
  readCells(join(folder, of.disks.get(target)?.active ?? ''), 'qcow2', { version })

export const guestWrites = async ({ qemu }: BackupLab, writes: ReadonlyArray<Write>): Promise<void> => {
  for (const { target, cell, value } of writes)
    await writeCell(qemu.monitor, writerPath(deviceOf(target)), { cell, value })
}

const jobsIn = (call: Call): ReadonlyArray<string> =>
  call._tag === 'Qmp' && call.command.execute === 'transaction'
    ? call.command.arguments.actions.flatMap((action) =>
        action.type === 'blockdev-backup' ? [action.data['job-id']] : [],
      )
    : []

const slowed = (call: Call): Call => {
  if (call._tag !== 'Qmp' || call.command.execute !== 'transaction') return call
  const actions = call.command.arguments.actions.map((action) =>
    action.type === 'blockdev-backup' ? { ...action, data: { ...action.data, speed: 1 } } : action,
  )
  return { _tag: 'Qmp', command: { execute: 'transaction', arguments: { actions } } }
}

/** A host on which the jobs stand still after their first megabyte until something has been done. */
export const slowHost = (lab: BackupLab, meanwhile: () => Promise<void>): Host => ({
  ...lab.host,
  call: async (call) => {
    const reply = await lab.host.call(slowed(call))
    const jobs = jobsIn(call)
    if (jobs.length === 0) return reply
    await meanwhile()
    for (const device of jobs) await lab.qemu.qmp.ask('block-job-set-speed', { device, speed: 0 })
    return reply
  },
})

/** The named nodes and the jobs that QEMU has. */
export const inQemu = async ({ qemu }: BackupLab): Promise<ReadonlyArray<string>> => {
  const nodes = list(await qemu.qmp.ask('query-named-block-nodes', { flat: true })).map((node) => fields(node))
  const jobs = list(await qemu.qmp.ask('query-jobs')).map((job) => fields(job))
  return [...nodes.map((node) => text(node['node-name'])), ...jobs.map((job) => `job ${text(job['id'])}`)].sort()
}
