import type { Either } from 'fp-ts/lib/Either.js'
import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'

import { capabilitiesOfVersions } from '../../src/index.js'
import type { Machine, MachineHost, MachinePlan, MachineRefusal, RevertRequest } from '../../src/index.js'
import { changeChain } from '../../src/operation/change-chain.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { exportSnapshot } from '../../src/operation/export.js'
import { extractSnapshot } from '../../src/operation/extract.js'
import { forget } from '../../src/operation/forget.js'
import { renameImage } from '../../src/operation/rename-image.js'
import { dropState } from '../../src/operation/drop-state.js'
import { restoreState } from '../../src/operation/restore-state.js'
import { revert } from '../../src/operation/revert.js'
import { saveState } from '../../src/operation/save-state.js'
import { take } from '../../src/operation/take.js'
import {
  arbitraryChainRequest,
  arbitraryDeleteRequest,
  arbitraryDropRequest,
  arbitraryExportRequest,
  arbitraryExtractRequest,
  arbitraryForgetRequest,
  arbitraryMachine,
  arbitraryRenameImageRequest,
  arbitraryRestoreRequest,
  arbitraryRevertRequest,
  arbitrarySaveRequest,
  arbitraryTakeRequest,
} from '../../src/testing/index.js'
import type { FilledMachine, MachineOptions } from '../../src/testing/index.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })

/** Whom a machine is for. */
export interface Way {
  readonly host: MachineHost
  readonly options: MachineOptions
}

export const ways: Readonly<Record<'libvirt' | 'qmp' | 'qemu-img', Way>> = {
  libvirt: { host: { via: 'libvirt', capabilities }, options: {} },
  qmp: { host: { via: 'qmp', capabilities }, options: { managed: 'none', nodes: 'monitor', state: 'running' } },
  'qemu-img': { host: { via: 'qemu-img', capabilities }, options: { managed: 'none', state: 'shut-off' } },
}

/** With the way that is for block jobs alone: nothing is taken, reverted or renamed so. */
export const everyWay: Readonly<Record<string, Way>> = {
  ...ways,
  'storage-daemon': {
    host: { via: 'storage-daemon', capabilities, socket: '/run/vm.qmp' },
    options: { managed: 'none', state: 'shut-off' },
  },
}

type Planned = Either<MachineRefusal, MachinePlan>

/** A random request for one of the operations, planned. */
export type Asking = (machine: Machine, host: MachineHost) => fc.Arbitrary<() => Planned>

/** The definition of then may have less disks than the machine, which the simulator does not model. */
const keepsDisks = (machine: Machine, { to, definition }: RevertRequest): boolean =>
  definition !== 'as taken' ||
  Array.from(machine.disks.keys()).every((disk) => machine.snapshots.get(to)?.disks.has(disk) === true)

const reverting: Asking = (machine, host) =>
  arbitraryRevertRequest(machine)
    .filter((request) => keepsDisks(machine, request))
    .map((request) => () => revert(machine, request, host))

/** A machine with saved memory: as it is, or where nothing is saved, after that. */
const withSaved = (machine: Machine, host: MachineHost): fc.Arbitrary<Machine> =>
  machine.saved.length > 0
    ? fc.constant(machine)
    : arbitrarySaveRequest(machine).map((request) => {
        const saved = saveState(machine, request, host)
        return E.isRight(saved) ? saved.right.after : machine
      })

export const operations: Readonly<
  Record<
    | 'take'
    | 'delete'
    | 'revert'
    | 'change a chain'
    | 'rename'
    | 'forget'
    | 'extract'
    | 'export'
    | 'save'
    | 'restore'
    | 'drop',
    Asking
  >
> = {
  take: (machine, host) => arbitraryTakeRequest(machine).map((request) => () => take(machine, request, host)),
  delete: (machine, host) =>
    arbitraryDeleteRequest(machine).map((request) => () => deleteSnapshots(machine, request, host)),
  revert: (machine, host) =>
    machine.snapshots.size === 0
      ? fc.constant(() => deleteSnapshots(machine, { snapshots: [] }, host))
      : reverting(machine, host),
  'change a chain': (machine, host) =>
    arbitraryChainRequest(machine).map((request) => () => changeChain(machine, request, host)),
  rename: (machine, host) =>
    arbitraryRenameImageRequest(machine).map((request) => () => renameImage(machine, request, host)),
  forget: (machine, host) => arbitraryForgetRequest(machine).map((request) => () => forget(machine, request, host)),
  export: (machine, host) =>
    arbitraryExportRequest(machine).map((request) => () => exportSnapshot(machine, request, host)),
  extract: (machine, host) =>
    arbitraryExtractRequest(machine).map((request) => () => extractSnapshot(machine, request, host)),
  save: (machine, host) => arbitrarySaveRequest(machine).map((request) => () => saveState(machine, request, host)),
  restore: (machine, host) =>
    withSaved(machine, host).chain((of) =>
      arbitraryRestoreRequest(of).map((request) => () => restoreState(of, request, host)),
    ),
  drop: (machine, host) =>
    withSaved(machine, host).chain((of) =>
      arbitraryDropRequest(of).map((request) => () => dropState(of, request, host)),
    ),
}

export const numRuns = (few: number): number => Number(process.env['BC_RUNS'] ?? few)

/** Holds the plans of random requests on random machines against a law; gives how many there were. */
export const forMachinePlans = (
  { asking, way, runs }: { readonly asking: Asking; readonly way: Way; readonly runs: number },
  law: (plan: MachinePlan, of: FilledMachine, choices: ReadonlyArray<number>) => void,
): number => {
  let plans = 0
  const choices = fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: 8 })
  const cases = arbitraryMachine(way.options)
    .filter(({ machine }) => machine.snapshots.size > 0)
    .chain((of) => fc.record({ of: fc.constant(of), planned: asking(of.machine, way.host), choices }))
  fc.assert(
    fc.property(cases, ({ of, planned, choices: chosen }) => {
      const plan = planned()
      if (E.isLeft(plan)) return
      plans += 1
      law(plan.right, of, chosen)
    }),
    { numRuns: numRuns(runs) },
  )
  return plans
}
