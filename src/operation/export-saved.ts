import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { MachineHost } from '../plan/machine-host.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import type { Cleanup } from '../plan/plan.js'
import { restoreState } from './restore-state.js'
import { saveState } from './save-state.js'
import { inSequence } from './sequence.js'
import type { Stage } from './sequence.js'

const place = { kind: 'managed' } as const

const failure = 'it has been started by somebody else'

/**
 * Whatever fails while the memory is saved, the guest goes on: its disks are as they were. Where saving it has failed, it is as it was:
 * one that has stopped by itself since the plan was made stays so.
 */
const resumption = ({ steps }: MachinePlan): ReadonlyArray<Cleanup> => {
  const before = steps.findIndex(
    ({ call }) => call._tag === 'Libvirt' && call.function.call === 'virDomainCreateWithFlags',
  )
  const { call, why } = steps[before] ?? {}
  return call === undefined || why === undefined
    ? []
    : [{ from: 0, once: 'done', before, step: { call, why, failure } }]
}

/**
 * Work on the images of a guest that runs, while its memory is saved and its QEMU is gone; it goes on from there afterwards, and also
 * where the work fails.
 */
export const pausing = (host: MachineHost, work: ReadonlyArray<Stage>): ReadonlyArray<Stage> => [
  (machine) =>
    pipe(
      saveState(machine, { to: place }, host),
      E.flatMap((saved) => inSequence(saved, [...work, (at) => restoreState(at, { from: place }, host)])),
      E.map((plan) => ({ ...plan, finally: [...plan.finally, ...resumption(plan)] })),
    ),
]
