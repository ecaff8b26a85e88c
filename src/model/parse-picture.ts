import * as E from 'fp-ts/lib/Either.js'
import { parse } from 'fp-ts/lib/Json.js'

import { formats, isFormat, traitsOf } from './format.js'
import type { Format } from './format.js'
import { isPlainCharacter, marksInOrder, wrongAt } from './picture.js'
import type { Mark, NotationError, Picture, PictureImage } from './picture.js'

/** A text and the place in it up to which it has been read. */
interface Reader {
  readonly text: string
  at: number
}

type Read<A> = E.Either<NotationError, A>

const wrong = (reader: Reader, expected: string): E.Either<NotationError, never> =>
  E.left(wrongAt(reader.text, reader.at, expected))

const skipSpace = (reader: Reader): void => {
  while (/^\s$/.test(reader.text.charAt(reader.at))) reader.at++
}

/** Reads over `token`, and the white space after it, where it comes next. */
const skip = (reader: Reader, token: string): boolean => {
  if (!reader.text.startsWith(token, reader.at)) return false
  reader.at += token.length
  skipSpace(reader)
  return true
}

const readPlain = (reader: Reader): string => {
  const start = reader.at
  for (;;) {
    const code = reader.text.codePointAt(reader.at)
    const character = code === undefined ? '' : String.fromCodePoint(code)
    if (code === undefined || !isPlainCharacter(character)) return reader.text.slice(start, reader.at)
    reader.at += character.length
  }
}

const readQuoted = (reader: Reader): Read<string> => {
  let end = reader.at + 1
  while (end < reader.text.length && reader.text[end] !== '"') end += reader.text[end] === '\\' ? 2 : 1
  const json = parse(reader.text.slice(reader.at, end + 1))
  if (E.isLeft(json) || typeof json.right !== 'string') return wrong(reader, 'a name as a JSON string')
  reader.at = end + 1
  return E.right(json.right)
}

const readName = (reader: Reader): Read<string> => {
  if (reader.text[reader.at] === '"') return readQuoted(reader)
  const name = readPlain(reader)
  return name === '' ? wrong(reader, 'the name of an image') : E.right(name)
}

const readFormat = (reader: Reader): Read<Format | undefined> => {
  if (reader.text[reader.at] !== ':') return E.right(undefined)
  const start = ++reader.at
  const format = readPlain(reader)
  if (isFormat(format)) return E.right(format)
  return E.left(wrongAt(reader.text, start, `a format: ${formats.join(', ')}`))
}

const readContents = (reader: Reader, format: Format): Read<string | undefined> => {
  if (reader.text[reader.at] !== '[') return E.right(undefined)
  const start = reader.at + 1
  const end = reader.text.indexOf(']', start)
  if (end < 0) return E.left(wrongAt(reader.text, reader.text.length, '"]"'))
  const contents = reader.text.slice(start, end)
  const nested = contents.indexOf('[')
  if (nested >= 0) return E.left(wrongAt(reader.text, start + nested, '"]", or one character a cluster'))
  const hole = traitsOf(format).holes === 'none' ? contents.indexOf('-') : -1
  if (hole >= 0) return E.left(wrongAt(reader.text, start + hole, `no hole, since ${format} has none; "0" for zeroes`))
  reader.at = end + 1
  return E.right(contents)
}

const readMarks = (reader: Reader): Read<ReadonlyArray<Mark>> => {
  const marks = new Set<Mark>()
  for (;;) {
    const mark = marksInOrder.find((one) => reader.text[reader.at] === one)
    if (mark === undefined) return E.right(marksInOrder.filter((one) => marks.has(one)))
    if (marks.has(mark)) return wrong(reader, `"${mark}" only once`)
    marks.add(mark)
    reader.at++
  }
}

const readImage = (reader: Reader, backing: number | undefined): Read<PictureImage> => {
  const name = readName(reader)
  if (E.isLeft(name)) return name
  const format = readFormat(reader)
  if (E.isLeft(format)) return format
  const contents = readContents(reader, format.right ?? 'qcow2')
  if (E.isLeft(contents)) return contents
  const marks = readMarks(reader)
  if (E.isLeft(marks)) return marks
  skipSpace(reader)
  return E.right({ name: name.right, backing, format: format.right, contents: contents.right, marks: marks.right })
}

/** Reads what stands between two images, and says on which one the next stands; `done` after the last. */
const readBetween = (reader: Reader, last: number, open: Array<number>): Read<number | undefined | 'done'> => {
  if (skip(reader, '<-')) {
    if (skip(reader, '(')) open.push(last)
    return E.right(last)
  }
  while (open.length > 0 && skip(reader, ')')) open.pop()
  const branching = open[open.length - 1]
  if (branching !== undefined) return skip(reader, ',') ? E.right(branching) : wrong(reader, '"<-", "," or ")"')
  if (skip(reader, ';')) return E.right(undefined)
  return reader.at >= reader.text.length ? E.right('done') : wrong(reader, '"<-", ";" or the end')
}

/**
 * Reads a picture.
 *
 * ```
 * picture  = tree *( ";" tree )
 * tree     = image [ "<-" ( tree | "(" tree *( "," tree ) ")" ) ]
 * image    = name [ ":" format ] [ "[" contents "]" ] *( "*" | "+" | "^" )
 * name     = 1*plain | JSON string
 * contents = one character a cluster: "-" hole, "0" zeroes, any other but "[" and "]" data
 * ```
 *
 * White space may stand between images and signs, and nowhere inside an image. Total, linear, and never recursive.
 */
export const parsePicture = (text: string): E.Either<NotationError, Picture> => {
  const reader: Reader = { text, at: 0 }
  const images: Array<PictureImage> = []
  const open: Array<number> = []
  let backing: number | undefined = undefined
  skipSpace(reader)
  for (;;) {
    const image: Read<PictureImage> = readImage(reader, backing)
    if (E.isLeft(image)) return image
    images.push(image.right)
    const next: Read<number | undefined | 'done'> = readBetween(reader, images.length - 1, open)
    if (E.isLeft(next)) return next
    if (next.right === 'done') return E.right({ images })
    backing = next.right
  }
}
