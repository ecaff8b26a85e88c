// Executes a plan with qemu-img, for a guest that is shut off. Each step is waited for: a run of qemu-img is over when it
// exits, and nothing is removed before the headers have been read back.
//
//     npx tsx examples/execute-qemu-img.ts ACTIVE commit TOP BASE [pivot|keep]
//     npx tsx examples/execute-qemu-img.ts ACTIVE pull INTO [BASE]
//
// plans and executes on the chain of the image ACTIVE; images are named by their paths, as qemu-img prints them.

import { resolve } from 'node:path'
import {
  capabilitiesOfVersions,
  commit,
  explain,
  explainRefusal,
  locationString,
  path,
  pull,
  virshCommand,
} from 'backing-chain'
import type { Chain, Plan, QemuImgHypervisor, Step } from 'backing-chain'
import { decodeBackingChain } from 'backing-chain/codec'
import { isEntry, requestOf, valueOf } from './arguments.js'
import { expectChain, runArgv, say, touchFile } from './steps.js'

const perform = async ({ call }: Step): Promise<string> => {
  switch (call._tag) {
    case 'QemuImg':
      return runArgv(call.argv)
    case 'Files':
      await touchFile(call)
      return ''
    case 'Libvirt': {
      // Only where the hypervisor carried a definition: libvirt's stored one is mended.
      const { argv, stdin } = virshCommand(call.function)
      return runArgv(argv, stdin)
    }
    case 'Qmp':
    case 'StorageDaemon':
    case 'Agent':
    case 'Host':
    case 'HandOver':
      throw new Error('a plan for a guest that is shut off has no one to talk to')
  }
}

const chainOf = (printed: string): Chain => valueOf(decodeBackingChain(printed, { disk: 'disk0' }))

/** Executes the steps of a plan one after the other. Stops, by throwing, at the first that does not end as planned. */
export const executeQemuImg = async (plan: Plan): Promise<void> => {
  for (const step of plan.steps) {
    say(step)
    const printed = await perform(step)
    if (step.until?._tag !== 'ChainIs') continue
    const images = path(chainOf(printed)) ?? []
    expectChain(
      step.until,
      images.map(({ format, location }) => ({ format, location: locationString(location) })),
    )
  }
}

if (isEntry(import.meta.url)) {
  const [active = '', ...words] = process.argv.slice(2)
  const info = ['qemu-img', 'info', '--backing-chain', '--output=json', resolve(active)]
  const chain = chainOf(await runArgv(info))
  const version = /\d+\.\d+\.\d+/.exec(await runArgv(['qemu-img', '--version']))?.[0] ?? ''
  const capabilities = capabilitiesOfVersions({ qemu: version })
  const hypervisor: QemuImgHypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities }
  const asked = requestOf(words)
  const planned =
    asked.kind === 'pull' ? pull(chain, asked.request, hypervisor) : commit(chain, asked.request, hypervisor)
  const plan = valueOf(planned, explainRefusal)
  console.log(explain(plan))
  await executeQemuImg(plan)
}
