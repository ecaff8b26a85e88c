import type { Call } from '../../call/call.js'
import type { TransactionAction } from '../../call/qmp.js'
import type { Wait } from '../../call/wait.js'
import type { Cleanup, Step } from '../../plan/plan.js'
import type { PlacedDisk } from '../backup-job.js'
import { jobOptions } from '../copied-data.js'
import type { CopiedData } from '../copied-data.js'
import { derivedJob } from '../identifier.js'
import type { Draft } from '../machine-lane.js'
import { closeNew, openNew } from './qmp-image.js'
import { dismiss, formatNode } from './qmp-step.js'
import { qmp } from './step.js'

const jobOf = ({ chain, placed }: PlacedDisk): string => derivedJob('backup', chain, placed.image.name)

const concluded = (job: string): Wait => ({ _tag: 'QmpJob', job, status: 'concluded' })

const actionOf = (of: PlacedDisk, data: CopiedData): TransactionAction => ({
  type: 'blockdev-backup',
  data: {
    'job-id': jobOf(of),
    device: formatNode(of.active),
    target: of.placed.node.format,
    sync: 'full',
    'auto-dismiss': false,
    ...jobOptions(data),
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
export const qmpBackup = (disks: ReadonlyArray<PlacedDisk>, data: CopiedData): ReadonlyArray<Draft> => [
  ...disks.flatMap(({ disk, chain, place, placed }) =>
    openNew(chain, placed, { made: place.wanted.made ?? 'now', backing: null }).map((step) => ({ step, disk })),
  ),
  { step: qmp({ execute: 'transaction', arguments: { actions: disks.map((of) => actionOf(of, data)) } }, moment) },
  ...disks.flatMap((of) => ending(of).map((step) => ({ step, disk: of.disk }))),
]

const ended = 'it has ended already, or never begun'

type Command = Extract<Call, { readonly _tag: 'Qmp' }>['command']

const commandOf = ({ step: { call } }: Draft): Command | undefined => (call._tag === 'Qmp' ? call.command : undefined)

/** What steps of drafts name, with the number of each step. */
const named = (drafts: ReadonlyArray<Draft>, by: (command: Command) => ReadonlyArray<string>) =>
  drafts.flatMap((draft, from) => {
    const command = commandOf(draft)
    return command === undefined ? [] : by(command).map((name) => ({ from, name }))
  })

const jobsBegun = (command: Command): ReadonlyArray<string> =>
  command.execute === 'transaction'
    ? command.arguments.actions.flatMap((action) => (action.type === 'blockdev-backup' ? [action.data['job-id']] : []))
    : []

const jobMaking = (command: Command): ReadonlyArray<string> =>
  command.execute === 'blockdev-create' ? [command.arguments['job-id']] : []

const nodeAdded = (command: Command): ReadonlyArray<string> =>
  command.execute === 'blockdev-add' ? [command.arguments['node-name']] : []

const nodeClosed = (command: Command): ReadonlyArray<string> =>
  command.execute === 'blockdev-del' ? [command.arguments['node-name']] : []

const cancel = (job: string): Step =>
  qmp({ execute: 'job-cancel', arguments: { id: job } }, 'nobody waits for it any more', concluded(job))

const close = (node: string): Step =>
  qmp({ execute: 'blockdev-del', arguments: { 'node-name': node } }, 'QEMU lets go of the new image')

/**
 * What has to be done on every way out of the steps of a backup, which can stand among others: jobs that still run are cancelled and
 * dismissed, and nodes closed that the steps would have closed. None of it finds anything to do once they have come to their end.
 */
export const cancelAlways = (drafts: ReadonlyArray<Draft>): ReadonlyArray<Cleanup> => {
  const begun = named(drafts, jobsBegun)
  const closed = new Set(named(drafts, nodeClosed).map(({ name }) => name))
  const added = named(drafts, nodeAdded).filter(({ name }) => closed.has(name))
  return [
    ...begun.map(({ from, name }) => ({ from, step: { ...cancel(name), failure: ended } })),
    ...[...begun, ...named(drafts, jobMaking)].map(({ from, name }) => ({
      from,
      step: { ...dismiss(name), failure: ended },
    })),
    ...added.reverse().map(({ from, name }) => ({ from, step: { ...close(name), failure: 'it is closed already' } })),
  ]
}
