// Snapshots inside images of a guest that runs, with memory: what the other machines of the laws have too seldom.

import { expect, it } from 'vitest'
import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'

import { defaultClusterBytes } from '../../src/index.js'
import type { MachinePlan } from '../../src/index.js'
import { revert } from '../../src/operation/revert.js'
import { endOfMachine, machineWorldOf, runMachine } from '../../src/simulate/index.js'
import {
  assertMachinePlanKeepsContent,
  assertMachinePlanSimulates,
  assertMachineSurvivesKill,
} from '../../src/testing/index.js'
import type { FilledMachine } from '../../src/testing/index.js'
import { forMachinePlans, operations, ways } from './machine-ways.js'
import type { Asking } from './machine-ways.js'

const progressBytes = defaultClusterBytes

const reverting: Asking = (machine, host) =>
  fc
    .record({
      to: fc.constantFrom(...machine.snapshots.keys()),
      present: fc.constantFrom('discard' as const, 'discard' as const, 'keep' as const),
      later: fc.constantFrom('keep' as const, 'delete' as const),
      guest: fc.constantFrom('as taken' as const, 'running' as const, 'paused' as const, 'shut-off' as const),
    })
    .map((request) => () => revert(machine, request, host))

const memoryOf = (plan: MachinePlan, { contents }: FilledMachine): string => {
  const world = machineWorldOf(plan.before, contents.disks, { inside: contents.inside })
  if (E.isLeft(world)) throw new Error(JSON.stringify(world.left))
  return endOfMachine(runMachine(world.right, plan.steps, { finally: plan.finally })).memory
}

for (const state of ['running', 'paused'] as const) {
  const way = { ...ways.qmp, options: { ...ways.qmp.options, state, inside: 'most' } } as const
  for (const [operation, asking] of Object.entries({ ...operations, revert: reverting }))
    it(`every plan to ${operation} keeps content, and simulates to what it predicts, ${state}`, () => {
      const calls = new Set<string>()
      const plans = forMachinePlans({ asking, way, runs: 60 }, (plan, of, choices) => {
        for (const { call } of plan.steps) if (call._tag === 'Qmp') calls.add(call.command.execute)
        assertMachinePlanKeepsContent(plan, of.contents, choices)
        assertMachinePlanSimulates(plan, of.contents, { order: choices, progressBytes })
        if (plan.operation === 'revert') {
          expect(memoryOf(plan, of)).toBe(plan.after.current)
          return
        }
        assertMachinePlanSimulates(plan, of.contents, { writes: choices, progressBytes })
        assertMachineSurvivesKill(plan, of.contents, { writes: choices, progressBytes })
      })
      if (operation === 'take') expect(calls).toContain('snapshot-save')
      if (operation === 'delete') expect(calls).toContain('blockdev-snapshot-delete-internal-sync')
      if (operation === 'revert') expect(calls).toContain('snapshot-load')
      if (operation === 'revert') expect(plans).toBeGreaterThan(10)
    })
}
