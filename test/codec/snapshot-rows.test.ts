import { expect, test } from 'vitest'

import { decodeSnapshotRows } from '../../src/codec/index.js'
import { readRecords } from '../../src/model/convention-read.js'
import { parseChain } from '../../src/model/notation.js'
import { left, right } from './captured.js'

test('rows as databases export them: null for nothing, columns of their own', () => {
  const text = `{ "convention": "hidden", "since": 3, "rows": [
    { "id": "a", "parent": null, "file": "/a", "hidden": true, "vdi": 1 },
    { "id": "b", "parent": "a", "file": null, "hidden": false },
    { "id": "__proto__" }
  ] }`
  expect(right(decodeSnapshotRows(text))).toStrictEqual({
    convention: 'hidden',
    rows: [
      { id: 'a', parent: undefined, file: '/a', hidden: true },
      { id: 'b', parent: 'a', file: undefined, hidden: false },
      { id: '__proto__', parent: undefined, file: undefined },
    ],
  })
})

test('the rules’ example, in both conventions: the file names move', () => {
  const { chain } = right(parseChain('v <- v.1 <- v.2^'))
  const images = (convention: string, files: ReadonlyArray<string>): ReadonlyArray<string | undefined> => {
    const rows = files.map((file, at) => ({ id: `s${at}`, file }))
    const decoded = right(decodeSnapshotRows({ convention, rows }))
    return right(readRecords(chain, decoded.rows, decoded.convention)).map(({ image }) => image)
  }
  expect(images('frozen', ['v', 'v.1'])).toEqual(['v', 'v.1'])
  expect(images('overlay', ['v.1', 'v.2'])).toEqual(['v', 'v.1'])
})

test('what is wrong is said with its path, all at once', () => {
  const rows = [{ parent: 1, file: [] }, { id: 'a', hidden: 'yes' }, 7]
  expect(left(decodeSnapshotRows({ convention: 'guess', rows }))).toMatchObject({
    problems: [
      { path: '$.convention', expected: 'one of "overlay", "frozen", "hidden"' },
      { path: '$.rows[0].id' },
      { path: '$.rows[0].parent' },
      { path: '$.rows[0].file' },
      { path: '$.rows[1].hidden' },
      { path: '$.rows[2]' },
    ],
  })
  expect(left(decodeSnapshotRows('{'))._tag).toBe('TextWrong')
})
