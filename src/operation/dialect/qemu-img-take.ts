import { activeImage } from '../../model/chain-query.js'
import type { Draft } from '../machine-lane.js'
import { placed } from '../take-lane.js'
import type { TakeOutcome } from '../take-lane.js'
import type { TakenDisk } from '../take-part.js'
import { qemuImgOverlay } from './qemu-img-overlay.js'
import { operand, qemuImg } from './step.js'

const stepsOf = ({ job }: TakeOutcome, taken: TakenDisk): ReadonlyArray<Draft> => {
  const { disk } = taken
  if (taken.mode === 'internal') {
    const image = operand(activeImage(taken.before))
    const why = 'saves what the image holds inside it'
    return [{ step: qemuImg(['snapshot', '-c', job.request.name, image], why), disk, moves: placed(job, taken) }]
  }
  if (taken.mode !== 'external') return []
  const { outcome } = taken.overlay
  const steps = qemuImgOverlay(outcome, { via: 'qemu-img', guest: 'shut-off', capabilities: job.host.capabilities })
  return steps.map((step) => ({
    step,
    disk,
    moves: step.until?._tag === 'ChainIs' ? placed(job, taken) : [],
  }))
}

/** A snapshot as qemu-img command lines, for a guest that is shut off: the disks need not wait for each other. */
export const qemuImgTake = (outcome: TakeOutcome): ReadonlyArray<Draft> =>
  outcome.disks.flatMap((taken) => stepsOf(outcome, taken))
