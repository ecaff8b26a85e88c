import { activeImage } from '../model/chain-query.js'
import { nameText } from '../model/print-picture.js'
import type { Fate } from '../plan/fate.js'
import type { Cleanup, Plan, PointOutcome } from '../plan/plan.js'
import { viaText } from './alternative.js'
import { assumptionText } from './assumption.js'
import { notation } from './notation.js'
import { shellLine } from './shell.js'
import { digits, sizeText } from './size.js'

const operations: { readonly [O in Plan['operation']]: string } = {
  addOverlay: 'A new overlay',
  commit: 'A commit',
  pull: 'A pull',
  copy: 'A copy',
  remove: 'The removal of images',
  rename: 'Another path for an image',
}

const fateTexts: { readonly [F in Fate]: string } = {
  kept: 'stays as it is',
  written: 'has its contents modified',
  repointed: 'gets another backing string',
  redundant: 'is read by nobody any more',
  invalid: 'no longer shows what it showed',
  removed: 'is removed',
  created: 'is created',
  renamed: 'gets another path',
}

/** What somebody who finds the file later has to know; nothing where the plan removes it. */
const warnings: { readonly [F in Fate]?: string } = {
  redundant: 'shows its point in time until somebody writes below it',
  invalid: 'must not be used',
}

const fateText = (image: string, of: ReadonlyArray<Fate>): string => {
  const warned = of.includes('removed') ? [] : of.flatMap((fate) => warnings[fate] ?? [])
  return `- ${nameText(image)} ${[...of.map((fate) => fateTexts[fate]), ...warned].join(', and ')}`
}

const title = (plan: Plan): string => {
  const { before, after } = notation(plan)
  return `${operations[plan.operation]} on disk ${nameText(plan.before.disk)} through ${viaText(plan.via)}: ${before} becomes ${after}`
}

const guestText = (plan: Plan): string => {
  const [old, now] = [activeImage(plan.before), activeImage(plan.after)]
  const sees =
    old.sizeBytes === now.sizeBytes
      ? 'The guest sees the same bytes throughout'
      : `The guest sees the same bytes throughout, on a disk of ${sizeText(now.sizeBytes)} instead of ${sizeText(old.sizeBytes)}`
  return old.name === now.name
    ? `${sees}, and goes on writing ${nameText(now.name)}.`
    : `${sees}; it then writes ${nameText(now.name)} instead of ${nameText(old.name)}.`
}

const pointText = ({ point, before, after }: PointOutcome): string =>
  before === after
    ? `- ${nameText(point)} stays in ${nameText(after)}`
    : `- ${nameText(point)} was in ${nameText(before)}, and is then in ${nameText(after)}`

const section = (heading: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : [heading, ...lines]

const cleanupText = ({ from, once, before, step }: Cleanup): string => {
  const unless = step.failure === undefined ? '' : `; if that fails, ${step.failure}`
  const end = before === undefined ? '' : `, and step ${digits(before)} was not done`
  return `- once step ${digits(from)} (counted from 0) was ${once ?? 'tried'}${end}: ${shellLine(step.call)}${unless}`
}

/**
 * Says in plain English what a plan does: what the guest sees, what becomes of each image, where each named point in time
 * is, what is assumed, and what has to be done on every way out. Several lines; names stand as in the notation.
 *
 * @example
 * import { capabilitiesOfVersions, commit, explain, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const parsed = parseChain('base <- a <- top^')
 * const plan = E.flatMap(parsed, ({ chain }) => commit(chain, { top: 'a', base: 'base' }, hypervisor))
 * E.isRight(plan) ? explain(plan.right).split('\n')[1] : '' // => 'The guest sees the same bytes throughout, and goes on writing top.'
 *
 * @since 0.1.0
 */
export const explain = (plan: Plan): string => {
  const fates = Array.from(plan.fates, ([image, of]) => fateText(image, of))
  return [
    title(plan),
    guestText(plan),
    ...section('Images:', fates),
    ...section('Points in time:', plan.points.map(pointText)),
    ...section(
      'Assumed:',
      plan.assumes.map((assumption) => `- ${assumptionText(assumption)}`),
    ),
    ...section('On every way out:', (plan.finally ?? []).map(cleanupText)),
  ].join('\n')
}
