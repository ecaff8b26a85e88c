// A plan that exports by backup and does nothing else.

import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Machine, MachineHost, MachinePlan, MachineRefusal } from '../../src/index.js'
import type { BackupRequest } from '../../src/operation/backup-job.js'
import { cancelAlways } from '../../src/operation/dialect/qmp-backup.js'
import { exportByBackup } from '../../src/operation/export-backup.js'
import { assemble } from '../../src/operation/machine-lane.js'
import { machineOpenGuard } from '../../src/operation/open-guard.js'

/** The parts of a backup as a plan of their own. */
export const backupPlan = (
  machine: Machine,
  request: BackupRequest,
  host: MachineHost,
): E.Either<MachineRefusal, MachinePlan> =>
  pipe(
    exportByBackup(machine, request, host),
    E.flatMap(({ after, parts, drafts, requires, assumes }) => {
      const plan: MachinePlan = {
        operation: 'export',
        via: host.via,
        how: host.via === 'libvirt' ? 'libvirt' : 'by hand',
        before: machine,
        after,
        parts,
        steps: assemble(machine, drafts),
        finally: cancelAlways(drafts),
        consistency: 'crash',
        unlinked: [],
        requires,
        assumes,
      }
      const refused = machineOpenGuard(plan, host)
      return refused === undefined ? E.right(plan) : E.left(refused)
    }),
  )
