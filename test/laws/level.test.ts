import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { checkMachinePlan, equalViews, patternOfLayer } from '../../src/index.js'
import type { Layer, LevelPlan, Machine, MachinePlan } from '../../src/index.js'
import { recordedParent } from '../../src/model/record.js'
import { snapshotAtLevel } from '../../src/operation/snapshot-at-level.js'
import {
  fileAt,
  guestViews,
  machineFileView,
  machineWorldOf,
  machineWrite,
  runMachine,
} from '../../src/simulate/index.js'
import type { MachineTrace, MachineWorld } from '../../src/simulate/index.js'
import { guestOf } from '../../src/simulate/machine-world.js'
import { writesOf } from '../../src/testing/machine-write.js'
import { arbitraryLevelCase, subvolumes, volumesOf } from './level-ways.js'
import type { LevelCase } from './level-ways.js'
import { numRuns, ways } from './machine-ways.js'
import { right } from './saved-machine.js'

const choices = fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 8 })

const worldOfCase = ({ of }: LevelCase): MachineWorld =>
  right(
    machineWorldOf(of.machine, of.contents.disks, {
      inside: of.contents.inside,
      subvolumes,
      volumes: volumesOf(of.machine),
    }),
  )

/** Runs a plan while the guest writes whenever it can, and has written before. */
const ranBusy = (world: MachineWorld, plan: MachinePlan, writes: ReadonlyArray<number>): MachineTrace => {
  const next = writesOf(plan, writes)
  let count = 0
  let before = world
  while (count < 4)
    for (const write of next((count += 1))) {
      const done = machineWrite(before, write)
      if (E.isRight(done)) before = done.right
    }
  return runMachine(before, plan.steps, { finally: plan.finally, busiest: 4, writes: () => next((count += 1)) })
}

/** What the guest read just when the first copy was begun. */
const seenThen = ({ plan }: LevelPlan, trace: MachineTrace): ReadonlyMap<string, Layer> => {
  const first = plan.steps.findIndex(({ call }) => call._tag === 'Host' || call._tag === 'HandOver')
  const moment = trace.moments.filter(({ step, what }) => step < first || what === 'before').at(-1)
  if (moment === undefined) throw new Error('no moment')
  return guestViews(moment.machine)
}

const shown = (of: Layer | undefined): string => (of === undefined ? 'nothing' : patternOfLayer(of))

/** The copies that do not show what the guest read at the moment of the snapshot. */
const wrongCopies = (level: LevelPlan, trace: MachineTrace): ReadonlyArray<string> => {
  const end = trace.moments.at(-1)?.machine
  if (end === undefined) throw new Error('no moment')
  const then = seenThen(level, trace)
  return level.copies.flatMap((copy) => {
    const was = then.get(copy.disk)
    if (copy.path === undefined) {
      const world = end.worlds.get(copy.disk)
      const file = world === undefined ? undefined : fileAt(world, `/handed-over/array/now/${copy.disk}`)
      return file === undefined ? [`${copy.disk}: nobody has it`] : []
    }
    const found = machineFileView(end, copy.path)
    const is = E.isRight(found) ? found.right : undefined
    return was !== undefined && is !== undefined && equalViews(was, is)
      ? []
      : [`${copy.disk}: ${shown(is)} and not ${shown(was)}`]
  })
}

const isStop = ({ call }: MachinePlan['steps'][number]): boolean =>
  (call._tag === 'Qmp' && call.command.execute === 'stop') ||
  (call._tag === 'Libvirt' && call.function.call === 'virDomainSuspend')

const isGo = ({ call }: MachinePlan['steps'][number]): boolean =>
  (call._tag === 'Qmp' && call.command.execute === 'cont') ||
  (call._tag === 'Libvirt' && call.function.call === 'virDomainResume')

/** What libvirt calls the current snapshot. */
const recordedCurrent = ({ snapshots, current }: Machine): string | undefined =>
  current !== undefined && snapshots.get(current)?.recorded !== undefined ? current : undefined

const names = Object.keys(ways).filter((way): way is keyof typeof ways => way in ways)

for (const way of names)
  describe(`snapshots at levels, through ${way}`, () => {
    it('shows in every copy what the guest read at one moment, and leaves the guest as it was', () => {
      const count = { plans: 0, copies: 0, refused: 0 }
      fc.assert(
        fc.property(arbitraryLevelCase(way), choices, (one, writes) => {
          const planned = snapshotAtLevel(one.of.machine, one.request, one.host)
          if (E.isLeft(planned)) {
            count.refused += 1
            return
          }
          const { plan, copies } = planned.right
          count.plans += 1
          count.copies += copies.length
          expect(checkMachinePlan(plan)).toEqual([])
          const trace = ranBusy(worldOfCase(one), plan, writes)
          if (trace.fault !== undefined) throw new Error(JSON.stringify(trace.fault))
          expect(wrongCopies(planned.right, trace)).toEqual([])
          const end = trace.moments.at(-1)?.machine
          expect(end && guestOf(end)).toBe(one.of.machine.state)
          expect(end?.current).toBe(way === 'libvirt' ? recordedCurrent(plan.after) : undefined)
          expect(end?.snapshots.get('now')?.parent).toBe(recordedParent(plan.after.snapshots.get('now')?.recorded))
        }),
        { numRuns: numRuns(150) },
      )
      expect(count.copies).toBeGreaterThan(0)
    })

    if (way !== 'qemu-img')
      it('needs the guest to stand still: without that some copy is wrong', () => {
        let wrong = 0
        fc.assert(
          fc.property(arbitraryLevelCase(way), choices, (one, writes) => {
            const planned = snapshotAtLevel(one.of.machine, { ...one.request, quiesce: 'no' }, one.host)
            if (E.isLeft(planned) || planned.right.copies.length === 0) return
            const { plan } = planned.right
            const steps = plan.steps.filter((step) => !isStop(step) && !isGo(step))
            const hasty = { ...planned.right, plan: { ...plan, steps, finally: [] } }
            const trace = ranBusy(worldOfCase(one), hasty.plan, writes)
            if (trace.fault === undefined && wrongCopies(hasty, trace).length > 0) wrong += 1
          }),
          { numRuns: numRuns(100) },
        )
        expect(wrong).toBeGreaterThan(0)
      })

    if (way !== 'qemu-img')
      it('lets the guest go on whichever step fails', () => {
        fc.assert(
          fc.property(arbitraryLevelCase(way), fc.nat(), (one, at) => {
            const planned = snapshotAtLevel(one.of.machine, one.request, one.host)
            if (E.isLeft(planned)) return
            const { plan } = planned.right
            const broken = at % plan.steps.length
            const argv = ['lvs', 'vg/absent'] as const
            const steps = plan.steps.map((step, index) =>
              index === broken ? ({ ...step, call: { _tag: 'Host', argv } } as const) : step,
            )
            const trace = runMachine(worldOfCase(one), steps, { finally: plan.finally })
            const end = trace.moments.at(-1)?.machine
            expect(end && guestOf(end)).toBe(one.of.machine.state)
            expect(end?.frozen).toBe(false)
          }),
          { numRuns: numRuns(100) },
        )
      })
  })
