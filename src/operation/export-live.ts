import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Call } from '../call/call.js'
import type { Machine } from '../model/machine.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { libvirtFreeze } from './dialect/libvirt-take.js'
import { cancelAlways } from './dialect/qmp-backup.js'
import { agentFreeze } from './dialect/qmp-take.js'
import { exportByBackup } from './export-backup.js'
import type { ExportAsked } from './export-copy.js'
import { assemble } from './machine-lane.js'
import type { Draft } from './machine-lane.js'
import { machineOpenGuard } from './open-guard.js'
import { emptyPlan } from './sequence.js'
import type { Stage } from './sequence.js'
import { frozenAround, thawAlways } from './take-lane.js'

/** The call at which the copies have their moment. */
const begins = (call: Call): boolean =>
  (call._tag === 'Qmp' && call.command.execute === 'transaction') ||
  (call._tag === 'Libvirt' && call.function.call === 'virDomainBackupBegin')

/** The guest's file systems are frozen at that call alone: what it writes while the copies are made does not matter. */
const quieted = ({ request, host }: ExportAsked, machine: Machine, drafts: ReadonlyArray<Draft>) => {
  const { quiesce = 'no' } = machine.state === 'running' ? request : {}
  const freezing = host.via === 'libvirt' ? libvirtFreeze(machine.name) : agentFreeze
  const freeze = { freeze: quiesce === 'no' ? 'none' : quiesce } as const
  const all = drafts.flatMap((draft) => (begins(draft.step.call) ? frozenAround(freeze, freezing, [draft]) : [draft]))
  return { drafts: all, thaws: thawAlways(freeze, freezing, all) }
}

/** Copies by jobs of the QEMU that runs: every disk as it is when they begin. */
export const backedUp =
  (asked: ExportAsked): Stage =>
  (before) =>
    pipe(
      exportByBackup(before, asked.request, asked.host),
      E.flatMap(({ after, parts, requires, assumes, ...made }) => {
        const { drafts, thaws } = quieted(asked, before, made.drafts)
        const plan: MachinePlan = {
          ...emptyPlan(before, { operation: 'export', via: asked.host.via, consistency: undefined }),
          after,
          parts,
          steps: assemble(before, drafts),
          finally: [...thaws, ...cancelAlways(drafts)],
          requires,
          assumes,
        }
        const refused = machineOpenGuard(plan, asked.host)
        return refused === undefined ? E.right(plan) : E.left(refused)
      }),
    )
