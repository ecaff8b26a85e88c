import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { FilledMachine } from '../../src/testing/index.js'
import { revertToCopies } from '../../src/operation/revert-to-copies.js'
import { machineWorldOf } from '../../src/simulate/index.js'
import { arbitraryMachine } from '../../src/testing/index.js'
import { broken, copied, later, levelOf, siblingsKept, used } from './level-later.js'
import type { Now } from './level-later.js'
import { subvolumes } from './level-ways.js'
import { numRuns, operations, ways } from './machine-ways.js'
import { right } from './saved-machine.js'

const kinds = ['take', 'take', 'revert', 'delete', 'delete', 'change a chain'] as const

/** Whatever is done next; nothing where that is refused. */
const next = (now: Now, way: 'libvirt' | 'qemu-img', { seed, count }: { seed: number; count: number }): Now => {
  const kind = kinds[seed % kinds.length] ?? 'take'
  const [planned] = fc.sample(operations[kind](now.machine, ways[way].host), { seed, numRuns: 1 })
  return later(now, planned?.(), count) ?? now
}

const first = ({ machine, contents }: FilledMachine): Now => ({
  machine,
  world: right(machineWorldOf(machine, contents.disks, { inside: contents.inside, subvolumes })),
})

describe.each(['libvirt', 'qemu-img'] as const)('going back to copies after other things, through %s', (way) => {
  it.each(['Btrfs', 'Reflink', 'Other'] as const)('keeps what is kept: %s', (kind) => {
    const count = { reverts: 0, siblings: 0, lost: 0 }
    const { options } = ways[way]
    const host = { ...ways[way].host, managedSave: 'none' } as const
    fc.assert(
      fc.property(
        arbitraryMachine({ ...options, inside: 'most', state: 'shut-off', maxDisks: 2 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.boolean(),
        (of, seeds, keep) => {
          const start = copied(first(of), levelOf(kind), host)
          if (start === undefined) return
          let now: Now = { machine: start.machine, world: used(start.world, 0) }
          for (const [index, seed] of seeds.entries()) now = next(now, way, { seed, count: index + 1 })
          const present = keep && kind !== 'Other' ? ({ keep: 'present' } as const) : 'discard'
          const planned = revertToCopies(now.machine, { copies: start.level.copies, present }, host)
          if (E.isLeft(planned) && planned.left._tag === 'PointsLost') count.lost += 1
          if (E.isLeft(planned)) return
          expect(broken(start, now, planned.right)).toEqual([])
          count.reverts += 1
          count.siblings += siblingsKept(start, now)
        },
      ),
      { numRuns: numRuns(200) },
    )
    expect(count.reverts).toBeGreaterThan(0)
    expect(count.lost).toBeGreaterThan(0)
    expect(count.siblings).toBeGreaterThan(0)
  })
})
