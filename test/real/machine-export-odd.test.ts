// Exports of disks whose files have names that programs could take for something else, of sizes that fill no cluster.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { capabilitiesOfVersions, chain, exportSnapshot, machine } from 'backing-chain'
import type { ExportRequest, Machine } from 'backing-chain'
import { right } from './harness/tree.js'
import { binary, qemuVersions } from './lab/binaries.js'
import { runOk } from './lab/exec.js'

const sizeBytes = 1000448

const file = (path: string) => ({ _tag: 'File', path }) as const

const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '7.2' }) } as const

describe.each(qemuVersions)('QEMU %s', (version) => {
  const img = (...args: ReadonlyArray<string>): Promise<string> => runOk([binary(version, 'qemu-img'), ...args])
  const io = (line: string, format: string, path: string): Promise<string> =>
    runOk([binary(version, 'qemu-io'), '-f', format, '-c', line, path])

  /** An overlay with a relative backing string, and a raw disk. */
  const made = async (folder: string): Promise<Machine> => {
    const base = join(folder, 'base, 1')
    const top = join(folder, 'top;2')
    const raw = join(folder, '-raw')
    await img('create', '-q', '-f', 'qcow2', base, String(sizeBytes))
    await io(`write -q -P 97 0 ${String(sizeBytes)}`, 'qcow2', base)
    await img('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', 'base, 1', top)
    await io('write -q -P 98 65536 512', 'qcow2', top)
    await img('create', '-q', '-f', 'raw', raw, String(sizeBytes))
    await io(`write -q -P 99 ${String(sizeBytes - 512)} 512`, 'raw', raw)
    const backing = { image: 'base', header: 'base, 1', format: 'qcow2' } as const
    const images = [
      { name: 'base', format: 'qcow2', sizeBytes, location: file(base) },
      { name: 'top', format: 'qcow2', sizeBytes, location: file(top), backing },
    ] as const
    const disks = [
      right(chain('vda', images, 'top')),
      right(chain('vdb', [{ name: 'raw', format: 'raw', sizeBytes, location: file(raw) }], 'raw')),
    ]
    return right(machine({ name: 'vm', state: 'shut-off', disks }))
  }

  const kinds: ReadonlyArray<readonly ['qcow2' | 'raw', Partial<ExportRequest>]> = [
    ['qcow2', {}],
    ['raw', {}],
    ['qcow2', { data: 'compressed', bytesPerSecond: 1073741824 }],
  ]
  it.each(kinds)('to %s in another folder: %j', async (format, more) => {
    const folder = await mkdtemp(join(tmpdir(), 'bc odd, x='))
    try {
      const out = join(folder, 'out, =:"x')
      await mkdir(out)
      const vm = await made(folder)
      const to = new Map(
        Array.from(vm.disks.keys(), (disk) => [disk, { name: 'copy', location: file(join(out, disk)), format }]),
      )
      for (const { call } of right(exportSnapshot(vm, { to, ...more }, host)).steps)
        if (call._tag === 'QemuImg') await img(...call.argv.slice(1))
      for (const [disk, name, own] of [
        ['vda', 'top;2', 'qcow2'],
        ['vdb', '-raw', 'raw'],
      ] as const)
        expect(await img('compare', '-f', own, '-F', format, join(folder, name), join(out, disk))).toContain(
          'identical',
        )
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
