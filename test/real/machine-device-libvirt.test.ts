// libvirt's own deletion of a snapshot whose image is on a device that is too small.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  capabilitiesOfVersions,
  chain,
  commitRoom,
  commitsOf,
  deleteSnapshots,
  explainMachineRefusal,
} from 'backing-chain'
import type { DeleteRequest, ImageDevice, Machine, MachineHost, MachinePlan, MachineRefusal } from 'backing-chain'
import { machineFromLibvirt } from 'backing-chain/codec'
import * as E from 'fp-ts/lib/Either.js'
import { expect, it } from 'vitest'
import { virshHost } from './harness/execute-virsh.js'
import { onLoops } from './harness/on-loops.js'
import { factsOf } from './harness/room.js'
import { right } from './harness/tree.js'
import { runOk } from './lab/exec.js'
import { cellBytes, createImage, readCells } from './lab/images.js'
import { writerPath } from './lab/qemu.js'
import { writeCell } from './lab/writer.js'
import { domainXml } from './lab/libvirtd.js'
import { withLoop, type Loop } from './lab/loop.js'
import { executeMachine, machineHostOf } from './machine/execute.js'
import { labForAll } from './machine/lab.js'

const lab = labForAll()
const cells = 16
const domain = 'dev'
const host: MachineHost = {
  via: 'libvirt',
  capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' }),
  managedSave: 'none',
}

/** The domain: `v` is on the device, and frozen by s1; the guest goes on in a file. */
const withDomain = (act: (loop: Loop, overlay: string) => Promise<void>): Promise<void> =>
  withLoop(67_108_864, async (loop) => {
    const { libvirt } = lab
    const folder = join(libvirt.images, domain)
    const overlay = join(folder, 'v.s1')
    await mkdir(folder, { recursive: true })
    await createImage({ path: loop.device, format: 'qcow2', sizeBytes: cells * cellBytes, cells: 'aaaa' })
    await runOk(['chmod', '666', loop.device])
    await libvirt.adopt()
    await libvirt.define(domainXml(domain, [{ target: 'vda', path: loop.device, format: 'qcow2', type: 'block' }]))
    try {
      await libvirt.ask('start', domain)
      await libvirt.ask(
        'snapshot-create-as',
        domain,
        's1',
        '--disk-only',
        '--diskspec',
        `vda,file=${overlay},stype=file`,
      )
      await act(loop, overlay)
    } finally {
      await libvirt.virsh('destroy', domain)
      await libvirt.virsh('undefine', domain, '--snapshots-metadata')
    }
  })

/** The machine as libvirt has it now. */
const looked = async (loop: Loop, overlay: string): Promise<Machine> => {
  const { libvirt } = lab
  const common = { format: 'qcow2', sizeBytes: cells * cellBytes, clusterBytes: cellBytes, otherReaders: [] } as const
  const v = { ...common, name: 'v', location: { _tag: 'BlockDevice', path: loop.device } } as const
  const backing = { image: 'v', header: loop.device, format: 'qcow2' } as const
  const above = { ...common, name: 'v.s1', location: { _tag: 'File', path: overlay }, backing } as const
  const made = machineFromLibvirt({
    domain: await libvirt.ask('dumpxml', domain),
    inactive: await libvirt.ask('dumpxml', domain, '--inactive'),
    state: 'running',
    snapshots: [await libvirt.ask('snapshot-dumpxml', domain, 's1', '--security-info')],
    current: 's1',
    chains: [right(chain('vda', [v, above], 'v.s1'))],
  })
  return right(made).machine
}

const planned = (of: Machine, more: Partial<DeleteRequest> = {}): E.Either<MachineRefusal, MachinePlan> =>
  deleteSnapshots(of, { snapshots: ['s1'], direction: 'commit', how: 'libvirt', ...more }, host)

const done = (of: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  if (E.isLeft(of)) throw new Error(explainMachineRefusal(of.left))
  return of.right
}

/** How large the device has to be, by what is on disk of a guest that writes nothing just now. */
const neededBy = async (plan: MachinePlan): Promise<ImageDevice> => {
  const [commit] = commitsOf(plan)
  if (commit === undefined) throw new Error('it commits')
  const facts = await factsOf(commit.chain, commit, { version: '10.0', share: 'force' })
  const { leastBytes } = right(commitRoom(commit.chain, commit, facts))
  return { disk: commit.disk, image: commit.base, presentBytes: leastBytes - cellBytes, neededBytes: leastBytes }
}

onLoops('libvirt', () => {
  it('fails to delete a snapshot whose image is on a device that is too small, and can once it is large enough', () =>
    withDomain(async (loop, overlay) => {
      const { libvirt, events } = lab
      const virsh = machineHostOf(virshHost({ libvirt, events, domain }))
      for (const cell of [4, 5, 6, 7, 8, 9])
        await writeCell(libvirt.monitor(domain), writerPath('virtio-disk0'), { cell, value: 'b' })
      await libvirt.ask(`suspend ${domain}; resume ${domain}`)
      const machine = await looked(loop, overlay)
      const device = await neededBy(done(planned(machine)))
      await loop.resize(device.presentBytes)
      const refused = planned(machine, { devices: [device] })
      expect(E.isLeft(refused) ? refused.left : 'planned').toMatchObject({
        ...{ _tag: 'DiskRefused', disk: 'vda' },
        refusal: { _tag: 'BaseDeviceTooSmall', base: 'v', alternatives: [{ _tag: 'ExtendDevice', image: 'v' }] },
      })
      await expect(executeMachine(done(planned(machine)), virsh)).rejects.toThrow(
        "internal error: block commit failed while deleting disk 'vda' snapshot: 'No space left on device'",
      )
      // The record is there, and the guest reads what it read.
      const half = await looked(loop, overlay)
      expect(half.snapshots.get('s1')?.disks.get('vda')).toStrictEqual(machine.snapshots.get('s1')?.disks.get('vda'))
      expect(await readCells(overlay, 'qcow2', { share: 'force' })).toBe('aaaabbbbbb000000')
      await loop.resize(device.neededBytes)
      const enough = { ...device, presentBytes: device.neededBytes }
      await executeMachine(done(planned(half, { devices: [enough] })), virsh)
      expect((await libvirt.ask('snapshot-list', domain, '--name')).trim()).toBe('')
      await libvirt.ask('destroy', domain)
      expect(await readCells(loop.device, 'qcow2')).toBe('aaaabbbbbb000000')
    }))
})
