// Says whether qemu-img may be run on a guest's images now, by who has them open, and which call does the same through the guest's QEMU.
//
//     npx tsx examples/who-has-it-open.ts                                          # of captured/three
//     npx tsx examples/who-has-it-open.ts FOLDER snapshot -l /images/disk.qcow2    # a domain of yours: see domain-files.ts
//
// Then what the steps would open that pull everything into the active image of the first disk, were the guest shut off. Exits
// with 1 where somebody is in the way.

import { capabilitiesOfVersions, explainRefusal, judgeCall, openedByGuest, planOpenings, pull } from 'backing-chain'
import type { Chain, Opener } from 'backing-chain'
import { valueOf } from './arguments.js'
import { captured, readDomain } from './domain-files.js'

const [folder = captured('three'), ...words] = process.argv.slice(2)
const asked = words.length > 0 ? words : ['snapshot', '-c', 'thursday', '/images/disk.wednesday']
const call = { _tag: 'QemuImg', argv: ['qemu-img', ...asked] } as const

const inWords = (by: Opener): string =>
  by._tag === 'ThisGuest' ? 'the guest' : `${by._tag}${'name' in by ? ` ${by.name}` : ''}`

/** The chain as it is while the guest is shut off: QEMU has no image open. */
const printSteps = (chain: Chain): void => {
  const capabilities = capabilitiesOfVersions({ qemu: '10.0.2' })
  const images = new Map(Array.from(chain.images, ([name, image]) => [name, { ...image, node: undefined }]))
  const planned = pull(
    { ...chain, images },
    { into: chain.active },
    { via: 'qemu-img', guest: 'shut-off', capabilities },
  )
  const plan = valueOf(planned, explainRefusal)
  for (const [index, opens] of planOpenings(plan, 'shut-off').entries())
    console.log(`${String(index + 1)}. ${opens.map(({ image, access }) => `${access} ${image}`).join(', ')}`)
}

try {
  const { machine } = await readDomain(folder)
  const chains = Array.from(machine.disks.values())
  console.log(`The guest is ${machine.state}, and has open:`)
  for (const chain of chains)
    for (const { image, access } of openedByGuest(chain, machine.state)) console.log(`${access.padEnd(6)} ${image}`)

  console.log(`\n${call.argv.join(' ')}`)
  const found = chains.flatMap((chain) => judgeCall(call, { chain, guest: machine.state }))
  for (const { image, wants, held, instead } of found) {
    console.log(`No: it would open ${image} to ${wants}, and ${inWords(held.by)} has it open to ${held.access}.`)
    if (instead !== undefined) console.log(`Instead: ${instead.qmp} through the monitor, or ${instead.libvirt}.`)
  }
  if (found.length === 0) console.log('Nobody is in the way.')
  else process.exitCode = 1

  const [first] = chains
  if (first !== undefined) {
    console.log(`\nA pull of everything into ${first.active}, by qemu-img, with the guest shut off, opens:`)
    printSteps(first)
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
