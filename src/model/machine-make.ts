import * as E from 'fp-ts/lib/Either.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import type { Chain } from './chain.js'
import { machineProblems } from './machine-check.js'
import type { MachineError } from './machine-error.js'
import { brandMachine } from './machine.js'
import { writtenSince } from './saved-state.js'
import { isInside } from './owed.js'
import type { OwedDescription, OwedSnapshot } from './owed.js'
import type { Machine, MachineDescription } from './machine.js'
import type { Snapshot, SnapshotDescription } from './snapshot.js'
import { snapshotOf } from './snapshot-make.js'

const uniqueDisks = (chains: Iterable<Chain>): { disks: Map<string, Chain>; problems: Array<MachineError> } => {
  const disks = new Map<string, Chain>()
  const problems: Array<MachineError> = []
  for (const one of chains) {
    if (disks.has(one.disk)) problems.push({ _tag: 'DiskDuplicate', disk: one.disk })
    disks.set(one.disk, one)
  }
  return { disks, problems }
}

const uniqueSnapshots = (
  descriptions: Iterable<SnapshotDescription>,
): { snapshots: Map<string, Snapshot>; problems: Array<MachineError> } => {
  const snapshots = new Map<string, Snapshot>()
  const problems: Array<MachineError> = []
  for (const description of descriptions) {
    const made = snapshotOf(description)
    if (E.isLeft(made)) problems.push(...made.left)
    else if (snapshots.has(made.right.name)) problems.push({ _tag: 'SnapshotDuplicate', snapshot: made.right.name })
    else snapshots.set(made.right.name, made.right)
  }
  return { snapshots, problems }
}

const owedOf = (
  disks: ReadonlyMap<string, Chain>,
  owed: ReadonlyArray<OwedDescription>,
): { owing: ReadonlyArray<OwedSnapshot>; problems: ReadonlyArray<MachineError> } => {
  const owing: Array<OwedSnapshot> = []
  const problems: Array<MachineError> = []
  for (const one of owed) {
    const image = disks.get(one.disk)?.images.get(one.image)
    if (image !== undefined && isInside({ disks }, one)) owing.push({ ...one, image: image.name })
    else problems.push({ _tag: 'OwedMissing', ...one })
  }
  return { owing, problems }
}

/**
 * Makes a machine from its disks and snapshots. Where the guest runs, states that were saved no longer fit the disks.
 *
 * Gives all problems at once: `DiskDuplicate`, `SnapshotNameInvalid`, `SnapshotDuplicate`, `MachineNameInvalid`,
 * `PlaceShared`, `ParentMissing`, `ParentLoop`, `CurrentMissing`, `PointImageMissing`, `PointWritten`, `InternalMissing`,
 * `DefinitionWrong`, `MemoryShared`, `OwedMissing`. Linear.
 *
 * @example
 * import { machine, parseChain, pointMap } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const vm = pipe(
 *   parseChain('v <- v.1 <- v.2^'),
 *   E.flatMap(({ chain }) =>
 *     machine({
 *       name: 'vm',
 *       state: 'running',
 *       disks: [chain],
 *       snapshots: [
 *         { name: 'monday', disks: [['vda', { mode: 'external', frozen: 'v' }]] },
 *         { name: 'tuesday', parent: 'monday', disks: [['vda', { mode: 'external', frozen: 'v.1' }]] },
 *       ],
 *       current: 'tuesday',
 *     }),
 *   ),
 * )
 * E.isRight(vm) ? pointMap(vm.right).get('tuesday')?.get('vda')?.image : vm.left // => 'v.1'
 *
 * @since 0.2.0
 */
export const machine = (description: MachineDescription): E.Either<ReadonlyNonEmptyArray<MachineError>, Machine> => {
  const { disks, problems: diskProblems } = uniqueDisks(description.disks)
  const { snapshots, problems: snapshotProblems } = uniqueSnapshots(description.snapshots ?? [])
  const { owing, problems: owedProblems } = owedOf(disks, description.owed ?? [])
  const current = description.current === undefined ? undefined : snapshots.get(description.current)?.name
  const made: Machine = brandMachine({
    name: description.name,
    state: description.state,
    disks,
    definitions: description.definitions,
    snapshots,
    current,
    saved: description.state === 'shut-off' ? (description.saved ?? []) : writtenSince(description.saved ?? []),
    owed: owing,
  })
  const missing: ReadonlyArray<MachineError> =
    description.current !== undefined && current === undefined
      ? [{ _tag: 'CurrentMissing', current: description.current }]
      : []
  const problems = [...diskProblems, ...snapshotProblems, ...missing, ...machineProblems(made), ...owedProblems]
  return isNonEmpty(problems) ? E.left(problems) : E.right(made)
}
