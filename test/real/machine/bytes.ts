// The bytes of a point in time, one character a cell.

import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runOk } from '../lab/exec.js'
import { readCells } from '../lab/images.js'

/** Where bytes are: an image as its headers go on below it, or an internal snapshot of one. */
export interface Place {
  readonly path: string
  readonly format: string
  readonly inside?: string
}

const readInside = async ({ path, format, inside = '' }: Place): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-in-'))
  try {
    const raw = join(folder, 'raw')
    await runOk([
      'qemu-img',
      'convert',
      '-U',
      '-f',
      format,
      '-l',
      `snapshot.name=${inside.replaceAll(',', ',,')}`,
      '-O',
      'raw',
      path,
      raw,
    ])
    return await readCells(raw, 'raw')
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What a place reads as now; in words why not, where it cannot be read. */
export const cellsAt = async (place: Place): Promise<string> => {
  const reading =
    place.inside === undefined ? readCells(place.path, place.format, { share: 'force' }) : readInside(place)
  return reading.catch(
    (error: unknown) => `cannot be read: ${/qemu-img: .*/.exec(String(error))?.[0] ?? String(error)}`,
  )
}

/** What each of these places reads as, by what it is called; without a place, those words. */
export const allCells = async (
  places: ReadonlyMap<string, Place | undefined>,
): Promise<ReadonlyMap<string, string>> => {
  const keyOf = ({ path, format, inside }: Place): string => JSON.stringify([path, format, inside])
  const read = new Map<string, Promise<string>>()
  for (const place of places.values())
    if (place !== undefined && !read.has(keyOf(place))) read.set(keyOf(place), cellsAt(place))
  const found = Array.from(places, async ([what, place]) => {
    const cells = place === undefined ? 'no place' : ((await read.get(keyOf(place))) ?? '')
    return [what, cells] as const
  })
  return new Map(await Promise.all(found))
}

/** Gives a file to the user whose the machine's images are. */
export const handOver = async (path: string): Promise<void> => {
  if (process.getuid?.() === 0) await chown(path, 65534, 65534)
}
