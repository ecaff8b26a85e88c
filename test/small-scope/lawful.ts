import * as E from 'fp-ts/lib/Either.js'
import { expect } from 'vitest'

import { addOverlay, checkPlan, commit, copy, pull, rename } from '../../src/index.js'
import type { Chain, Hypervisor, Plan, Refusal } from '../../src/index.js'
import { assertPlanKeepsContent, assertPlanSimulates, assertPlanSurvivesKill } from '../../src/testing/index.js'
import { everyCommit, everyCopy, everyGrowingCommit, everyOverlay, everyPull, everyRename } from './scope.js'
import type { Small } from './scope.js'

import { recordedQemus } from '../operation/schema.js'

const recent = recordedQemus.find(({ version }) => version === '10.0')

/** Plans every request on a chain, holds each plan against every law, and counts the plans. */
const lawful = <Request>(
  { chain, contents }: Small,
  hypervisor: Hypervisor,
  of: {
    readonly operation: (chain: Chain, request: Request, hypervisor: Hypervisor) => E.Either<Refusal, Plan>
    readonly requests: ReadonlyArray<Request>
  },
): number => {
  let plans = 0
  for (const request of of.requests) {
    const planned = of.operation(chain, request, hypervisor)
    if (E.isLeft(planned)) continue
    plans += 1
    expect(checkPlan(planned.right)).toStrictEqual([])
    if (hypervisor.via === 'qmp' || hypervisor.via === 'storage-daemon')
      expect(recent?.problemsOf(planned.right)).toStrictEqual([])
    assertPlanKeepsContent(planned.right, contents)
    assertPlanSimulates(planned.right, contents, { guest: hypervisor.guest })
    if (hypervisor.via === 'storage-daemon' && chain.images.size < 3)
      assertPlanSurvivesKill(planned.right, contents, { guest: hypervisor.guest })
  }
  return plans
}

/** Plans everything that can be asked of a chain, holds it against every law, and counts the plans. */
export const everything = (small: Small, hypervisor: Hypervisor): number =>
  lawful(small, hypervisor, { operation: commit, requests: everyCommit(small.chain) }) +
  lawful(small, hypervisor, { operation: pull, requests: everyPull(small.chain) }) +
  lawful(small, hypervisor, { operation: copy, requests: everyCopy(small.chain) }) +
  lawful(small, hypervisor, { operation: addOverlay, requests: everyOverlay() })

/** The same of every rename, for a guest that is shut off. */
export const renames = (small: Small, hypervisor: Hypervisor): number =>
  lawful(small, hypervisor, { operation: rename, requests: everyRename(small.chain) })

/** The same of every commit whose top has to be enlarged first, and of no other. */
export const growths = (small: Small, hypervisor: Hypervisor): number =>
  lawful(small, hypervisor, {
    operation: commit,
    requests: everyGrowingCommit(small.chain).filter((request) => {
      const plain = commit(small.chain, { ...request, short: 'refuse' }, hypervisor)
      return E.isLeft(plain) && plain.left._tag === 'ShortImageExposesBase'
    }),
  })
