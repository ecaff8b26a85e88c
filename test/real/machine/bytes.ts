// The bytes of a point in time, one character a cell.

import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binary, type QemuVersion } from '../lab/binaries.js'
import { runOk } from '../lab/exec.js'
import { allRead, readCells, sharedWord } from '../lab/images.js'

/** Where bytes are: an image as its headers go on below it, or an internal snapshot of one. */
export interface Place {
  readonly path: string
  readonly format: string
  readonly inside?: string
}

/** What each place reads as, by what it is called. */
type Cells = ReadonlyMap<string, string>

const readInside = async ({ path, format, inside = '' }: Place, version: QemuVersion): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-in-'))
  try {
    const raw = join(folder, 'raw')
    const from = ['-f', format, '-l', `snapshot.name=${inside.replaceAll(',', ',,')}`]
    await runOk([binary(version, 'qemu-img'), 'convert', '-U', ...from, '-O', 'raw', path, raw])
    return await readCells(raw, 'raw')
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What a place reads as now; in words why not, where it cannot be read. */
export const cellsAt = async (place: Place, version: QemuVersion = '10.0'): Promise<string> => {
  const { path, format, inside } = place
  const reading =
    inside === undefined ? readCells(path, format, { version, share: 'force' }) : readInside(place, version)
  return reading.catch(
    (error: unknown) => `cannot be read: ${/qemu-img: .*/.exec(String(error))?.[0] ?? String(error)}`,
  )
}

const keyOf = ({ path, format, inside }: Place): string => JSON.stringify([path, format, inside])

const readEach = async (places: ReadonlyMap<string, Place>, version: QemuVersion): Promise<Cells> => {
  const read = new Map<string, Promise<string>>()
  for (const place of places.values()) if (!read.has(keyOf(place))) read.set(keyOf(place), cellsAt(place, version))
  const found = Array.from(places, async ([what, place]) => [what, (await read.get(keyOf(place))) ?? ''] as const)
  return new Map(await Promise.all(found))
}

/** True where one run of qemu-io finds all of these places to read so. */
const allAs = (places: ReadonlyMap<string, Place>, wanted: Cells, version: QemuVersion): Promise<boolean> => {
  const reads = Array.from(places, ([what, { path, format }]) => ({
    open: sharedWord(path, format),
    cells: wanted.get(what) ?? '',
  }))
  const once = new Map(reads.map((read) => [`${read.open} ${read.cells}`, read]))
  return allRead(version, Array.from(once.values()))
}

/** What each of these places reads as, by what it is called; without a place, those words. Fast where all is as wanted. */
export const allCells = async (
  places: ReadonlyMap<string, Place | undefined>,
  wanted: Cells,
  version: QemuVersion = '10.0',
): Promise<Cells> => {
  const there = Array.from(places).flatMap(([what, place]) => (place === undefined ? [] : [[what, place] as const]))
  const whole = new Map(there.filter(([what, { inside }]) => inside === undefined && wanted.has(what)))
  const asWanted = await allAs(whole, wanted, version)
  const rest = there.filter(([what]) => !asWanted || !whole.has(what))
  const read = await readEach(new Map(rest), version)
  return new Map(
    Array.from(places, ([what, place]) => [
      what,
      place === undefined ? 'no place' : (read.get(what) ?? wanted.get(what) ?? ''),
    ]),
  )
}

/** Gives a file to the user whose the machine's images are. */
export const handOver = async (path: string): Promise<void> => {
  if (process.getuid?.() === 0) await chown(path, 65534, 65534)
}
