// How large the device of a base has to be, for the layers that measuring alone gets wrong: what is said is tried, on devices of that size.

import { join, dirname } from 'node:path'
import { capabilitiesOfVersions, chain, commit, commitRoom } from 'backing-chain'
import type { Chain, CommitRoom, ImageDescription } from 'backing-chain'
import { describe, expect, it } from 'vitest'
import { qemuImgHost } from './harness/execute-qemu-img.js'
import { onLoops } from './harness/on-loops.js'
import { factsOf } from './harness/room.js'
import { execute } from './harness/steps.js'
import { right } from './harness/tree.js'
import { qemuVersions, type QemuVersion } from './lab/binaries.js'
import { cellBytes, createImages, type ImageSpec } from './lab/images.js'
import { withLoop, type Loop } from './lab/loop.js'

/** An image of a stack. The base is on the device. */
interface Layered {
  readonly name: 'low' | 'base' | 'mid' | 'top' | 'over'
  readonly format?: 'raw'
  /** How many cells it is large, and what is in them. */
  readonly size: number
  readonly cells: string
  readonly clusterBytes?: number
  readonly version?: 2 | 3
}

const deviceBytes = 67_108_864

const hostOf = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const

const pathOf = (loop: Loop, { name }: Layered): string =>
  name === 'base' ? loop.device : join(dirname(loop.file), name)

const described = (loop: Loop, layers: ReadonlyArray<Layered>): ReadonlyArray<ImageDescription> =>
  layers.map((layer, at): ImageDescription => {
    const { name, format = 'qcow2', size, clusterBytes = cellBytes, version = 3 } = layer
    const below = layers[at - 1]
    return {
      ...{ name, format, sizeBytes: size * cellBytes, otherReaders: [] },
      ...(format === 'qcow2' ? { clusterBytes, version } : {}),
      location: { _tag: name === 'base' ? 'BlockDevice' : 'File', path: pathOf(loop, layer) },
      ...(below === undefined
        ? {}
        : { backing: { image: below.name, header: pathOf(loop, below), format: below.format ?? 'qcow2' } }),
    }
  })

const specOf = (loop: Loop, layers: ReadonlyArray<Layered>, at: number): ReadonlyArray<ImageSpec> => {
  const [layer, below] = [layers[at], layers[at - 1]]
  if (layer === undefined || layer.format === 'raw') return []
  const { size, cells, clusterBytes = cellBytes, version } = layer
  return [
    {
      ...{ path: pathOf(loop, layer), format: 'qcow2', sizeBytes: size * cellBytes, cells, clusterBytes },
      options: version === 2 ? ['compat=0.10'] : [],
      ...(below === undefined ? {} : { backing: { header: pathOf(loop, below), format: below.format ?? 'qcow2' } }),
    },
  ]
}

/** Makes a stack, base first, and says what room the commit of its `top` needs. */
const made = async (
  loop: Loop,
  layers: ReadonlyArray<Layered>,
  version: QemuVersion,
): Promise<{ readonly of: Chain; readonly room: CommitRoom }> => {
  const images = described(loop, layers)
  await createImages(
    layers.flatMap((_, at) => specOf(loop, layers, at)),
    version,
  )
  const of = right(chain('vda', images, images.at(-1)?.name ?? ''))
  const asked = { top: 'top', base: 'base' }
  return { of, room: right(commitRoom(of, asked, await factsOf(of, asked, { version }))) }
}

type Chosen = (room: CommitRoom) => number

/** What comes of the commit on a device of the size that is chosen. */
const ended = (layers: ReadonlyArray<Layered>, version: QemuVersion, choose: Chosen): Promise<string> =>
  withLoop(deviceBytes, async (loop) => {
    const { of, room } = await made(loop, layers, version)
    await loop.resize(choose(room))
    const end = of.active === 'top' ? { end: 'pivot' as const } : {}
    const plan = commit(of, { top: 'top', base: 'base', ...end }, hostOf)
    try {
      await execute(right(plan), qemuImgHost(version))
      return 'done'
    } catch (error) {
      return String(error).includes('No space left on device') ? 'full' : String(error)
    }
  })

const least: Chosen = ({ leastBytes }) => leastBytes
const less: Chosen = ({ leastBytes }) => leastBytes - cellBytes
const most: Chosen = ({ mostBytes }) => mostBytes

const base = (size: number, cells: string): Layered => ({ name: 'base', size, cells })

const exact: Readonly<Record<string, ReadonlyArray<Layered>>> = {
  'an image below the base has data of its own': [
    { name: 'low', size: 32, cells: 'l'.repeat(32) },
    base(32, 'aaaa'),
    { name: 'top', size: 32, cells: '--tttt--------0000' },
  ],
  'what lies between is larger': [
    base(8, 'aa'),
    { name: 'mid', size: 32, cells: 'm-m-------------mmmmmmmmmmmmmmmm' },
    { name: 'top', size: 8, cells: '-t' },
  ],
  'layers lie over each other': [
    base(16, 'aaaa'),
    { name: 'mid', size: 16, cells: 'mm-m--mmm' },
    { name: 'top', size: 16, cells: '---tttttt' },
  ],
  'the disk is large and hardly used': [base(163_840, 'aaaa'), { name: 'top', size: 163_840, cells: '--tttt' }],
}

const enough: Readonly<Record<string, ReadonlyArray<Layered>>> = {
  'the base has data beyond the end of the top': [
    base(16, '--------aaaaaaaa'),
    { name: 'top', size: 8, cells: 'tttttttt' },
    { name: 'over', size: 8, cells: '' },
  ],
  'zeroes are written as data, in version 2': [
    { name: 'low', size: 32, cells: 'l'.repeat(32) },
    { ...base(32, 'aaaa'), version: 2 },
    { name: 'top', size: 32, cells: 'tttttt----0000000000' },
  ],
  'zeroes are of a part of a cluster of the base': [
    { name: 'low', size: 32, cells: 'l'.repeat(32) },
    { ...base(32, 'aaaa'), clusterBytes: 262_144 },
    { name: 'top', size: 32, cells: 'tttt----0---0---0---0---0---0---' },
  ],
}

onLoops('the room for a commit', () => {
  describe.each(qemuVersions)('QEMU %s', (version) => {
    it.each(Object.entries(exact))('is as said, to the cluster, where %s', async (_, layers) => {
      expect([await ended(layers, version, less), await ended(layers, version, least)]).toStrictEqual(['full', 'done'])
    })

    it.each(Object.entries(enough))('is enough where %s', async (_, layers) => {
      expect([await ended(layers, version, less), await ended(layers, version, most)]).toStrictEqual(['full', 'done'])
    })

    it('is more than the least where zeroes become data, or the base is larger', async () => {
      for (const layers of Object.values(enough)) expect(await ended(layers, version, least)).toBe('full')
    })

    it('of a raw base is the size of the top, however large what lies between is', async () => {
      const raw = (size: number): Layered => ({ name: 'base', format: 'raw', size, cells: '' })
      const above: ReadonlyArray<Layered> = [
        { name: 'mid', size: 32, cells: 'm-------'.repeat(4) },
        { name: 'top', size: 8, cells: '-t------' },
      ]
      expect(
        await ended([raw(8), ...above], version, ({ leastBytes, mostBytes }) => {
          expect([leastBytes, mostBytes]).toStrictEqual([8 * cellBytes, 8 * cellBytes])
          return leastBytes
        }),
      ).toBe('done')
      expect(await ended([raw(8), ...above], version, less)).toContain('Invalid argument')
      await withLoop(deviceBytes, async (loop) => {
        const { room } = await made(loop, [raw(4), ...above], version)
        expect(room.leastBytes).toBe(8 * cellBytes)
      })
    })
  })
})
