// What QEMU holds back of a guest that is paused already: a block job that has ended meanwhile leaves its tables in memory.

import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { equalViews } from '../../src/index.js'
import type { LevelPlan, Machine, MachinePlan } from '../../src/index.js'
import { activeImage } from '../../src/model/chain-query.js'
import { locationString } from '../../src/model/location.js'
import { withMachine } from '../../src/model/machine.js'
import { changeChain } from '../../src/operation/change-chain.js'
import { snapshotAtLevel } from '../../src/operation/snapshot-at-level.js'
import { take } from '../../src/operation/take.js'
import { guestViews, machineFileView, machineWorldOf, runMachine } from '../../src/simulate/index.js'
import type { MachineWorld } from '../../src/simulate/index.js'
import { performHost } from '../../src/simulate/machine-host.js'
import { arbitraryLevelCase, subvolumes, volumesOf } from './level-ways.js'
import type { LevelCase } from './level-ways.js'
import { numRuns } from './machine-ways.js'
import { ended, ran, right } from './saved-machine.js'

type Step = MachinePlan['steps'][number]

const isPause = ({ call }: Step): boolean =>
  (call._tag === 'Qmp' && (call.command.execute === 'stop' || call.command.execute === 'cont')) ||
  (call._tag === 'Libvirt' && (call.function.call === 'virDomainSuspend' || call.function.call === 'virDomainResume'))

interface Pulled {
  readonly machine: Machine
  readonly world: MachineWorld
}

/** The guest stands, and somebody pulls all that is below the first disk into its active image, and flushes nothing. */
const pulledWhilePaused = ({ of, host }: LevelCase): Pulled | undefined => {
  const { machine, contents } = of
  const options = { inside: contents.inside, subvolumes, volumes: volumesOf(machine) }
  const world = right(machineWorldOf(machine, contents.disks, options))
  const [disk, chain] = Array.from(machine.disks)[0] ?? []
  if (disk === undefined || chain === undefined) return undefined
  const asked = { disk, pull: { into: chain.active }, metadata: 'carry' } as const
  const planned = changeChain(withMachine(machine, { state: 'running' }), asked, host)
  if (E.isLeft(planned)) return undefined
  const trace = runMachine(
    world,
    planned.right.steps.filter((step) => !isPause(step)),
    { finally: [] },
  )
  return { machine: withMachine(planned.right.after, { state: 'paused' }), world: ended(trace) }
}

/** The copies that do not show what the guest reads. */
const wrong = ({ plan, copies }: LevelPlan, world: MachineWorld, steps: MachinePlan['steps']): number => {
  const end = ended(ran(world, { ...plan, steps }))
  const views = guestViews(world)
  return copies.filter(({ disk, path }) => {
    if (path === undefined) return false
    const [was, found] = [views.get(disk), machineFileView(end, path)]
    return was === undefined || E.isLeft(found) || !equalViews(was, found.right)
  }).length
}

describe.each(['qmp', 'libvirt'] as const)('a guest that was paused while a pull ended, through %s', (way) => {
  const cases = arbitraryLevelCase(way, 'paused')

  it('has every copy show what it reads', () => {
    let copies = 0
    fc.assert(
      fc.property(cases, (one) => {
        const pulled = pulledWhilePaused(one)
        if (pulled === undefined) return
        const planned = snapshotAtLevel(pulled.machine, one.request, one.host)
        if (E.isLeft(planned)) return
        expect(wrong(planned.right, pulled.world, planned.right.plan.steps)).toBe(0)
        copies += planned.right.copies.length
      }),
      { numRuns: numRuns(200) },
    )
    expect(copies).toBeGreaterThan(0)
  })

  it('needs the flush, or to be told that nothing is held back: else some copy is wrong', () => {
    let found = 0
    fc.assert(
      fc.property(cases, (one) => {
        const pulled = pulledWhilePaused(one)
        if (pulled === undefined) return
        const host = { ...one.host, heldBack: 'nothing' } as const
        const planned = snapshotAtLevel(pulled.machine, one.request, host)
        if (E.isLeft(planned)) return
        const steps = planned.right.plan.steps.filter((step) => !isPause(step))
        if (wrong(planned.right, pulled.world, steps) > 0) found += 1
      }),
      { numRuns: numRuns(200) },
    )
    expect(found).toBeGreaterThan(0)
  })
})

/** How many manual disks were taken, and how many of them lack something in a copy that is made then. */
const manual = (way: 'qmp' | 'libvirt') => {
  const count = { taken: 0, lacking: 0 }
  fc.assert(
    fc.property(arbitraryLevelCase(way, 'paused'), (one) => {
      const pulled = pulledWhilePaused(one)
      const [disk] = one.of.machine.disks.keys()
      if (pulled === undefined || disk === undefined) return
      const disks = new Map([[disk, { mode: 'manual' } as const]])
      const planned = take(pulled.machine, { name: 'now', disks }, one.host)
      if (E.isLeft(planned)) return
      expect(planned.right.assumes.some(({ _tag }) => _tag === 'WrittenOut')).toBe(true)
      const end = ended(ran(pulled.world, planned.right))
      const path = locationString(activeImage(right(E.fromNullable(disk)(pulled.machine.disks.get(disk)))).location)
      const copied = right(performHost(end, ['cp', '--reflink=always', '--', path, '/images/manual']))
      const [was, found] = [guestViews(end).get(disk), machineFileView(copied, '/images/manual')]
      count.taken += 1
      if (was === undefined || E.isLeft(found) || !equalViews(was, found.right)) count.lacking += 1
    }),
    { numRuns: numRuns(200) },
  )
  return count
}

it('is held back of a manual disk all the same: libvirt takes the others, and tells QEMU nothing', () => {
  expect(manual('libvirt').lacking).toBeGreaterThan(0)
})

it('is not held back of a manual disk through a monitor, which stops the guest that is paused', () => {
  const { taken, lacking } = manual('qmp')
  expect(taken).toBeGreaterThan(0)
  expect(lacking).toBe(0)
})
