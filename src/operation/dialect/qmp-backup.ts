import type { TransactionAction } from '../../call/qmp.js'
import type { Wait } from '../../call/wait.js'
import type { Cleanup, Step } from '../../plan/plan.js'
import type { PlacedDisk } from '../backup-job.js'
import { derivedJob } from '../identifier.js'
import type { Draft } from '../machine-lane.js'
import { closeNew, openNew } from './qmp-image.js'
import { dismiss, formatNode } from './qmp-step.js'
import { qmp } from './step.js'

const jobOf = ({ chain, placed }: PlacedDisk): string => derivedJob('backup', chain, placed.image.name)

const concluded = (job: string): Wait => ({ _tag: 'QmpJob', job, status: 'concluded' })

const actionOf = (of: PlacedDisk): TransactionAction => ({
  type: 'blockdev-backup',
  data: {
    'job-id': jobOf(of),
    device: formatNode(of.active),
    target: of.placed.node.format,
    sync: 'full',
    'auto-dismiss': false,
  },
})

const moment =
  'every new image gets what its disk shows at this moment: what the guest is about to overwrite is copied first'

/** The job has to be waited for, dismissed, and its target closed: until then what it has copied is not on disk. */
const ending = (of: PlacedDisk): ReadonlyArray<Step> => [
  qmp({ execute: 'query-jobs' }, 'the job ends by itself when everything is copied', concluded(jobOf(of))),
  dismiss(jobOf(of)),
  ...closeNew(of.placed),
]

/** A backup as QMP commands: one transaction begins the jobs of all disks, or of none; then each disk's goes its own way. */
export const qmpBackup = (disks: ReadonlyArray<PlacedDisk>): ReadonlyArray<Draft> => [
  ...disks.flatMap(({ disk, chain, place, placed }) =>
    openNew(chain, placed, { made: place.wanted.made ?? 'now', backing: null }).map((step) => ({ step, disk })),
  ),
  { step: qmp({ execute: 'transaction', arguments: { actions: disks.map(actionOf) } }, moment) },
  ...disks.flatMap((of) => ending(of).map((step) => ({ step, disk: of.disk }))),
]

const ended = 'it has ended already, or never begun'

const jobsBegun = ({ step: { call } }: Draft): ReadonlyArray<string> =>
  call._tag === 'Qmp' && call.command.execute === 'transaction'
    ? call.command.arguments.actions.flatMap((action) =>
        action.type === 'blockdev-backup' ? [action.data['job-id']] : [],
      )
    : []

const cancel = (job: string): Step =>
  qmp({ execute: 'job-cancel', arguments: { id: job } }, 'nobody waits for it any more', concluded(job))

const nodeAdded = ({ step: { call } }: Draft): string | undefined =>
  call._tag === 'Qmp' && call.command.execute === 'blockdev-add' ? call.command.arguments['node-name'] : undefined

const close = (node: string): Step =>
  qmp({ execute: 'blockdev-del', arguments: { 'node-name': node } }, 'QEMU lets go of the new image')

/**
 * What has to be done on every way out of the steps of a backup, which can stand among others: jobs that still run are cancelled, and
 * dismissed, and new images closed. None of it finds anything to do once the plan has come to its end.
 */
export const cancelAlways = (drafts: ReadonlyArray<Draft>): ReadonlyArray<Cleanup> => {
  const begun = drafts.flatMap((draft, from) => jobsBegun(draft).map((job) => ({ from, job })))
  const added = drafts.flatMap((draft, from) => {
    const node = nodeAdded(draft)
    return node === undefined ? [] : [{ from, node }]
  })
  return [
    ...begun.map(({ from, job }) => ({ from, step: { ...cancel(job), failure: ended } })),
    ...begun.map(({ from, job }) => ({ from, step: { ...dismiss(job), failure: ended } })),
    ...added.reverse().map(({ from, node }) => ({ from, step: { ...close(node), failure: 'it is closed already' } })),
  ]
}
