import * as E from 'fp-ts/lib/Either.js'

import type { Chain } from '../model/chain.js'
import { withMachine } from '../model/machine.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import { extractPart } from './extract-part.js'
import type { Extracted } from './extract-part.js'
import { hypervisorAtRest } from './machine-hypervisor.js'
import { assemble } from './machine-lane.js'
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
    const disks = new Map(before.disks)
    const all: Array<Extracted> = []
    for (const [disk, to] of request.to) {
      const chain = before.disks.get(disk)
      if (chain === undefined) return E.left(refuseMachine({ _tag: 'DiskNotFound', disk }))
      const made = extractPart({ chain, ...of(chain), to, hypervisor: hypervisorAtRest(before, host) })
      if (E.isLeft(made)) return E.left(refuseMachine({ _tag: 'DiskRefused', disk, refusal: made.left }))
      disks.set(disk, made.right.part.after)
      all.push(made.right)
    }
    const plan: MachinePlan = {
      ...emptyPlan(before, { operation: 'export', via: host.via, consistency: undefined }),
      after: withMachine(before, { disks }),
      parts: all.map(({ part }) => part),
      steps: assemble(
        before,
        all.flatMap(({ drafts }) => drafts),
      ),
      assumes: all.flatMap(({ part, assumes }) =>
        assumes.map((assumption) => ({ _tag: 'OfDisk' as const, disk: part.before.disk, assumption })),
      ),
    }
    const refused = machineOpenGuard(plan, host)
    return refused === undefined ? E.right(plan) : E.left(refused)
  }
