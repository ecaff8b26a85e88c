import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { activePath, locationString } from '../../src/index.js'
import type { Machine, MachineHost, Opening } from '../../src/index.js'
import { endOfMachine, machineIncidents } from '../../src/simulate/index.js'
import { arbitraryMachine } from '../../src/testing/index.js'
import { shownPlan } from '../../src/testing/machine-law.js'
import { trialOf } from '../../src/testing/machine-simulated.js'
import { numRuns, operations, ways } from './machine-ways.js'
import type { Asking, Way } from './machine-ways.js'

interface Held {
  readonly disk: string
  readonly opening: Opening
}

/** One image of a machine that somebody else has open, as the guest leaves room for. */
const arbitraryHeld = (machine: Machine): fc.Arbitrary<Held> => {
  const all = Array.from(machine.disks.values()).flatMap((chain) => {
    const path = new Set<string>(activePath(chain).map(({ name }) => name))
    const on = machine.state !== 'shut-off'
    return Array.from(chain.images.keys())
      .filter((name) => !on || name !== chain.active)
      .flatMap((image) =>
        (on && path.has(image) ? (['read'] as const) : (['read', 'write'] as const)).map((access) => ({
          disk: chain.disk,
          opening: { image: String(image), by: { _tag: 'Tool', name: 'qemu-nbd' }, access } as const,
        })),
      )
  })
  return all.length === 0
    ? fc.constant({ disk: '', opening: { image: '', by: { _tag: 'Unknown' }, access: 'read' } })
    : fc.constantFrom(...all)
}

const outsideOf = (
  machine: Machine,
  { disk, opening }: Held,
): ReadonlyMap<string, ReadonlyMap<string, 'read' | 'write'>> => {
  const location = machine.disks.get(disk)?.images.get(opening.image)?.location
  const access = opening.access === 'write' ? 'write' : 'read'
  return location === undefined ? new Map() : new Map([[disk, new Map([[locationString(location), access]])]])
}

const law = (asking: Asking, way: Way): { readonly planned: number; readonly refused: number } => {
  const counts = { planned: 0, refused: 0 }
  const cases = arbitraryMachine(way.options)
    .filter(({ machine }) => machine.snapshots.size > 0)
    .chain((of) => fc.record({ of: fc.constant(of), held: arbitraryHeld(of.machine), g: fc.gen() }))
  fc.assert(
    fc.property(cases, ({ of, held, g }) => {
      const opened = new Map([[held.disk, [held.opening]]])
      const host: MachineHost = { ...way.host, opened }
      // The same request twice: for a host on which somebody has an image open, and for one that knows of nobody.
      const plan = g((machine: Machine) => asking(machine, host), of.machine)()
      if (E.isLeft(plan)) {
        counts.refused += plan.left._tag === 'DiskRefused' && plan.left.refusal._tag === 'ImageOpen' ? 1 : 0
        return
      }
      counts.planned += 1
      const { trace } = trialOf(plan.right, of.contents, { outside: outsideOf(of.machine, held) })
      expect(
        [JSON.stringify(trace.fault), machineIncidents(endOfMachine(trace))],
        shownPlan(plan.right, of.contents) + JSON.stringify(held),
      ).toStrictEqual([undefined, []])
    }),
    { numRuns: numRuns(200) },
  )
  return counts
}

describe.each(Object.entries(ways))(
  'a plan through %s that is made while somebody has an image open runs',
  (_, way) => {
    const all = { planned: 0, refused: 0 }

    it.each(Object.entries(operations).filter(([name]) => name !== 'forget'))('to %s', (_name, asking) => {
      const { planned, refused } = law(asking, way)
      expect(planned + refused).toBeLessThanOrEqual(numRuns(200))
      all.planned += planned
      all.refused += refused
    })

    it('there are many, and some are refused for it', () => {
      expect(all.planned).toBeGreaterThan(50)
      expect(all.refused).toBeGreaterThan(10)
    })
  },
)
