// Every way in which two or three snapshots of two disks can be inside or outside, through QMP: what is planned does what it says.

import * as E from 'fp-ts/lib/Either.js'
import { expect, it } from 'vitest'

import { capabilitiesOfVersions, machine, parseChain } from '../../src/index.js'
import type { MachineHost, MachinePlan, MachineRefusal, TakeDisk, TakeRequest } from '../../src/index.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { revert } from '../../src/operation/revert.js'
import { take } from '../../src/operation/take.js'
import { checkMachinePlan } from '../../src/plan/check-machine.js'
import { assertMachinePlanKeepsContent, assertMachinePlanSimulates } from '../../src/testing/index.js'
import type { FilledMachine } from '../../src/testing/index.js'
import { machineContentsAfter } from '../../src/testing/machine-contents.js'

const host: MachineHost = { via: 'qmp', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) }

const right = <A>(either: E.Either<unknown, A>): A => {
  if (E.isLeft(either)) throw new Error(JSON.stringify(either.left))
  return either.right
}

const first = (state: 'running' | 'paused'): FilledMachine => {
  const [vda, vdb] = ['a[ab]^', 'b[cd]^'].map((picture, at) =>
    right(parseChain(picture, { disk: at === 0 ? 'vda' : 'vdb', nodes: 'monitor' })),
  )
  if (vda === undefined || vdb === undefined) throw new Error('unreachable')
  const made = right(machine({ name: 'vm', state, disks: [vda.chain, vdb.chain] }))
  const disks = new Map([
    ['vda', vda.contents],
    ['vdb', vdb.contents],
  ])
  return { machine: made, contents: { disks, inside: new Map() } }
}

const modes = ['internal', 'external', 'no'] as const

const requests = (name: string): ReadonlyArray<TakeRequest> =>
  modes.flatMap((vda) =>
    modes.flatMap((vdb) =>
      ([undefined, { _tag: 'Internal' }] as const).map((memory): TakeRequest => {
        const disks = new Map<string, TakeDisk>([
          ['vda', { mode: vda }],
          ['vdb', { mode: vdb }],
        ])
        return { name, disks, ...(memory === undefined ? {} : { memory }) }
      }),
    ),
  )

const counts = new Map<string, number>()

/** Holds a plan against its promises; gives what is there afterwards. */
const after = (of: FilledMachine, plan: E.Either<MachineRefusal, MachinePlan>): FilledMachine | undefined => {
  const key = E.isLeft(plan) ? plan.left._tag : plan.right.operation
  counts.set(key, (counts.get(key) ?? 0) + 1)
  if (E.isLeft(plan)) return undefined
  expect(checkMachinePlan(plan.right)).toStrictEqual([])
  assertMachinePlanKeepsContent(plan.right, of.contents, [1])
  assertMachinePlanSimulates(plan.right, of.contents, { order: [1] })
  return { machine: plan.right.after, contents: machineContentsAfter(plan.right, of.contents) }
}

const several = (names: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  names.reduce<ReadonlyArray<ReadonlyArray<string>>>((all, name) => all.flatMap((one) => [one, [...one, name]]), [[]])

const guests = ['running', 'paused', 'shut-off'] as const

const undone = (of: FilledMachine): void => {
  const names = Array.from(of.machine.snapshots.keys(), String)
  for (const snapshots of several(names).slice(1)) after(of, deleteSnapshots(of.machine, { snapshots }, host))
  for (const to of names)
    for (const guest of guests)
      for (const later of ['keep', 'delete'] as const)
        after(of, revert(of.machine, { to, guest, later, present: 'discard' }, host))
}

it.each(['running', 'paused'] as const)(
  'two snapshots of a guest that is %s, each deleted and reverted to',
  (state) => {
    counts.clear()
    const of = first(state)
    for (const one of requests('s1')) {
      const taken = after(of, take(of.machine, one, host))
      if (taken === undefined) continue
      for (const two of requests('s2')) {
        const both = after(taken, take(taken.machine, two, host))
        if (both !== undefined) undone(both)
      }
    }
    // 9 of the 18 requests make a snapshot. Where one of two on a disk is inside and the other outside, the lower one is not deleted
    // alone (42), and both are not where it is so on both disks, the other way round (2). Memory comes back where both images are
    // still active, and of s2 always.
    expect(Object.fromEntries(counts)).toStrictEqual({
      take: 9 + 9 * 9,
      NothingSelected: 10,
      KindsMixed: 10 * 8,
      delete: 81 * 3 - 44,
      DiskRefused: 42 + 2,
      revert: 9 * 4 + 4 * 4,
      PointsLost: 5 * 4,
      GuestStateWrong: 81 * 12 - 18 * 4,
    })
  },
)
