import { managedIn } from '../model/saved-state.js'
import type { MachineStep } from './machine-plan.js'
import { costOf, costsBeside, effectOf, savedAs } from './pause-effect.js'
import type { Effect, PauseCost, PauseTag, Planned, SavedGuest } from './pause-effect.js'

/**
 * An interval in which a guest that ran stands still, by steps counted from 0: it begins in step `from`, and ends in step `to`, which
 * can be the same; without `to` it does not end with the plan.
 *
 * - `stands`: the whole guest, or only what writes to its file systems.
 *
 * @since 0.2.0
 */
export interface Pause {
  readonly from: number
  readonly to: number | undefined
  readonly stands: 'guest' | 'file systems'
  readonly grows: ReadonlyArray<PauseCost>
}

interface Open {
  readonly from: number
  readonly costs: Array<PauseCost>
}

const costsOf = (step: MachineStep, tags: ReadonlyArray<PauseTag>): ReadonlyArray<PauseCost> =>
  tags.map((tag) => costOf(step, tag))

/** Each once, in the order in which they come. */
const distinct = (costs: ReadonlyArray<PauseCost>): ReadonlyArray<PauseCost> => {
  const known = new Map(costs.map((one) => [`${one._tag} ${one.disk ?? ''}`, one]))
  return Array.from(known.values())
}

/** What is under way while the steps are gone through. */
interface Walk {
  readonly found: Array<Pause>
  runs: boolean
  saved: SavedGuest
  guest: Open | undefined
  files: Open | undefined
}

const close = (walk: Walk, which: 'guest' | 'files', to: number | undefined): void => {
  const open = walk[which]
  if (open === undefined) return
  const costs = to === undefined ? [...open.costs, { _tag: 'LeftToCaller' as const }] : open.costs
  const stands = which === 'guest' ? 'guest' : 'file systems'
  walk.found.push({ from: open.from, to, stands, grows: distinct(costs) })
  walk[which] = undefined
}

/** A step, and what it does. */
interface Taken {
  readonly index: number
  readonly step: MachineStep
  readonly effect: Effect
}

const frozen = (walk: Walk, { index, step, effect: { goes, costs } }: Taken): void => {
  if (goes === 'frozen') walk.files ??= { from: index, costs: [] }
  walk.files?.costs.push(...costsOf(step, costs))
  if (goes === 'thawed') close(walk, 'files', index)
}

const stood = (walk: Walk, { index, step, effect: { goes, costs } }: Taken): void => {
  if (goes === 'stands' && walk.runs) walk.guest ??= { from: index, costs: [] }
  if (walk.guest === undefined && walk.runs && costs.length > 0 && goes === undefined)
    walk.found.push({ from: index, to: index, stands: 'guest', grows: distinct(costsOf(step, costs)) })
  for (const open of [walk.guest, walk.files]) open?.costs.push(...costsOf(step, costs))
  if (goes === 'on') close(walk, 'guest', index)
  if (goes === 'on' || goes === 'stands') walk.runs = goes === 'on'
}

/**
 * The intervals in which the guest stands still while a plan is executed, in the order in which they begin, and what the length of
 * each depends on: so that two ways to the same end can be compared.
 *
 * Of a guest that does not run there are none until the plan has it go on. What qemu-img does beside a guest that runs keeps nobody
 * waiting. `RequestsDrained` alone is over as soon as the guest's requests are, some milliseconds.
 *
 * Source: QMP `stop`, `cont`, `transaction`, `snapshot-save` (the guest stands while memory and tables are written); libvirt
 * `virDomainManagedSave`, `virDomainSuspend`, `virDomainSnapshotCreateXML`; QEMU 10.0, 7.2 and libvirt 11.3 as they ran.
 *
 * @example
 * import { capabilitiesOfVersions, machine, parseChain, pausesOf, take } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qmp', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const plan = pipe(
 *   parseChain('v^', { nodes: 'monitor' }),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'running', disks: [chain] })),
 *   E.flatMap((vm) => take(vm, { name: 'monday', disks: new Map([['vda', { mode: 'internal' }]]) }, host)),
 * )
 * const pauses = E.isRight(plan) ? pausesOf(plan.right) : []
 * pauses.map(({ from, to, grows }) => [from, to, grows.map(({ _tag }) => _tag)]) // => [[0, 0, ['TablesCopied']]]
 *
 * @since 0.2.0
 */
export const pausesOf = (plan: Planned): ReadonlyArray<Pause> => {
  const saved = managedIn(plan.before.saved)?.guest
  const walk: Walk = { found: [], runs: plan.before.state === 'running', saved, guest: undefined, files: undefined }
  for (const [index, step] of plan.steps.entries()) {
    const { call } = step
    const ran = walk.runs
    const effect = effectOf(plan, step, walk.saved)
    for (const open of [walk.guest, walk.files]) open?.costs.push(...costsOf(step, costsBeside(step)))
    if (call._tag === 'Libvirt' && call.function.call === 'virDomainManagedSave')
      walk.saved = savedAs(call.function.flags, ran ? 'running' : 'paused')
    if (effect.goes === 'frozen' || effect.goes === 'thawed') frozen(walk, { index, step, effect })
    else stood(walk, { index, step, effect })
  }
  close(walk, 'guest', undefined)
  close(walk, 'files', undefined)
  return walk.found.sort((a, b) => a.from - b.from)
}
