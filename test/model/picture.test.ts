import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { formats, traitsOf } from '../../src/model/format.js'
import { parsePicture } from '../../src/model/parse-picture.js'
import { marksInOrder } from '../../src/model/picture.js'
import type { Picture, PictureImage } from '../../src/model/picture.js'
import { nameText, printPicture } from '../../src/model/print-picture.js'

const arbitraryName = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'ab<-()[]{},;:*+^"\\ \n\t\r\0\u00a0\u2028\ufeff\u200b0\ud800') }),
  fc.constantFrom('', ' ', '<-', 'a <- b', '"', '__proto__', '-', '🐍', '\udc00', 'größe', 'a\u0301', '-a', 'a.b_c/d'),
)

const arbitraryImage = fc.record({
  name: arbitraryName,
  format: fc.option(fc.constantFrom(...formats), { nil: undefined }),
  contents: fc.option(fc.string({ unit: fc.constantFrom('-', '0', 'a', ' ', '\n', '"', '^', '🐍', ')') }), {
    nil: undefined,
  }),
  marks: fc.subarray([...marksInOrder]),
})

/** Each image stands on the one before it, on one further down the same branch, or on none: the order of writing. */
const inOrder = (images: ReadonlyArray<Omit<PictureImage, 'backing'>>, choices: ReadonlyArray<number>): Picture => {
  let branch: ReadonlyArray<number> = []
  return {
    images: images.map((image, place) => {
      const kept = (choices[place] ?? 0) % (branch.length + 1)
      branch = branch.slice(0, branch.length - kept)
      const backing = branch.at(-1)
      branch = [...branch, place]
      const none = traitsOf(image.format ?? 'qcow2').holes === 'none'
      return { ...image, backing, contents: none ? image.contents?.replace(/-/g, '0') : image.contents }
    }),
  }
}

const arbitraryPicture = fc
  .tuple(
    fc.array(arbitraryImage, { minLength: 1, maxLength: 12 }),
    fc.array(fc.nat(30), { minLength: 12, maxLength: 12 }),
  )
  .map(([images, choices]) => inOrder(images, choices))

const image = (name: string, backing: number | undefined): PictureImage => ({
  name,
  backing,
  format: undefined,
  contents: undefined,
  marks: [],
})

describe('print, then parse', () => {
  it('is the identity on any tree, any names, any contents, any marks', () => {
    fc.assert(
      fc.property(arbitraryPicture, (picture) => {
        expect(parsePicture(printPicture(picture))).toEqual(E.right(picture))
      }),
      { numRuns: 3000 },
    )
  })

  it('is the identity whatever white space stands between images and signs', () => {
    fc.assert(
      fc.property(arbitraryPicture, fc.constantFrom('', '\n', ' \t '), (of, space) => {
        const picture = {
          images: of.images.map(({ backing, marks }, place) => ({ ...image(`i${place}`, backing), marks })),
        }
        const text = printPicture(picture).replace(/(<-|[(),;])/g, `${space}$1${space}`)
        expect(parsePicture(`${space}${text}${space}`)).toEqual(E.right(picture))
      }),
    )
  })

  const count = 100_000
  const names = Array.from({ length: count }, (_, place) => `i${place}`)
  const shapes: ReadonlyArray<readonly [string, (place: number) => number | undefined]> = [
    ['a path', (place) => (place === 0 ? undefined : place - 1)],
    ['a fan', (place) => (place === 0 ? undefined : 0)],
    ['a row of trees', () => undefined],
    [
      'a branch on every image of a path',
      (place) => (place === 0 ? undefined : place % 2 === 0 ? place - 2 : place - 1),
    ],
    ['a branch beside every image, before it', (place) => (place === 0 ? undefined : place - 1 - ((place + 1) % 2))],
  ]
  it.each(shapes)('is the identity on 100,000 images: %s', (_, backing) => {
    const picture: Picture = { images: names.map((name, place) => image(name, backing(place))) }
    const text = printPicture(picture)
    const again = parsePicture(text)
    expect(E.isRight(again) && again.right.images.length).toBe(count)
    expect(E.isRight(again) && printPicture(again.right) === text).toBe(true)
  })
})

describe('a picture', () => {
  it.each([
    ['base <- snap1 <- snap2^', 'base <- snap1 <- snap2^'],
    ['base<-a<-b', 'base <- a <- b'],
    ['base <- ( only )', 'base <- only'],
    ['a<-(b,c<-(d,e),f);g', 'a <- (b, c <- (d, e), f); g'],
    ['base:raw[ab00]* <- b[--d-]^+', 'base:raw[ab00]* <- b[--d-]+^'],
    ['"plain"', 'plain'],
    ['"\\u0041 b"', '"A b"'],
    ['größe <- /dev/vg0/lv-1', 'größe <- /dev/vg0/lv-1'],
  ])('%s is printed as %s', (text, printed) => {
    const picture = parsePicture(text)
    expect(E.isRight(picture) && printPicture(picture.right)).toBe(printed)
  })

  it.each([
    ['', 0, 'the name of an image', 'the end'],
    ['  <- a', 2, 'the name of an image', '<'],
    ['a <- ', 5, 'the name of an image', 'the end'],
    ['a b', 2, '"<-", ";" or the end', 'b'],
    ['a - b', 2, '"<-", ";" or the end', '-'],
    ['a)', 1, '"<-", ";" or the end', ')'],
    ['a <- (b', 7, '"<-", "," or ")"', 'the end'],
    ['a <- (b; c)', 7, '"<-", "," or ")"', ';'],
    ['a <- (b) <- c', 9, '"<-", ";" or the end', '<'],
    ['a, b', 1, '"<-", ";" or the end', ','],
    ['a <- ()', 6, 'the name of an image', ')'],
    ['a <- ((b))', 6, 'the name of an image', '('],
    ['a;', 2, 'the name of an image', 'the end'],
    ['a:qcow3', 2, 'a format: ', 'q'],
    ['a: raw', 2, 'a format: ', ' '],
    ['a[xy', 4, '"]"', 'the end'],
    ['a[x[y]', 3, '"]", or one character a cluster', '['],
    ['a:raw[x-]', 7, 'no hole, since raw has none; "0" for zeroes', '-'],
    ['a^^', 2, '"^" only once', '^'],
    ['a^*^', 3, '"^" only once', '^'],
    ['a^[x]', 2, '"<-", ";" or the end', '['],
    ['"a', 0, 'a name as a JSON string', '"'],
    ['"\\x"', 0, 'a name as a JSON string', '"'],
    ['"a\nb"', 0, 'a name as a JSON string', '"'],
    ['a <- 🐍(', 7, '"<-", ";" or the end', '('],
    ['a <- \u{1F40D}\u0000', 7, '"<-", ";" or the end', '\0'],
  ] as const)('%j is wrong at %d', (text, at, expected, found) => {
    const picture = parsePicture(text)
    const error = E.isLeft(picture) ? picture.left : expect.fail('a picture')
    expect(error).toMatchObject({ _tag: 'NotationWrong', at, found })
    expect(error.expected).toContain(expected)
  })

  it('takes a name that starts with a dash, even right after an arrow', () => {
    const picture = parsePicture('a <--b')
    expect(E.isRight(picture) && picture.right.images[1]?.name).toBe('-b')
  })

  it('is total: any text gives a picture or one error inside the text', () => {
    const near = fc.string({ unit: fc.constantFrom(...'ab <-(),;:[]*+^"\\0🐍', '<-', ' <- ', 'raw', ':raw') })
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), near), (text) => {
        const picture = parsePicture(text)
        if (E.isRight(picture)) {
          expect(parsePicture(printPicture(picture.right))).toEqual(picture)
          return
        }
        expect(picture.left.at).toBeGreaterThanOrEqual(0)
        expect(picture.left.at).toBeLessThanOrEqual(text.length)
      }),
      { numRuns: 5000 },
    )
  })

  it.each(['(', '"', '[', 'a <- (', 'a;', '^', '\\', '"a\\'])(
    'is wrong, and soon, when %j comes 300,000 times',
    (piece) => {
      expect(E.isLeft(parsePicture(piece.repeat(300_000)))).toBe(true)
    },
  )

  it('takes a name, and contents, of ten million characters', () => {
    const long = 'x'.repeat(10_000_000)
    for (const text of [long, `"${long} "`, `a[${long}]`]) expect(E.isRight(parsePicture(text))).toBe(true)
  })
})

describe('nameText', () => {
  it.each(['a', 'snap-1', '/images/a.qcow2', '-', '0', 'größe', '名', '__proto__', '$HOME', '%'])(
    'leaves %j bare',
    (name) => expect(nameText(name)).toBe(name),
  )
  it.each(['', ' ', 'a b', 'a\n', '<-', 'a^', 'a*', 'a+', 'a:b', 'a,b', '(a', '[', ';', '"', '\\', '\u200b', '\ud800'])(
    'quotes %j',
    (name) => expect(nameText(name)).toBe(JSON.stringify(name)),
  )
})
