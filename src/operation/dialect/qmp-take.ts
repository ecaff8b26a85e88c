import type { Draft } from '../machine-lane.js'
import { disksTaken } from '../take-job.js'
import { frozenAround, overlaysOf, placed } from '../take-lane.js'
import type { FreezeSteps, TakeOutcome } from '../take-lane.js'
import { openNew } from './qmp-image.js'
import { formatNode, observe } from './qmp-step.js'
import { qmp } from './step.js'

/** The agent's own commands, on its own socket. */
export const agentFreeze: FreezeSteps = {
  freeze: {
    call: { _tag: 'Agent', command: { execute: 'guest-fsfreeze-freeze' } },
    why: 'the guest writes its file systems out, and nothing to them from then on',
  },
  thaw: {
    call: { _tag: 'Agent', command: { execute: 'guest-fsfreeze-thaw' } },
    why: 'the guest may write again; nothing happens where nothing is frozen',
  },
}

const creations = (outcome: TakeOutcome): ReadonlyArray<Draft> =>
  overlaysOf(outcome).flatMap(({ disk, overlay }) => {
    const { job, placed: image } = overlay.outcome
    return openNew(job.chain, image, { made: job.request.overlay.made ?? 'now', backing: null }).map((step) => ({
      step,
      disk,
    }))
  })

const transaction = (outcome: TakeOutcome): Draft => {
  const actions = overlaysOf(outcome).map(({ overlay }) => ({
    type: 'blockdev-snapshot' as const,
    data: { node: formatNode(overlay.outcome.job.active), overlay: overlay.outcome.placed.node.format },
  }))
  const why = 'puts every overlay on top at the same point in time, or none: from here on the guest writes into them'
  return { step: qmp({ execute: 'transaction', arguments: { actions } }, why) }
}

/** The guest stays as it is for whoever saves the manual disks. */
const stopped = ({ job }: TakeOutcome): ReadonlyArray<Draft> =>
  job.machine.state === 'running' && disksTaken(job, 'manual').length > 0
    ? [{ step: qmp({ execute: 'stop' }, 'the guest stays paused: save the manual disks, then let it go on') }]
    : []

/** A snapshot as QMP commands: one transaction for all disks. */
export const qmpTake = (outcome: TakeOutcome): ReadonlyArray<Draft> => [
  ...creations(outcome),
  ...frozenAround(outcome.job, agentFreeze, [...stopped(outcome), transaction(outcome)]),
  ...overlaysOf(outcome).map((taken) => ({
    step: observe(taken.overlay.plan.after),
    disk: taken.disk,
    moves: placed(outcome.job, taken),
  })),
]
