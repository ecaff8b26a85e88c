// The examples of machines with snapshots on real libvirt: their lines are executed. The real suite runs them by
// importing this file.

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { runOk } from '../real/lab/exec.js'
import { createImages, readCells } from '../real/lab/images.js'
import { domainXml, startLibvirt, type Libvirt } from '../real/lab/libvirtd.js'
import { writerPath } from '../real/lab/qemu.js'
import { writeCell } from '../real/lab/writer.js'
import { runExample } from './run-example.js'

const disks = [
  { target: 'vda', name: 'disk', device: 'virtio-disk0' },
  { target: 'vdb', name: 'data', device: 'virtio-disk1' },
] as const

const begin = async (libvirt: Libvirt): Promise<void> => {
  const path = (name: string): string => join(libvirt.images, `${name}.qcow2`)
  await createImages(disks.map(({ name }) => ({ path: path(name), format: 'qcow2', sizeBytes: 524288, cells: 'a' })))
  await libvirt.adopt()
  await libvirt.define(
    domainXml(
      'vm',
      disks.map(({ target, name }) => ({ target, path: path(name), format: 'qcow2' })),
    ),
  )
  await libvirt.ask('start', 'vm')
}

const take = async (libvirt: Libvirt, day: string, cell: number): Promise<void> => {
  await libvirt.ask('snapshot-create-as', 'vm', day, '--disk-only')
  for (const { device } of disks)
    await writeCell(libvirt.monitor('vm'), writerPath(device), { cell, value: day.charAt(0) })
}

const week = async (libvirt: Libvirt): Promise<void> => {
  for (const [cell, day] of ['monday', 'tuesday', 'wednesday'].entries()) await take(libvirt, day, cell + 1)
}

/** Fills a folder as examples/domain-files.ts says. */
const dump = async (
  libvirt: Libvirt,
  folder: string,
  leaves: (disk: string) => ReadonlyArray<string>,
): Promise<void> => {
  const keep = async (file: string, ...command: ReadonlyArray<string>): Promise<void> =>
    writeFile(join(folder, file), await libvirt.ask(...command))
  const running = (await libvirt.ask('domstate', 'vm')).trim() === 'running'
  if (running) await keep('domain.xml', 'dumpxml', 'vm')
  else await keep('managedsave.xml', 'managedsave-dumpxml', 'vm', '--security-info')
  await keep('inactive.xml', 'dumpxml', 'vm', '--inactive')
  await keep('current.txt', 'snapshot-current', 'vm', '--name')
  for (const name of (await libvirt.ask('snapshot-list', 'vm', '--name')).split('\n').filter((line) => line !== ''))
    await keep(`snapshot-${name}.xml`, 'snapshot-dumpxml', 'vm', name)
  for (const { target, name } of disks)
    for (const [index, leaf] of leaves(name).entries()) {
      const info = ['qemu-img', 'info', '-U', '--backing-chain', '--output=json', join(libvirt.images, leaf)]
      await writeFile(join(folder, `chain-${target}-${index}.json`), await runOk(info))
    }
}

/** Executes what an example prints after `The calls:`, a line after the other; jobs are waited for. */
const execute = async (libvirt: Libvirt, output: string): Promise<void> => {
  const lines = output
    .slice(output.indexOf('The calls:'))
    .split('\n')
    .slice(1)
    .filter((line) => line !== '' && !line.startsWith('#'))
  expect(lines.length).toBeGreaterThan(0)
  for (const line of lines) {
    await runOk(['bash', '-o', 'pipefail', '-c', line], { env: { LIBVIRT_DEFAULT_URI: libvirt.uri } })
    const disk = /^virsh blockcommit vm (\w+)/.exec(line)?.[1]
    while (disk !== undefined && (await libvirt.ask('blockjob', 'vm', disk, '--raw')).trim() !== '') await delay(50)
  }
}

const cellsOf = (libvirt: Libvirt, image: string): Promise<string> =>
  readCells(join(libvirt.images, image), 'qcow2', { share: 'force' })

const inLab = async (work: (libvirt: Libvirt, folder: string) => Promise<void>): Promise<void> => {
  const libvirt = await startLibvirt()
  const folder = await mkdtemp(join(tmpdir(), 'bc-examples-'))
  try {
    await begin(libvirt)
    await week(libvirt)
    await work(libvirt, folder)
  } finally {
    await libvirt.stop()
    await rm(folder, { recursive: true })
  }
}

const tree = async (libvirt: Libvirt): Promise<ReadonlyArray<string>> =>
  (await libvirt.ask('snapshot-list', 'vm', '--tree'))
    .split('\n')
    .map((line) => line.replace(/^[ |+-]+/, ''))
    .filter((line) => line !== '')

/** What a revert to a snapshot shows: libvirt follows its record. */
const reverted = async (libvirt: Libvirt, snapshot: string): Promise<ReadonlyArray<string>> => {
  await delay(1100) // libvirt names the overlays of a revert after the second
  await libvirt.ask('snapshot-revert', 'vm', snapshot)
  const sources = (await libvirt.ask('domblklist', 'vm', '--inactive')).matchAll(/vd[ab] +(\S+)/g)
  return Promise.all(Array.from(sources, ([, path = '']) => readCells(path, 'qcow2')))
}

it.each(['hand', 'libvirt'])('examples/delete-middle-snapshot.ts, %s', (how) =>
  inLab(async (libvirt, folder) => {
    await dump(libvirt, folder, (disk) => [`${disk}.wednesday`])
    const ran = await runExample('delete-middle-snapshot.ts', ['tuesday', folder, how])
    expect(ran.stderr).toBe('')
    await execute(libvirt, ran.stdout)
    expect(await tree(libvirt)).toEqual(['monday', 'wednesday'])
    expect(await readdir(libvirt.images)).not.toContain('disk.tuesday')
    expect(await cellsOf(libvirt, 'disk.qcow2')).toBe('a0000000')
    expect(await cellsOf(libvirt, 'disk.monday')).toBe('amt00000')
    expect(await reverted(libvirt, 'wednesday')).toEqual(['amt00000', 'amt00000'])
    expect(await reverted(libvirt, 'monday')).toEqual(['a0000000', 'a0000000'])
  }),
)

it('examples/delete-middle-snapshot.ts, where libvirt refuses', () =>
  inLab(async (libvirt, folder) => {
    await libvirt.ask('snapshot-revert', 'vm', 'tuesday', '--running')
    await take(libvirt, 'thursday', 4)
    await dump(libvirt, folder, (disk) => [`${disk}.thursday`, `${disk}.tuesday`])
    const own = await runExample('delete-middle-snapshot.ts', ['tuesday', folder, 'libvirt'])
    expect(own.stderr).toContain(
      (await libvirt.virsh('snapshot-delete', 'vm', 'tuesday')).stderr.trim().split('error: ').at(-1),
    )
    const ran = await runExample('delete-middle-snapshot.ts', ['tuesday', folder])
    expect(ran.stderr).toBe('')
    await execute(libvirt, ran.stdout)
    expect(await tree(libvirt)).toEqual(['monday', 'thursday', 'wednesday'])
    expect(await cellsOf(libvirt, 'disk.thursday')).toBe('am00t000')
    expect(await reverted(libvirt, 'wednesday')).toEqual(['amt00000', 'amt00000'])
    expect(await reverted(libvirt, 'thursday')).toEqual(['am000000', 'am000000'])
    expect(await reverted(libvirt, 'monday')).toEqual(['a0000000', 'a0000000'])
  }))

it('examples/clean-a-shortened-chain.ts', () =>
  inLab(async (libvirt, folder) => {
    const at = (image: string): string => join(libvirt.images, image)
    const spans = disks.map(({ target, name }) => ({ target, top: at(`${name}.tuesday`), base: at(`${name}.monday`) }))
    for (const { target, top, base } of spans)
      await libvirt.ask('blockcommit', 'vm', target, '--top', top, '--base', base, '--delete', '--wait')
    await dump(libvirt, folder, (disk) => [`${disk}.wednesday`])
    const named = spans.flatMap(({ top, base }) => [top, base])
    const ran = await runExample('clean-a-shortened-chain.ts', [folder, ...named])
    expect(ran.stderr).toBe('')
    await execute(libvirt, ran.stdout)
    expect(await tree(libvirt)).toEqual(['monday', 'wednesday'])
    expect(await reverted(libvirt, 'wednesday')).toEqual(['amt00000', 'amt00000'])
    expect(await reverted(libvirt, 'monday')).toEqual(['a0000000', 'a0000000'])
    await libvirt.ask('snapshot-delete', 'vm', 'wednesday')
    await libvirt.ask('snapshot-delete', 'vm', 'monday')
  }))

it('the trap of examples/demo.ts writes over monday and tuesday', () =>
  inLab(async (libvirt) => {
    const top = join(libvirt.images, 'disk.tuesday')
    expect(await cellsOf(libvirt, 'disk.qcow2')).toBe('a0000000')
    await libvirt.ask('blockcommit', 'vm', 'vda', '--top', top, '--delete', '--wait')
    expect(await cellsOf(libvirt, 'disk.qcow2')).toBe('amt00000')
    expect(await readdir(libvirt.images)).not.toContain('disk.monday')
    expect(await tree(libvirt)).toEqual(['monday', 'tuesday', 'wednesday'])
  }))

it('examples/shorten-under-saved-memory.ts', () =>
  inLab(async (libvirt, folder) => {
    await libvirt.ask('managedsave', 'vm')
    await dump(libvirt, folder, (disk) => [`${disk}.wednesday`])
    const ran = await runExample('shorten-under-saved-memory.ts', ['tuesday', folder])
    expect(ran.stderr).toBe('')
    await execute(libvirt, ran.stdout)
    expect(await libvirt.ask('domstate', 'vm', '--reason')).toContain('running (restored)')
    expect(await libvirt.ask('domblklist', 'vm')).toContain(join(libvirt.images, 'live.qcow2'))
    const files = ['data.monday', 'data.qcow2', 'data.wednesday', 'disk.monday', 'disk.qcow2', 'live.qcow2']
    expect((await readdir(libvirt.images)).sort()).toEqual(files)
    for (const image of ['live.qcow2', 'data.wednesday']) expect(await cellsOf(libvirt, image)).toBe('amtw0000')
    expect(await reverted(libvirt, 'wednesday')).toEqual(['amt00000', 'amt00000'])
    expect(await reverted(libvirt, 'monday')).toEqual(['a0000000', 'a0000000'])
  }))
