import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { withImages } from '../../src/model/chain.js'
import type { Chain } from '../../src/model/chain.js'
import { overlaysOf, path } from '../../src/model/chain-query.js'
import { writeRecords } from '../../src/model/convention-write.js'
import { diff } from '../../src/model/diff.js'
import type { Finding } from '../../src/model/diff-finding.js'
import type { ObservedImage, Observation } from '../../src/model/diff-observation.js'
import type { DeclaredRow, Records } from '../../src/model/diff-row.js'
import { parseChain } from '../../src/model/notation.js'
import type { Convention } from '../../src/model/snapshot-row.js'
import { arbitraryPoints, rowsOf } from './convention-points.js'

const parsed = (text: string): Chain => {
  const made = parseChain(text)
  return E.isRight(made) ? made.right.chain : expect.fail(JSON.stringify(made.left))
}

const image = (name: string, backing?: string, more: Partial<ObservedImage> = {}): ObservedImage => ({
  name,
  format: 'qcow2',
  sizeBytes: 65536,
  ...(backing === undefined ? {} : { backing: { image: backing } }),
  ...more,
})

const at = (path: string): Partial<ObservedImage> => ({ location: { _tag: 'File', path } })

const seen = (images: ReadonlyArray<ObservedImage>, active = 'top'): Observation => ({ images, active })

const frozen = (...rows: ReadonlyArray<string>): Records => ({ rows: rowsOf(rows), convention: 'frozen' })
const overlay = (...rows: ReadonlyArray<string>): Records => ({ rows: rowsOf(rows), convention: 'overlay' })

const declared = (more: Partial<DeclaredRow>): Records => ({
  rows: [{ id: 's', parent: undefined, file: 'v', ...more }],
  convention: 'frozen',
})

const good = [image('v'), image('top', 'v')]

describe('diff finds', () => {
  const cases: ReadonlyArray<readonly [string, Records, Observation, ReadonlyArray<Finding>]> = [
    ['nothing', frozen('s: v'), seen(good), []],
    ['nothing of nothing', frozen(), seen([image('top')]), []],
    ['missing', frozen('s: gone'), seen(good), [{ _tag: 'FileMissing', id: 's', file: 'gone' }]],
    ['missing, in the other convention', overlay('s: x'), seen(good), [{ _tag: 'FileMissing', id: 's', file: 'x' }]],
    ['the active image missing', frozen('s: v'), seen(good, 'x'), [{ _tag: 'ActiveMissing', active: 'x' }]],
    ['extra', frozen('s: v'), seen([...good, image('x', 'v')]), [{ _tag: 'ImageExtra', image: 'x' }]],
    [
      'nothing extra, where a row, another reader or what they lie on needs it',
      frozen('s: x'),
      seen([...good, image('x', 'w'), image('w'), image('y', 'z', { otherReaders: ['vm2'] }), image('z')]),
      [],
    ],
    [
      'extra, where nobody knows of other readers',
      frozen('s: v'),
      seen([...good, image('x', 'v', { otherReaders: 'unknown' }), image('y', 'v', { otherReaders: [] })]),
      [
        { _tag: 'ImageExtra', image: 'x' },
        { _tag: 'ImageExtra', image: 'y' },
      ],
    ],
    ['a row without a file', frozen('s: -'), seen(good), []],
    ['a loop of parents', frozen('s/t: v', 't/s: -'), seen(good), [{ _tag: 'ParentLoop', ids: ['s', 't'] }]],
    ['its own parent', frozen('s/s: v'), seen(good), [{ _tag: 'ParentLoop', ids: ['s'] }]],
    [
      'a loop of backing files',
      frozen('s: v'),
      seen([image('a', 'b'), image('b', 'c'), image('c', 'a'), ...good]),
      [{ _tag: 'BackingLoop', images: ['a', 'b', 'c'] }],
    ],
    ['self-backing', frozen('s: v'), seen([image('v', 'v'), image('top', 'v')]), [{ _tag: 'SelfBacking', image: 'v' }]],
    [
      'self-backing, by its path',
      frozen('s: v'),
      seen([image('v', '/d/../v', at('/v')), image('top', 'v')]),
      [{ _tag: 'SelfBacking', image: 'v' }],
    ],
    ['an orphan', frozen('s/r: v'), seen(good), [{ _tag: 'ParentMissing', id: 's', parent: 'r' }]],
    [
      'dangling',
      frozen('s: v'),
      seen([image('v', 'x'), image('top', 'v')]),
      [{ _tag: 'DanglingBacking', image: 'v', backing: 'x' }],
    ],
    [
      'dangling under an overlay, once',
      overlay('s: top'),
      seen([image('top', 'v')]),
      [{ _tag: 'DanglingBacking', image: 'top', backing: 'v' }],
    ],
    ['an id twice', frozen('s: v', 's: -'), seen(good), [{ _tag: 'IdDuplicate', id: 's', files: ['v', undefined] }]],
    [
      'two parents of one row',
      frozen('r: -', 's: v', 's/r: v'),
      seen(good),
      [{ _tag: 'ParentDuplicate', id: 's', parents: [undefined, 'r'] }],
    ],
    ['a file twice', frozen('r: v', 's: v'), seen(good), [{ _tag: 'FileShared', image: 'v', ids: ['r', 's'] }]],
    [
      'a wrong format, and a wrong size',
      declared({ format: 'raw', sizeBytes: 512 }),
      seen(good),
      [
        { _tag: 'FormatWrong', id: 's', image: 'v', declared: 'raw', observed: 'qcow2' },
        { _tag: 'SizeWrong', id: 's', image: 'v', declaredBytes: 512, observedBytes: 65536 },
      ],
    ],
    ['the right format and size', declared({ format: 'qcow2', sizeBytes: 65536 }), seen(good), []],
    [
      'a wrong backing file: none, another, one that is not there',
      { rows: [{ id: 's', parent: undefined, file: 'v', backing: 'b' }], convention: 'frozen' },
      seen([...good, image('b')]),
      [{ _tag: 'BackingWrong', id: 's', image: 'v', declared: 'b', observed: undefined }],
    ],
    [
      'another backing file',
      declared({ backing: 'b' }),
      seen([image('a'), image('b'), image('v', 'a'), image('top', 'v')]),
      [{ _tag: 'BackingWrong', id: 's', image: 'v', declared: 'b', observed: 'a' }],
    ],
    [
      'a backing file that is not there, where there is another',
      declared({ backing: 'x' }),
      seen([image('a'), image('v', 'a'), image('top', 'v')]),
      [{ _tag: 'BackingWrong', id: 's', image: 'v', declared: 'x', observed: 'a' }],
    ],
    [
      'no wrong backing file, where two names are of one image, or the record and the image agree on what is gone',
      {
        rows: [
          { id: 's', parent: undefined, file: 'v', backing: '/images/a' },
          { id: 't', parent: undefined, file: 'w', backing: 'gone' },
        ],
        convention: 'frozen',
      },
      seen([image('a', undefined, at('/images/a')), image('v', 'a'), image('top', 'v'), image('w', 'gone')]),
      [{ _tag: 'DanglingBacking', image: 'w', backing: 'gone' }],
    ],
    [
      'an ambiguous name: two with the same last part, once for two rows',
      frozen('s: v.qcow2', 't: v.qcow2'),
      seen([image('v1', undefined, at('/a/v.qcow2')), image('v2', undefined, at('/b/v.qcow2')), image('top', 'v1')]),
      [{ _tag: 'NameAmbiguous', name: 'v.qcow2', images: ['v1', 'v2'] }],
    ],
    [
      'an ambiguous name: of two images, of the active one, of a backing file',
      frozen('s: v'),
      seen([image('top', 'w'), image('v'), image('top', 'w'), image('v'), image('w'), image('w')]),
      [
        { _tag: 'NameAmbiguous', name: 'v', images: ['v', 'v'] },
        { _tag: 'NameAmbiguous', name: 'top', images: ['top', 'top'] },
        { _tag: 'NameAmbiguous', name: 'w', images: ['w', 'w'] },
      ],
    ],
    [
      'an ambiguous name: of a backing file that a row declares',
      declared({ backing: 'b' }),
      seen([image('x', undefined, at('/1/b')), image('y', undefined, at('/2/b')), image('v', 'x'), image('top', 'v')]),
      [{ _tag: 'NameAmbiguous', name: 'b', images: ['x', 'y'] }],
    ],
    [
      'nothing, where a name is exact: the name of an image before its path, that before the last part of one',
      frozen('s: v', 't: /b/w', 'u: w2'),
      seen([
        image('v', undefined, at('/a/v0')),
        image('w', undefined, at('/b/w')),
        image('x', undefined, at('/c/v')),
        image('/b', 'x', at('/c/w2')),
        image('top', '/b'),
      ]),
      [],
    ],
    [
      'a point in time that the guest writes',
      frozen('s: top'),
      seen(good),
      [{ _tag: 'PointWritten', id: 's', image: 'top' }],
    ],
    [
      'a point in time above what the guest writes',
      frozen('s: up'),
      seen([...good, image('mid', 'top'), image('up', 'mid')]),
      [{ _tag: 'PointWritten', id: 's', image: 'up' }],
    ],
    [
      'no point in time that the guest writes, on a loop: nobody knows what lies above what',
      overlay('s: top', 't: b'),
      seen([image('top', 'b'), image('b', 'top'), image('x', 'x')]),
      [
        { _tag: 'BackingLoop', images: ['top', 'b'] },
        { _tag: 'SelfBacking', image: 'x' },
      ],
    ],
    [
      'an ambiguous name that nobody says',
      frozen('s: v'),
      seen([...good, image('x'), image('x')]),
      [{ _tag: 'NameAmbiguous', name: 'x', images: ['x', 'x'] }],
    ],
    [
      'nothing extra, where a row has no overlay and so no point in time',
      overlay('s: v'),
      seen([...good, image('x')]),
      [{ _tag: 'BackingMissing', id: 's', file: 'v' }],
    ],
    [
      'nothing extra, where the guest writes a point in time',
      frozen('s: top'),
      seen([...good, image('x')]),
      [{ _tag: 'PointWritten', id: 's', image: 'top' }],
    ],
    [
      'nothing extra, where the active image is missing, or a loop hides what it lies on',
      frozen('s: v'),
      seen([...good, image('x'), image('y', 'z'), image('z', 'y')], 'gone'),
      [
        { _tag: 'ActiveMissing', active: 'gone' },
        { _tag: 'BackingLoop', images: ['y', 'z'] },
      ],
    ],
    [
      'extra, beside what is wrong elsewhere',
      frozen('s/r: v', 't: v'),
      seen([...good, image('x')]),
      [
        { _tag: 'ParentMissing', id: 's', parent: 'r' },
        { _tag: 'FileShared', image: 'v', ids: ['s', 't'] },
        { _tag: 'ImageExtra', image: 'x' },
      ],
    ],
    ['no overlay', overlay('s: v'), seen(good), [{ _tag: 'BackingMissing', id: 's', file: 'v' }]],
    ['a hidden row where there are none', frozen('[s: v]'), seen(good), [{ _tag: 'HiddenUnexpected', id: 's' }]],
    [
      'nothing of hidden rows where they are',
      { rows: rowsOf(['[s: v]', 't/s: a']), convention: 'hidden' },
      seen([image('v'), image('a', 'v'), image('top', 'v')]),
      [],
    ],
  ]
  it.each(cases)('%s', (_, records, observation, findings) => expect(diff(records, observation)).toEqual(findings))

  it('everything at once, in the order that it says', () => {
    const rows: ReadonlyArray<DeclaredRow> = [
      { id: 'a', parent: 'b', file: 'v', format: 'raw' },
      { id: 'b', parent: 'a', file: 'gone' },
      { id: 'c', parent: 'x', file: 'v', sizeBytes: 1 },
      { id: 'd', parent: undefined, file: 'top', backing: 'y' },
      { id: 'd', parent: undefined, file: undefined, hidden: true },
    ]
    const images = [image('v', 'v'), image('top', 'v'), image('l', 'm'), image('m', 'l'), image('n', 'z'), image('x')]
    expect(diff({ rows, convention: 'frozen' }, seen(images))).toEqual([
      { _tag: 'ParentMissing', id: 'c', parent: 'x' },
      { _tag: 'IdDuplicate', id: 'd', files: ['top', undefined] },
      { _tag: 'HiddenUnexpected', id: 'd' },
      { _tag: 'ParentLoop', ids: ['a', 'b'] },
      { _tag: 'FormatWrong', id: 'a', image: 'v', declared: 'raw', observed: 'qcow2' },
      { _tag: 'FileMissing', id: 'b', file: 'gone' },
      { _tag: 'SizeWrong', id: 'c', image: 'v', declaredBytes: 1, observedBytes: 65536 },
      { _tag: 'PointWritten', id: 'd', image: 'top' },
      { _tag: 'BackingWrong', id: 'd', image: 'top', declared: 'y', observed: 'v' },
      { _tag: 'FileShared', image: 'v', ids: ['a', 'c'] },
      { _tag: 'DanglingBacking', image: 'n', backing: 'z' },
      { _tag: 'SelfBacking', image: 'v' },
      { _tag: 'BackingLoop', images: ['l', 'm'] },
    ])
  })

  it('a wrong backing file of an image on a loop is still one, and a right one is not, whatever its spelling', () => {
    const images = [image('v', 'w', at('/v')), image('w', 'v', at('/w')), image('top')]
    const loop: Finding = { _tag: 'BackingLoop', images: ['v', 'w'] }
    expect(diff(declared({ backing: '/w' }), seen(images))).toEqual([loop])
    expect(diff(declared({ backing: 'top' }), seen(images))).toEqual([
      { _tag: 'BackingWrong', id: 's', image: 'v', declared: 'top', observed: 'w' },
      loop,
    ])
  })

  it('100,000 images of one name, on one name, and rows that say it, in linear time', () => {
    const images = Array.from({ length: 100_000 }, () => image('v', 'v'))
    const rows = Array.from({ length: 100_000 }, (_, id) => ({ id: `${id}`, parent: `${id - 1}`, file: 'v' }))
    expect(diff({ rows, convention: 'frozen' }, seen(images, 'v')).map(({ _tag }) => _tag)).toEqual([
      'ParentMissing',
      'NameAmbiguous',
    ])
  })
})

describe('R4: what a deletion by hand leaves of records that nobody moved', () => {
  const after = parsed('v <- v.2^')

  it('frozen: the file of the second snapshot is gone', () =>
    expect(diff(frozen('s0: v', 's1/s0: v.1'), after)).toEqual([{ _tag: 'FileMissing', id: 's1', file: 'v.1' }]))

  it('overlay: the file of the first snapshot is gone, and the second is right', () =>
    expect(diff(overlay('s0: v.1', 's1/s0: v.2'), after)).toEqual([{ _tag: 'FileMissing', id: 's0', file: 'v.1' }]))
})

// ---- random records, and one corruption each ----

interface Sound {
  readonly records: Records
  readonly observation: { readonly images: ReadonlyArray<ObservedImage>; readonly active: string }
  readonly chain: Chain
  readonly choice: number
}

/** The chain without what neither the rows nor the guest needs. */
const pruned = (chain: Chain, rows: ReadonlyArray<DeclaredRow>): Chain => {
  const needed = new Set(
    [chain.active, ...rows.map(({ file }) => file ?? chain.active)].flatMap((name) =>
      (path(chain, name) ?? []).map((one): string => one.name),
    ),
  )
  return withImages(chain, new Map(Array.from(chain.images).filter(([name]) => needed.has(name))))
}

/** Records that say everything of a chain, rightly. */
const arbitrarySound = (only?: Convention): fc.Arbitrary<Sound> =>
  fc
    .record({
      drawn: arbitraryPoints({ maxImages: 9 }),
      convention: fc.constantFrom<Convention>(
        ...(only === undefined ? (['overlay', 'frozen', 'hidden'] as const) : [only]),
      ),
      choice: fc.nat({ max: 1000 }),
    })
    .map(({ drawn, convention, choice }): Sound => {
      const points = drawn.points.map((point) => {
        const over = overlaysOf(drawn.chain, point.image ?? '')[choice % 2]?.name
        return over === undefined ? point : { ...point, overlay: over }
      })
      const named =
        convention === 'overlay' ? points.filter((one) => 'overlay' in one || one.image === undefined) : points
      const kept = new Set(named.map(({ snapshot }) => snapshot))
      const cut = named.map((one) => ({ ...one, parent: kept.has(one.parent ?? '') ? one.parent : undefined }))
      const written = writeRecords(drawn.chain, cut, convention)
      const bare = E.isRight(written) ? written.right : expect.fail(JSON.stringify(written.left))
      const chain = pruned(drawn.chain, bare)
      const rows = bare.map((row): DeclaredRow => {
        const file = chain.images.get(row.file ?? '')
        if (file === undefined) return row
        const { format, sizeBytes, backing } = file
        return { ...row, format, sizeBytes, ...(backing === undefined ? {} : { backing: backing.image }) }
      })
      const images = Array.from(chain.images.values())
      return { records: { rows, convention }, observation: { images, active: chain.active }, chain, choice }
    })

/** What is changed, and what that is; nothing where there is nothing to change so. */
type Corruption = (of: Sound) => (Partial<Pick<Sound, 'records' | 'observation'>> & { finding: Finding }) | undefined

const pick = <Item>({ choice }: Sound, of: ReadonlyArray<Item>): Item | undefined => of[choice % Math.max(1, of.length)]

const filed = ({ records }: Sound): ReadonlyArray<DeclaredRow & { readonly file: string }> =>
  records.rows.flatMap((row) => (row.file === undefined ? [] : [{ ...row, file: row.file }]))

const withRow = ({ records }: Sound, row: DeclaredRow, change: Partial<DeclaredRow>): { records: Records } => ({
  records: { ...records, rows: records.rows.map((one) => (one.id === row.id ? { ...one, ...change } : one)) },
})

const moreRows = ({ records }: Sound, ...rows: ReadonlyArray<DeclaredRow>): { records: Records } => ({
  records: { ...records, rows: [...records.rows, ...rows] },
})

const onto = ({ observation }: Sound, name: string, backing: string) => ({
  observation: {
    ...observation,
    images: observation.images.map((one) => (one.name === name ? { ...one, backing: { image: backing } } : one)),
  },
})

const moreImages = ({ observation }: Sound, ...images: ReadonlyArray<ObservedImage>) => ({
  observation: { ...observation, images: [...observation.images, ...images] },
})

/** Rows that say nothing of backing files, where the corruption is in those. */
const silent = ({ records }: Sound): { records: Records } => ({
  records: { ...records, rows: records.rows.map(({ backing: _backing, ...row }) => row) },
})

const corruptions: { readonly [name: string]: Corruption } = {
  FileMissing: (of) => {
    const row = pick(of, filed(of))
    return row && { ...withRow(of, row, { file: 'gone' }), finding: { _tag: 'FileMissing', id: row.id, file: 'gone' } }
  },
  ImageExtra: (of) => {
    const under = pick(of, of.observation.images)?.name
    return { ...moreImages(of, image('x', under)), finding: { _tag: 'ImageExtra', image: 'x' } }
  },
  ParentLoop: (of) => {
    const row = pick(
      of,
      of.records.rows.filter(({ parent }) => parent === undefined),
    )
    return row && { ...withRow(of, row, { parent: row.id }), finding: { _tag: 'ParentLoop', ids: [row.id] } }
  },
  ParentMissing: (of) => {
    const row = pick(of, of.records.rows)
    const finding = { _tag: 'ParentMissing', id: row?.id ?? '', parent: 'gone' } as const
    return row && { ...withRow(of, row, { parent: 'gone' }), finding }
  },
  IdDuplicate: (of) => {
    const row = pick(of, of.records.rows)
    return row && { ...moreRows(of, row), finding: { _tag: 'IdDuplicate', id: row.id, files: [row.file, row.file] } }
  },
  ParentDuplicate: (of) => {
    const row = pick(of, of.records.rows)
    const other = of.records.rows[0]
    if (row === undefined || other === undefined || other.id === row.parent) return undefined
    const parents = [row.parent, other.id]
    return { ...moreRows(of, { ...row, parent: other.id }), finding: { _tag: 'ParentDuplicate', id: row.id, parents } }
  },
  FileShared: (of) => {
    const row = pick(of, filed(of))
    const finding = { _tag: 'FileShared', image: row?.file ?? '', ids: [row?.id ?? '', 'new'] } as const
    return row && { ...moreRows(of, { ...row, id: 'new' }), finding }
  },
  SelfBacking: (of) => {
    const name = pick(of, of.observation.images)?.name
    return name === undefined
      ? undefined
      : { ...silent(of), ...onto(of, name, name), finding: { _tag: 'SelfBacking', image: name } }
  },
  DanglingBacking: (of) => {
    const name = pick(of, of.observation.images)?.name
    const finding = { _tag: 'DanglingBacking', image: name ?? '', backing: 'gone' } as const
    return name === undefined ? undefined : { ...silent(of), ...onto(of, name, 'gone'), finding }
  },
  BackingLoop: (of) => {
    const tops = Array.from(of.chain.images.keys()).filter((name) => (path(of.chain, name)?.length ?? 0) > 1)
    const loop = (path(of.chain, pick(of, tops) ?? '') ?? []).map(({ name }): string => name).reverse()
    const [top, second, ...more] = loop
    const base = loop.at(-1)
    if (top === undefined || second === undefined || base === undefined) return undefined
    // The walk starts at the first image in the order of the observation, which is the base: those are in chain order.
    return {
      ...silent(of),
      ...onto(of, base, top),
      finding: { _tag: 'BackingLoop', images: [base, ...[top, second, ...more].slice(0, -1)] },
    }
  },
  FormatWrong: (of) => {
    const row = pick(of, filed(of))
    const facts = { declared: 'vdi', observed: row?.format ?? '' }
    return (
      row && {
        ...withRow(of, row, { format: 'vdi' }),
        finding: { _tag: 'FormatWrong', id: row.id, image: row.file, ...facts },
      }
    )
  },
  SizeWrong: (of) => {
    const row = pick(of, filed(of))
    const facts = { declaredBytes: 7, observedBytes: row?.sizeBytes ?? 0 }
    return (
      row && {
        ...withRow(of, row, { sizeBytes: 7 }),
        finding: { _tag: 'SizeWrong', id: row.id, image: row.file, ...facts },
      }
    )
  },
  BackingWrong: (of) => {
    const row = pick(of, filed(of))
    const facts = { declared: 'gone', observed: row?.backing }
    return (
      row && {
        ...withRow(of, row, { backing: 'gone' }),
        finding: { _tag: 'BackingWrong', id: row.id, image: row.file, ...facts },
      }
    )
  },
  NameAmbiguous: (of) => {
    const name = pick(of, of.observation.images)?.name
    if (name === undefined) return undefined
    return {
      ...silent(of),
      ...moreImages(of, image(name)),
      finding: { _tag: 'NameAmbiguous', name, images: [name, name] },
    }
  },
  ActiveMissing: (of) => ({
    observation: { ...of.observation, active: 'gone' },
    finding: { _tag: 'ActiveMissing', active: 'gone' },
  }),
  PointWritten: (of) => {
    const { active } = of.observation
    if (of.records.convention === 'overlay') return undefined
    return {
      ...moreRows(of, { id: 'new', parent: undefined, file: active }),
      finding: { _tag: 'PointWritten', id: 'new', image: active },
    }
  },
  BackingMissing: (of) => {
    const base = pick(
      of,
      of.observation.images.filter(({ backing }) => backing === undefined),
    )?.name
    if (of.records.convention !== 'overlay' || base === undefined) return undefined
    return {
      ...moreRows(of, { id: 'new', parent: undefined, file: base }),
      finding: { _tag: 'BackingMissing', id: 'new', file: base },
    }
  },
  HiddenUnexpected: (of) => {
    const row = pick(of, of.records.rows)
    if (of.records.convention === 'hidden' || row === undefined) return undefined
    return { ...withRow(of, row, { hidden: true }), finding: { _tag: 'HiddenUnexpected', id: row.id } }
  },
}

describe('over random chains', () => {
  it('what writeRecords writes gives no finding', () =>
    fc.assert(
      fc.property(arbitrarySound(), ({ records, observation, chain }) => {
        expect(diff(records, observation)).toEqual([])
        expect(diff(records, chain)).toEqual([])
      }),
      { numRuns: 500 },
    ))

  it.each(Object.entries(corruptions))('one corruption gives exactly its finding: %s', (_, corrupt) => {
    let happened = 0
    fc.assert(
      fc.property(arbitrarySound(), (sound) => {
        const corrupted = corrupt(sound)
        if (corrupted === undefined) return
        happened += 1
        const { records, observation } = { ...sound, ...corrupted }
        expect(diff(records, observation)).toEqual([corrupted.finding])
      }),
      { numRuns: 300 },
    )
    expect(happened).toBeGreaterThan(30)
  })

  it('an image that is removed is missed by its rows and its overlays, and nothing else is', () =>
    fc.assert(
      fc.property(arbitrarySound(), (sound) => {
        const { chain, records } = sound
        const gone = pick(sound, sound.observation.images)?.name ?? ''
        const images = sound.observation.images.filter(({ name }) => name !== gone)
        const rows = records.rows.filter(({ file }) => file === gone)
        expect(diff(records, { images, active: chain.active })).toEqual([
          ...rows.map(({ id, file }) => ({ _tag: 'FileMissing', id, file })),
          ...(gone === chain.active ? [{ _tag: 'ActiveMissing', active: gone }] : []),
          ...overlaysOf(chain, gone).map(({ name }) => ({ _tag: 'DanglingBacking', image: name, backing: gone })),
        ])
      }),
      { numRuns: 300 },
    ))
})
