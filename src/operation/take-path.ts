import { locationString } from '../model/location.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import type { TakeJob } from './take-job.js'
import { newFilesGuard } from './taken-path.js'
import type { WantedPath } from './taken-path.js'

/** What is to be made: the memory's file counts as a disk's that is called `memory`. */
const wantedPaths = ({ overlays, memory }: TakeJob): ReadonlyArray<WantedPath> => [
  ...Array.from(overlays).flatMap(([disk, overlay]) =>
    overlay === undefined ? [] : [[disk, locationString(overlay.location)] as const],
  ),
  ...(memory._tag === 'External' ? [['memory', memory.path] as const] : []),
]

/** Refuses a new file at a path that an image has, that something refers to, that is reserved, or that another new one gets. */
export const pathGuard = (job: TakeJob): MachineRefusal | undefined =>
  newFilesGuard(job.machine, wantedPaths(job), job.request.reserved)
