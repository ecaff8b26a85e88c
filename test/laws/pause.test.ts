import { describe, expect, it } from 'vitest'

import { pausesOf } from '../../src/index.js'
import type { MachinePlan } from '../../src/index.js'
import type { MachineWorld } from '../../src/simulate/index.js'
import { trialOf } from '../../src/testing/machine-simulated.js'
import { forMachinePlans, operations, ways } from './machine-ways.js'

const runs = (machine: MachineWorld): boolean =>
  Array.from(machine.worlds.values()).every(({ qemu }) => qemu?.guest === 'running')

/** True where the guest stands once a step is done. */
const standsAfter = (plan: MachinePlan, step: number): boolean =>
  pausesOf(plan).some(({ from, to, stands }) => stands === 'guest' && from <= step && (to === undefined || step < to))

describe('a guest that ran stands after a step exactly where a pause says so', () => {
  for (const way of ['libvirt', 'qmp'] as const)
    for (const [name, asking] of Object.entries(operations))
      it(`${name}, through ${way}`, () => {
        const of = {
          asking,
          way: { ...ways[way], options: { ...ways[way].options, state: 'running' } },
          runs: 60,
        } as const
        const plans = forMachinePlans(of, (plan, { contents }) => {
          if (plan.before.state !== 'running') return
          const { trace, fail } = trialOf(plan, contents, {})
          const ends = new Map(trace.moments.map(({ step, machine }) => [step, machine]))
          for (const [step, machine] of ends) {
            if (step >= plan.steps.length || plan.steps.length === 0) continue
            if (runs(machine) === standsAfter(plan, step))
              fail(`after step ${String(step)} the guest ${runs(machine) ? 'runs' : 'stands'}`)
          }
        })
        const libvirtOnly = ['forget', 'save', 'restore', 'drop'].includes(name)
        expect(plans).toBeGreaterThan(libvirtOnly && way === 'qmp' ? -1 : 0)
      }, 120_000)
})
