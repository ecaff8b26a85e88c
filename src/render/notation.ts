import { printChain } from '../model/notation.js'
import type { Mark } from '../model/picture.js'
import type { Fate } from '../plan/fate.js'
import type { Plan } from '../plan/plan.js'

/** The images that get contents from others: a copy's destination is created, and its contents are modified too. */
const filledImages = (plan: Plan): ReadonlySet<string> =>
  new Set(plan.contents.filter(({ span }) => span.length > 0).map(({ image }) => String(image)))

/**
 * The wiki's marks for the images of a plan's `after`: `*` where contents are modified, or copied into a new image, and
 * `+` where the backing string is.
 *
 * @example
 * import { capabilitiesOfVersions, commit, marksOfPlan, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const parsed = parseChain('base <- a <- top^')
 * const plan = E.flatMap(parsed, ({ chain }) => commit(chain, { top: 'a', base: 'base' }, hypervisor))
 * E.isRight(plan) ? marksOfPlan(plan.right).get('base') : [] // => ['*']
 *
 * @since 0.1.0
 */
export const marksOfPlan = (plan: Plan): ReadonlyMap<string, ReadonlyArray<Mark>> => {
  const filled = filledImages(plan)
  const found = new Map<string, ReadonlyArray<Mark>>()
  for (const image of plan.after.images.keys()) {
    const fates: ReadonlyArray<Fate> = plan.fates.get(image) ?? []
    const written = fates.includes('written') || (fates.includes('created') && filled.has(image))
    const marks: ReadonlyArray<Mark> = [
      ...(written ? (['*'] as const) : []),
      ...(fates.includes('repointed') ? (['+'] as const) : []),
    ]
    if (marks.length > 0) found.set(image, marks)
  }
  return found
}

/**
 * The chain before and after a plan in the libvirt wiki's notation, with its marks on the latter.
 *
 * @example
 * import { capabilitiesOfVersions, commit, notation, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const parsed = parseChain('base <- a <- top^')
 * const plan = E.flatMap(parsed, ({ chain }) => commit(chain, { top: 'a', base: 'base' }, hypervisor))
 * E.isRight(plan) ? notation(plan.right).after : '' // => 'base* <- top+^'
 *
 * @since 0.1.0
 */
export const notation = (plan: Plan): { readonly before: string; readonly after: string } => ({
  before: printChain(plan.before),
  after: printChain(plan.after, { marks: marksOfPlan(plan) }),
})
