// How large the device of a base has to be. The numbers that qemu-img gives are made up here, of clusters that can be counted; what QEMU
// makes of them is in test/real/room.test.ts.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { chain, commitRoom, roomQuestions, shellLine } from '../../src/index.js'
import type { Chain, Checked, ImageDescription, Measured, RoomFacts } from '../../src/index.js'

const cluster = 65536
const asked = { top: 'top', base: 'base' }

const right = <A>(of: E.Either<unknown, A>): A => {
  if (E.isLeft(of)) throw new Error(JSON.stringify(of.left))
  return of.right
}

/** One above the other, each so many clusters large; the base is on a device. */
const stack = (...layers: ReadonlyArray<readonly [string, number, Partial<ImageDescription>?]>): Chain =>
  right(
    chain(
      'vda',
      layers.map(([name, size, more], at): ImageDescription => {
        const below = layers[at - 1]
        const path = (of: string): string => (of === 'base' ? '/dev/vg/base' : `/images/${of}`)
        return {
          ...{ name, format: 'qcow2', sizeBytes: size * cluster, clusterBytes: cluster, otherReaders: [] },
          location: { _tag: name === 'base' ? 'BlockDevice' : 'File', path: path(name) },
          ...(below === undefined
            ? {}
            : { backing: { image: below[0], header: path(below[0]), format: below[2]?.format ?? 'qcow2' } }),
          ...more,
        }
      }),
      layers.at(-1)?.[0] ?? '',
    ),
  )

/** Five clusters are for tables: the header, two that count, two that lead to the data. */
const measured = (data: number, size: number): Measured => ({
  requiredBytes: (data + 5) * cluster,
  fullyAllocatedBytes: (size + 5) * cluster,
  bitmapsBytes: 0,
})
const checked = (data: number): Checked => ({ imageEndBytes: (data + 5) * cluster, allocatedClusters: data })

const facts = (more: Partial<RoomFacts> = {}): RoomFacts => ({
  ...{ top: measured(6, 32), base: measured(4, 32) },
  ...{ checkedBase: checked(4), above: [checked(4)] },
  ...more,
})

/** In clusters; three more are there to count the clusters, whatever comes. */
const roomOf = (of: Chain, known?: RoomFacts): readonly [number, number] => {
  const { leastBytes, mostBytes } = right(commitRoom(of, asked, known))
  return [leastBytes / cluster, mostBytes / cluster - (known === undefined ? 0 : 3)]
}

const plain = stack(['base', 32], ['top', 32])

describe('the room for a commit into a qcow2 base', () => {
  it('is the data that there are then, at most where nothing of it is in the base already', () => {
    expect(roomOf(plain, facts())).toStrictEqual([6 + 5, 4 + 5 + 4 + 5])
  })

  it('is never less than where the base ends', () => {
    expect(roomOf(plain, facts({ checkedBase: { imageEndBytes: 20 * cluster, allocatedClusters: 4 } }))).toStrictEqual([
      20,
      20 + 4 + 5,
    ])
  })

  it('is never more than the full disk, and what the base has besides', () => {
    const base = { ...facts().checkedBase, imageEndBytes: 12 * cluster }
    const known = { checkedBase: base, above: [checked(32)] }
    expect(roomOf(plain, facts(known))[1]).toBe(12 - 9 + 32 + 5)
    expect(roomOf(plain, facts({ ...known, writes: 'on' }))[1]).toBe(12 - 9 + 32 + 5)
  })

  it.each<readonly [string, Chain, Partial<RoomFacts>]>([
    ['the guest goes on writing', plain, { writes: 'on' }],
    ['the base has version 2', stack(['base', 32, { version: 2 }], ['top', 32]), {}],
    ['the clusters above are smaller', stack(['base', 32], ['top', 32, { clusterBytes: 4096 }]), {}],
    ['one above is no qcow2', stack(['base', 32], ['mid', 32, { format: 'qed' }], ['top', 32]), {}],
    ['one above has not been checked', stack(['base', 32], ['mid', 32], ['top', 32]), {}],
  ])('is that of the full disk where %s', (_, of, more) => {
    expect(roomOf(of, facts(more))[1]).toBe(32 + 5)
  })

  it('counts larger clusters as what they are', () => {
    const of = stack(['base', 32], ['top', 32, { clusterBytes: 4 * cluster }])
    expect(roomOf(of, facts({ above: [checked(3)] }))[1]).toBe(4 + 5 + 12 + 5)
  })

  it('keeps what a snapshot inside keeps', () => {
    const internalSnapshots = [{ id: '1', name: 's', vmStateBytes: 0 }]
    const of = stack(['base', 32, { internalSnapshots }], ['top', 32])
    expect(roomOf(of, facts({ above: [checked(32)] }))[1]).toBe(9 + 32 + 5)
    expect(roomOf(of, facts({ writes: 'on' }))[1]).toBe(9 + 32 + 5)
  })

  it('is for both ends where the base is larger than the top, and tables for either', () => {
    const of = stack(['base', 32], ['top', 8])
    const known = facts({ top: measured(8, 8), base: measured(24, 32), checkedBase: checked(24), above: [checked(8)] })
    expect(roomOf(of, known)).toStrictEqual([24 + 5, 32 + 5])
  })

  it('has the tables of a top that is enlarged as far as the base goes', () => {
    const size = 163_840
    const of = stack(['base', size], ['top', 8])
    const large = { requiredBytes: 32 * cluster, fullyAllocatedBytes: (size + 28) * cluster, bitmapsBytes: 0 }
    const known = facts({ top: measured(6, 8), base: large })
    expect(roomOf(of, known)[1]).toBe(4 + 5 + 4 + 28)
  })

  it('does not mind how large what lies between is', () => {
    const of = stack(['base', 8], ['mid', 512], ['top', 8])
    const known = facts({ top: measured(6, 8), base: measured(4, 8), above: [checked(2), checked(1)] })
    expect(roomOf(of, known)).toStrictEqual([6 + 5, 8 + 5])
  })

  it('takes the fewest tables that lead to the data for the least', () => {
    const size = 163_840
    const of = stack(['base', size], ['top', size])
    const tables = 1 + 1 + 5 + 1 + 20
    const known = facts({
      ...{
        top: { requiredBytes: (6 + tables) * cluster, fullyAllocatedBytes: (size + tables) * cluster, bitmapsBytes: 0 },
      },
      base: { requiredBytes: (4 + tables) * cluster, fullyAllocatedBytes: (size + tables) * cluster, bitmapsBytes: 0 },
    })
    expect(roomOf(of, known)).toStrictEqual([6 + 5, 4 + 5 + 4 + tables])
  })

  it('can be asked for an overlay that is not there yet', () => {
    const known = facts({ top: measured(4, 32), above: [], writes: 'on' })
    expect(roomOf(plain, known)).toStrictEqual([4 + 5, 32 + 5])
  })
})

describe('the room for a commit into a raw base', () => {
  const of = (base: number, mid: number, top: number): Chain =>
    stack(['base', base, { format: 'raw', clusterBytes: 4096 }], ['mid', mid], ['top', top])

  it.each([
    [of(8, 32, 8), 8],
    [of(8, 4, 16), 16],
    [of(8, 32, 4), 8],
  ])('is as large as base and top: %#', (chainOf, clusters) => {
    expect(roomOf(chainOf)).toStrictEqual([clusters, clusters])
  })
})

describe('what has to be asked', () => {
  it('is asked without what lies below the base', () => {
    const lines = right(roomQuestions(stack(['low', 32], ['base', 32], ['mid', 32], ['top', 32]), asked)).map(shellLine)
    const inner = '{"driver":"qcow2","file":{"driver":"host_device","filename":"/dev/vg/base"},"backing":null}'
    const mid = `{"driver":"qcow2","file":{"driver":"file","filename":"/images/mid"},"backing":${inner}}`
    const top = `{"driver":"qcow2","file":{"driver":"file","filename":"/images/top"},"backing":${mid}}`
    const measure = 'qemu-img measure --output=json -O qcow2 -o cluster_size=65536'
    expect(lines).toStrictEqual([
      `${measure} 'json:${top}'`,
      `${measure} 'json:${inner}'`,
      'qemu-img check --output=json /dev/vg/base',
      'qemu-img check --output=json /images/mid',
      'qemu-img check --output=json /images/top',
    ])
  })

  it('is refused where an image of the span has no path to be given by', () => {
    const location = { _tag: 'Network', uri: 'nbd://host/mid' } as const
    const of = stack(
      ['low', 32],
      ['base', 32],
      ['mid', 32, { location }],
      ['top', 32, { backing: { image: 'mid', header: 'nbd://host/mid', format: 'qcow2' } }],
    )
    expect(roomQuestions(of, asked)).toMatchObject({ left: { _tag: 'NotThisWay' } })
    const alone = stack(
      ['base', 32],
      ['mid', 32, { location }],
      ['top', 32, { backing: { image: 'mid', header: 'nbd://host/mid', format: 'qcow2' } }],
    )
    expect(E.isRight(roomQuestions(alone, asked))).toBe(true)
  })
})
