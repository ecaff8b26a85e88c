import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseChain } from '../../src/model/notation.js'
import { mermaid } from '../../src/render/mermaid.js'

const drawn = (text: string): string => {
  const made = parseChain(text)
  return E.isRight(made) ? mermaid(made.right.chain, made.right.marks) : expect.fail(JSON.stringify(made.left))
}

describe('mermaid', () => {
  it('draws branches, marks, formats and the active image', () => {
    expect(drawn('base:raw* <- (a <- top+^, "s 1"); x').split('\n')).toEqual([
      'flowchart RL',
      '  i0["base#58;raw#42;"]',
      '  i1["a"] --> i0',
      '  i2["top#43;#94;"]:::active --> i1',
      '  i3["#34;s 1#34;"] --> i0',
      '  i4["x"]',
      '  classDef active stroke-width:4px',
    ])
  })

  it('lets no name be anything but a label', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (name) => {
        fc.pre(!name.includes('\0') && name !== 'top')
        const lines = drawn(`${JSON.stringify(name)} <- top^`).split('\n')
        expect(lines.length).toBe(4)
        expect(lines[1]).toMatch(/^ {2}i0\["([A-Za-z0-9 ._/]|#\d+;)+"\]$/)
      }),
    )
  })
})
