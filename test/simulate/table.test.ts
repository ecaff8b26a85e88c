import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { emptyTable, entriesOf, insert, lookup, without } from '../../src/simulate/table.js'
import type { Table } from '../../src/simulate/table.js'

const byKey = (entries: Iterable<readonly [string, number]>): ReadonlyArray<readonly [string, number]> =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1))

describe('a table', () => {
  it('is a map, whatever is put in and taken out', () => {
    const change = fc.tuple(fc.constantFrom('set', 'drop'), fc.string({ maxLength: 2 }), fc.nat())
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const map = new Map<string, number>()
        let table: Table<number> = emptyTable
        for (const [what, key, value] of changes) {
          if (what === 'set') map.set(key, value)
          else map.delete(key)
          table = what === 'set' ? insert(table, key, value) : without(table, key)
        }
        expect(byKey(entriesOf(table))).toEqual(byKey(map))
        for (const [key, value] of map) expect(lookup(table, key)).toBe(value)
      }),
    )
  })

  it('keeps what it was when another is made of it', () => {
    const one = insert<number>(emptyTable, 'a', 1)
    insert(one, 'a', 2)
    without(one, 'a')
    expect(lookup(one, 'a')).toBe(1)
  })

  it('holds keys of one hash', () => {
    const same = ['liquid', 'costarring', 'declinate', 'macallums', 'altarage', 'zinke']
    const table = same.reduce<Table<string>>((all, key) => insert(all, key, key), emptyTable)
    for (const key of same) expect(lookup(table, key)).toBe(key)
  })
})
