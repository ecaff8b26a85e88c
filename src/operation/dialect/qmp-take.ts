import type { TransactionAction } from '../../call/qmp.js'
import type { Chain } from '../../model/chain.js'
import { activeImage } from '../../model/chain-query.js'
import type { Draft } from '../machine-lane.js'
import { disksTaken } from '../take-job.js'
import { frozenAround, insideOf, overlaysOf, placed } from '../take-lane.js'
import type { FreezeSteps, TakeOutcome } from '../take-lane.js'
import { openNew } from './qmp-image.js'
import { memorySteps } from './qmp-memory.js'
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

/** Of each disk, inside or outside; no action for a node may come after the one that lays an overlay on it. */
const actionsOf = (outcome: TakeOutcome): ReadonlyArray<TransactionAction> => [
  ...insideOf(outcome).map(({ before }): TransactionAction => {
    const device = formatNode(activeImage(before))
    return { type: 'blockdev-snapshot-internal-sync', data: { device, name: outcome.job.request.name } }
  }),
  ...overlaysOf(outcome).map(({ overlay }): TransactionAction => {
    const node = formatNode(overlay.outcome.job.active)
    return { type: 'blockdev-snapshot', data: { node, overlay: overlay.outcome.placed.node.format } }
  }),
]

const overlaid = 'puts every overlay on top at the same point in time, or none: from here on the guest writes into them'
const inside = 'saves every disk inside its image at the same point in time, or none'
const both =
  'saves disks inside their images and puts overlays on the others at the same point in time, or does nothing'

/** What is inside has its place with it; where an overlay is on top is looked at. */
const transaction = (outcome: TakeOutcome): Draft => {
  const actions = actionsOf(outcome)
  const saved = insideOf(outcome)
  const some = saved.length < actions.length ? both : inside
  return {
    step: qmp({ execute: 'transaction', arguments: { actions } }, saved.length === 0 ? overlaid : some),
    moves: saved.flatMap((taken) => placed(outcome.job, taken)),
  }
}

/** With memory: QEMU saves all disks in one job of its own. */
const savedWithMemory = (outcome: TakeOutcome, first: Chain): ReadonlyArray<Draft> => {
  const saved = insideOf(outcome)
  const chains = saved.map(({ before }) => before)
  const [saving, ending] = memorySteps('save', { snapshot: outcome.job.request.name, chains, vmstate: first })
  return [{ ...saving, moves: saved.flatMap((taken) => placed(outcome.job, taken)) }, ending]
}

/** The guest stays as it is for whoever saves the manual disks, and they have all: `stop` flushes one that is paused, too. */
const stopped = ({ job }: TakeOutcome): ReadonlyArray<Draft> => {
  if (disksTaken(job, 'manual').length === 0) return []
  const why =
    job.machine.state === 'running'
      ? 'the guest stays paused: save the manual disks, then let it go on'
      : 'the guest is paused already, and QEMU writes out what it has held back of the manual disks'
  return [{ step: qmp({ execute: 'stop' }, why) }]
}

const byTransaction = (outcome: TakeOutcome): ReadonlyArray<Draft> => [
  ...creations(outcome),
  ...frozenAround(outcome.job, agentFreeze, [...stopped(outcome), transaction(outcome)]),
  ...overlaysOf(outcome).map((taken) => ({
    step: observe(taken.overlay.plan.after),
    disk: taken.disk,
    moves: placed(outcome.job, taken),
  })),
]

/** A snapshot as QMP commands: one transaction for all disks, or one job where memory is kept. */
export const qmpTake = (outcome: TakeOutcome): ReadonlyArray<Draft> => {
  const [first] = insideOf(outcome)
  return outcome.job.memory._tag === 'Internal' && first !== undefined
    ? savedWithMemory(outcome, first.before)
    : byTransaction(outcome)
}
