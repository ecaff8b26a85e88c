// The executors of examples/ on real QEMU and libvirt. The real suite runs them by importing this file.

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { capabilitiesOfVersions, commit, explainRefusal, pull } from 'backing-chain'
import type { Chain, Hypervisor, Plan, Refusal } from 'backing-chain'
import { chainOfNodes, decodeBackingChain, decodeNamedBlockNodes, decodeQueryBlock } from 'backing-chain/codec'
import { describe, expect, it } from 'vitest'
import { valueOf } from '../../examples/arguments.js'
import { executeQemuImg } from '../../examples/execute-qemu-img.js'
import { executeQmp } from '../../examples/execute-qmp.js'
import { executeVirsh } from '../../examples/execute-virsh.js'
import { runOk } from '../real/lab/exec.js'
import { createImages, readCells, readHeader } from '../real/lab/images.js'
import { domainXml, startLibvirt } from '../real/lab/libvirtd.js'
import { chainNodes, startQemu } from '../real/lab/qemu.js'

const names = ['base', 'a', 'b', 'top'] as const
const cells = { base: 'aa', a: '-bb', b: '--cc', top: '---dd' }
const seen = 'abcdd000'
const capabilities = capabilitiesOfVersions({ qemu: '10.0', libvirt: '11.3.0' })

/** The chain base <- a <- b <- top of eight cells, with relative backing strings, in a folder. */
const build = (folder: string): Promise<void> =>
  createImages(
    names.map((name, place) => {
      const below = names[place - 1]
      const backing = below === undefined ? {} : { backing: { header: below, format: 'qcow2' } }
      return {
        path: join(folder, name),
        format: 'qcow2',
        sizeBytes: 8 * 65536,
        cells: cells[name],
        ...backing,
      } as const
    }),
  )

type Planned = (chain: Chain, hypervisor: Hypervisor, folder: string) => E.Either<Refusal, Plan>

const plans: ReadonlyArray<readonly [string, Planned, string]> = [
  [
    'a commit',
    (chain, hypervisor, at) =>
      commit(chain, { top: join(at, 'b'), base: join(at, 'a'), leftovers: 'remove' }, hypervisor),
    'a',
  ],
  [
    'a pull',
    (chain, hypervisor, at) =>
      pull(chain, { into: join(at, 'top'), base: join(at, 'base'), leftovers: 'remove' }, hypervisor),
    'base',
  ],
]

const expectDone = async (folder: string, backing: string): Promise<void> => {
  const top = join(folder, 'top')
  expect(await readCells(top, 'qcow2')).toBe(seen)
  expect((await readHeader(top)).backing).toBe(backing)
  expect(await readdir(folder)).not.toContain('b')
}

const inFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-examples-'))
  try {
    await build(folder)
    await work(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const infoOf = (folder: string): Promise<string> =>
  runOk(['qemu-img', 'info', '-U', '--backing-chain', '--output=json', join(folder, 'top')])

describe.each(plans)('%s', (_, plan, backing) => {
  it('through examples/execute-qmp.ts', () =>
    inFolder(async (folder) => {
      const blockdevs = chainNodes(names.map((node) => ({ node, path: join(folder, node), format: 'qcow2' })))
      const qemu = await startQemu({ version: '10.0', folder, blockdevs, devices: [{ id: 'disk0', node: 'top' }] })
      try {
        const nodes = valueOf(decodeNamedBlockNodes(await qemu.qmp.ask('query-named-block-nodes')))
        const [disk] = valueOf(decodeQueryBlock(await qemu.qmp.ask('query-block')))
        const chain = valueOf(chainOfNodes(nodes, { disk: 'vda', root: disk?.root?.name ?? '' }))
        qemu.qmp.close() // a monitor takes one client at a time
        const [socket = ''] = (await readdir(folder)).filter((name) => name.startsWith('qmp-'))
        const planned = plan(chain, { via: 'qmp', guest: 'running', capabilities }, folder)
        await executeQmp(valueOf(planned, explainRefusal), join(folder, socket))
      } finally {
        await qemu.kill()
      }
      await expectDone(folder, backing)
    }))

  it('through examples/execute-qemu-img.ts', () =>
    inFolder(async (folder) => {
      const chain = valueOf(decodeBackingChain(await infoOf(folder), { disk: 'vda' }))
      const planned = plan(chain, { via: 'qemu-img', guest: 'shut-off', capabilities }, folder)
      await executeQemuImg(valueOf(planned, explainRefusal))
      await expectDone(folder, backing)
    }))

  it('through examples/execute-virsh.ts', async () => {
    const libvirt = await startLibvirt()
    const uri = process.env['LIBVIRT_DEFAULT_URI']
    process.env['LIBVIRT_DEFAULT_URI'] = libvirt.uri
    try {
      await build(libvirt.images)
      await libvirt.adopt()
      await libvirt.define(domainXml('vm', [{ target: 'vda', path: join(libvirt.images, 'top'), format: 'qcow2' }]))
      await libvirt.ask('start', 'vm')
      const chain = valueOf(decodeBackingChain(await infoOf(libvirt.images), { disk: 'vda' }))
      const domain = { name: 'vm', definition: 'persistent', otherDisks: [] } as const
      const planned = plan(chain, { via: 'libvirt', guest: 'running', capabilities, domain }, libvirt.images)
      await executeVirsh(valueOf(planned, explainRefusal))
      await libvirt.quit('vm')
      await expectDone(libvirt.images, backing)
    } finally {
      if (uri === undefined) delete process.env['LIBVIRT_DEFAULT_URI']
      else process.env['LIBVIRT_DEFAULT_URI'] = uri
      await libvirt.stop()
    }
  })
})
