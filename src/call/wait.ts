import { normalPath } from '../model/header.js'

/**
 * An image as a monitor reports it: the node that QEMU has for it, and where it is.
 *
 * @since 0.1.0
 */
export interface ReportedImage {
  readonly image: string
  readonly format: string
  readonly location: string
}

/**
 * What has to be true before the next step may begin.
 *
 * - `QmpJob`: `query-jobs` lists the job with that status and no error. The event that announces it is
 *   `JOB_STATUS_CHANGE`; a failure too arrives as `BLOCK_JOB_COMPLETED`, so the status is what counts.
 * - `LibvirtJob`: the event `VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2` for the disk with that status; while polling, `ready` is
 *   `ready='yes'` on `<mirror>`, never `cur == end`.
 * - `LibvirtJobs`: such an event for each of these disks with the status `completed`. The libvirt job that they are parts of can be over
 *   before the last of them is.
 * - `ChainIs`: the reply to this step's query shows these images, base first, and nothing below the first.
 * - `Daemon`: the storage daemon of that socket greets whoever connects, or its process has ended with exit status 0.
 *
 * A wait has three outcomes, and no fourth: `reached`, `failed`, and `lost`, where nobody can say any more (the job is
 * gone, the monitor is gone). A job that is gone proves nothing: look at the chain before going on.
 *
 * @since 0.1.0
 */
export type Wait =
  | { readonly _tag: 'QmpJob'; readonly job: string; readonly status: 'ready' | 'pending' | 'concluded' }
  | { readonly _tag: 'LibvirtJob'; readonly disk: string; readonly status: 'ready' | 'completed' | 'canceled' }
  | { readonly _tag: 'LibvirtJobs'; readonly disks: ReadonlyArray<string>; readonly status: 'completed' }
  | { readonly _tag: 'ChainIs'; readonly disk: string; readonly images: ReadonlyArray<ReportedImage> }
  | { readonly _tag: 'Daemon'; readonly socket: string; readonly status: 'answers' | 'gone' }

/** A job as `query-jobs` lists it. */
export interface ReportedJob {
  readonly id: string
  readonly status: string
  readonly error?: string
}

/**
 * How a wait stands.
 *
 * @since 0.1.0
 */
export type WaitState = 'waiting' | 'reached' | 'failed' | 'lost'

/**
 * Says how a wait for a QMP job stands, from the reply to `query-jobs`.
 *
 * `concluded` with an error and `aborting` are `failed`; a job that is not listed is `lost`.
 *
 * @example
 * import { judgeQmpJob } from 'backing-chain'
 *
 * const wait = { _tag: 'QmpJob', job: 'j', status: 'concluded' } as const
 * judgeQmpJob(wait, [{ id: 'j', status: 'concluded', error: 'No space left on device' }]) // => 'failed'
 *
 * @since 0.1.0
 */
export const judgeQmpJob = (wait: Wait & { readonly _tag: 'QmpJob' }, jobs: ReadonlyArray<ReportedJob>): WaitState => {
  const job = jobs.find((one) => one.id === wait.job)
  if (job === undefined) return 'lost'
  if (job.error !== undefined || job.status === 'aborting') return 'failed'
  if (job.status === wait.status) return 'reached'
  return job.status === 'concluded' || job.status === 'null' ? 'failed' : 'waiting'
}

const libvirtStatus = ['completed', 'failed', 'canceled', 'ready'] as const

/**
 * Says how a wait for a libvirt block job stands, from an event of `VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2` for its disk.
 *
 * `status` is the event's number: 0 completed, 1 failed, 2 canceled, 3 ready. Ending a ready copy or active commit
 * without a pivot ends in `canceled`, so there it is what the plan waits for.
 *
 * @example
 * import { judgeLibvirtJob } from 'backing-chain'
 *
 * judgeLibvirtJob({ _tag: 'LibvirtJob', disk: 'vda', status: 'ready' }, 3) // => 'reached'
 *
 * @since 0.1.0
 */
export const judgeLibvirtJob = (wait: Wait & { readonly _tag: 'LibvirtJob' }, status: 0 | 1 | 2 | 3): WaitState => {
  const seen = libvirtStatus[status]
  if (seen === wait.status) return 'reached'
  return seen === 'ready' ? 'waiting' : 'failed'
}

/**
 * Says how a wait for block jobs of several disks stands, from the last event of `VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2` for each disk that
 * has had one since the call: where one has failed libvirt cancels the others.
 *
 * @example
 * import { judgeLibvirtJobs } from 'backing-chain'
 *
 * const wait = { _tag: 'LibvirtJobs', disks: ['vda', 'vdb'], status: 'completed' } as const
 * judgeLibvirtJobs(wait, new Map([['vdb', 0]])) // => 'waiting'
 *
 * @since 0.2.0
 */
export const judgeLibvirtJobs = (
  { disks, status }: Wait & { readonly _tag: 'LibvirtJobs' },
  events: ReadonlyMap<string, 0 | 1 | 2 | 3>,
): WaitState => {
  const states = disks.map((disk) => {
    const event = events.get(disk)
    return event === undefined ? 'waiting' : judgeLibvirtJob({ _tag: 'LibvirtJob', disk, status }, event)
  })
  if (states.includes('failed')) return 'failed'
  return states.every((state) => state === 'reached') ? 'reached' : 'waiting'
}

const spelled = ({ format, location }: Omit<ReportedImage, 'image'>): string => `${format} ${normalPath(location)}`

/**
 * Says whether a chain that somebody reports, base first, is the one that a plan waits for: the same images in the same
 * order and formats. Paths are compared as spelled, with `.` and `..` folded.
 *
 * What to give it: the images of the disk in the reply to `query-block`, in the XML of a running domain, or in the output of
 * `qemu-img info --backing-chain`; each lists the active image first, and has to be turned round.
 *
 * @example
 * import { judgeChain } from 'backing-chain'
 *
 * const wait = { _tag: 'ChainIs', disk: 'vda', images: [{ image: 'a', format: 'qcow2', location: '/images/a' }] } as const
 * judgeChain(wait, [{ format: 'qcow2', location: '/images/./a' }]) // => 'reached'
 *
 * @since 0.1.0
 */
export const judgeChain = (
  wait: Wait & { readonly _tag: 'ChainIs' },
  reported: ReadonlyArray<Omit<ReportedImage, 'image'>>,
): WaitState => {
  const same =
    reported.length === wait.images.length &&
    wait.images.every((image, index) => {
      const found = reported[index]
      return found !== undefined && spelled(found) === spelled(image)
    })
  return same ? 'reached' : 'failed'
}

/**
 * A storage daemon as whoever has started it sees it: whether its process runs, or with what it has ended, and whether it greets on
 * its socket.
 *
 * @since 0.2.0
 */
export interface ReportedDaemon {
  readonly process: 'runs' | { readonly exit: number }
  readonly monitor: 'answers' | 'silent'
}

/**
 * Says how a wait for a storage daemon stands.
 *
 * One that has ended answers nobody any more, and one that has ended badly has not flushed: `failed`.
 *
 * @example
 * import { judgeDaemon } from 'backing-chain'
 *
 * const wait = { _tag: 'Daemon', socket: '/run/vda.qmp', status: 'answers' } as const
 * judgeDaemon(wait, { process: { exit: 1 }, monitor: 'silent' }) // => 'failed'
 *
 * @since 0.2.0
 */
export const judgeDaemon = (
  { status }: Wait & { readonly _tag: 'Daemon' },
  { process: ran, monitor }: ReportedDaemon,
): WaitState => {
  if (ran === 'runs') return status === 'answers' && monitor === 'answers' ? 'reached' : 'waiting'
  return status === 'gone' && ran.exit === 0 ? 'reached' : 'failed'
}
