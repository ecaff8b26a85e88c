import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Chain } from '../../src/model/chain.js'
import { withImages } from '../../src/model/chain.js'
import { knownImage, overlaysOf, path, readersOf } from '../../src/model/chain-query.js'
import type { ConventionError } from '../../src/model/convention-error.js'
import { readRecords } from '../../src/model/convention-read.js'
import type { RecordedPoint } from '../../src/model/convention-read.js'
import { convertRecords, writeRecords } from '../../src/model/convention-write.js'
import { parseChain } from '../../src/model/notation.js'
import type { Convention, SnapshotRow } from '../../src/model/snapshot-row.js'
import { arbitraryPoints, rowsOf } from './convention-points.js'

const parsed = (text: string): Chain => {
  const made = parseChain(text)
  return E.isRight(made) ? made.right.chain : expect.fail(JSON.stringify(made.left))
}

/** Rows as text, one a row: `id/parent: file`, a hidden one in brackets. */
const text = (rows: ReadonlyArray<SnapshotRow>): ReadonlyArray<string> =>
  rows.map(({ id, parent, file, hidden }) => {
    const said = `${id}${parent === undefined ? '' : `/${parent}`}: ${file ?? '-'}`
    return hidden === true ? `[${said}]` : said
  })

const converted = (
  notation: string,
  rows: ReadonlyArray<SnapshotRow>,
  fromTo: { from: Convention; to: Convention },
): ReadonlyArray<string> | ReadonlyArray<ConventionError> =>
  E.match(
    (problems: ReadonlyArray<ConventionError>): ReadonlyArray<string> | ReadonlyArray<ConventionError> => problems,
    text,
  )(convertRecords(parsed(notation), rows, fromTo))

const toFrozen = { from: 'overlay', to: 'frozen' } as const
const toOverlay = { from: 'frozen', to: 'overlay' } as const
const toHidden = { from: 'frozen', to: 'hidden' } as const

describe('R4: which file holds which point in time, in both conventions', () => {
  const same = (notation: string, frozen: ReadonlyArray<string>, overlay: ReadonlyArray<string>): void => {
    expect(converted(notation, rowsOf(frozen), toOverlay)).toEqual(overlay)
    expect(converted(notation, rowsOf(overlay), toFrozen)).toEqual(frozen)
  }

  it('no snapshot: the active image is tied to no point in time', () => same('v^', [], []))

  it('taking one, and a second', () => {
    same('v <- v.1^', ['s0: v'], ['s0: v.1'])
    same('v <- v.1 <- v.2^', ['s0: v', 's1/s0: v.1'], ['s0: v.1', 's1/s0: v.2'])
  })

  it('delete the first of two: the second snapshot is now tied to file v, and its overlay is still v.2', () =>
    same('v <- v.2^', ['s1: v'], ['s1: v.2']))

  it('delete the second of three: the third is now tied to v.1, and its overlay is still v.3', () => {
    same('v <- v.1 <- v.2 <- v.3^', ['s0: v', 's1/s0: v.1', 's2/s1: v.2'], ['s0: v.1', 's1/s0: v.2', 's2/s1: v.3'])
    same('v <- v.1 <- v.3^', ['s0: v', 's2/s0: v.1'], ['s0: v.1', 's2/s0: v.3'])
  })

  it('delete the newest by a pull, as R5 does: the overlay of the one before it has another backing file', () =>
    same('v <- v.1 <- v.3^', ['s0: v', 's1/s0: v.1'], ['s0: v.1', 's1/s0: v.3']))

  it('the records that nobody moved after the first was deleted', () => {
    const left = (rows: ReadonlyArray<string>, convention: Convention) =>
      readRecords(parsed('v <- v.2^'), rowsOf(rows), convention)
    expect(left(['s0: v', 's1/s0: v.1'], 'frozen')).toEqual(E.left([{ _tag: 'FileMissing', id: 's1', file: 'v.1' }]))
    expect(left(['s0: v.1', 's1/s0: v.2'], 'overlay')).toEqual(E.left([{ _tag: 'FileMissing', id: 's0', file: 'v.1' }]))
  })
})

describe('the overlay of a frozen image', () => {
  it('is the one towards the child, where the guest has gone elsewhere', () =>
    expect(converted('v <- (v.1 <- v.2, v.r^)', rowsOf(['s0: v', 's1/s0: v.1']), toOverlay)).toEqual([
      's0: v.1',
      's1/s0: v.2',
    ]))

  it('is the one towards a child far above', () =>
    expect(converted('v <- (v.1 <- w <- v.2 <- v.3, v.r^)', rowsOf(['s0: v', 's1/s0: v.2']), toOverlay)).toEqual([
      's0: v.1',
      's1/s0: v.3',
    ]))

  it('is the one towards the active image, where no child lies above', () => {
    expect(converted('v <- (v.1, v.r <- w^)', rowsOf(['s0: v']), toOverlay)).toEqual(['s0: v.r'])
    expect(converted('o <- p^; v', rowsOf(['s0: o', 's1/s0: -']), toOverlay)).toEqual(['s0: p', 's1/s0: -'])
  })

  it('is not one towards a child that lies elsewhere', () =>
    expect(converted('o <- p <- q <- z; v <- (v.1, v.r^)', rowsOf(['s0: v', 's1/s0: p']), toOverlay)).toEqual([
      's0: v.r',
      's1/s0: q',
    ]))

  it('is never guessed', () => {
    const both = { _tag: 'OverlayAmbiguous', id: 's0', image: 'v', overlays: ['v.1', 'v.r'] }
    const rows = rowsOf(['s0: v', 's1/s0: v.1', 's2/s0: v.r'])
    expect(converted('v <- (v.1 <- v.2, v.r <- v.s^)', rows, toOverlay)).toEqual([both])
    expect(converted('v <- (v.1, v.r); a^', rowsOf(['s0: v']), toOverlay)).toEqual([both])
  })

  it('is missing, where nothing lies on it', () =>
    expect(converted('v <- (v.1, v.r^)', rowsOf(['s0: v', 's1/s0: v.1']), toOverlay)).toEqual([
      { _tag: 'OverlayMissing', id: 's1', image: 'v.1' },
    ]))

  it('is the one that the caller says, if it lies on it', () => {
    const chain = parsed('v <- (v.1 <- v.2, v.r <- v.s^)')
    const points = (overlay: string): ReadonlyArray<RecordedPoint> => [
      { snapshot: 's0', parent: undefined, image: 'v', overlay },
      { snapshot: 's1', parent: 's0', image: 'v.1' },
      { snapshot: 's2', parent: 's0', image: 'v.r' },
    ]
    const written = writeRecords(chain, points('v.r'), 'overlay')
    expect(E.map(text)(written)).toEqual(E.right(['s0: v.r', 's1/s0: v.2', 's2/s0: v.s']))
    expect(writeRecords(chain, points('v.2'), 'overlay')).toEqual(
      E.left([{ _tag: 'OverlayWrong', id: 's0', image: 'v', overlay: 'v.2' }]),
    )
  })
})

describe('hidden rows', () => {
  it('R4, delete the first of two: nothing is hidden, for v had one reader', () =>
    expect(converted('v <- v.2^', rowsOf(['s1: v']), toHidden)).toEqual(['s1: v']))

  it('a deleted snapshot whose image has two readers stays hidden, and goes when read', () => {
    const chain = 'v <- a <- (b <- top^, c <- d)'
    const frozen = ['s0: v', 's2/s0: b', 's3/s0: c']
    const hidden = ['s0: v', 's2/a: b', 's3/a: c', '[a/s0: a]']
    expect(converted(chain, rowsOf(frozen), toHidden)).toEqual(hidden)
    expect(converted(chain, rowsOf(hidden), { from: 'hidden', to: 'frozen' })).toEqual(frozen)
    expect(converted(chain, rowsOf(hidden), { from: 'hidden', to: 'hidden' })).toEqual(hidden)
  })

  it('hidden rows over each other, under no point in time, and one that has one reader', () => {
    const chain = 'v <- (a <- (b <- top^, c), d)'
    const hidden = ['[x: v]', '[y/x: a]', 's0/y: b', 's1/y: c', 's2/x: d']
    const frozen = ['s0: b', 's1: c', 's2: d']
    expect(converted(chain, rowsOf(hidden), { from: 'hidden', to: 'frozen' })).toEqual(frozen)
    expect(converted(chain, rowsOf(hidden), { from: 'hidden', to: 'hidden' })).toEqual(hidden)
    expect(converted(chain, rowsOf(frozen), toHidden)).toEqual(['s0/a: b', 's1/a: c', 's2/v: d', '[v: v]', '[a/v: a]'])
    expect(
      converted('v <- a^', rowsOf(['[x: v]']), { from: 'hidden', to: 'frozen' }),
      'v has one reader: the row is about to go',
    ).toEqual([])
  })

  it('other readers count; the active image is never one', () => {
    const chain = parsed('v <- (a, b^ <- (c, d))')
    const read = withImages(
      chain,
      new Map(chain.images).set('a', { ...knownImage(chain, 'a'), otherReaders: ['x', 'y'] }),
    )
    expect(E.map(text)(writeRecords(read, [], 'hidden'))).toEqual(E.right(['[v: v]', '[a/v: a]']))
  })

  it('a parent that does not lie under it is left alone', () =>
    expect(converted('v <- (a <- (b <- t^, c), d)', rowsOf(['s0: d', 's1/s0: b']), toHidden)).toEqual([
      's0/v: d',
      's1/s0: b',
      '[v: v]',
      '[a/v: a]',
    ]))

  it('lie on the first of several points in time in one image', () =>
    expect(
      converted('v <- a <- (b <- t^, c)', rowsOf(['s0: v', 's1/s0: v', 's2/s0: b', 's3/s1: c']), toHidden),
    ).toEqual(['s0: v', 's1/s0: v', 's2/a: b', 's3/s1: c', '[a/s0: a]']))

  it('an id that is taken, and hidden rows where none can be', () => {
    expect(converted('v <- (a, b^)', rowsOf(['v: a']), toHidden)).toEqual([{ _tag: 'IdTaken', id: 'v' }])
    for (const from of ['frozen', 'overlay'] as const)
      expect(converted('v <- (a, b^)', rowsOf(['[x: a]']), { from, to: 'hidden' })).toEqual([
        { _tag: 'HiddenUnexpected', id: 'x' },
      ])
  })
})

describe('readRecords refuses', () => {
  const wrong: ReadonlyArray<readonly [Convention, string, ReadonlyArray<string>, ReadonlyArray<ConventionError>]> = [
    ['frozen', 'v <- a^', ['s: gone'], [{ _tag: 'FileMissing', id: 's', file: 'gone' }]],
    ['overlay', 'v <- a^', ['s: gone'], [{ _tag: 'FileMissing', id: 's', file: 'gone' }]],
    ['hidden', 'v <- a^', ['[s: gone]'], [{ _tag: 'FileMissing', id: 's', file: 'gone' }]],
    ['overlay', 'v <- a^', ['s: v'], [{ _tag: 'BackingMissing', id: 's', file: 'v' }]],
    ['frozen', 'v <- a^', ['s: a'], [{ _tag: 'PointWritten', id: 's', image: 'a' }]],
    ['frozen', 'v <- a^ <- b <- c', ['s: c'], [{ _tag: 'PointWritten', id: 's', image: 'c' }]],
    ['overlay', 'v <- a^ <- b', ['s: b'], [{ _tag: 'PointWritten', id: 's', image: 'a' }]],
    ['frozen', 'v <- a^', ['s: v', 's: v'], [{ _tag: 'IdDuplicate', id: 's', files: ['v', 'v'] }]],
    [
      'frozen',
      'v <- a^',
      ['s: v', 's/t: v', 't: v'],
      [{ _tag: 'ParentDuplicate', id: 's', parents: [undefined, 't'] }],
    ],
    ['frozen', 'v <- a^', ['s/t: v'], [{ _tag: 'ParentMissing', id: 's', parent: 't' }]],
    ['frozen', 'v <- a^', ['s/s: v'], [{ _tag: 'ParentLoop', ids: ['s'] }]],
    ['hidden', 'v <- a^', ['r/s: v', '[s/t: v]', 't/s: v'], [{ _tag: 'ParentLoop', ids: ['s', 't'] }]],
    [
      'frozen',
      'v <- a^',
      ['r/q: a', 's/t: -', 't/s: gone'],
      [
        { _tag: 'ParentMissing', id: 'r', parent: 'q' },
        { _tag: 'ParentLoop', ids: ['s', 't'] },
        { _tag: 'PointWritten', id: 'r', image: 'a' },
        { _tag: 'FileMissing', id: 't', file: 'gone' },
      ],
    ],
  ]
  it.each(wrong)('%s, %s: %j', (convention, notation, rows, problems) =>
    expect(readRecords(parsed(notation), rowsOf(rows), convention)).toEqual(E.left(problems)),
  )

  it('writeRecords refuses the same of points', () =>
    expect(writeRecords(parsed('v <- a^'), [{ snapshot: 's', parent: 't', image: 'a' }], 'overlay')).toEqual(
      E.left([
        { _tag: 'ParentMissing', id: 's', parent: 't' },
        { _tag: 'PointWritten', id: 's', image: 'a' },
      ]),
    ))
})

/** The overlay that a point of these is to name, by walking; or why there is none. */
const expectedOverlay = (chain: Chain, points: ReadonlyArray<RecordedPoint>, of: RecordedPoint): string => {
  const overlays = overlaysOf(chain, of.image ?? '').map(({ name }): string => name)
  const on = (upTo: string | undefined) => {
    const names = upTo === undefined ? [] : (path(chain, upTo) ?? []).map(({ name }): string => name)
    return overlays.filter((overlay) => names.includes(overlay))
  }
  const children = points.filter(({ parent }) => parent === of.snapshot).flatMap(({ image }) => on(image))
  const decided = Array.from(new Set(children))
  if (overlays.length < 2) return overlays[0] ?? 'OverlayMissing'
  const [chosen, ...more] = decided.length > 0 ? decided : on(chain.active)
  return chosen === undefined || more.length > 0 ? 'OverlayAmbiguous' : chosen
}

describe('laws over random chains', () => {
  const plain = (points: ReadonlyArray<RecordedPoint>) =>
    points.map(({ snapshot, parent, image }) => ({ snapshot, parent, image }))

  it('frozen, overlay, frozen is the identity wherever an overlay can be named', () =>
    fc.assert(
      fc.property(arbitraryPoints({ maxImages: 12 }), ({ chain, points }) => {
        const frozen = writeRecords(chain, points, 'frozen')
        const rows = E.isRight(frozen) ? frozen.right : expect.fail(JSON.stringify(frozen.left))
        const there = convertRecords(chain, rows, toOverlay)
        const expected = points.map((point) =>
          point.image === undefined ? '-' : expectedOverlay(chain, points, point),
        )
        if (E.isLeft(there)) {
          expect(there.left.map(({ _tag }) => _tag)).toEqual(expected.filter((one) => one.startsWith('Overlay')))
          return
        }
        expect(there.right.map(({ file }) => file ?? '-')).toEqual(expected)
        expect(convertRecords(chain, there.right, toFrozen)).toEqual(frozen)
      }),
      { numRuns: 1000 },
    ))

  it('overlay, frozen, overlay keeps every point in time; whoever keeps the overlay keeps the rows', () =>
    fc.assert(
      fc.property(arbitraryPoints({ maxImages: 12 }), fc.infiniteStream(fc.nat()), ({ chain, points }, choices) => {
        const rows = points.flatMap(({ snapshot: id, parent, image }): ReadonlyArray<SnapshotRow> => {
          const overlays = overlaysOf(chain, image ?? '')
          const file = overlays[(choices.next().value ?? 0) % Math.max(1, overlays.length)]?.name
          return [{ id, parent, file }]
        })
        const read = readRecords(chain, rows, 'overlay')
        const known = E.isRight(read) ? read.right : expect.fail(JSON.stringify(read.left))
        expect(writeRecords(chain, known, 'overlay')).toEqual(E.right(rows))
        const frozen = writeRecords(chain, known, 'frozen')
        const back = E.chain((of: ReadonlyArray<SnapshotRow>) => convertRecords(chain, of, toOverlay))(frozen)
        if (E.isRight(back))
          expect(E.map(plain)(readRecords(chain, back.right, 'overlay'))).toEqual(E.right(plain(known)))
      }),
      { numRuns: 500 },
    ))

  it('frozen, hidden, frozen is the identity; the hidden rows are what several read and no point in time is in', () =>
    fc.assert(
      fc.property(arbitraryPoints({ maxImages: 12, extras: 'some' }), ({ chain, points }) => {
        const written = writeRecords(chain, points, 'hidden')
        const rows = E.isRight(written) ? written.right : expect.fail(JSON.stringify(written.left))
        const needed = Array.from(chain.images.keys()).filter(
          (name) =>
            name !== chain.active && readersOf(chain, name).length > 1 && points.every(({ image }) => image !== name),
        )
        expect(rows.flatMap(({ file, hidden }) => (hidden === true ? [file] : []))).toEqual(needed)
        expect(readRecords(chain, rows, 'hidden')).toEqual(E.right(points))
        expect(convertRecords(chain, rows, { from: 'hidden', to: 'frozen' })).toEqual(
          writeRecords(chain, points, 'frozen'),
        )
        const ids = new Set(rows.map(({ id }) => id))
        for (const { parent } of rows) expect(parent === undefined || ids.has(parent)).toBe(true)
      }),
      { numRuns: 500 },
    ))

  it('a chain of 50,000 images with a point in each, and a fan of as many overlays, in linear time', () => {
    const count = 50_000
    const deep = parsed(`${Array.from({ length: count }, (_, at) => `i${at}`).join(' <- ')}^`)
    const above = (at: number) => (at === 0 ? undefined : `s${at - 1}`)
    const deepPoints = Array.from({ length: count - 1 }, (_, at) => ({
      snapshot: `s${at}`,
      parent: above(at),
      image: `i${at}`,
    }))
    const fan = parsed(`base <- (${Array.from({ length: count }, (_, at) => `i${at}`).join(', ')}, top^)`)
    const fanPoints = Array.from({ length: count }, (_, at) => ({
      snapshot: `s${at}`,
      parent: above(at),
      image: 'base',
    }))
    for (const convention of ['overlay', 'frozen', 'hidden'] as const) {
      expect(writeRecords(deep, deepPoints, convention)._tag).toBe('Right')
      expect(writeRecords(fan, fanPoints, convention)._tag).toBe('Right')
    }
  })
  it('100,000 hidden rows on each other, in linear time', () => {
    const rows = Array.from({ length: 100_000 }, (_, at) => ({
      id: `${at}`,
      parent: at === 0 ? undefined : `${at - 1}`,
      file: 'v',
      hidden: true,
    }))
    const last = { id: 's', parent: '99999', file: 'v' }
    expect(readRecords(parsed('v <- a^'), [...rows, last], 'hidden')).toEqual(
      E.right([{ snapshot: 's', parent: undefined, image: 'v' }]),
    )
  })
})
