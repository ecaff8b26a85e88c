// Plans a commit for a guest that is shut off in two ways, with qemu-img and with the live block jobs of a qemu-storage-daemon,
// from what qemu-img prints, and prints the calls of both:
//
//     qemu-img info --backing-chain --output=json /images/active.qcow2 |
//       npx tsx examples/compare-offline.ts /images/snap2.qcow2 /images/snap1.qcow2
//
// The arguments are the top and the base. Exits with 1 and the reason where there is no plan.

import { text } from 'node:stream/consumers'
import { capabilitiesOfVersions, commit, explainRefusal, shellLine } from 'backing-chain'
import type { Hypervisor } from 'backing-chain'
import { decodeBackingChain } from 'backing-chain/codec'
import { valueOf } from './arguments.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2' })
const ways: ReadonlyArray<readonly [string, Hypervisor]> = [
  ['With qemu-img', { via: 'qemu-img', guest: 'shut-off', capabilities }],
  ['With a storage daemon', { via: 'storage-daemon', guest: 'shut-off', capabilities, socket: '/run/vm.qmp' }],
]

try {
  const chain = valueOf(decodeBackingChain(await text(process.stdin), { disk: 'vda' }))
  const [top = '', base = ''] = process.argv.slice(2)
  for (const [title, hypervisor] of ways) {
    const plan = valueOf(commit(chain, { top, base }, hypervisor), explainRefusal)
    console.log(`\n== ${title}\n`)
    for (const { call, why } of plan.steps) console.log(`# ${why}\n${shellLine(call)}`)
    for (const { from, step } of plan.finally ?? [])
      console.log(`# on every way out, once step ${String(from)} was tried\n${shellLine(step.call)}`)
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
