import { describe, expect, it } from 'vitest'

import { checkMachinePlan, defaultClusterBytes } from '../../src/index.js'
import type { MachinePlan } from '../../src/index.js'
import {
  assertMachinePlanKeepsContent,
  assertMachinePlanSimulates,
  assertMachineSurvivesKill,
} from '../../src/testing/index.js'
import type { FilledMachine } from '../../src/testing/index.js'
import { everyWay, forMachinePlans, operations } from './machine-ways.js'

type Law = (plan: MachinePlan, of: FilledMachine, choices: ReadonlyArray<number>) => void

const progressBytes = defaultClusterBytes

const laws: ReadonlyArray<readonly [string, Law, number]> = [
  [
    'keeps content, says at each step where it is, and has nothing wrong with it',
    (plan, { contents }, choices) => {
      assertMachinePlanKeepsContent(plan, contents, choices)
      expect(checkMachinePlan(plan)).toEqual([])
    },
    80,
  ],
  [
    'simulates to what it predicts, in any order that lanes and barriers allow',
    (plan, { contents }, order) => assertMachinePlanSimulates(plan, contents, { order, progressBytes }),
    60,
  ],
  [
    'simulates so while the guest writes',
    (plan, { contents }, writes) => assertMachinePlanSimulates(plan, contents, { writes, progressBytes }),
    40,
  ],
  [
    'survives a kill at any moment, if it takes, deletes or renames',
    (plan, { contents }, writes) => {
      if (plan.operation === 'take' || plan.operation === 'delete' || plan.operation === 'rename')
        assertMachineSurvivesKill(plan, contents, { writes, progressBytes })
    },
    40,
  ],
]

const memory = ['save', 'restore', 'drop']

const noPlan: Readonly<Record<string, ReadonlyArray<string>>> = {
  qmp: ['revert', 'rename', ...memory],
  'qemu-img': memory,
  'storage-daemon': ['take', 'revert', 'rename', 'extract', 'export', ...memory],
}

/** What no plan is for: only libvirt keeps the memory of a guest; a monitor alone cannot have its guest read something older, nor, but beside it, give files other names. */
const least = (operation: string, way: string): number => (noPlan[way]?.includes(operation) === true ? 0 : 1)

describe.each(laws)('every plan for a machine %s', (_, law, runs) => {
  for (const [operation, asking] of Object.entries(operations))
    for (const [name, way] of Object.entries(everyWay))
      it(`to ${operation} through ${name}`, () => {
        const plans = forMachinePlans({ asking, way, runs }, law)
        expect(plans).toBeGreaterThanOrEqual(least(operation, name))
      })
})
