// Exports of random machines, in every way, cut short at any moment: killed, or with any step failing.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { equalViews } from '../../src/index.js'
import type { MachinePlan } from '../../src/index.js'
import { endOfMachine, guestViews, machineWorldOf, runMachine } from '../../src/simulate/index.js'
import type { MachineSimStep, MachineWorld } from '../../src/simulate/index.js'
import { assertMachineSurvivesKill } from '../../src/testing/index.js'
import { everyWay, forMachinePlans, operations } from './machine-ways.js'

const failing: MachineSimStep = { call: { _tag: 'QemuImg', argv: ['qemu-img', 'info', '/no/such'] } }

const stepsOf = (plan: MachinePlan, broken: number): ReadonlyArray<MachineSimStep> =>
  plan.steps.map(({ call, until, disk, failure }, index) =>
    index === broken
      ? failing
      : {
          call,
          ...(until === undefined ? {} : { until }),
          ...(disk === undefined ? {} : { disk }),
          ...(failure === undefined ? {} : { failure }),
        },
  )

const guests = ({ worlds }: MachineWorld) => Array.from(worlds.values(), ({ qemu }) => qemu?.guest)

/** The backup jobs that are left; a commit can be waited for, and ended, by whoever wants to. */
const backups = ({ worlds }: MachineWorld): ReadonlyArray<string> =>
  Array.from(worlds.values()).flatMap(
    ({ qemu }) => qemu?.jobs.flatMap(({ work }) => (work._tag === 'Backup' ? [work.target] : [])) ?? [],
  )

const exporting = operations['export']

describe.each(Object.entries(everyWay))('an export through %s', (_, way) => {
  if (exporting === undefined) throw new Error('no exports')
  const asking = exporting

  it('survives a kill at any moment', () => {
    forMachinePlans({ asking, way, runs: 40 }, (plan, { contents }, writes) =>
      assertMachineSurvivesKill(plan, contents, { writes, progressBytes: 65536 }),
    )
  })

  it('leaves a guest that reads the same, and does what it did, whatever step fails', () => {
    forMachinePlans({ asking, way, runs: 40 }, (plan, { contents: { disks, inside } }) => {
      const world = machineWorldOf(plan.before, disks, { inside })
      if (E.isLeft(world)) throw new Error('no world')
      const reads = guestViews(world.right)
      for (const at of plan.steps.keys()) {
        const trace = runMachine(world.right, stepsOf(plan, at), { finally: plan.finally })
        const end = endOfMachine(trace)
        expect([at, trace.fault?.step]).toEqual([at, at])
        expect([at, guests(end)]).toEqual([at, guests(world.right)])
        expect(backups(end)).toEqual([])
        for (const [disk, seen] of guestViews(end)) expect(equalViews(seen, reads.get(disk) ?? seen)).toBe(true)
      }
    })
  })
})
