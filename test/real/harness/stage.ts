// A stage is a tree of images with somebody who can execute plans on it. One run: plan, execute while the guest writes,
// look at the live chain, end the program, compare.

import { setTimeout as delay } from 'node:timers/promises'
import type { Chain, Hypervisor, Plan, Step } from 'backing-chain'
import type { QemuVersion } from '../lab/binaries.js'
import { startWriter, type Monitor, type Writer } from '../lab/writer.js'
import { cellBytes } from '../lab/images.js'
import { compare, digests, nothingWritten, type Meanwhile } from './compare.js'
import { execute, type Host } from './steps.js'
import type { Tree } from './tree.js'

export interface Stage {
  readonly tree: Tree
  readonly chain: Chain
  readonly hypervisor: Hypervisor
  readonly host: Host
  readonly version: QemuVersion
  /** How the guest writes, where it runs. */
  readonly guest: { readonly monitor: Monitor; readonly qdev: string } | undefined
  /** Fails unless the program itself has the chain as planned. */
  readonly checkLive: (plan: Plan) => Promise<void>
  /** Ends the program in order. */
  readonly close: () => Promise<void>
  /** Fails unless the next start has the chain as planned; after `close`. */
  readonly checkNextStart: (plan: Plan) => Promise<void>
  /** Removes everything, whatever state it is in. */
  readonly clear: () => Promise<void>
}

/** True for the step at which the guest goes on elsewhere, or at which a copy is taken. */
export const isMoment = ({ call }: Step): boolean => {
  if (call._tag === 'Qmp')
    return ['job-complete', 'block-job-cancel', 'blockdev-snapshot'].includes(call.command.execute)
  return (
    call._tag === 'Libvirt' && ['virDomainBlockJobAbort', 'virDomainSnapshotCreateXML'].includes(call.function.call)
  )
}

/** The guest writes into the first half of its disk, so that the plan's own doing shows in the other one. */
const startGuest = ({ guest, chain }: Stage, seed: number): Writer | undefined => {
  const sizeBytes = chain.images.get(chain.active)?.sizeBytes ?? 0
  if (guest === undefined || sizeBytes < cellBytes) return undefined
  return startWriter({ ...guest, cells: Math.ceil(sizeBytes / cellBytes / 2), seed })
}

const untilWritten = async (writer: Writer | undefined, count: number): Promise<void> => {
  if (writer === undefined) return
  for (const deadline = Date.now() + 10_000; writer.written.length < count; await delay(1))
    if (Date.now() > deadline) throw new Error('the guest does not write')
}

/** Executes a plan while the guest writes; gives back what it wrote, and when. */
export const executeLive = async (stage: Stage, plan: Pick<Plan, 'steps'>, seed = 1): Promise<Meanwhile> => {
  const writer = startGuest(stage, seed)
  await untilWritten(writer, 3)
  let earliest = 0
  let latest = Number.MAX_SAFE_INTEGER
  try {
    await execute(plan, stage.host, {
      before: (step) => {
        if (isMoment(step)) earliest = writer?.written.length ?? 0
      },
      after: (step) => {
        if (isMoment(step)) latest = (writer?.written.length ?? 0) + 1
      },
    })
    await untilWritten(writer, (writer?.written.length ?? 0) + 3)
  } finally {
    await writer?.stop()
  }
  if (writer === undefined) return nothingWritten
  return { writes: writer.written, earliest, latest: Math.min(latest, writer.written.length) }
}

/**
 * QEMU 7.2 aborts (`child->perm & BLK_PERM_WRITE`, most of the time) where the human monitor writes while a copy or an
 * active commit pivots into a raw image; 10.0 does not. Then the guest is quiet.
 */
const mayWrite = ({ version, hypervisor }: Stage, plan: Plan): boolean =>
  version !== '7.2' ||
  hypervisor.via !== 'qmp' ||
  plan.after.images.get(plan.after.active)?.format !== 'raw' ||
  plan.after.active === plan.before.active

/** Executes a plan and compares everything. */
export const runPlan = async (stage: Stage, plan: Plan, seed = 1): Promise<Meanwhile> => {
  const before = await digests(plan.before)
  const meanwhile = await executeLive(mayWrite(stage, plan) ? stage : { ...stage, guest: undefined }, plan, seed)
  await stage.checkLive(plan)
  await stage.close()
  await compare({ plan, tree: stage.tree, version: stage.version, meanwhile, before })
  await stage.checkNextStart(plan)
  return meanwhile
}
