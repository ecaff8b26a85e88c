import type { GuestState } from '../model/guest.js'
import type { Opening } from '../model/opening.js'
import { opensIn } from './opens.js'
import type { Plan } from './plan.js'

/**
 * What each step of a plan opens, and how, besides what the guest has open by itself: one list a step, in the order of the steps.
 * A step that opens nothing new has an empty one. What lies below an image counts as it was and as it shall be.
 *
 * @example
 * import { capabilitiesOfVersions, commit, parseChain, planOpenings } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- a <- b^')
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const plan = E.flatMap(parsed, ({ chain }) => commit(chain, { top: 'a' }, hypervisor))
 * const opens = E.isRight(plan) ? planOpenings(plan.right, 'shut-off') : []
 * opens.map((step) => step.map(({ image, access }) => `${access} ${image}`))
 * // => [['write a', 'write base'], ['write b'], ['read b', 'read base', 'read a']]
 *
 * @since 0.2.0
 */
export const planOpenings = (
  { before, after, steps }: Pick<Plan, 'before' | 'after' | 'steps'>,
  guest: GuestState,
): ReadonlyArray<ReadonlyArray<Opening>> => {
  const opens = opensIn({ before, after })
  return steps.map(({ call }) => opens(call, guest))
}
