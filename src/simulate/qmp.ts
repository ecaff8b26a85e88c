import * as E from 'fp-ts/lib/Either.js'

import type { QmpCommand } from '../call/qmp.js'
import { flushAll } from './cache.js'
import { qemuRefuses, unmodelled } from './fault.js'
import type { Outcome } from './fault.js'
import { crash, readByGuest } from './job-finish.js'
import { quit } from './process.js'
import { blockCommit } from './qmp-block-commit.js'
import { blockdevBackup } from './qmp-backup.js'
import { blockStream } from './qmp-block-stream.js'
import { blockdevAdd, blockdevCreate, blockdevDel } from './qmp-blockdev.js'
import { snapshotDeleteInternal, snapshotInternal } from './qmp-internal.js'
import { blockJobCancel, jobVerb } from './qmp-job.js'
import { blockdevMirror } from './qmp-mirror.js'
import { blockdevSnapshot, transaction } from './qmp-snapshot.js'
import { blockdevReopen } from './qmp-reopen.js'
import { objectionOfDaemon } from './storage-daemon.js'
import { withProcess } from './world.js'
import type { World } from './world.js'

/** Listing the nodes kills QEMU while a stream has concluded and was not dismissed (seen in 7.2 and 10.0). */
const listNodes = (world: World): Outcome =>
  world.qemu?.jobs.some((job) => job.work._tag === 'Stream' && job.status === 'concluded') === true
    ? crash(world, 'query-named-block-nodes between the conclusion and the dismissal of a block-stream')
    : E.right(world)

type Named<Name extends string> = Extract<QmpCommand, { readonly execute: Name }>

const jobNames = ['job-complete', 'job-finalize', 'job-dismiss', 'job-cancel', 'block-job-cancel'] as const
const monitorNames = [
  ...(['stop', 'cont', 'quit', 'query-named-block-nodes', 'query-jobs', 'query-block', 'query-status'] as const),
] as const

const startNames = ['block-commit', 'block-stream', 'blockdev-mirror', 'blockdev-backup'] as const

type JobCommand = Named<(typeof jobNames)[number]>
type MonitorCommand = Named<(typeof monitorNames)[number]>
type StartCommand = Named<(typeof startNames)[number]>
type BlockCommand = Exclude<QmpCommand, JobCommand | MonitorCommand | StartCommand>

const isJobCommand = (command: QmpCommand): command is JobCommand => jobNames.some((name) => name === command.execute)

const isMonitorCommand = (command: QmpCommand): command is MonitorCommand =>
  monitorNames.some((name) => name === command.execute)

const isStartCommand = (command: QmpCommand): command is StartCommand =>
  startNames.some((name) => name === command.execute)

const performJob = (world: World, command: JobCommand): Outcome => {
  switch (command.execute) {
    case 'job-complete':
      return jobVerb(world, command.arguments.id, 'complete')
    case 'job-finalize':
      return jobVerb(world, command.arguments.id, 'finalize')
    case 'job-dismiss':
      return jobVerb(world, command.arguments.id, 'dismiss')
    case 'job-cancel':
      return jobVerb(world, command.arguments.id, 'cancel')
    case 'block-job-cancel':
      return blockJobCancel(world, command.arguments.device, command.arguments.force ?? false)
  }
}

const performMonitor = (world: World, { execute }: MonitorCommand): Outcome => {
  switch (execute) {
    case 'stop':
      return E.right(withProcess(flushAll(world), { guest: 'paused' }))
    case 'cont':
      return readByGuest(withProcess(world, { guest: 'running' }))
    case 'quit':
      return E.right(quit(world))
    case 'query-named-block-nodes':
      return listNodes(world)
    case 'query-jobs':
    case 'query-block':
    case 'query-status':
      return E.right(world)
  }
}

const performStart = (world: World, command: StartCommand): Outcome => {
  switch (command.execute) {
    case 'block-commit':
      return blockCommit(world, command.arguments)
    case 'block-stream':
      return blockStream(world, command.arguments)
    case 'blockdev-mirror':
      return blockdevMirror(world, command.arguments)
    case 'blockdev-backup':
      return blockdevBackup(world, command.arguments)
  }
}

const performBlock = (world: World, command: BlockCommand): Outcome => {
  switch (command.execute) {
    case 'blockdev-snapshot':
      return blockdevSnapshot(world, command.arguments)
    case 'blockdev-snapshot-internal-sync':
      return snapshotInternal(world, command.arguments)
    case 'blockdev-snapshot-delete-internal-sync':
      return snapshotDeleteInternal(world, command.arguments)
    case 'snapshot-save':
    case 'snapshot-load':
    case 'snapshot-delete':
      return unmodelled(`${command.execute} on a disk alone: it is for a whole machine`)
    case 'transaction':
      return transaction(world, command.arguments.actions)
    case 'blockdev-create':
      return blockdevCreate(world, command.arguments)
    case 'blockdev-add':
      return blockdevAdd(world, command.arguments)
    case 'blockdev-del':
      return blockdevDel(world, command.arguments['node-name'])
    case 'blockdev-reopen':
      return blockdevReopen(world, command.arguments.options)
  }
}

const dispatch = (world: World, command: QmpCommand): Outcome => {
  if (isJobCommand(command)) return performJob(world, command)
  if (isStartCommand(command)) return performStart(world, command)
  return isMonitorCommand(command) ? performMonitor(world, command) : performBlock(world, command)
}

/**
 * Carries out one QMP command, of the guest's QEMU or of the storage daemon with that socket. `stop` flushes everything, also where the
 * guest is paused already.
 */
export const performQmp = (world: World, command: QmpCommand, socket?: string): Outcome => {
  if (world.qemu === undefined || world.qemu.socket !== socket)
    return qemuRefuses(socket === undefined ? 'no QEMU is running' : `nobody listens on ${socket}`, 'NotConnected')
  const objection = socket === undefined ? undefined : objectionOfDaemon(command)
  return objection ?? dispatch(world, command)
}
