import { isSnapshotName } from '../model/snapshot.js'
import type { Snapshot, SnapshotDisk, SnapshotName, SnapshotState } from '../model/snapshot.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { activeImage } from '../model/chain-query.js'
import { overlaysReused } from './dialect/libvirt-take.js'
import { definitionsTaken } from './take-definition.js'
import { disksTaken } from './take-job.js'
import type { TakeJob } from './take-job.js'
import type { TakeOutcome } from './take-lane.js'
import { chainAfter } from './take-part.js'
import type { TakenDisk } from './take-part.js'
import { recordTaken, snapshotsTaken } from './take-record.js'

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
  return host.via === 'libvirt' ? { ...snapshot, recorded: recordTaken(machine, snapshot, disks) } : snapshot
}

/** The snapshots with the new one, where anybody is to know of it. */
const withSnapshot = (outcome: TakeOutcome): Pick<Machine, 'snapshots' | 'current'> => {
  const { machine, request } = outcome.job
  return request.metadata === 'none'
    ? { snapshots: machine.snapshots, current: machine.current }
    : snapshotsTaken(machine, snapshotOf(outcome))
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
