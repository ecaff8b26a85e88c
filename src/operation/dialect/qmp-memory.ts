import type { Chain } from '../../model/chain.js'
import { activeImage } from '../../model/chain-query.js'
import type { Cleanup } from '../../plan/plan.js'
import { digest } from '../identifier.js'
import type { Draft } from '../machine-lane.js'
import { dismiss, formatNode } from './qmp-step.js'
import { qmp } from './step.js'

/** A snapshot with memory: its name, the disks that keep it inside their active images, and the one with the memory. */
export interface MemoryJob {
  readonly snapshot: string
  readonly chains: ReadonlyArray<Chain>
  readonly vmstate: Chain
}

const whys = {
  save: 'saves the memory and every disk inside the images: QEMU stops the guest meanwhile, and lets it go on as it was',
  load:
    'brings memory and disks back. Where that fails the guest is stopped, in the status restore-vm, and some disks may be back: look ' +
    'at every one before anybody says cont',
} as const

/** Saves or loads the memory with every disk, and clears the job, whose id is the same for the same snapshot. */
export const memorySteps = (
  verb: 'save' | 'load',
  { snapshot, chains, vmstate }: MemoryJob,
): readonly [Draft, Draft] => {
  const job = `${verb}-${digest(snapshot)}`
  const args = {
    'job-id': job,
    tag: snapshot,
    vmstate: formatNode(activeImage(vmstate)),
    devices: chains.map((chain) => formatNode(activeImage(chain))),
  }
  const execute = ({ save: 'snapshot-save', load: 'snapshot-load' } as const)[verb]
  const until = { _tag: 'QmpJob', job, status: 'concluded' } as const
  return [{ step: qmp({ execute, arguments: args }, whys[verb], until) }, { step: dismiss(job) }]
}

/** A job that has failed stays too, and keeps its id: it is dismissed on every way out. */
export const dismissAlways = (drafts: ReadonlyArray<Draft>): ReadonlyArray<Cleanup> =>
  drafts.flatMap(({ step: { call } }, from): ReadonlyArray<Cleanup> => {
    if (call._tag !== 'Qmp') return []
    const { command } = call
    if (command.execute !== 'snapshot-save' && command.execute !== 'snapshot-load') return []
    const failure = 'it has been dismissed already, or QEMU has not begun it'
    return [{ from, step: { ...dismiss(command.arguments['job-id']), failure } }]
  })
