import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { addOverlay, chain, checkPlan, commit, copy, explain, notation, pull, rename } from '../../src/index.js'
import type { Chain, ImageDescription, Plan } from '../../src/index.js'
import { everyWay, offline } from './expect-plan.js'

const count = 100_000
const top = `i${count - 1}`

const image = (index: number): ImageDescription => ({
  name: `i${index}`,
  format: 'qcow2',
  sizeBytes: 1048576,
  location: { _tag: 'File', path: `/images/i${index}` },
  otherReaders: [],
  node: { format: `i${index}-format`, storage: `i${index}-storage`, owner: 'monitor', filters: [] },
  ...(index === 0 ? {} : { backing: { image: `i${index - 1}`, header: `i${index - 1}`, format: 'qcow2' } }),
})

const deep = (): Chain => {
  const made = chain(
    'vda',
    Array.from({ length: count }, (_, index) => image(index)),
    top,
  )
  if (E.isLeft(made)) throw new Error(JSON.stringify(made.left[0]))
  return made.right
}

const to = { name: 'new', location: { _tag: 'File', path: '/images/new' }, format: 'qcow2' } as const

describe.each(everyWay)('no stack grows with the length of a chain ($via)', (way) => {
  const of = deep()
  it.each([
    ['a commit of all but the active image', () => commit(of, { top: `i${count - 2}`, leftovers: 'remove' }, way), 2],
    ['a commit of all', () => commit(of, { top, end: 'pivot', leftovers: 'remove' }, way), 1],
    ['a pull of all', () => pull(of, { into: top, leftovers: 'remove' }, way), 1],
    ['a copy of all', () => copy(of, { to, depth: 'full', end: 'pivot', leftovers: 'remove' }, way), 1],
    ['an overlay', () => addOverlay(of, { overlay: to }, way), count + 1],
  ] as const)(
    '%s',
    (_, plan, left) => {
      const planned: E.Either<unknown, Plan> = plan()
      if (E.isLeft(planned)) throw new Error(JSON.stringify(planned.left))
      expect(planned.right.after.images.size).toBe(left)
      expect(checkPlan(planned.right)).toStrictEqual([])
      expect(notation(planned.right).after.length).toBeGreaterThan(0)
      expect(explain(planned.right).length).toBeGreaterThan(0)
    },
    60_000,
  )
})

it('nor with that of one whose image in the middle gets another path', () => {
  const planned = rename(deep(), { image: `i${count / 2}`, to: '/elsewhere/new', name: 'new' }, offline)
  if (E.isLeft(planned)) throw new Error(JSON.stringify(planned.left))
  expect(planned.right.after.images.size).toBe(count)
  expect(checkPlan(planned.right)).toStrictEqual([])
}, 60_000)
