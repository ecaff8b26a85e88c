// Brings a running guest back to a snapshot and keeps what came after: its later snapshots, and what it wrote since.
//
//     node examples/revert-and-keep-the-future.ts
//
// captured/three is a domain that libvirt 11.3 really made, with the snapshots monday, tuesday and wednesday; see
// domain-files.ts for how such a folder is filled.

import { capabilitiesOfVersions, explainMachineRefusal, pointMap, printChain, revert, shellLine } from 'backing-chain'
import type { Machine, MachineHost } from 'backing-chain'
import { valueOf } from './arguments.js'
import { captured, readDomain } from './domain-files.js'

const { machine, findings } = await readDomain(captured('three'))
if (findings.length > 0) throw new Error(JSON.stringify(findings))

const show = (title: string, of: Machine): void => {
  console.log(`\n== ${title}\n`)
  for (const [disk, chain] of of.disks) console.log(`${disk}  ${printChain(chain)}`)
  for (const [snapshot, places] of pointMap(of)) {
    const images = Array.from(places.values(), ({ image }) => image)
    console.log(`${snapshot === of.current ? '>' : ' '} ${snapshot} is in ${images.join(' and ')}`)
  }
}

const host: MachineHost = {
  via: 'libvirt',
  capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' }),
}
const plan = valueOf(revert(machine, { to: 'monday', guest: 'running' }, host), explainMachineRefusal)

show('Before', machine)
console.log('\n== The calls\n')
for (const { call, why } of plan.steps) console.log(`# ${why}\n${shellLine(call)}`)
show('After', plan.after)

// libvirt's own revert would not keep what the guest wrote since wednesday.
const own = revert(machine, { to: 'monday', how: 'libvirt', seconds: 1795656132, definition: 'as taken' }, host)
console.log("\n== libvirt's own revert\n")
console.log(own._tag === 'Left' ? explainMachineRefusal(own.left) : 'planned')
