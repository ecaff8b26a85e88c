// A plan that exports by backup and does nothing else.

import type { Either } from 'fp-ts/lib/Either.js'

import { exportSnapshot } from '../../src/index.js'
import type { ExportRequest, Machine, MachineHost, MachinePlan, MachineRefusal } from '../../src/index.js'

export const backupPlan = (
  machine: Machine,
  request: ExportRequest,
  host: MachineHost,
): Either<MachineRefusal, MachinePlan> => exportSnapshot(machine, { ...request, way: 'backup' }, host)
