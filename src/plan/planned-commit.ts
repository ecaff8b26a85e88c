import type { Chain } from '../model/chain.js'
import type { MachinePlan } from './machine-plan.js'

/**
 * A commit that a plan for a machine is composed of: `top`, and all between, goes down into `base`. `chain` is that of the disk right
 * before it.
 *
 * @since 0.2.0
 */
export interface PlannedCommit {
  readonly disk: string
  readonly chain: Chain
  readonly top: string
  readonly base: string
}

/**
 * The commits that a plan for a machine is composed of, in order, libvirt's own among them: what has to be asked of the devices
 * under their bases (`roomQuestions`, `commitRoom`) before the plan is made once more, with `devices`.
 *
 * No two of a deletion's have an image in common, so that each can be asked before the first of them, on the disks as they are.
 *
 * @example
 * import { capabilitiesOfVersions, commitsOf, deleteSnapshots, machine, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const snapshots = [{ name: 'monday', disks: [['vda', { mode: 'external', frozen: 'v' }]] as const }]
 * const plan = pipe(
 *   parseChain('v <- v.1^'),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'shut-off', disks: [chain], snapshots })),
 *   E.flatMap((vm) => deleteSnapshots(vm, { snapshots: ['monday'] }, host)),
 * )
 * E.isRight(plan) ? commitsOf(plan.right).map(({ disk, top, base }) => `${disk}: ${top} into ${base}`) : plan.left
 * // => ['vda: v.1 into v']
 *
 * @since 0.2.0
 */
export const commitsOf = ({ parts }: Pick<MachinePlan, 'parts'>): ReadonlyArray<PlannedCommit> =>
  parts.flatMap(({ before, contents }) =>
    contents.flatMap(({ image, span: [base, ...above] }) => {
      const top = above.at(-1)
      return top === undefined || base !== image ? [] : [{ disk: before.disk, chain: before, top, base }]
    }),
  )
