import type { Convention, SnapshotRow } from './snapshot-row.js'
import { single } from './diff-observation.js'
import type { Answer, Sight, SightedImage } from './diff-observation.js'

/**
 * Why one row holds no point in time.
 *
 * - `FileMissing`: no image answers to its file. `NameAmbiguous`: several do.
 * - `BackingMissing`: its file has no backing file, where the overlay convention has the point in time.
 * - `PointWritten`: the image that should hold the point in time is the active one, or lies above it, so the guest has
 *   changed it.
 *
 * @since 0.2.0
 */
export type PlaceProblem =
  | { readonly _tag: 'FileMissing'; readonly id: string; readonly file: string }
  | { readonly _tag: 'NameAmbiguous'; readonly name: string; readonly images: ReadonlyArray<string> }
  | { readonly _tag: 'BackingMissing'; readonly id: string; readonly file: string }
  | { readonly _tag: 'PointWritten'; readonly id: string; readonly image: string }

/** The image that a row names, the one that holds its point in time, and what is wrong. */
export interface PlacedRow {
  readonly file: SightedImage | undefined
  readonly point: SightedImage | undefined
  readonly problem: PlaceProblem | undefined
}

/** What is wrong where a name leads to no image, or to several; nothing where it leads to one. */
export const nameProblem = <Missing>(
  name: string,
  { images, names }: Answer,
  missing: Missing,
): Missing | PlaceProblem | undefined => {
  if (images.length === 1) return undefined
  return images.length === 0 ? missing : { _tag: 'NameAmbiguous', name, images: names }
}

/** Where a row leads in what was observed. A hidden one leads to a file, and to no point in time. */
export const placeRow = (seen: Sight, row: SnapshotRow, convention: Convention): PlacedRow => {
  const { id, file: name } = row
  if (name === undefined) return { file: undefined, point: undefined, problem: undefined }
  const answer = seen.answering(name)
  const file = single(answer)
  if (file === undefined || row.hidden === true) {
    const missing: PlaceProblem = { _tag: 'FileMissing', id, file: name }
    return { file, point: undefined, problem: nameProblem(name, answer, missing) }
  }
  const point = convention === 'overlay' ? file.backing : file
  if (point === undefined) {
    const ends = file.image.backing === undefined
    const problem: PlaceProblem = { _tag: 'BackingMissing', id, file: file.image.name }
    return { file, point, problem: ends ? problem : undefined }
  }
  const problem: PlaceProblem = { _tag: 'PointWritten', id, image: point.image.name }
  return { file, point, problem: seen.written.has(point) ? problem : undefined }
}
