import { isSnapshotName } from '../model/snapshot.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { freezes } from './level-pause.js'
import type { LevelJob } from './level-unfit.js'
import { agentGuard, daemonGuard, savedGuard, viaGuard } from './machine-guard.js'

const nameGuard = ({ machine, request }: LevelJob): MachineRefusal | undefined => {
  const { name: snapshot, metadata } = request
  if (!isSnapshotName(snapshot)) return refuseMachine({ _tag: 'SnapshotNameWrong', snapshot, why: 'invalid' })
  const taken = Array.from(machine.snapshots.keys())
  return metadata !== 'none' && machine.snapshots.has(snapshot)
    ? refuseMachine({ _tag: 'SnapshotNameWrong', snapshot, why: 'taken' }, [{ _tag: 'UseAnotherName', taken }])
    : undefined
}

const diskGuard = ({ machine, request }: LevelJob): MachineRefusal | undefined => {
  const named = [...request.levels.keys(), ...(request.leave ?? []), ...(request.overlays?.keys() ?? [])]
  const disk = named.find((one) => !machine.disks.has(one))
  return disk === undefined ? undefined : refuseMachine({ _tag: 'DiskNotFound', disk })
}

/** Refuses what no level could do anything about, in order. */
export const levelGuard = (job: LevelJob): MachineRefusal | undefined =>
  nameGuard(job) ??
  diskGuard(job) ??
  (job.disks.length === 0 ? refuseMachine({ _tag: 'NothingSelected' }) : undefined) ??
  viaGuard(job.machine, job.host) ??
  daemonGuard(job.host, 'a snapshot of a guest that is shut off') ??
  savedGuard(job.machine, job.host) ??
  (freezes(job) === 'require' ? agentGuard(job.host) : undefined)
