// What images read as, against what they should; fast where all is well.

import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binary, type QemuVersion } from '../lab/binaries.js'
import { runOk } from '../lab/exec.js'
import { allRead, cellBytes, jsonName, readCells, type ShouldRead } from '../lab/images.js'
import { allCells, type Place } from './bytes.js'

/** An image as its headers go on below it, or an internal snapshot of one, and what it should read as. */
export interface Wanted {
  readonly what: string
  readonly path: string | undefined
  readonly inside: string | undefined
  readonly format: string
  readonly cells: string
}

type Compared = Record<'found' | 'wanted', ReadonlyMap<string, string>>

const inWords = (error: unknown): string =>
  `cannot be read: ${/qemu-img: .*/.exec(String(error))?.[0] ?? String(error)}`

type Placed = Wanted & { readonly path: string }

const compared = async (all: ReadonlyArray<Wanted>, read: (of: Placed) => Promise<string>): Promise<Compared> => {
  const found = await Promise.all(
    all.map(async (one) => {
      const { what, path } = one
      if (path === undefined) return [what, 'in no image'] as const
      return [what, await read({ ...one, path }).catch(inWords)] as const
    }),
  )
  return { found: new Map(found), wanted: new Map(all.map(({ what, cells }) => [what, cells])) }
}

const placeOf = ({ path, format, inside }: Pick<Wanted, 'path' | 'format' | 'inside'>): Place | undefined =>
  path === undefined ? undefined : { path, format, ...(inside === undefined ? {} : { inside }) }

/** What is read as its headers go on below it, and what it should read as. */
export const asHeadersLead = async (version: QemuVersion, all: ReadonlyArray<Wanted>): Promise<Compared> => {
  const wanted = new Map(all.map(({ what, cells }) => [what, cells]))
  const places = new Map(all.map(({ what, path, format, inside }) => [what, placeOf({ path, format, inside })]))
  return { found: await allCells(places, wanted, version), wanted }
}

/** The backing string in the header of a qcow2 file, as the file has it now. */
const backingIn = async (path: string): Promise<string | undefined> => {
  const file = await open(path, 'r')
  try {
    const { buffer } = await file.read(Buffer.alloc(cellBytes), 0, cellBytes, 0)
    const offset = Number(buffer.readBigUInt64BE(8))
    return offset === 0 ? undefined : buffer.toString('utf8', offset, offset + buffer.readUInt32BE(16))
  } finally {
    await file.close()
  }
}

interface Opened {
  readonly driver: 'qcow2'
  readonly file: object
  readonly backing: Opened | null
}

/**
 * Opens an image and all below it past the locks: while a job writes to an image, QEMU has nobody else read anything above it,
 * not even with -U.
 */
const unlocked = async (path: string): Promise<Opened> => {
  const below = await backingIn(path)
  const file = { driver: 'file', filename: path, locking: 'off' }
  return { driver: 'qcow2', file, backing: below === undefined ? null : await unlocked(below) }
}

const unlockedName = async (path: string): Promise<string> => jsonName(await unlocked(path))

/** What qemu-img reads past the locks, and what it should. */
export const convertedUnlocked = (version: QemuVersion, all: ReadonlyArray<Wanted>): Promise<Compared> =>
  compared(all, async ({ path, inside }) => {
    const folder = await mkdtemp(join(tmpdir(), 'bc-u-'))
    try {
      const raw = join(folder, 'raw')
      const from = inside === undefined ? [] : ['-l', `snapshot.name=${inside.replaceAll(',', ',,')}`]
      await runOk([binary(version, 'qemu-img'), 'convert', ...from, '-O', 'raw', await unlockedName(path), raw])
      return await readCells(raw, 'raw')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

/** True where one run of qemu-io, past the locks, finds every byte as it should be. */
export const allAsWanted = async (version: QemuVersion, all: ReadonlyArray<Wanted>): Promise<boolean> => {
  const found: ShouldRead[] = []
  for (const { path, cells } of all) {
    const open = path === undefined ? undefined : await unlockedName(path).catch(() => undefined)
    if (open === undefined) return false
    found.push({ open, cells })
  }
  return allRead(version, found)
}
