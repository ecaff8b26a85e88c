// Copies a snapshot of a domain to images of their own, beside the guest if it runs.
//
//     node examples/extract-snapshot.ts [snapshot] [folder with a domain's files] [folder for the images]
//
// captured/three is a domain that libvirt 11.3 really made, with the snapshots monday, tuesday and wednesday; see
// domain-files.ts for how such a folder is filled.

import {
  capabilitiesOfVersions,
  explainMachine,
  explainMachineRefusal,
  extractSnapshot,
  shellLine,
} from 'backing-chain'
import type { MachineHost, NewImage } from 'backing-chain'
import { valueOf } from './arguments.js'
import { captured, readDomain } from './domain-files.js'

const [snapshot = 'tuesday', folder = captured('three'), backup = '/backup'] = process.argv.slice(2)

const { machine, findings } = await readDomain(folder)
if (findings.length > 0) throw new Error(JSON.stringify(findings))

const host: MachineHost = {
  via: 'libvirt',
  capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' }),
}

/** One image a disk that the snapshot has. */
const to = new Map(
  Array.from(machine.snapshots.get(snapshot)?.disks.keys() ?? machine.disks.keys(), (disk): [string, NewImage] => {
    const name = `${machine.name}-${disk}-${snapshot}`
    return [disk, { name, location: { _tag: 'File', path: `${backup}/${name}.qcow2` }, format: 'qcow2' }]
  }),
)
const plan = valueOf(extractSnapshot(machine, { snapshot, to }, host), explainMachineRefusal)

console.log(explainMachine(plan))
console.log('\nThe calls:\n')
for (const { call, why } of plan.steps) console.log(`# ${why}\n${shellLine(call)}`)
