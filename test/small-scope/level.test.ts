// Every order of preference over every set of levels that two disks can have.

import * as E from 'fp-ts/lib/Either.js'
import { expect, it } from 'vitest'

import type { LevelKind, MachineHost, StorageLevel } from '../../src/index.js'
import { snapshotAtLevel } from '../../src/operation/snapshot-at-level.js'
import { throughLibvirt, throughQemuImg, throughQmp } from '../operation/expect-take.js'
import { vm } from '../operation/machine.js'

const kinds: ReadonlyArray<LevelKind> = ['QemuExternal', 'QemuInternal', 'Btrfs', 'Reflink']
const levelOf = (kind: LevelKind): StorageLevel => {
  if (kind === 'QemuExternal' || kind === 'QemuInternal' || kind === 'Reflink') return { _tag: kind }
  return { _tag: 'Btrfs', subvolume: '/images', snapshots: '/snapshots' }
}

const orders = (of: ReadonlyArray<LevelKind>): ReadonlyArray<ReadonlyArray<LevelKind>> =>
  of.length === 0
    ? [[]]
    : of.flatMap((first) => orders(of.filter((one) => one !== first)).map((rest) => [first, ...rest]))

const subsets = kinds.reduce<ReadonlyArray<ReadonlyArray<LevelKind>>>(
  (all, kind) => [...all, ...all.map((one) => [...one, kind])],
  [[]],
)

type Pair = readonly [LevelKind, LevelKind]

/** What shall be chosen, by trying every pair: the better one for the first disk, then for the second. */
const best = (
  prefer: ReadonlyArray<LevelKind>,
  [a, b]: readonly [ReadonlyArray<LevelKind>, ReadonlyArray<LevelKind>],
  fits: (pair: Pair) => boolean,
): Pair | undefined => {
  for (const one of prefer)
    for (const other of prefer) if (a.includes(one) && b.includes(other) && fits([one, other])) return [one, other]
  return undefined
}

const together = ([a, b]: Pair): boolean => (a === 'QemuInternal') === (b === 'QemuInternal')

const scopes: ReadonlyArray<readonly [string, MachineHost, 'running' | 'shut-off', (pair: Pair) => boolean]> = [
  ['qmp', throughQmp, 'running', () => true],
  ['qemu-img', throughQemuImg, 'shut-off', () => true],
  ['libvirt, shut off', throughLibvirt, 'shut-off', together],
  ['libvirt, running', throughLibvirt, 'running', ([a, b]) => a !== 'QemuInternal' && b !== 'QemuInternal'],
]

it.each(scopes)('takes the first that fits: %s', (_, host, state, fits) => {
  const { machine } = vm({
    disks: { vda: 'a^', vdb: 'b^' },
    state,
    ...(host.via === 'libvirt' ? {} : { records: 'none', nodes: 'monitor' }),
  })
  let planned = 0
  for (const prefer of orders(kinds))
    for (const a of subsets)
      for (const b of subsets) {
        const levels = new Map([
          ['vda', a.map(levelOf)],
          ['vdb', b.map(levelOf)],
        ])
        const level = snapshotAtLevel(machine, { name: 'now', creationTime: '1', levels, prefer }, host)
        const found = E.isRight(level) ? Array.from(level.right.chosen.values(), ({ _tag }) => _tag) : undefined
        expect([prefer, a, b, found]).toStrictEqual([prefer, a, b, best(prefer, [a, b], fits)])
        if (found !== undefined) planned += 1
      }
  expect(planned).toBeGreaterThan(1000)
})
