// Plans the deletion of a snapshot on a chain that libvirt really made, and prints what would happen: `npm run demo`.
//
// captured/ holds what qemu-img 10.0, QEMU 10.0 and libvirt 11.3 said of it. A snapshot named monday was taken, then
// tuesday, then wednesday. libvirt names the new overlay after the snapshot, but the point in time that the snapshot means
// is in the image below: monday is in disk.qcow2, tuesday in disk.monday, wednesday in disk.tuesday.

import { readFile } from 'node:fs/promises'
import { posix } from 'node:path'
import { capabilitiesOfVersions, explain, explainRefusal, notation, shallowCommit, shellLine } from 'backing-chain'
import type { Chain, Hypervisor, Plan, ShallowCommitRequest, Wait } from 'backing-chain'
import { attachNodes, decodeBackingChain, decodeDomainDisks, decodeNamedBlockNodes } from 'backing-chain/codec'
import { valueOf } from './arguments.js'

const captured = (name: string): Promise<string> => readFile(new URL(`captured/${name}`, import.meta.url), 'utf8')

const heading = (text: string): void => {
  console.log(`\n== ${text}\n`)
}

const waitText = (wait: Wait): string => {
  if (wait._tag === 'ChainIs') return `it shows ${wait.images.map(({ image }) => image).join(' <- ')}`
  return wait._tag === 'QmpJob' ? `job ${wait.job} is ${wait.status}` : `the job on ${wait.disk} is ${wait.status}`
}

// 1. From what the programs printed to a value.
const nameOf = (filename: string): string => posix.basename(filename)
const atRest: Chain = valueOf(decodeBackingChain(await captured('qemu-img-info.json'), { disk: 'vda', nameOf }))
const nodes = valueOf(decodeNamedBlockNodes(await captured('query-named-block-nodes.json')))
const live: Chain = valueOf(attachNodes(atRest, nodes))

// 2. What is asked: delete the snapshot tuesday, keep the other two.
const points = [
  { point: 'monday', image: 'disk.qcow2' },
  { point: 'wednesday', image: 'disk.tuesday' },
]
const request: ShallowCommitRequest = { top: 'disk.tuesday', points, leftovers: 'remove' }

// 3. Who would do it.
const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const domain = { name: 'vm', definition: 'persistent', otherDisks: [] } as const
const disks = valueOf(decodeDomainDisks(await captured('shut-off.xml')))
const definition = disks.flatMap(({ target, element }) =>
  target === 'vda' ? [{ domain: 'vm', disk: element }] : [],
)[0]
const ways: ReadonlyArray<readonly [string, Chain, Hypervisor]> = [
  ['QMP, the guest running', live, { via: 'qmp', guest: 'running', capabilities }],
  ['libvirt, the guest running', live, { via: 'libvirt', guest: 'running', capabilities, domain }],
  [
    'qemu-img, the guest shut off',
    atRest,
    { via: 'qemu-img', guest: 'shut-off', capabilities, ...(definition && { definition }) },
  ],
]
const plans: ReadonlyArray<readonly [string, Plan]> = ways.map(([title, chain, hypervisor]) => [
  title,
  valueOf(shallowCommit(chain, request, hypervisor), explainRefusal),
])

// 4. What it comes to.
const [first] = plans
if (first !== undefined) {
  const { before, after } = notation(first[1])
  heading('Delete the snapshot tuesday')
  console.log(`before  ${before}\nafter   ${after}`)
  console.log('\n^ the guest writes it   * contents modified   + backing string modified')
  heading('What happens')
  console.log(explain(first[1]))
}
for (const [title, plan] of plans) {
  heading(`The calls through ${title}`)
  for (const { call, until, why } of plan.steps) {
    console.log(`# ${why}\n${shellLine(call)}`)
    if (until !== undefined) console.log(`# go on when ${waitText(until)}`)
  }
}

// 5. What looks like the way to delete monday, and would destroy it.
heading('Commit disk.monday into disk.qcow2 instead')
const [, chain, hypervisor] = ways[0] ?? []
if (chain !== undefined && hypervisor !== undefined) {
  const wrong = shallowCommit(chain, { ...request, top: 'disk.monday' }, hypervisor)
  console.log(wrong._tag === 'Left' ? explainRefusal(wrong.left) : 'planned')
}
