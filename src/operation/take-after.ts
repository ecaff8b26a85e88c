import { isSnapshotName } from '../model/snapshot.js'
import type { Snapshot, SnapshotDisk, SnapshotName, SnapshotState } from '../model/snapshot.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { withoutRevertDisks } from '../model/record.js'
import { activeImage } from '../model/chain-query.js'
import { overlaysReused } from './dialect/libvirt-take.js'
import { definitionsTaken } from './take-definition.js'
import { disksTaken } from './take-job.js'
import type { TakeJob } from './take-job.js'
import type { TakeOutcome } from './take-lane.js'
import { chainAfter } from './take-part.js'
import type { TakenDisk } from './take-part.js'
import { recordTaken } from './take-record.js'

const checkedName = (name: string): SnapshotName => {
  if (!isSnapshotName(name)) throw new Error('unreachable: the name was checked')
  return name
}

const stateOf = ({ machine, memory }: TakeJob): SnapshotState => {
  if (machine.state === 'shut-off') return 'shutoff'
  return memory._tag === 'None' ? 'disk-snapshot' : machine.state
}

const diskOf = (taken: TakenDisk): SnapshotDisk => {
  switch (taken.mode) {
    case 'external':
      return { mode: 'external', frozen: taken.overlay.plan.before.active }
    case 'internal':
      return { mode: 'internal', image: activeImage(taken.after).name }
    case 'manual':
    case 'no':
      return { mode: taken.mode }
  }
}

const recordedCurrent = ({ snapshots, current }: Machine): SnapshotName | undefined =>
  current !== undefined && snapshots.get(current)?.recorded !== undefined ? current : undefined

const snapshotOf = ({ job, disks }: TakeOutcome): Snapshot => {
  const { machine, request, others, memory, host } = job
  const left = others.map((disk): readonly [string, SnapshotDisk] => [disk, { mode: 'no' }])
  const snapshot: Snapshot = {
    name: checkedName(request.name),
    parent: machine.current,
    description: request.description,
    creationTime: request.creationTime,
    state: stateOf(job),
    memory,
    disks: new Map([...disks.map((taken): readonly [string, SnapshotDisk] => [taken.disk, diskOf(taken)]), ...left]),
    recorded: undefined,
  }
  if (host.via !== 'libvirt') return snapshot
  // libvirt knows of no snapshot that it has no record of: what it then takes has no parent there.
  return { ...snapshot, recorded: recordTaken(machine, { ...snapshot, parent: recordedCurrent(machine) }, disks) }
}

/** The snapshots with the new one, which is the current one; what libvirt has noted down for the next revert goes. */
const withSnapshot = (outcome: TakeOutcome): Pick<Machine, 'snapshots' | 'current'> => {
  const { machine, request } = outcome.job
  if (request.metadata === 'none') return { snapshots: machine.snapshots, current: machine.current }
  const snapshots = new Map(machine.snapshots)
  const last = machine.current === undefined ? undefined : snapshots.get(machine.current)
  if (last?.recorded !== undefined) snapshots.set(last.name, { ...last, recorded: withoutRevertDisks(last.recorded) })
  const added = snapshotOf(outcome)
  return { snapshots: snapshots.set(added.name, added), current: added.name }
}

/** The machine with the snapshot. */
export const machineTaken = (outcome: TakeOutcome): Machine => {
  const { job, disks } = outcome
  const { machine, host } = job
  const chains = new Map(machine.disks)
  for (const taken of disks) {
    const after = chainAfter(taken)
    if (after !== undefined) chains.set(taken.disk, after)
  }
  const paused = machine.state === 'running' && disksTaken(job, 'manual').length > 0
  return withMachine(machine, {
    state: paused ? 'paused' : machine.state,
    disks: chains,
    definitions:
      host.via === 'libvirt' ? definitionsTaken(machine, disks, overlaysReused(outcome)) : machine.definitions,
    ...withSnapshot(outcome),
  })
}
