import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { addOverlay, commit, copy, defaultClusterBytes, pull, rename } from '../../src/index.js'
import type { Chain, Contents, Hypervisor, Plan, Refusal, Run } from '../../src/index.js'
import {
  arbitraryAddOverlayRequest,
  arbitraryChain,
  arbitraryCommitRequest,
  arbitraryCopyRequest,
  arbitraryPullRequest,
  arbitraryRenameRequest,
  assertPlanKeepsContent,
  assertPlanSimulates,
  assertPlanSurvivesKill,
} from '../../src/testing/index.js'
import { daemon, live, offline, qmp } from '../operation/expect-plan.js'

type Operation<Request> = (chain: Chain, request: Request, hypervisor: Hypervisor) => E.Either<Refusal, Plan>

interface Case {
  readonly plan: Plan
  readonly contents: Contents
}

const hypervisors: ReadonlyArray<Hypervisor> = [qmp, { ...qmp, guest: 'paused' }, live, offline, daemon]

/** Random chains, requests and ways for an operation, and the plan of each, with how many had one. */
const forPlans = <Request>(
  operation: Operation<Request>,
  requests: (chain: Chain) => fc.Arbitrary<Request>,
  law: (one: Case, hypervisor: Hypervisor) => void,
): number => {
  let plans = 0
  const cases = fc
    .record({
      hypervisor: fc.constantFrom(...hypervisors),
      nodes: fc.constantFrom('monitor' as const, 'implicit' as const),
    })
    .chain(({ hypervisor, nodes }) =>
      arbitraryChain(hypervisor.via === 'qmp' ? { nodes } : {}).chain((filled) =>
        fc.record({
          filled: fc.constant(filled),
          request: requests(filled.chain),
          hypervisor: fc.constant(hypervisor),
        }),
      ),
    )
  fc.assert(
    fc.property(cases, ({ filled, request, hypervisor }) => {
      const planned = operation(filled.chain, request, hypervisor)
      if (E.isLeft(planned)) return
      plans += 1
      law({ plan: planned.right, contents: filled.contents }, hypervisor)
    }),
    { numRuns: Number(process.env['BC_RUNS'] ?? 400) },
  )
  return plans
}

/** Guest writes of one cluster, wherever the disk is large enough. */
const writesOn = (chain: Chain): ReadonlyArray<Run> => {
  const clusters = Math.floor((chain.images.get(chain.active)?.sizeBytes ?? 0) / defaultClusterBytes)
  return Array.from({ length: clusters === 0 ? 0 : 12 }, (_, index): Run => {
    const startBytes = ((index * 5 + 1) % clusters) * defaultClusterBytes
    return { kind: 'data', startBytes, endBytes: startBytes + defaultClusterBytes, source: 'WXYZ'.charAt(index % 4) }
  })
}

const laws = [
  ['keeps content', (one: Case): void => assertPlanKeepsContent(one.plan, one.contents)],
  [
    'simulates to what it predicts',
    (one: Case, { guest }: Hypervisor): void => assertPlanSimulates(one.plan, one.contents, { guest }),
  ],
  [
    'simulates so while the guest writes',
    (one: Case, { guest }: Hypervisor): void =>
      assertPlanSimulates(one.plan, one.contents, {
        guest,
        writes: writesOn(one.plan.before),
        progressBytes: defaultClusterBytes,
      }),
  ],
  [
    'survives a kill at any moment',
    (one: Case, { guest, via }: Hypervisor): void => {
      if (via !== 'qemu-img')
        assertPlanSurvivesKill(one.plan, one.contents, {
          guest,
          writes: writesOn(one.plan.before),
          progressBytes: defaultClusterBytes,
        })
    },
  ],
] as const

describe.each(laws)('every plan %s', (_, law) => {
  it('to commit', () => {
    expect(forPlans(commit, arbitraryCommitRequest, law)).toBeGreaterThan(40)
  })

  it('to pull', () => {
    expect(forPlans(pull, arbitraryPullRequest, law)).toBeGreaterThan(40)
  })

  it('to copy', () => {
    expect(forPlans(copy, arbitraryCopyRequest, law)).toBeGreaterThan(40)
  })

  it('to rename an image', () => {
    expect(forPlans(rename, arbitraryRenameRequest, law)).toBeGreaterThan(40)
  })

  it('to add an overlay', () => {
    expect(forPlans(addOverlay, arbitraryAddOverlayRequest, law)).toBeGreaterThan(40)
  })
})
