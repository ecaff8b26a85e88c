// Real images from a picture, and the picture back from real images. One character is one cell of 64 KiB.

import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { binary, type QemuVersion } from './binaries.js'
import { runOk } from './exec.js'
import { fields, flag, integer, list, optional, parseJson, text } from './json.js'

export const cellBytes = 65536

export interface ImageSpec {
  readonly path: string
  readonly format: 'raw' | 'qcow2'
  /** A multiple of 512. */
  readonly sizeBytes: number
  /** 65536 if left out. */
  readonly clusterBytes?: number
  /** The header's strings, stored as given and not looked at. */
  readonly backing?: { readonly header: string; readonly format?: string }
  /** One character a cell: '-' hole, '0' explicit zero, 'a'-'z' 'A'-'Z' '1'-'9' that byte. Missing ones are holes. */
  readonly cells: string
  /** More options of `qemu-img create -o`, such as 'compat=0.10'. */
  readonly options?: ReadonlyArray<string>
}

export interface Header {
  readonly format: string
  readonly sizeBytes: number
  readonly backing: string | undefined
  readonly backingFormat: string | undefined
}

export interface ReadOptions {
  readonly version?: QemuVersion
  /** Read an image that another process writes to (-U). */
  readonly share?: 'force'
}

const newest: QemuVersion = '10.0'

// An absolute path needs no care for leading dashes, colons and `json:`.
const alone = (path: string, format: string, forceShare: boolean): string =>
  `json:${JSON.stringify({
    driver: format,
    file: { driver: 'file', filename: resolve(path) },
    ...(format === 'raw' ? {} : { backing: null }),
    ...(forceShare ? { 'force-share': true, 'read-only': true } : {}),
  })}`

const createArgv = (spec: ImageSpec): ReadonlyArray<string> => {
  const clusterBytes = spec.clusterBytes ?? cellBytes
  const options = [
    ...(spec.format === 'qcow2' ? [`cluster_size=${String(clusterBytes)}`] : []),
    ...(spec.options ?? []),
  ]
  const backing = spec.backing === undefined ? [] : ['-b', spec.backing.header]
  const backingFormat = spec.backing?.format === undefined ? [] : ['-F', spec.backing.format]
  return [
    ...['create', '-q', '-u', '-f', spec.format, ...backing, ...backingFormat],
    ...options.flatMap((option) => ['-o', option]),
    ...[resolve(spec.path), String(spec.sizeBytes)],
  ]
}

interface Extent {
  readonly value: string
  readonly startBytes: number
  readonly endBytes: number
}

const extentsOf = (spec: ImageSpec): ReadonlyArray<Extent> => {
  const extents: Extent[] = []
  for (const [cell, value] of [...spec.cells].entries()) {
    const startBytes = cell * cellBytes
    const endBytes = Math.min(startBytes + cellBytes, spec.sizeBytes)
    if (startBytes >= endBytes) throw new Error(`${spec.path}: more cells than the image holds`)
    if (!/^[-0-9a-zA-Z]$/.test(value)) throw new Error(`${spec.path}: no cell is written '${value}'`)
    const last = extents.at(-1)
    if (last !== undefined && last.value === value) extents[extents.length - 1] = { ...last, endBytes }
    else extents.push({ value, startBytes, endBytes })
  }
  return extents.filter(({ value }) => value !== '-')
}

const writeOf = ({ value, startBytes, endBytes }: Extent): ReadonlyArray<string> => [
  '-c',
  `write ${value === '0' ? '-z' : `-P ${String(value.charCodeAt(0))}`} ${String(startBytes)} ${String(endBytes - startBytes)}`,
]

/** Creates one image: header and size by qemu-img, cells by a single run of qemu-io. */
export const createImage = async (spec: ImageSpec, version: QemuVersion = newest): Promise<void> => {
  await runOk([binary(version, 'qemu-img'), ...createArgv(spec)])
  const writes = extentsOf(spec).flatMap(writeOf)
  if (writes.length === 0) return
  // Partly written clusters are filled from the backing file, so then it has to be opened.
  const filled = (spec.clusterBytes ?? cellBytes) > cellBytes && spec.backing !== undefined
  const target = filled ? ['-f', spec.format, resolve(spec.path)] : [alone(spec.path, spec.format, false)]
  const said = await runOk([binary(version, 'qemu-io'), ...writes, ...target])
  if (/failed|error/i.test(said)) throw new Error(`${spec.path}: ${said}`)
}

/** Creates the images in the given order, base first. */
export const createImages = async (specs: ReadonlyArray<ImageSpec>, version: QemuVersion = newest): Promise<void> => {
  for (const spec of specs) await createImage(spec, version)
}

const nameOfByte = (byte: number): string => {
  const letter = String.fromCharCode(byte)
  if (byte === 0) return '0'
  return /^[1-9a-zA-Z]$/.test(letter) ? letter : '?'
}

const cellsOfRaw = async (path: string): Promise<string> => {
  const file = await open(path, 'r')
  try {
    let cells = ''
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(cellBytes), 0, cellBytes, cells.length * cellBytes)
      if (bytesRead === 0) return cells
      const first = buffer[0] ?? 0
      const uniform = buffer.subarray(0, bytesRead).equals(Buffer.alloc(bytesRead, first))
      cells += uniform ? nameOfByte(first) : '?'
    }
  } finally {
    await file.close()
  }
}

/**
 * What a guest would see of the image, through its backing chain as its headers say: one character a cell, '0' for
 * zeroes, '?' where a cell is not one byte all through.
 */
export const readCells = async (path: string, format: string, options: ReadOptions = {}): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-read-'))
  try {
    const raw = join(folder, 'raw')
    const share = options.share === 'force' ? ['-U'] : []
    const tool = binary(options.version ?? newest, 'qemu-img')
    await runOk([tool, 'convert', ...share, '-f', format, '-O', 'raw', resolve(path), raw], {
      cwd: dirname(resolve(path)),
    })
    return await cellsOfRaw(raw)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const kindOf = (extent: unknown): string => {
  const { present, data } = fields(extent)
  if (!flag(present)) return '-'
  return flag(data) ? 'd' : '0'
}

/** What the image itself holds, its backing file aside: '-' hole, '0' zero, 'd' data, '?' not one thing all through. */
export const readMap = async (path: string, format: string, options: ReadOptions = {}): Promise<string> => {
  const tool = binary(options.version ?? newest, 'qemu-img')
  const image = alone(path, format, options.share === 'force')
  const share = options.share === 'force' ? ['-U'] : []
  const extents = list(parseJson(await runOk([tool, 'map', ...share, '--output=json', image])))
  const cells: string[] = []
  for (const extent of extents) {
    const start = integer(fields(extent)['start'])
    const end = start + integer(fields(extent)['length'])
    const kind = kindOf(extent)
    for (let cell = Math.floor(start / cellBytes); cell * cellBytes < end; cell++) {
      cells[cell] = cells[cell] === undefined || cells[cell] === kind ? kind : '?'
    }
  }
  return cells.join('')
}

/** What `qemu-img info` says of one image, all of it. */
export const readInfo = async (path: string, options: ReadOptions = {}): Promise<unknown> => {
  const share = options.share === 'force' ? ['-U'] : []
  const tool = binary(options.version ?? newest, 'qemu-img')
  return parseJson(await runOk([tool, 'info', ...share, '--output=json', resolve(path)]))
}

/** Format, size and the backing strings as the header stores them. */
export const readHeader = async (path: string, options: ReadOptions = {}): Promise<Header> => {
  const info = fields(await readInfo(path, options))
  return {
    format: text(info['format']),
    sizeBytes: integer(info['virtual-size']),
    backing: optional(text, info['backing-filename']),
    backingFormat: optional(text, info['backing-filename-format']),
  }
}
