import { isPlainCharacter, marksInOrder } from './picture.js'
import type { Picture, PictureImage } from './picture.js'

/** A name as the notation writes it: bare where nothing in it is syntax, else a JSON string. */
export const nameText = (name: string): string =>
  name !== '' && Array.from(name).every(isPlainCharacter) ? name : JSON.stringify(name)

const imageText = (image: PictureImage): string => {
  const format = image.format === undefined ? '' : `:${image.format}`
  const contents = image.contents === undefined ? '' : `[${image.contents}]`
  return `${nameText(image.name)}${format}${contents}${marksInOrder.filter((mark) => image.marks.includes(mark)).join('')}`
}

/** The places of the overlays of each image, in the order of the list; those with no backing file come under `undefined`. */
const overlayPlaces = (picture: Picture): ReadonlyMap<number | undefined, ReadonlyArray<number>> => {
  const places = new Map<number | undefined, Array<number>>()
  for (const [place, { backing }] of picture.images.entries()) {
    const known = places.get(backing)
    if (known === undefined) places.set(backing, [place])
    else known.push(place)
  }
  return places
}

/** Puts what is still to be written on the stack: the places with `between` them, the first one on top. */
const pushPlaces = (todo: Array<string | number>, places: ReadonlyArray<number>, between: string): void => {
  for (let index = places.length - 1; index >= 0; index--) {
    const place = places[index]
    if (place !== undefined) todo.push(place)
    if (index > 0) todo.push(between)
  }
}

/**
 * Writes a picture on one line. The stack is a list of its own, so that no depth is too deep.
 *
 * Law: `parsePicture(printPicture(picture))` is `picture`, where its images are in the order of writing.
 */
export const printPicture = (picture: Picture): string => {
  const overlays = overlayPlaces(picture)
  const written: Array<string> = []
  const todo: Array<string | number> = []
  pushPlaces(todo, overlays.get(undefined) ?? [], '; ')
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const image = typeof next === 'number' ? picture.images[next] : undefined
    written.push(image === undefined ? String(next) : imageText(image))
    const above = typeof next === 'number' ? (overlays.get(next) ?? []) : []
    if (above.length > 1) todo.push(')')
    pushPlaces(todo, above, ', ')
    if (above.length > 0) todo.push(above.length > 1 ? ' <- (' : ' <- ')
  }
  return written.join('')
}
