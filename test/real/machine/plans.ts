// Plans for a session's machine as it is now, with what the test expects of each.

import * as E from 'fp-ts/lib/Either.js'
import { expect } from 'vitest'
import type { Machine } from 'backing-chain'
import { changeChain } from '../../../src/operation/change-chain.js'
import { deleteSnapshots } from '../../../src/operation/delete.js'
import { dropState } from '../../../src/operation/drop-state.js'
import { extractSnapshot } from '../../../src/operation/extract.js'
import { forget } from '../../../src/operation/forget.js'
import type {
  ChainRequest,
  DeleteRequest,
  DropRequest,
  ExtractRequest,
  ForgetRequest,
  RenameImageRequest,
  RestoreRequest,
  RevertRequest,
  SaveRequest,
  TakeRequest,
} from '../../../src/operation/machine-request.js'
import { restoreState } from '../../../src/operation/restore-state.js'
import { revert } from '../../../src/operation/revert.js'
import { saveState } from '../../../src/operation/save-state.js'
import { take } from '../../../src/operation/take.js'
import { renameImage } from '../../../src/operation/rename-image.js'
import type { MachinePlan } from '../../../src/plan/machine-plan.js'
import type { MachineRefusal } from '../../../src/plan/machine-refusal.js'
import { right } from '../harness/tree.js'
import { afterRevert, afterTake, without, type Expected } from './expected.js'
import type { Observed } from './observe.js'
import { machineHost, nextSecond, type Looked, type Planned, type RunOptions, type Session } from './session.js'

/** A request for a machine. */
export type Asked =
  | { readonly take: TakeRequest }
  | { readonly delete: DeleteRequest }
  | { readonly revert: RevertRequest }
  | { readonly forget: ForgetRequest }
  | { readonly change: ChainRequest }
  | { readonly rename: RenameImageRequest }
  | { readonly extract: ExtractRequest }
  | { readonly save: SaveRequest }
  | { readonly restore: RestoreRequest }
  | { readonly drop: DropRequest }

/** Names of snapshots that a plan ends. */
export const endedBy = ({ before, after }: MachinePlan): ReadonlyArray<string> =>
  Array.from(before.snapshots.keys()).filter((name) => !after.snapshots.has(name))

const takenDisks = (request: TakeRequest, machine: Machine): ReadonlyArray<string> =>
  Array.from(machine.disks.keys()).filter((target) => {
    const mode = request.disks?.get(target)?.mode ?? 'external'
    return mode === 'external' || mode === 'internal'
  })

type OfImages = Extract<
  Asked,
  { readonly change: unknown } | { readonly rename: unknown } | { readonly extract: unknown }
>

const isAboutImages = (asked: Asked): asked is OfImages => 'change' in asked || 'rename' in asked || 'extract' in asked

type OfMemory = Extract<Asked, { readonly save: unknown } | { readonly restore: unknown } | { readonly drop: unknown }>

const isAboutMemory = (asked: Asked): asked is OfMemory => 'save' in asked || 'restore' in asked || 'drop' in asked

const memoryPlan = (asked: OfMemory, machine: Machine): E.Either<MachineRefusal, MachinePlan> => {
  if ('save' in asked) return saveState(machine, asked.save, machineHost)
  if ('restore' in asked) return restoreState(machine, asked.restore, machineHost)
  return dropState(machine, asked.drop, machineHost)
}

const changeOf = (asked: Asked, plan: MachinePlan): ((of: Expected) => Expected) => {
  const ended = endedBy(plan)
  if (isAboutImages(asked) || isAboutMemory(asked)) {
    expect(ended).toEqual([])
    return (of) => of
  }
  if ('take' in asked)
    return (of) =>
      asked.take.metadata === 'none' ? of : afterTake(of, asked.take.name, takenDisks(asked.take, plan.before))
  if ('revert' in asked) return (of) => without(afterRevert(of, asked.revert.to), ended)
  const named = 'delete' in asked ? asked.delete.snapshots : asked.forget.snapshots
  expect([...ended].sort()).toEqual([...new Set(named)].sort())
  return (of) => without(of, ended)
}

const planOf = (asked: Asked, machine: Machine, { files }: Observed): E.Either<MachineRefusal, MachinePlan> => {
  const reserved = Array.from(files.keys())
  if (isAboutMemory(asked)) return memoryPlan(asked, machine)
  if ('take' in asked) return take(machine, { reserved, ...asked.take }, machineHost)
  if ('delete' in asked) return deleteSnapshots(machine, asked.delete, machineHost)
  if ('forget' in asked) return forget(machine, asked.forget, machineHost)
  if ('extract' in asked) return extractSnapshot(machine, asked.extract, machineHost)
  if ('rename' in asked) return renameImage(machine, asked.rename, machineHost)
  if ('change' in asked) return changeChain(machine, asked.change, machineHost)
  const seconds = Math.floor(Date.now() / 1000)
  return revert(machine, { reserved, seconds, ...asked.revert }, machineHost)
}

/** Plans what is asked, for the machine as it is now, or was when somebody looked. */
export const planned = async (
  session: Session,
  asked: Asked,
  looked?: Looked,
): Promise<E.Either<MachineRefusal, Planned>> => {
  const { seen, machine } = looked ?? (await session.look())
  if ('revert' in asked) await nextSecond()
  const plan = planOf(asked, machine, seen)
  return E.isLeft(plan) ? plan : E.right({ plan: plan.right, before: seen, change: changeOf(asked, plan.right) })
}

/** Plans what is asked, executes it, and compares everything. */
export const does = async (
  session: Session,
  asked: Asked,
  { looked, ...options }: RunOptions & { readonly looked?: Looked } = {},
): Promise<MachinePlan> => {
  const plan = right(await planned(session, asked, looked))
  await session.run(plan, options)
  return plan.plan
}

/** The reason for which what is asked is refused. */
export const refuses = async (session: Session, asked: Asked, looked?: Looked): Promise<MachineRefusal> => {
  const plan = await planned(session, asked, looked)
  if (E.isLeft(plan)) return plan.left
  throw new Error(`there is a plan: ${plan.right.plan.steps.map(({ why }) => why).join('; ')}`)
}

/** A refusal in short: its tag, with the rule of libvirt's or the tag of the disk's own. */
export const reasonOf = (refusal: MachineRefusal): string => {
  if (refusal._tag === 'DiskRefused') return `DiskRefused ${refusal.refusal._tag}`
  return refusal._tag === 'LibvirtRefuses' ? `LibvirtRefuses ${refusal.rule}` : refusal._tag
}

const commandOf: { readonly [name: string]: string } = {
  virDomainSnapshotDelete: 'snapshot-delete',
  virDomainRevertToSnapshot: 'snapshot-revert',
}

/** What libvirt was foreseen to refuse, it does refuse, with that text. At E16 its daemon dies, so nobody asks it. */
export const expectRefusedByLibvirt = async (session: Session, refusal: MachineRefusal): Promise<void> => {
  if (refusal._tag !== 'LibvirtRefuses' || refusal.rule === 'E16') return
  const command = commandOf[refusal.function]
  if (command === undefined) return
  const { stderr } = await session.tryVirsh(command, refusal.snapshot)
  expect({ refusal, said: stderr.split('\n') }).toEqual({
    refusal,
    said: expect.arrayContaining([`error: ${refusal.desc}`]) as unknown,
  })
}
