import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { addOverlay, commit, copy, pull } from '../../src/index.js'
import type { Chain, Hypervisor, Plan, Refusal } from '../../src/index.js'
import {
  arbitraryAddOverlayRequest,
  arbitraryChain,
  arbitraryCommitRequest,
  arbitraryCopyRequest,
  arbitraryPullRequest,
} from '../../src/testing/index.js'
import { parsed, planned } from '../operation/expect-plan.js'
import { recordedQemus } from '../operation/schema.js'
import type { RecordedQemu } from '../operation/schema.js'

type Operation<Request> = (chain: Chain, request: Request, hypervisor: Hypervisor) => E.Either<Refusal, Plan>

/** Plans random requests for one QEMU and gives the number of plans; none has a command that this QEMU would not take. */
const takesAll = <Request>(
  qemu: RecordedQemu,
  operation: Operation<Request>,
  requests: (chain: Chain) => fc.Arbitrary<Request>,
): number => {
  let plans = 0
  const cases = arbitraryChain({ nodes: 'monitor' }).chain(({ chain }) =>
    fc.record({ chain: fc.constant(chain), request: requests(chain) }),
  )
  fc.assert(
    fc.property(cases, ({ chain, request }) => {
      const plan = operation(chain, request, qemu.hypervisor)
      if (E.isLeft(plan)) return
      plans += 1
      expect(qemu.problemsOf(plan.right)).toStrictEqual([])
    }),
    { numRuns: 300 },
  )
  return plans
}

describe.each(recordedQemus)('every command of every plan is one that QEMU $version takes', (qemu) => {
  it('to commit', () => {
    expect(takesAll(qemu, commit, arbitraryCommitRequest)).toBeGreaterThan(30)
  })

  it('to pull', () => {
    expect(takesAll(qemu, pull, arbitraryPullRequest)).toBeGreaterThan(30)
  })

  it('to copy', () => {
    expect(takesAll(qemu, copy, arbitraryCopyRequest)).toBeGreaterThan(30)
  })

  it('to add an overlay', () => {
    expect(takesAll(qemu, addOverlay, arbitraryAddOverlayRequest)).toBeGreaterThan(30)
  })
})

describe('what a QEMU lacks', () => {
  it('is not asked for: backing-mask-protocol came with 9.0', () => {
    const [old, recent] = recordedQemus
    if (old === undefined || recent === undefined) throw new Error('no schemas')
    const before = parsed('base <- a <- top^')
    const forRecent = planned(commit, before, { top: 'a' }, recent.hypervisor)
    expect(old.problemsOf(forRecent).map(({ path }) => path)).toStrictEqual(['$.arguments.backing-mask-protocol'])
    expect(old.problemsOf(planned(commit, before, { top: 'a' }, old.hypervisor))).toStrictEqual([])
  })
})
