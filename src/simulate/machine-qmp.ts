import * as E from 'fp-ts/lib/Either.js'

import type { QmpCommand, TransactionAction } from '../call/qmp.js'
import { qemuRefuses, unmodelled } from './fault.js'
import { inodeOf } from './files.js'
import { nodeOf } from './graph.js'
import { inEveryWorld, inWorld } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { diskWhere, guestOf } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import { performSnapshotJob } from './machine-snapshot-job.js'
import { jobOf } from './qmp-check.js'
import { nodeOrBelow } from './qmp-internal.js'
import { performQmp } from './qmp.js'

/** The nodes that a command names; `jobs` and `paths` likewise. */
interface Names {
  readonly nodes: ReadonlyArray<string>
  readonly jobs: ReadonlyArray<string>
  readonly paths: ReadonlyArray<string>
}

const noNames: Names = { nodes: [], jobs: [], paths: [] }

type ForAll = Extract<QmpCommand, { readonly execute: 'stop' | 'cont' | 'quit' | `query-${string}` }>
type OfMachine = Extract<QmpCommand, { readonly execute: 'snapshot-save' | 'snapshot-load' | 'snapshot-delete' }>
type Routed = Exclude<QmpCommand, ForAll | OfMachine | { readonly execute: 'transaction' }>

const given = (...names: ReadonlyArray<string | null | undefined>): ReadonlyArray<string> =>
  names.flatMap((name) => name ?? [])

type Making = Extract<Routed, { readonly execute: 'blockdev-create' | 'blockdev-add' }>

const namesOfNew = (command: Making): Names => {
  if (command.execute === 'blockdev-create') {
    const { options } = command.arguments
    return options.driver === 'file'
      ? { ...noNames, paths: [options.filename] }
      : { ...noNames, nodes: [options.file], paths: given(options['backing-file']) }
  }
  const options = command.arguments
  if ('file' in options) return { ...noNames, nodes: given(options.file, options.backing) }
  return { ...noNames, paths: [options.filename] }
}

type Ending = Extract<Routed, { readonly execute: `job-${string}` }>

const endsJob = (command: Routed): command is Ending => command.execute.startsWith('job-')

const namesIn = (command: Routed): Names => {
  if (endsJob(command)) return { ...noNames, jobs: [command.arguments.id] }
  switch (command.execute) {
    case 'block-commit': {
      const { device, 'top-node': top, 'base-node': base } = command.arguments
      return { ...noNames, nodes: given(device, top, base) }
    }
    case 'block-stream':
      return { ...noNames, nodes: given(command.arguments.device, command.arguments['base-node']) }
    case 'blockdev-mirror':
    case 'blockdev-backup':
      return { ...noNames, nodes: given(command.arguments.device, command.arguments.target) }
    case 'blockdev-snapshot':
      return { ...noNames, nodes: [command.arguments.node, command.arguments.overlay] }
    case 'blockdev-snapshot-internal-sync':
    case 'blockdev-snapshot-delete-internal-sync':
      return { ...noNames, nodes: [command.arguments.device] }
    case 'blockdev-create':
    case 'blockdev-add':
      return namesOfNew(command)
    case 'blockdev-del':
      return { ...noNames, nodes: [command.arguments['node-name']] }
    case 'blockdev-reopen':
      return { ...noNames, nodes: command.arguments.options.map((options) => options['node-name']) }
    case 'block-job-cancel':
      return { ...noNames, jobs: [command.arguments.device] }
  }
}

/** The disks that a command is about. */
const disksNamed = (machine: MachineWorld, { nodes, jobs, paths }: Names): ReadonlySet<string> => {
  const found = [
    ...nodes.map((name) => diskWhere(machine, (world) => nodeOrBelow(world, name) !== undefined)),
    ...jobs.map((name) => diskWhere(machine, (world) => jobOf(world, name) !== undefined)),
    ...paths.map((path) => diskWhere(machine, (world) => inodeOf(world, path) !== undefined)),
  ]
  return new Set(found.filter((disk) => disk !== undefined))
}

/** A name that is new must be new to the whole QEMU. */
const objectionToNewName = (machine: MachineWorld, command: Routed, disk: string): string | undefined => {
  const elsewhere = (test: Parameters<typeof diskWhere>[1]): boolean => {
    const other = diskWhere(machine, test)
    return other !== undefined && other !== disk
  }
  if (command.execute === 'blockdev-add') {
    const name = command.arguments['node-name']
    if (elsewhere((world) => nodeOf(world, name) !== undefined)) return `Duplicate nodes with node-name='${name}'`
  }
  if (!('arguments' in command) || !('job-id' in command.arguments)) return undefined
  const id = command.arguments['job-id']
  return elsewhere((world) => jobOf(world, id) !== undefined) ? `Job ID '${id}' already in use` : undefined
}

const routed = (machine: MachineWorld, command: Routed, hint: string | undefined): MachineOutcome => {
  const disks = Array.from(disksNamed(machine, namesIn(command)))
  const [only] = machine.worlds.keys()
  const [disk, another] = disks.length > 0 ? disks : [hint ?? only]
  if (disk === undefined) return qemuRefuses('no QEMU is running', 'NotConnected')
  if (another !== undefined) return unmodelled(`${command.execute} across disks ${disk} and ${another}`)
  const makes = command.execute === 'blockdev-create' || command.execute === 'blockdev-add'
  if (makes && disks.length === 0 && hint === undefined && machine.worlds.size > 1)
    return unmodelled(`${command.execute} of a file of which nobody says to which disk it belongs`)
  const objection = objectionToNewName(machine, command, disk)
  return objection === undefined
    ? inWorld(machine, disk, (world) => performQmp(world, command))
    : qemuRefuses(objection)
}

const nodesOfAction = (action: TransactionAction): ReadonlyArray<string> => {
  switch (action.type) {
    case 'blockdev-backup':
      return [action.data.device, action.data.target]
    case 'blockdev-snapshot':
      return [action.data.node, action.data.overlay]
    case 'blockdev-snapshot-internal-sync':
      return [action.data.device]
    case 'block-dirty-bitmap-add':
      return [action.data.node]
  }
}

/** All actions in all disks, or none: the first one that is refused is what QEMU says. */
const transaction = (machine: MachineWorld, actions: ReadonlyArray<TransactionAction>): MachineOutcome => {
  let done: MachineOutcome = E.right(machine)
  for (const action of actions) {
    if (E.isLeft(done)) return done
    const [disk, another] = disksNamed(machine, { ...noNames, nodes: nodesOfAction(action) })
    if (another !== undefined) return unmodelled('an overlay of a disk that is laid over another disk')
    const [first = ''] = machine.worlds.keys()
    const command = { execute: 'transaction', arguments: { actions: [action] } } as const
    done = inWorld(done.right, disk ?? first, (world) => performQmp(world, command))
  }
  return done
}

const isOfMachine = (command: QmpCommand): command is OfMachine =>
  command.execute === 'snapshot-save' || command.execute === 'snapshot-load' || command.execute === 'snapshot-delete'

const isForAll = (command: ForAll | Routed): command is ForAll =>
  ['stop', 'cont', 'quit'].includes(command.execute) || command.execute.startsWith('query-')

/** Carries out one QMP command in the world that it is about; `disk` is where a file that it makes belongs. */
export const performMachineQmp = (machine: MachineWorld, command: QmpCommand, disk?: string): MachineOutcome => {
  if (guestOf(machine) === 'shut-off') return qemuRefuses('no QEMU is running', 'NotConnected')
  if (command.execute === 'transaction') return transaction(machine, command.arguments.actions)
  if (isOfMachine(command)) return performSnapshotJob(machine, command)
  const at = command.execute === 'cont' ? { ...machine, restoring: false } : machine
  return isForAll(command) ? inEveryWorld(at, (world) => performQmp(world, command)) : routed(machine, command, disk)
}
