import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { checkMachinePlan, patternOfLayer } from '../../src/index.js'
import type { Layer, LevelPlan } from '../../src/index.js'
import { deleteCopies } from '../../src/operation/delete-copies.js'
import { revertToCopies } from '../../src/operation/revert-to-copies.js'
import { snapshotAtLevel } from '../../src/operation/snapshot-at-level.js'
import { fileAt, guestViews, machineWorldOf, machineWrite } from '../../src/simulate/index.js'
import type { MachineWorld } from '../../src/simulate/index.js'
import { quitMachine, startMachine } from '../../src/simulate/machine-process.js'
import { arbitraryLevelCase, subvolumes, volumesOf } from './level-ways.js'
import type { LevelCase } from './level-ways.js'
import { numRuns } from './machine-ways.js'
import { ended, ran, right } from './saved-machine.js'

const shown = (views: ReadonlyMap<string, Layer>): ReadonlyArray<string> =>
  Array.from(views, ([disk, view]) => `${disk}: ${patternOfLayer(view)}`)

/** The guest is started, writes the first cluster of each disk, and ends. */
const used = (machine: MachineWorld): MachineWorld => {
  let on = right(startMachine(machine, 'running'))
  for (const disk of machine.worlds.keys()) {
    const run = { kind: 'data', startBytes: 0, endBytes: 65_536, source: 'Q' } as const
    on = E.getOrElse(() => on)(machineWrite(on, { disk, run }))
  }
  return quitMachine(on)
}

interface Taken {
  readonly level: LevelPlan
  readonly world: MachineWorld
  readonly then: ReadonlyArray<string>
}

/** A snapshot of a machine that is shut off, taken at levels below QEMU alone. */
const takenBelow = ({ of, request, host }: LevelCase): Taken | undefined => {
  const { contents } = of
  const options = { inside: contents.inside, subvolumes, volumes: volumesOf(of.machine) }
  const world = right(machineWorldOf(of.machine, contents.disks, options))
  const planned = snapshotAtLevel(of.machine, request, host)
  if (E.isLeft(planned) || planned.right.copies.length < of.machine.disks.size) return undefined
  return { level: planned.right, world: ended(ran(world, planned.right.plan)), then: shown(guestViews(world)) }
}

const ways = ['libvirt', 'qemu-img'] as const

for (const way of ways)
  describe(`what levels below QEMU have, through ${way}`, () => {
    it('comes back, with the present kept where that is asked for', () => {
      const count = { reverts: 0, changed: 0 }
      fc.assert(
        fc.property(arbitraryLevelCase(way, 'shut-off'), fc.boolean(), (one, keep) => {
          const taken = takenBelow(one)
          if (taken === undefined) return
          const { level, world, then } = taken
          const busy = used(world)
          const present = keep ? ({ keep: 'present' } as const) : 'discard'
          const planned = revertToCopies(level.plan.after, { copies: level.copies, present }, one.host)
          if (E.isLeft(planned)) return
          expect(checkMachinePlan(planned.right)).toEqual([])
          const end = ended(ran(busy, planned.right))
          expect(shown(guestViews(end))).toEqual(then)
          count.reverts += 1
          if (shown(guestViews(busy)).join() !== then.join()) count.changed += 1
        }),
        { numRuns: numRuns(200) },
      )
      expect(count.changed).toBeGreaterThan(0)
    })

    it('goes, and nothing else does', () => {
      let deletions = 0
      fc.assert(
        fc.property(arbitraryLevelCase(way, 'shut-off'), (one) => {
          const taken = takenBelow(one)
          if (taken === undefined) return
          const { level, world, then } = taken
          const plan = right(deleteCopies(level.plan.after, level, one.host))
          expect(checkMachinePlan(plan)).toEqual([])
          const end = ended(ran(world, plan))
          expect(shown(guestViews(end))).toEqual(then)
          for (const { disk, path } of level.copies) {
            const left = end.worlds.get(disk)
            expect(path === undefined || left === undefined ? undefined : fileAt(left, path)).toBeUndefined()
          }
          expect(end.storage.handedOver.size).toBe(0)
          expect(plan.after.snapshots.has('now')).toBe(false)
          expect(end.snapshots.has('now')).toBe(false)
          expect(Array.from(plan.after.disks.values())).toEqual(Array.from(one.of.machine.disks.values()))
          deletions += 1
        }),
        { numRuns: numRuns(200) },
      )
      expect(deletions).toBeGreaterThan(0)
    })
  })
