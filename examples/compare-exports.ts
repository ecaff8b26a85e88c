// Compares the ways to write the present of a running guest into an image of its own: the calls of each, for how long the
// guest stands still, and what is left to be done later.
//
//     node examples/compare-exports.ts
//
// captured/three is a domain that libvirt 11.3 really made; see domain-files.ts for how such a folder is filled.

import {
  capabilitiesOfVersions,
  explainMachineRefusal,
  exportSnapshot,
  locationString,
  owed,
  pausesOf,
  settle,
  shellLine,
} from 'backing-chain'
import type { ExportRequest, MachineHost, MachinePlan } from 'backing-chain'
import { valueOf } from './arguments.js'
import { captured, readDomain } from './domain-files.js'

const { machine } = await readDomain(captured('three'))
const host: MachineHost = {
  via: 'libvirt',
  capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' }),
}
const to: ExportRequest['to'] = new Map([
  ['vda', { name: 'copy', location: { _tag: 'File', path: '/backup/vda.qcow2' }, format: 'qcow2' }],
])

const show = (title: string, plan: MachinePlan): void => {
  console.log(`\n== ${title}\n`)
  for (const { call } of plan.steps) console.log(shellLine(call))
  const pauses = pausesOf(plan)
  console.log(`the guest stands ${String(pauses.length)} times`)
  for (const { from, to: end, grows } of pauses)
    console.log(
      `  from step ${String(from)} to ${String(end ?? 'the end')}: ${grows.map(({ _tag }) => _tag).join(', ')}`,
    )
  for (const { snapshot, image, disk } of owed(plan.after)) {
    const at = plan.after.disks.get(disk)?.images.get(image)
    console.log(`owed: ${snapshot} inside ${at === undefined ? image : locationString(at.location)}`)
  }
}

const ways: ReadonlyArray<readonly [string, Omit<ExportRequest, 'to'>]> = [
  ['As in 2012: everything while the memory is saved', { way: 'saved', removal: 'first pause' }],
  ['Resumed right after the snapshot, and paused again to delete it', { way: 'saved', removal: 'second pause' }],
  ['Resumed right after the snapshot, which goes when the guest stops', { way: 'saved' }],
  ['Under an overlay that is committed back', { way: 'overlay' }],
]
for (const [title, way] of ways)
  show(title, valueOf(exportSnapshot(machine, { to, ...way }, host), explainMachineRefusal))

// A reboot is no stop: the same QEMU has the image open.
const owing = valueOf(exportSnapshot(machine, { to, way: 'saved' }, host), explainMachineRefusal).after
const early = settle(owing, 'rebooted', host)
console.log('\n== After a reboot of the guest\n')
console.log(early._tag === 'Left' ? explainMachineRefusal(early.left) : 'planned')
