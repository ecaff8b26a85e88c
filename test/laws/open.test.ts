import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { activePath, addOverlay, commit, copy, locationString, pull } from '../../src/index.js'
import type { Chain, Hypervisor, Opening, Plan, Refusal } from '../../src/index.js'
import { endOf } from '../../src/simulate/index.js'
import {
  arbitraryAddOverlayRequest,
  arbitraryChain,
  arbitraryCommitRequest,
  arbitraryCopyRequest,
  arbitraryPullRequest,
  simulate,
} from '../../src/testing/index.js'
import { live, offline, qmp } from '../operation/expect-plan.js'

type Operation<Request> = (chain: Chain, request: Request, hypervisor: Hypervisor) => E.Either<Refusal, Plan>

const hypervisors: ReadonlyArray<Hypervisor> = [qmp, { ...qmp, guest: 'paused' }, live, offline]

interface Counts {
  refused: number
  planned: number
}

/** One image of a chain that somebody else has open; the active image of a guest that runs, nobody can. */
const arbitraryOpening = (chain: Chain, { guest }: Hypervisor): fc.Arbitrary<Opening | undefined> => {
  const images = Array.from(chain.images.keys()).filter((name) => guest === 'shut-off' || name !== chain.active)
  const path = new Set<string>(activePath(chain).map(({ name }) => name))
  return images.length === 0
    ? fc.constant(undefined)
    : fc.constantFrom(...images).chain((image) =>
        fc.record({
          image: fc.constant(String(image)),
          by: fc.constant({ _tag: 'Unknown' } as const),
          access:
            guest !== 'shut-off' && path.has(image) ? fc.constant('read' as const) : fc.constantFrom('read', 'write'),
        }),
      )
}

const outsideOf = (chain: Chain, { image, access }: Opening): ReadonlyMap<string, 'read' | 'write'> => {
  const location = chain.images.get(image)?.location
  return location === undefined || access === 'header' ? new Map() : new Map([[locationString(location), access]])
}

/**
 * A plan that is not refused runs to its end while somebody has that image open; the calls of one that is refused, made all the
 * same, are stopped by a lock, kill QEMU, or take a file from under whoever has it open.
 */
const law = <Request>(operation: Operation<Request>, requests: (chain: Chain) => fc.Arbitrary<Request>): Counts => {
  const counts = { refused: 0, planned: 0 }
  const cases = fc.constantFrom(...hypervisors).chain((hypervisor) =>
    arbitraryChain(hypervisor.via === 'qmp' ? { nodes: 'monitor' } : {}).chain(({ chain, contents }) =>
      fc.record({
        chain: fc.constant(chain),
        contents: fc.constant(contents),
        request: requests(chain),
        hypervisor: fc.constant(hypervisor),
        opening: arbitraryOpening(chain, hypervisor),
      }),
    ),
  )
  fc.assert(
    fc.property(cases, ({ chain, contents, request, hypervisor, opening }) => {
      if (opening === undefined) return
      const free = operation(chain, request, hypervisor)
      if (E.isLeft(free)) return
      const asked = operation(chain, request, { ...hypervisor, opened: [opening] })
      const meanwhile = { guest: hypervisor.guest, outside: outsideOf(chain, opening) }
      if (E.isRight(asked)) {
        counts.planned += 1
        expect(asked.right.steps).toStrictEqual(free.right.steps)
        const trace = simulate(asked.right, contents, meanwhile)
        expect([trace.fault, endOf(trace).incidents], JSON.stringify(opening)).toStrictEqual([undefined, []])
        return
      }
      counts.refused += 1
      expect(asked.left).toMatchObject({ _tag: 'ImageOpen', image: opening.image, held: opening })
      const trace = simulate(free.right, contents, meanwhile)
      expect(
        trace.fault !== undefined || endOf(trace).incidents.length > 0,
        JSON.stringify([asked.left, free.right.steps.map(({ call }) => call)]),
      ).toBe(true)
    }),
    { numRuns: Number(process.env['BC_RUNS'] ?? 600) },
  )
  return counts
}

describe('who else has an image open decides, and nothing else', () => {
  it.each([
    ['commit', (): Counts => law(commit, arbitraryCommitRequest)],
    ['pull', (): Counts => law(pull, arbitraryPullRequest)],
    ['copy', (): Counts => law(copy, arbitraryCopyRequest)],
    ['a new overlay', (): Counts => law(addOverlay, arbitraryAddOverlayRequest)],
  ])('%s', (_, run) => {
    const { refused, planned } = run()
    expect(planned).toBeGreaterThan(20)
    expect(refused).toBeGreaterThan(5)
  })
})
