import type { Step } from '../../plan/plan.js'
import type { OverlayOutcome } from '../overlay-outcome.js'
import { openNew } from './qmp-image.js'
import { formatNode, observe } from './qmp-step.js'
import { qmp } from './step.js'

/** A new overlay as QMP commands. */
export const qmpOverlay = ({ job, placed, after }: OverlayOutcome): ReadonlyArray<Step> => [
  ...openNew(job.chain, placed, { made: job.request.overlay.made ?? 'now', backing: null }),
  qmp(
    { execute: 'blockdev-snapshot', arguments: { node: formatNode(job.active), overlay: placed.node.format } },
    'puts the overlay on top: from here on the guest writes into it',
  ),
  observe(after),
]
