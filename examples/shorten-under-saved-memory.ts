// A guest whose memory is saved (virsh managedsave): deletes a snapshot, gives the active image of the first disk another path,
// and the guest goes on from its memory all the same. Prints what the memory needs, why it stands in the way, and the lines for a shell.
//
//     npx tsx examples/shorten-under-saved-memory.ts                    # tuesday of captured/saved
//     npx tsx examples/shorten-under-saved-memory.ts tuesday FOLDER     # a domain of yours: see domain-files.ts
//
// Each plan is made for the machine after the one before. Exits with 1 and the reason where there is no plan.

import { posix } from 'node:path'
import {
  capabilitiesOfVersions,
  deleteSnapshots,
  explainMachineRefusal,
  pinnedBy,
  renameImage,
  restoreState,
} from 'backing-chain'
import type { Machine, MachineHost, RenameImageRequest } from 'backing-chain'
import { valueOf } from './arguments.js'
import { captured, readDomain } from './domain-files.js'
import { printCalls } from './print-plan.js'

const [snapshot = 'tuesday', folder = captured('saved')] = process.argv.slice(2)

const host: MachineHost = {
  via: 'libvirt',
  capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' }),
}

const printPins = (machine: Machine): void => {
  for (const state of machine.saved)
    for (const [disk, images] of pinnedBy(state, machine))
      console.log(`${disk}  ${images.map(({ path }) => path).join(' <- ')}`)
}

/** Beside where it is: `live.qcow2`. */
const renaming = (machine: Machine): RenameImageRequest => {
  const [chain] = machine.disks.values()
  const active = chain?.images.get(chain.active)
  if (chain === undefined || active?.location._tag !== 'File') throw new Error('the first disk is in no file')
  const to = posix.join(posix.dirname(active.location.path), 'live.qcow2')
  return { disk: chain.disk, image: chain.active, to, name: 'live.qcow2', saved: 'repoint' }
}

try {
  const { machine } = await readDomain(folder)
  console.log('What the memory needs as it is:')
  printPins(machine)

  const refused = deleteSnapshots(machine, { snapshots: [snapshot] }, host)
  if (refused._tag === 'Left') console.log(`\n${explainMachineRefusal(refused.left)}`)

  const request = { snapshots: [snapshot], saved: 'repoint' } as const
  const deletion = valueOf(deleteSnapshots(machine, request, host), explainMachineRefusal)
  const rename = valueOf(renameImage(deletion.after, renaming(deletion.after), host), explainMachineRefusal)
  const restore = valueOf(restoreState(rename.after, { from: { kind: 'managed' } }, host), explainMachineRefusal)

  console.log('\nWhat it needs then:')
  printPins(rename.after)
  console.log('\nThe calls:')
  for (const plan of [deletion, rename, restore]) printCalls(plan)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
