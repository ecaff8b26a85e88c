// Choices that depend on the seed alone.

export interface Random {
  /** One of so many, from 0. */
  readonly below: (many: number) => number
  readonly pick: <A>(of: ReadonlyArray<A>) => A
  /** True once in so many. */
  readonly oneIn: (many: number) => boolean
  /** Some of these, one at least, in their order. */
  readonly some: <A>(of: ReadonlyArray<A>, most: number) => ReadonlyArray<A>
  /** One of these by its weight. */
  readonly weighted: <A>(of: ReadonlyArray<readonly [weight: number, what: A]>) => A
}

// mulberry32
const generator = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** The choices of a seed. */
export const randomOf = (seed: number): Random => {
  const next = generator(seed)
  const below = (many: number): number => Math.floor(next() * many)
  const pick = <A>(of: ReadonlyArray<A>): A => {
    const one = of[below(of.length)]
    if (one === undefined) throw new Error('nothing to choose from')
    return one
  }
  const some = <A>(of: ReadonlyArray<A>, most: number): ReadonlyArray<A> => {
    const chosen = new Set<A>()
    for (const many = 1 + below(Math.min(most, of.length)); chosen.size < many;) chosen.add(pick(of))
    return of.filter((one) => chosen.has(one))
  }
  const weighted = <A>(of: ReadonlyArray<readonly [number, A]>): A => {
    let at = below(of.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, what] of of) {
      if (at < weight) return what
      at -= weight
    }
    throw new Error('nothing to choose from')
  }
  return { below, pick, oneIn: (many) => below(many) === 0, some, weighted }
}
