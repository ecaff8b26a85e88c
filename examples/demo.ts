// Plans the deletion of a snapshot of a guest that libvirt really ran, and prints what would happen: `npm run demo`.
//
// captured/three holds what libvirt 11.3 and qemu-img 10.0 said of it: the domain, its snapshots, the chains of its
// disks. Three snapshots were taken. libvirt names the new overlay after the snapshot, but the point in time that the
// snapshot means is in the image that was active before: monday is in disk.qcow2, tuesday in disk.monday.

import {
  capabilitiesOfVersions,
  changeChain,
  deleteSnapshots,
  explainMachine,
  explainMachineRefusal,
  pointMap,
  printSnapshotTree,
} from 'backing-chain'
import type { MachineHost } from 'backing-chain'
import { valueOf } from './arguments.js'
import { captured, readDomain } from './domain-files.js'
import { printCalls, printChains, printPoints } from './print-plan.js'

const heading = (text: string): void => {
  console.log(`\n== ${text}\n`)
}

// 1. From what the programs printed to a value.
const { machine: vm } = await readDomain(captured('three'))
const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const host: MachineHost = { via: 'libvirt', capabilities }

heading('A running guest with two disks and three snapshots')
console.log(printSnapshotTree(vm).trimEnd())
console.log('\nThe chains (^ is what the guest writes):')
printChains(vm)
console.log('\nThe files that the snapshots are tied to:')
printPoints(pointMap(vm))

// 2. What is asked: delete tuesday, keep the others; once as libvirt does it itself, once with the calls by hand.
const own = valueOf(deleteSnapshots(vm, { snapshots: ['tuesday'], how: 'libvirt' }, host), explainMachineRefusal)
const byHand = valueOf(deleteSnapshots(vm, { snapshots: ['tuesday'], how: 'by hand' }, host), explainMachineRefusal)

heading('After tuesday is deleted')
console.log(printSnapshotTree(own.after).trimEnd())
console.log('\nThe chains (* contents modified, + backing string modified):')
printChains(own.after, own)
console.log('\nThe files that the snapshots are tied to (* another one than before):')
printPoints(pointMap(own.after), pointMap(vm))

// 3. What it comes to.
heading('What happens')
console.log(explainMachine(own))
heading("The calls, by libvirt's own function")
printCalls(own)
heading('The calls, by hand')
printCalls(byHand, 'short')

// 4. What looks like the way to delete tuesday, and would destroy two points in time: disk.tuesday has its name, and
// where no base is given libvirt takes the lowest image.
heading('Or simply: virsh blockcommit vm vda --top /images/disk.tuesday --delete')
const wrong = changeChain(vm, { disk: 'vda', commit: { top: 'disk.tuesday', leftovers: 'remove' } }, host)
console.log(wrong._tag === 'Left' ? explainMachineRefusal(wrong.left) : 'planned')
