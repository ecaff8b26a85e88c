import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { knownImage } from '../../src/model/chain-query.js'
import { parseChain } from '../../src/model/notation.js'
import type { ParsedChain } from '../../src/model/notation.js'
import type { Plan } from '../../src/plan/plan.js'
import { assertPlanKeepsContent } from '../../src/testing/law.js'

const parsed = (text: string): ParsedChain => {
  const made = parseChain(text)
  return E.isRight(made) ? made.right : expect.fail(JSON.stringify(made.left))
}

/** A plan by its pictures: `image` then holds the product of `span`, and each point in time moves as said. */
const planOf = (
  [before, after]: readonly [string, string],
  { image, span }: { readonly image: string; readonly span: ReadonlyArray<string> },
  moves: ReadonlyArray<readonly [string, string]> = [],
): Plan => {
  const [{ chain }, end] = [parsed(before), parsed(after)]
  const nameOf = (name: string) => knownImage(chain, name).name
  return {
    operation: 'commit',
    via: 'qmp',
    before: chain,
    after: end.chain,
    steps: [],
    contents: [{ image: nameOf(image), span: span.map(nameOf), sizeBytes: 0 }],
    fates: new Map(),
    points: moves.map(([from, to]) => {
      const { format, sizeBytes } = knownImage(chain, from)
      return { point: 'p', before: nameOf(from), after: nameOf(to), format, sizeBytes }
    }),
    requires: [],
    assumes: [],
  }
}

describe('assertPlanKeepsContent', () => {
  const before = 'base[ab--] <- a[-c0-] <- top[---d]^'
  const commit = { image: 'base', span: ['base', 'a'] }

  it('passes a commit that is right', () => {
    const plan = planOf([before, 'base <- top^'], commit, [['a', 'base']])
    expect(() => assertPlanKeepsContent(plan, parsed(before).contents)).not.toThrow()
  })

  it('fails where the guest reads something else', () => {
    const plan = planOf([before, 'base <- top^'], { image: 'base', span: ['base'] })
    expect(() => assertPlanKeepsContent(plan, parsed(before).contents)).toThrow(
      'the active image of base[ab--] <- a[-c0-] <- top[---d]^  =>  base[ab--] <- top[---d]^: a guest would read something else',
    )
  })

  it('fails where a point in time reads something else', () => {
    const plan = planOf([before, 'base <- top^'], commit, [['base', 'base']])
    expect(() => assertPlanKeepsContent(plan, parsed(before).contents)).toThrow('the point in time "p"')
  })

  it('fails for the commit of a shorter top into a larger base', () => {
    const short = 'base[aaaa] <- a[-] <- top[----]^'
    const plan = planOf([short, 'base <- top^'], commit)
    expect(() => assertPlanKeepsContent(plan, parsed(short).contents)).toThrow('something else')
  })

  it('asserts nothing where the plan assumes the same contents of images that differ, and only there', () => {
    const wrong = planOf([before, 'base <- top^'], { image: 'base', span: ['base'] })
    const assuming = (left: string, right: string): Plan => ({
      ...wrong,
      assumes: [{ _tag: 'SameContents', left, right }],
    })
    expect(() => assertPlanKeepsContent(assuming('base', 'a'), parsed(before).contents)).not.toThrow()
    expect(() => assertPlanKeepsContent(assuming('a', 'a'), parsed(before).contents)).toThrow('something else')
  })

  it('fails where contents are unknown, and where a point in time has lost its image', () => {
    const plan = planOf([before, 'base <- top^'], commit)
    expect(() => assertPlanKeepsContent(plan, new Map())).toThrow('contents are unknown before')
    const lost = planOf([before, 'base <- top^'], commit, [['a', 'a']])
    expect(() => assertPlanKeepsContent(lost, parsed(before).contents)).toThrow('contents are unknown after')
  })
})
