import type { Chain } from '../../model/chain.js'
import type { Draft } from '../machine-lane.js'
import type { RevertedDisk, RevertOutcome } from '../revert-outcome.js'
import { memoryDisk } from '../revert-job.js'
import { internalRemoval } from './qmp-inside.js'
import { memorySteps } from './qmp-memory.js'
import { observe } from './qmp-step.js'
import { qmp } from './step.js'

/** A guest that is loaded while it is stopped stays so, whatever it did when the snapshot was taken; one that runs goes on. */
const stopped = ({ job }: RevertOutcome): ReadonlyArray<Draft> =>
  job.machine.state === 'running' && job.guest === 'paused'
    ? [{ step: qmp({ execute: 'stop' }, 'the guest stays stopped: it is to be paused when it is back') }]
    : []

const resumed = ({ job }: RevertOutcome): ReadonlyArray<Draft> =>
  job.machine.state === 'paused' && job.guest === 'running'
    ? [{ step: qmp({ execute: 'cont' }, 'a guest that was stopped stays so until it is told to go on') }]
    : []

const loading = ({ job }: RevertOutcome): ReadonlyArray<Draft> => {
  const chains: ReadonlyArray<Chain> = job.inside.map(({ chain }) => chain)
  const vmstate = memoryDisk(job)
  if (vmstate === undefined) throw new Error('unreachable: the guards have found the memory')
  return memorySteps('load', { snapshot: job.snapshot.name, chains, vmstate })
}

const leftovers = ({ before, snapshots }: RevertedDisk): ReadonlyArray<Draft> =>
  snapshots.map(({ image, name }) => ({ step: internalRemoval(name, image), disk: before.disk }))

/** A revert to a snapshot with memory, which the running QEMU loads with every disk; nothing of it can be taken back. */
export const qmpRevert = (outcome: RevertOutcome): ReadonlyArray<Draft> => {
  const ends = outcome.job.deleted.map(({ name }) => String(name))
  const loaded = [...stopped(outcome), ...loading(outcome), ...resumed(outcome)]
  return [
    ...loaded.map((draft, index) => (index === loaded.length - 1 ? { ...draft, ends } : draft)),
    ...outcome.disks.map(({ after }) => ({ step: observe(after), disk: after.disk })),
    ...outcome.disks.flatMap(leftovers),
  ]
}
