import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Chain } from '../model/chain.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { extractFeatures, extractParts } from './extract-part.js'
import type { Extraction } from './extract-part.js'
import { featureGuard } from './machine-guard.js'
import { hypervisorAtRest } from './machine-hypervisor.js'
import type { ExportRequest } from './machine-request.js'
import { machineOpenGuard } from './open-guard.js'
import { emptyPlan } from './sequence.js'
import type { Stage } from './sequence.js'

/** What of a disk is copied: an image with all below it, or a snapshot inside it. */
export interface Copied {
  readonly image: string
  readonly inside: string | undefined
}

/** A request for an export, and who executes it. */
export interface ExportAsked {
  readonly request: ExportRequest
  readonly host: MachineHost
}

/** Copies of each disk that is asked for, with qemu-img, whether the guest runs or not. */
export const copied =
  ({ request, host }: ExportAsked, of: (chain: Chain) => Copied): Stage =>
  (before) => {
    const hypervisor = hypervisorAtRest(before, host)
    const extractions = Array.from(request.to).flatMap(([disk, to]): ReadonlyArray<Extraction> => {
      const chain = before.disks.get(disk)
      return chain === undefined ? [] : [{ chain, ...of(chain), to, data: request, hypervisor }]
    })
    const requires = extractFeatures(extractions)
    const missing = featureGuard(host, requires)
    return pipe(
      missing === undefined ? extractParts(before, extractions) : E.left(missing),
      E.map((made): MachinePlan => ({
        ...emptyPlan(before, { operation: 'export', via: host.via, consistency: undefined }),
        ...made,
        requires,
      })),
      E.flatMap((plan) => {
        const refused = machineOpenGuard(plan, host)
        return refused === undefined ? E.right(plan) : E.left(refused)
      }),
    )
  }
