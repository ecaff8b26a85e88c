import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { describe, expect, it } from 'vitest'

import { equalViews, locationString, parseChain, span, viewOf } from '../../src/index.js'
import type { Chain, Contents, Hypervisor, Plan, Refusal } from '../../src/index.js'
import { commit, planCommit } from '../../src/operation/commit.js'
import { resolveCommit } from '../../src/operation/commit-job.js'
import { planPull, pull } from '../../src/operation/pull.js'
import { resolvePull } from '../../src/operation/pull-job.js'
import { endOf, fileView } from '../../src/simulate/index.js'
import { assertPlanSimulates, simulate } from '../../src/testing/index.js'
import { offline, qmp } from '../operation/expect-plan.js'

/**
 * The guards that keep bytes. Each is necessary: on contents that show most (a base full of data, nothing above it) the
 * calls of a refused request, made all the same, change what somebody reads. That they are enough is the law of
 * `simulated.test.ts`.
 */
const keepsBytes: ReadonlySet<Refusal['_tag']> = new Set([
  'ImageShared',
  'BaseLargerThanTop',
  'ShortImageExposesBase',
  'PointInTimeLost',
])

interface Shape {
  readonly sizes: ReadonlyArray<number>
  readonly sibling: number | undefined
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  sizes: fc.array(fc.integer({ min: 4, max: 7 }), { minLength: 2, maxLength: 4 }),
  sibling: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
})

/**
 * A path of those sizes: the image named as base is full of data, the others have one cluster each and show what is below,
 * and so does a sibling.
 */
const filled = ({ sizes, sibling }: Shape, base: number): { readonly chain: Chain; readonly contents: Contents } => {
  const patterns = sizes.map((size, index) =>
    index === base
      ? 'abcdefg'.slice(0, size)
      : 'VWXYZ'
          .charAt(index)
          .padStart(index + 1, '-')
          .padEnd(size, '-'),
  )
  const on = sibling === undefined || sibling >= sizes.length - 1 ? undefined : sibling
  const text = patterns.reduceRight((above, pattern, index) => {
    const image = `l${index}[${pattern}]`
    const here =
      index === patterns.length - 1 ? `${image}^` : `${image} <- ${index === on ? `(${above}, s[-------])` : above}`
    return here
  }, '')
  const parsed = parseChain(text, { nodes: 'monitor' })
  if (E.isLeft(parsed)) throw new Error(`${text}: ${JSON.stringify(parsed.left)}`)
  return parsed.right
}

/** What is broken by a plan: nothing, or what the simulator has against it. */
const broken = (
  plan: Plan,
  contents: Contents,
  hypervisor: Hypervisor,
  lost: ReadonlyArray<string>,
): string | undefined => {
  try {
    assertPlanSimulates(plan, contents, { guest: hypervisor.guest })
  } catch (error) {
    return error instanceof Error ? error.message : 'thrown'
  }
  const world = endOf(simulate(plan, contents, { guest: hypervisor.guest }))
  for (const name of lost) {
    const image = plan.before.images.get(name)
    const was = viewOf(plan.before, contents, name)
    const is = image === undefined ? undefined : fileView({ ...world, qemu: undefined }, locationString(image.location))
    if (is === undefined || E.isLeft(is) || was === undefined || !equalViews(was, is.right))
      return `${name} reads something else`
  }
  return undefined
}

/** Everyone who is not in the span of a commit. */
const others = (chain: Chain, base: string, top: string): ReadonlyArray<string> => {
  const inside = new Set((span(chain, base, top) ?? []).map(({ name }) => String(name)))
  return Array.from(chain.images.keys()).filter((name) => !inside.has(name))
}

const pick = (chain: Chain, index: number): string =>
  Array.from(chain.images.keys()).filter((name) => name !== 's')[index] ?? 'l0'

const requests = fc.record({ top: fc.integer({ min: 1, max: 3 }), base: fc.integer({ min: 0, max: 2 }) })

const count = (found: Map<string, number>, tag: string): void => void found.set(tag, (found.get(tag) ?? 0) + 1)

describe('a guard that keeps bytes is necessary', () => {
  it.each([qmp, offline] as const)('for a commit ($via)', (hypervisor) => {
    const found = new Map<string, number>()
    fc.assert(
      fc.property(shapes, requests, (shape, { top, base }) => {
        const { chain, contents } = filled(shape, base)
        const name = pick(chain, top)
        const end = name === chain.active ? ({ end: 'pivot' } as const) : {}
        const points = chain.images.has(pick(chain, base)) ? [{ point: 'p', image: pick(chain, base) }] : []
        const request = { top: name, base: pick(chain, base), ...end }
        const refusal = commit(chain, { ...request, points }, hypervisor)
        if (E.isRight(refusal) || !keepsBytes.has(refusal.left._tag)) return
        const forced = pipe(resolveCommit(chain, request, hypervisor), E.flatMap(planCommit))
        if (E.isLeft(forced)) throw new Error(JSON.stringify(forced.left))
        const lost = refusal.left._tag === 'PointInTimeLost' ? [pick(chain, base)] : others(chain, request.base, name)
        count(found, refusal.left._tag)
        if (broken(forced.right, contents, hypervisor, lost) === undefined)
          throw new Error(`no need for ${refusal.left._tag}`)
      }),
      { numRuns: Number(process.env['BC_RUNS'] ?? 400) },
    )
    expect(Array.from(found.keys()).sort()).toStrictEqual([...keepsBytes].sort())
  })

  it('for a pull (qmp)', () => {
    const found = new Map<string, number>()
    fc.assert(
      fc.property(shapes, requests, (shape, { top, base }) => {
        const { chain, contents } = filled(shape, base)
        const request = { into: pick(chain, top), base: pick(chain, base) }
        const refusal = pull(chain, request, qmp)
        if (E.isRight(refusal) || !keepsBytes.has(refusal.left._tag)) return
        const forced = pipe(resolvePull(chain, request, qmp), E.flatMap(planPull))
        if (E.isLeft(forced)) throw new Error(JSON.stringify(forced.left))
        count(found, refusal.left._tag)
        const lost = Array.from(chain.images.keys())
        if (broken(forced.right, contents, qmp, lost) === undefined) throw new Error(`no need for ${refusal.left._tag}`)
      }),
      { numRuns: Number(process.env['BC_RUNS'] ?? 400) },
    )
    expect(Array.from(found.keys())).toStrictEqual(['ShortImageExposesBase'])
  })
})
