import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { commit, planOpenings, pull } from '../../src/index.js'
import type { GuestState, Plan } from '../../src/index.js'
import { offline, parsed, qmp } from '../operation/expect-plan.js'

const { chain } = parsed('base <- a <- (b <- c^, s)')

const opens = (planned: E.Either<unknown, Plan>, guest: GuestState): ReadonlyArray<string> => {
  if (E.isLeft(planned)) throw new Error(JSON.stringify(planned.left))
  return planOpenings(planned.right, guest).map((step) =>
    step.map(({ image, access, by }) => `${by._tag} ${access} ${image}`).join(', '),
  )
}

describe('what each step of a plan opens', () => {
  it('qemu-img: what a subcommand writes, with all that lies below', () => {
    const plan = commit(chain, { top: 'a', base: 'base', leftovers: 'remove' }, offline)
    expect(opens(plan, 'shut-off')).toStrictEqual([
      'Tool write a, Tool write base',
      'Tool write b',
      'Tool write s',
      'Tool read b, Tool read base, Tool read a',
      'Tool write a',
    ])
  })

  it('QEMU: one image that a pull writes, and nothing where it merely goes on', () => {
    const plan = pull(chain, { into: 'b', base: 'base' }, qmp)
    expect(opens(plan, 'running')).toStrictEqual(['ThisGuest write b', ...Array<string>(7).fill('')])
  })

  it('both: the guest writes what lies below the overlay whose header changes, qemu-img its sibling', () => {
    const plan = commit(chain, { top: 'a', base: 'base', leftovers: 'remove' }, qmp)
    const shown = opens(plan, 'running').filter((step) => step !== '')
    expect(shown).toStrictEqual([
      'ThisGuest write base, ThisGuest write a, ThisGuest write b',
      'Tool write s',
      'Tool write a',
    ])
  })
})
