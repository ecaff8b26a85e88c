// Deletes a snapshot in the middle of others while the guest runs: prints which file each snapshot is tied to before
// and after, and the lines for a shell.
//
//     npx tsx examples/delete-middle-snapshot.ts                            # tuesday of captured/three
//     npx tsx examples/delete-middle-snapshot.ts tuesday FOLDER             # a domain of yours: see domain-files.ts
//     npx tsx examples/delete-middle-snapshot.ts tuesday FOLDER hand        # with the calls by hand
//     npx tsx examples/delete-middle-snapshot.ts tuesday FOLDER libvirt     # by libvirt's own function or not at all
//
// Run the lines one after the other, and look at what a line `# go on when` says in between. Exits with 1 and the reason
// where there is no plan.

import {
  capabilitiesOfVersions,
  deleteSnapshots,
  explainMachine,
  explainMachineRefusal,
  pointMap,
  printSnapshotTree,
} from 'backing-chain'
import type { DeleteRequest } from 'backing-chain'
import { valueOf } from './arguments.js'
import { captured, readDomain } from './domain-files.js'
import { printCalls, printPoints } from './print-plan.js'

const [snapshot = 'tuesday', folder = captured('three'), word] = process.argv.slice(2)
const how: DeleteRequest['how'] = word === 'hand' ? 'by hand' : word === 'libvirt' ? 'libvirt' : 'auto'

try {
  const { machine, findings } = await readDomain(folder)
  // A record that names a file which is gone says nothing of where that point in time is now. First clean up.
  if (findings.length > 0) throw new Error(`records and images differ: ${JSON.stringify(findings)}`)

  // What `virsh version` prints.
  const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
  const planned = deleteSnapshots(machine, { snapshots: [snapshot], how }, { via: 'libvirt', capabilities })
  const plan = valueOf(planned, explainMachineRefusal)

  console.log(printSnapshotTree(machine))
  printPoints(pointMap(machine))
  console.log(`\n${explainMachine(plan)}\n`)
  console.log(printSnapshotTree(plan.after))
  printPoints(pointMap(plan.after), pointMap(machine))
  console.log('\nThe calls:')
  printCalls(plan)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
