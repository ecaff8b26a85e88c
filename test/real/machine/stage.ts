// A libvirt domain without an operating system and with two small disks, in a folder of its own.

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Events } from '../harness/execute-virsh.js'
import { createImage } from '../lab/images.js'
import { domainXml, type Libvirt } from '../lab/libvirtd.js'
import { writerPath } from '../lab/qemu.js'
import { writeCell } from '../lab/writer.js'

/** How many cells of 64 KiB each disk has. */
export const cellCount = 16

const sizeBytes = cellCount * 65536

export const targets = ['vda', 'vdb'] as const
export type Target = (typeof targets)[number]

export interface Lab {
  readonly libvirt: Libvirt
  readonly events: Events
}

export interface MachineStage extends Lab {
  readonly domain: string
  readonly folder: string
}

/** What a new machine's disks hold, and what a guest reads on them. */
export const firstCells: { readonly [T in Target]: string } = {
  vda: `a${'0'.repeat(cellCount - 1)}`,
  vdb: `b${'0'.repeat(cellCount - 1)}`,
}

let counted = 0

/** Defines a persistent domain with new disks; starts it where it shall run. */
export const machineStage = async (lab: Lab, guest: 'running' | 'shut-off'): Promise<MachineStage> => {
  const domain = `m${String(counted++)}`
  const folder = join(lab.libvirt.images, domain)
  await mkdir(folder)
  const disks = targets.map((target) => ({ target, path: join(folder, `${target}.qcow2`), format: 'qcow2' as const }))
  for (const { target, path, format } of disks)
    await createImage({ path, format, sizeBytes, cells: firstCells[target].replaceAll('0', '-') })
  await lab.libvirt.adopt()
  await lab.libvirt.define(domainXml(domain, disks))
  if (guest === 'running') await lab.libvirt.ask('start', domain)
  return { ...lab, domain, folder }
}

/** Removes a machine in whatever state it is. */
export const clearStage = async ({ libvirt, domain, folder }: MachineStage): Promise<void> => {
  await libvirt.virsh('destroy', domain)
  await libvirt.virsh('undefine', domain, '--snapshots-metadata', '--managed-save')
  await rm(folder, { recursive: true, force: true })
}

/** Runs something on a new machine that is cleared in the end. */
export const onMachine = async (
  lab: Lab,
  guest: 'running' | 'shut-off',
  act: (stage: MachineStage) => Promise<void>,
): Promise<void> => {
  const stage = await machineStage(lab, guest)
  try {
    await act(stage)
  } finally {
    await clearStage(stage)
  }
}

/** The running guest writes one cell of a disk. */
export const guestWrites = (
  { libvirt, domain }: MachineStage,
  target: Target,
  written: { readonly cell: number; readonly value: string },
): Promise<void> =>
  writeCell(libvirt.monitor(domain), writerPath(`virtio-disk${String(targets.indexOf(target))}`), written)

/** Has QEMU write down everything that it keeps in memory: qemu-img -U sees a running guest's images only then as they are. */
export const settle = async ({ libvirt, domain }: MachineStage): Promise<void> => {
  await libvirt.ask(`suspend '${domain}'; resume '${domain}'`)
}
