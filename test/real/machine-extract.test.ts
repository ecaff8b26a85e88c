// Snapshots copied to images of their own, beside the guest and without it; and what the refusals are for.

import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { locationString } from 'backing-chain'
import type { ExtractRequest, MachineHost, MachinePlan, NewImage, TakeRequest } from 'backing-chain'
import { binary, qemuVersions } from './lab/binaries.js'
import { run } from './lab/exec.js'
import { readCells } from './lab/images.js'
import { cellsAt } from './machine/bytes.js'
import { labForAll } from './machine/lab.js'
import { does } from './machine/plans.js'
import { pathOf } from './machine/qmp-machine.js'
import { expectPath, reasonOf, writeBoth } from './machine/qmp-scenarios.js'
import { onFreeMachine, type Free } from './machine/qmp-session.js'
import { randomOf } from './machine/random.js'
import { inSession, type Session } from './machine/session.js'
import { targets } from './machine/stage.js'

const watched = { watched: true, choose: randomOf(11).below }

const inside: TakeRequest['disks'] = new Map(targets.map((target) => [target, { mode: 'internal' as const }]))
const mixed: TakeRequest['disks'] = new Map([['vda', { mode: 'internal' }]])

type Format = 'qcow2' | 'raw'

/** A copy of both disks into that folder. */
const copies = (folder: string, snapshot: string, [vda, vdb]: readonly [Format, Format]): ExtractRequest => {
  const to = (target: string, format: Format): readonly [string, NewImage] => {
    const name = `${target}.${snapshot}.copy.${format}`
    return [target, { name, format, location: { _tag: 'File', path: `${folder}/${name}` } }]
  }
  return { snapshot, to: new Map([to('vda', vda), to('vdb', vdb)]) }
}

/** The same, compressed, under other names. */
const packed = ({ snapshot, to }: ExtractRequest): ExtractRequest => ({
  snapshot,
  to: new Map(
    Array.from(to, ([target, image]) => {
      const path = `${locationString(image.location)}.small`
      return [target, { ...image, name: `${image.name}.small`, location: { _tag: 'File', path } }]
    }),
  ),
  data: 'compressed',
  bytesPerSecond: 104857600,
})

const argvs = ({ steps }: MachinePlan): ReadonlyArray<ReadonlyArray<string>> =>
  steps.flatMap(({ call }) => (call._tag === 'QemuImg' && call.argv[1] === 'convert' ? [call.argv] : []))

/** How each disk is read: past locks or not, inside or not. */
const how = (plan: MachinePlan): ReadonlyArray<string> =>
  argvs(plan).map((argv) => ['-U', '-l'].filter((option) => argv.includes(option)).join(' '))

const extracts = async (
  free: Free,
  snapshot: string,
  options: { readonly writes?: number; readonly formats?: readonly [Format, Format] } = {},
): Promise<ReadonlyArray<string>> => {
  const { formats = ['qcow2', 'raw'], writes } = options
  const request = copies(free.home.images, snapshot, formats)
  return how(await free.does({ extract: request }, { ...watched, ...(writes === undefined ? {} : { writes }) }))
}

/** Somebody who says that he copies what is inside the first disk. */
const beingRead = (free: Free): { readonly path: string; readonly host: Partial<MachineHost> } => {
  const [image] = Array.from(free.machine().disks.get('vda')?.images.values() ?? [])
  if (image === undefined) throw new Error('no image')
  const reader = { image: image.name, by: { _tag: 'Tool', name: 'qemu-img' }, access: 'read' } as const
  return { path: pathOf(image), host: { opened: new Map([['vda', [reader]]]) } }
}

const nodeOf = (free: Free, image: string): string =>
  free.machine().disks.get('vda')?.images.get(image)?.node?.format ?? ''

describe.each(qemuVersions)('without libvirt, QEMU %s', (version) => {
  const on = (act: (free: Free) => Promise<void>) => () => onFreeMachine(version, act)

  it(
    'inside, beside a guest that writes, beside one that is paused, and without it',
    on(async (free) => {
      await free.start()
      for (const [at, name] of ['s1', 's2', 's3'].entries()) {
        await writeBoth(free, at, 'x')
        await free.does({ take: { name, disks: inside } })
      }
      await writeBoth(free, 1, 'y')
      const small = packed(copies(free.home.images, 's1', ['qcow2', 'qcow2']))
      expect(how(await free.does({ extract: small }, { ...watched, writes: 30 }))).toEqual(['-U -l', '-U -l'])
      expect(await extracts(free, 's1', { writes: 31 })).toEqual(['-U -l', '-U -l'])
      await free.pause()
      expect(await extracts(free, 's2')).toEqual(['-U -l', '-U -l'])
      await free.stop()
      expect(await extracts(free, 's3', { formats: ['raw', 'qcow2'] })).toEqual(['-l', '-l'])
      // The copies stay when their snapshots go, and when the guest goes on.
      await free.start()
      await free.does({ delete: { snapshots: ['s1', 's2', 's3'] } }, { writes: 32 })
    }),
  )

  it(
    'frozen images, and one of each, beside a guest that writes, and without it',
    on(async (free) => {
      await free.start()
      await writeBoth(free, 0, 'x')
      await free.does({ take: { name: 's1' } })
      await writeBoth(free, 1, 'y')
      await free.does({ take: { name: 's2', disks: mixed } })
      expectPath(free, 'vda', ['vda.qcow2', 'vda.s1'])
      expectPath(free, 'vdb', ['vdb.qcow2', 'vdb.s1', 'vdb.s2'])
      await writeBoth(free, 1, 'z')
      expect(await extracts(free, 's1', { writes: 41 })).toEqual(['', ''])
      expect(await extracts(free, 's2', { writes: 42 })).toEqual(['-U -l', ''])
      await free.does({ take: { name: 's3' } })
      // Now the guest only reads what s2 is inside of.
      expect(await extracts(free, 's2', { writes: 43, formats: ['raw', 'qcow2'] })).toEqual(['-l', ''])
      await free.stop()
      expect(await extracts(free, 's3')).toEqual(['', ''])
    }),
  )

  it.each(['a,b', ',', 'a=b', 'snapshot.id=1', 'ü x', '-l'])('by any name: %s', (name) =>
    onFreeMachine(version, async (free) => {
      await free.start()
      await writeBoth(free, 1, 'x')
      await free.does({ take: { name: 'first', disks: inside } })
      await writeBoth(free, 2, 'y')
      await free.does({ take: { name, disks: inside } })
      await writeBoth(free, 3, 'z')
      const to = (format: Format) => copies(free.home.images, 'n', [format, format]).to
      await free.does({ extract: { snapshot: name, to: to('qcow2') } }, { writes: 51 })
      await free.stop()
      await free.does({ extract: { snapshot: name, to: to('raw') } })
    }),
  )

  it(
    'while it is being copied a snapshot is not deleted: QEMU would, and the copy be wrong without a word',
    on(async (free) => {
      await free.start()
      const cells = [1, 3, 5, 7, 9, 11, 13]
      for (const cell of cells) await writeBoth(free, cell, 's')
      await free.does({ take: { name: 's1', disks: inside } })
      for (const cell of cells) await writeBoth(free, cell, 't')
      const { path, host } = beingRead(free)
      const asked = { delete: { snapshots: ['s1'] } }
      const refusal = await free.refuses(asked, host)
      expect(reasonOf(refusal)).toBe('DiskRefused ImageOpen')

      const out = `${free.home.folder}/wrong.raw`
      const slow = ['-m', '1', '-r', '65536', '-f', 'qcow2', '-O', 'raw']
      const argv = ['convert', '-U', '-l', 'snapshot.name=s1', ...slow, path, out]
      const copying = run([binary(version, 'qemu-img'), ...argv])
      await delay(1500)
      await free.does(asked, { trusted: true })
      for (const cell of [0, 2, 4, 6, 8, 10, 12, 14]) await writeBoth(free, cell, 'u')
      const { code, stderr } = await copying
      expect([code, stderr]).toEqual([0, ''])
      const right = 'as0s0s0s0s0s0s00'
      const wrong = await readCells(out, 'raw')
      expect([wrong.slice(0, 2), wrong === right]).toEqual(['as', false])
    }),
  )

  it(
    'QEMU lets nobody commit into a frozen image while that is copied',
    on(async (free) => {
      await free.start()
      for (const cell of [1, 3, 5, 7, 9]) await writeBoth(free, cell, 's')
      await free.does({ take: { name: 's1' } })
      await writeBoth(free, 2, 't')
      await free.does({ take: { name: 's2' } })
      const [base] = Array.from(free.machine().disks.get('vda')?.images.values() ?? [])
      const slow = ['-m', '1', '-r', '65536', '-f', 'qcow2', '-O', 'raw']
      const out = `${free.home.folder}/right.raw`
      const argv = ['convert', ...slow, base === undefined ? '' : pathOf(base), out]
      const copying = run([binary(version, 'qemu-img'), ...argv])
      await delay(1000)
      const commit = {
        device: nodeOf(free, 'vda.s2'),
        'top-node': nodeOf(free, 'vda.s1'),
        'base-node': nodeOf(free, 'vda.qcow2'),
      }
      const tried = free.qemu().qmp.ask('block-commit', { 'job-id': 'j', ...commit })
      await expect(tried).rejects.toThrow('Failed to get "write" lock')
      expect((await copying).code).toBe(0)
      expect(await readCells(out, 'raw')).toBe('as0s0s0s0s000000')
      await free.check()
    }),
  )
})

const lab = labForAll()

/** Copies a snapshot's disks with the machine as it is, and reads what has come of it. */
const copied = async (
  session: Session,
  snapshot: string,
  formats: readonly [Format, Format],
): Promise<ReadonlyArray<string>> => {
  const extract = copies(session.path('x').replace(/\/x$/, ''), snapshot, formats)
  const plan = await does(session, { extract }, { points: 'after each step' })
  for (const [target, { location, format }] of extract.to)
    expect([target, await cellsAt({ path: locationString(location), format })]).toEqual([
      target,
      session.expected().snapshots.get(snapshot)?.get(target),
    ])
  return how(plan)
}

describe('through libvirt', () => {
  it('external snapshots, running, paused and shut off', () =>
    inSession(lab, 'running', async (session) => {
      await session.taken('s1')
      await session.taken('s2')
      await session.write(14, 'p')
      expect(await copied(session, 's1', ['qcow2', 'raw'])).toEqual(['', ''])
      await session.virsh('suspend')
      expect(await copied(session, 's2', ['raw', 'qcow2'])).toEqual(['', ''])
      await session.virsh('destroy')
      expect(await copied(session, 's2', ['qcow2', 'raw'])).toEqual(['', ''])
      // libvirt does not mind the files beside its own.
      await does(session, { delete: { snapshots: ['s1'] } })
    }))

  it('internal snapshots, running, paused and shut off', () =>
    inSession(lab, 'shut-off', async (session) => {
      await does(session, { take: { name: 'i1', disks: inside } })
      await session.virsh('start')
      await session.write(2, 'm')
      await does(session, { take: { name: 'i2', disks: inside, memory: { _tag: 'Internal' } } })
      await session.write(3, 'n')
      expect(await copied(session, 'i1', ['qcow2', 'raw'])).toEqual(['-U -l', '-U -l'])
      await session.virsh('suspend')
      expect(await copied(session, 'i2', ['raw', 'qcow2'])).toEqual(['-U -l', '-U -l'])
      await session.virsh('destroy')
      expect(await copied(session, 'i2', ['qcow2', 'raw'])).toEqual(['-l', '-l'])
    }))

  it('an internal snapshot under an external one', () =>
    inSession(lab, 'shut-off', async (session) => {
      await does(session, { take: { name: 'i1', disks: inside } })
      await session.virsh('start')
      await session.write(2, 'm')
      await does(session, { take: { name: 's1' } })
      await session.write(3, 'n')
      expect(await copied(session, 'i1', ['qcow2', 'raw'])).toEqual(['-l', '-l'])
      await session.virsh('destroy')
      expect(await copied(session, 's1', ['qcow2', 'raw'])).toEqual(['', ''])
    }))
})
