// Plans for a machine without libvirt, and what the test itself expects of each.

import type * as E from 'fp-ts/lib/Either.js'
import {
  capabilitiesOfVersions,
  changeChain,
  deleteSnapshots,
  exportSnapshot,
  extractSnapshot,
  revert,
  settle,
  take,
} from 'backing-chain'
import type {
  ChainRequest,
  DeleteRequest,
  ExportRequest,
  ExtractRequest,
  Machine,
  MachineHost,
  MachinePlan,
  MachineRefusal,
  RevertRequest,
  SettleEvent,
  TakeRequest,
} from 'backing-chain'
import { fullVersion } from '../harness/stage-qmp.js'
import type { QemuVersion } from '../lab/binaries.js'
import { afterRevert, afterTake, without, type Expected } from './expected.js'

/** A request for a machine. */
export type Asked =
  | { readonly take: TakeRequest }
  | { readonly delete: DeleteRequest }
  | { readonly revert: RevertRequest }
  | { readonly change: ChainRequest }
  | { readonly export: ExportRequest }
  | { readonly settle: SettleEvent }
  | { readonly extract: ExtractRequest }

/** What branches end in that no snapshot is tied to, and copies: by disk, the image and what it reads as. */
export type Left = ReadonlyMap<string, ReadonlyMap<string, string>>

/** What the test has noted down. */
export interface Account {
  readonly expected: Expected
  readonly left: Left
}

/** Whoever can do it: a monitor while there is a QEMU, else qemu-img. */
export const hostFor = ({ state }: Machine, version: QemuVersion): MachineHost => ({
  via: state === 'shut-off' ? 'qemu-img' : 'qmp',
  capabilities: capabilitiesOfVersions({ qemu: fullVersion[version] }),
})

/** Plans what is asked; `reserved` are the paths of files that are there. */
export const planOf = (
  asked: Asked,
  machine: Machine,
  { host, reserved }: { readonly host: MachineHost; readonly reserved: ReadonlyArray<string> },
): E.Either<MachineRefusal, MachinePlan> => {
  if ('take' in asked) return take(machine, { reserved, ...asked.take }, host)
  if ('delete' in asked) return deleteSnapshots(machine, asked.delete, host)
  if ('revert' in asked) return revert(machine, { reserved, ...asked.revert }, host)
  if ('export' in asked) return exportSnapshot(machine, { reserved, ...asked.export }, host)
  if ('settle' in asked) return settle(machine, asked.settle, host)
  if ('extract' in asked) return extractSnapshot(machine, { reserved, ...asked.extract }, host)
  return changeChain(machine, asked.change, host)
}

const takenDisks = ({ disks }: TakeRequest, machine: Machine): ReadonlyArray<string> =>
  Array.from(machine.disks.keys()).filter((target) => {
    const mode = disks?.get(target)?.mode ?? 'external'
    return mode === 'external' || mode === 'internal'
  })

const expectedAfter = (asked: Asked, of: Expected, { before, after }: MachinePlan): Expected => {
  if ('take' in asked)
    return asked.take.metadata === 'none' ? of : afterTake(of, asked.take.name, takenDisks(asked.take, before))
  if ('delete' in asked) return without(of, asked.delete.snapshots)
  if ('change' in asked || 'extract' in asked || 'export' in asked || 'settle' in asked) return of
  const ended = Array.from(before.snapshots.keys()).filter((name) => !after.snapshots.has(name))
  return without(afterRevert(of, asked.revert.to), ended)
}

/** Where an image has gone whose data another one takes up, as the parts of a plan say. */
const movedTo = ({ parts }: MachinePlan, disk: string, image: string): string =>
  parts.reduce((at, { before, after, contents }) => {
    if (before.disk !== disk || after.images.has(at)) return at
    return contents.find(({ span }) => span.at(-1) === at)?.image ?? at
  }, image)

const goes = (asked: Asked): boolean => 'delete' in asked && asked.delete.untied === 'remove'

const leftAfter = (asked: Asked, { expected, left }: Account, plan: MachinePlan): Left => {
  const all = new Map<string, ReadonlyMap<string, string>>()
  for (const [disk, { images }] of plan.after.disks) {
    const active = plan.before.disks.get(disk)?.active
    const abandoned =
      'revert' in asked && asked.revert.present !== 'discard' && active !== plan.after.disks.get(disk)?.active
    const known = new Map(left.get(disk))
    const copy = 'extract' in asked ? asked.extract.to.get(disk) : undefined
    if (copy !== undefined && 'extract' in asked)
      known.set(copy.name, expected.snapshots.get(asked.extract.snapshot)?.get(disk) ?? '')
    if (abandoned && active !== undefined) known.set(active, expected.guest.get(disk) ?? '')
    const now = Array.from(known, ([image, cells]) => [movedTo(plan, disk, image), cells] as const)
    all.set(disk, new Map(goes(asked) ? now.filter(([image]) => images.has(image)) : now))
  }
  return all
}

/** What there is to expect after a plan for what was asked. */
export const accountAfter = (asked: Asked, of: Account, plan: MachinePlan): Account => ({
  expected: expectedAfter(asked, of.expected, plan),
  left: leftAfter(asked, of, plan),
})
