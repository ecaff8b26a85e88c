// Plans a commit, for a guest that is shut off, from what qemu-img prints, and prints the plan:
//
//     qemu-img info --backing-chain --output=json /images/active.qcow2 |
//       npx tsx examples/plan-from-info.ts /images/snap2.qcow2 /images/snap1.qcow2
//
// The arguments are the top and the base. A third one, pivot or keep, is needed where the top is the active image.
// Exits with 1 and the reason where there is no plan.

import { text } from 'node:stream/consumers'
import { capabilitiesOfVersions, commit, explain, explainRefusal, shellLine } from 'backing-chain'
import type { CommitRequest } from 'backing-chain'
import { decodeBackingChain } from 'backing-chain/codec'
import { valueOf } from './arguments.js'

const requestFrom = ([top = '', base, end]: ReadonlyArray<string>): CommitRequest => ({
  top,
  ...(base === undefined ? {} : { base }),
  ...(end === 'pivot' || end === 'keep' ? { end } : {}),
})

try {
  const chain = valueOf(decodeBackingChain(await text(process.stdin), { disk: 'vda' }))
  const capabilities = capabilitiesOfVersions({ qemu: '10.0.2' })
  const request = requestFrom(process.argv.slice(2))
  const planned = commit(chain, request, { via: 'qemu-img', guest: 'shut-off', capabilities })
  const plan = valueOf(planned, explainRefusal)
  console.log(explain(plan))
  console.log('Calls:')
  for (const { call } of plan.steps) console.log(shellLine(call))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
