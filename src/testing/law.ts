import type { Layer } from '../content/layer.js'
import { equalViews } from '../content/view.js'
import { printChain } from '../model/notation.js'
import { contentsAfter, viewOf } from '../plan/contents.js'
import type { Contents } from '../plan/contents.js'
import type { Plan } from '../plan/plan.js'

/** Throws where two views differ or one cannot be had; `what` names them. */
const assertSameView = (before: Layer | undefined, after: Layer | undefined, what: string): void => {
  if (before === undefined || after === undefined)
    throw new Error(`${what}: contents are unknown ${before === undefined ? 'before' : 'after'}`)
  if (!equalViews(before, after)) throw new Error(`${what}: a guest would read something else afterwards`)
}

/** The chains and contents of a plan, for the message of a law that fails. */
const shown = (plan: Plan, before: Contents, after: Contents): string =>
  `${printChain(plan.before, { contents: before })}  =>  ${printChain(plan.after, { contents: after })}`

/** True where images of which a plan assumes the same contents have them. */
export const sameAsAssumed = (plan: Plan, contents: Contents): boolean =>
  plan.assumes.every((assumption) => {
    if (assumption._tag !== 'SameContents') return true
    const left = viewOf(plan.before, contents, assumption.left)
    const right = viewOf(plan.before, contents, assumption.right)
    return left !== undefined && right !== undefined && equalViews(left, right)
  })

/**
 * Throws unless a plan keeps content, given what each image stored before it: the guest reads from the active image of
 * `after` what it read from that of `before`, and every point in time of `plan.points` reads as it did, from the image that
 * the plan names.
 *
 * Where the plan assumes `SameContents` of two images and they differ, it has promised nothing, and nothing is asserted.
 *
 * @example
 * import * as fc from 'fast-check'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { addOverlay, capabilitiesOfVersions } from 'backing-chain'
 * import { arbitraryAddOverlayRequest, arbitraryChain, assertPlanKeepsContent } from 'backing-chain/testing'
 *
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const cases = arbitraryChain().chain((of) => fc.record({ of: fc.constant(of), request: arbitraryAddOverlayRequest(of.chain) }))
 * const law = fc.property(cases, ({ of, request }) => {
 *   const plan = addOverlay(of.chain, request, hypervisor)
 *   if (E.isRight(plan)) assertPlanKeepsContent(plan.right, of.contents)
 * })
 * fc.check(law).failed // => false
 *
 * @since 0.1.0
 */
export const assertPlanKeepsContent = (plan: Plan, contents: Contents): void => {
  if (!sameAsAssumed(plan, contents)) return
  const after = contentsAfter(plan, contents)
  const pictures = shown(plan, contents, after)
  assertSameView(viewOf(plan.before, contents), viewOf(plan.after, after), `the active image of ${pictures}`)
  for (const { point, before, after: image } of plan.points) {
    const what = `the point in time ${JSON.stringify(point)} of ${pictures}`
    assertSameView(viewOf(plan.before, contents, before), viewOf(plan.after, after, image), what)
  }
}
