import type { Format } from './format.js'

/**
 * A mark of the libvirt wiki: `*` contents modified, `+` backing string modified, `^` the active image.
 *
 * @since 0.1.0
 */
export type Mark = '*' | '+' | '^'

/**
 * One image of a picture.
 *
 * - `backing`: the place in {@link Picture.images} of its backing file, counted from 0; nothing for a base.
 * - `format`, `contents`: as written after `:` and between `[` and `]`; nothing where not written.
 * - `marks`: each at most once, in the order `*`, `+`, `^`.
 *
 * @since 0.1.0
 */
export interface PictureImage {
  readonly name: string
  readonly backing: number | undefined
  readonly format: Format | undefined
  readonly contents: string | undefined
  readonly marks: ReadonlyArray<Mark>
}

/**
 * What a line of the wiki's notation says, before anybody asks whether it is a chain.
 *
 * The images stand in the order of writing: each after its backing file, and after everything on the branches to the left
 * of its own. A flat list, so that no depth of a chain is a depth of a value.
 *
 * @since 0.1.0
 */
export interface Picture {
  readonly images: ReadonlyArray<PictureImage>
}

/** The marks in the order in which the wiki writes them. */
export const marksInOrder: ReadonlyArray<Mark> = ['*', '+', '^']

const syntax = /[\s"<>()[\]{},;:*+^\\\p{Cc}\p{Cf}\p{Cs}]/u

/** True for a character that can stand in a name without quotes. */
export const isPlainCharacter = (character: string): boolean => !syntax.test(character)

/**
 * Why a text is not a picture: `at` counts UTF-16 units from 0, `found` is the character there, or `the end`.
 *
 * @since 0.1.0
 */
export interface NotationError {
  readonly _tag: 'NotationWrong'
  readonly at: number
  readonly expected: string
  readonly found: string
}

/** The error of expecting something else at a place. */
export const wrongAt = (text: string, at: number, expected: string): NotationError => {
  const code = text.codePointAt(at)
  return { _tag: 'NotationWrong', at, expected, found: code === undefined ? 'the end' : String.fromCodePoint(code) }
}
