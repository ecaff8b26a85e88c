// Real images from a picture, and the picture back from real images. One character is one cell of 64 KiB.

import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { binary, type QemuVersion } from './binaries.js'
import { run, runOk, type Ran } from './exec.js'
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

/** A word of a qemu-io line: its lines are taken apart at spaces, whatever is quoted. */
export const jsonName = (node: object): string => `json:${JSON.stringify(node).replaceAll(' ', '\\u0020')}`

// An absolute path needs no care for leading dashes, colons and `json:`.
const fileNode = (path: string): object => ({
  driver: path.startsWith('/dev/') ? 'host_device' : 'file',
  filename: resolve(path),
})

const alone = (path: string, format: string, forceShare: boolean): string =>
  jsonName({
    driver: format,
    file: fileNode(path),
    ...(format === 'raw' ? {} : { backing: null }),
    ...(forceShare ? { 'force-share': true, 'read-only': true } : {}),
  })

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

const writeOf = ({ value, startBytes, endBytes }: Extent): string =>
  `write ${value === '0' ? '-z' : `-P ${String(value.charCodeAt(0))}`} ${String(startBytes)} ${String(endBytes - startBytes)}`

// Partly written clusters are filled from the backing file, so then it has to be opened.
const openedFor = (spec: ImageSpec): string =>
  (spec.clusterBytes ?? cellBytes) > cellBytes && spec.backing !== undefined
    ? wholeWord(spec.path, spec.format)
    : alone(spec.path, spec.format, false)

const wrong = /failed|error|can't|no file/i

/** One qemu-io for many lines. */
const runIo = async (version: QemuVersion, lines: ReadonlyArray<string>): Promise<Omit<Ran, 'argv'>> =>
  lines.length === 0
    ? { code: 0, stdout: '', stderr: '' }
    : run([binary(version, 'qemu-io'), ...lines.flatMap((line) => ['-c', line])])

/** Creates the images in the given order, base first: headers and sizes by qemu-img, all cells by a single run of qemu-io. */
export const createImages = async (specs: ReadonlyArray<ImageSpec>, version: QemuVersion = newest): Promise<void> => {
  for (const spec of specs) await runOk([binary(version, 'qemu-img'), ...createArgv(spec)])
  const lines = specs.flatMap((spec) => {
    const writes = extentsOf(spec).map(writeOf)
    return writes.length === 0 ? [] : [`open ${openedFor(spec)}`, ...writes, 'close']
  })
  const { code, stdout, stderr } = await runIo(version, lines)
  const said = stdout + stderr
  if (code !== 0 || wrong.test(said)) throw new Error(`${specs.map(({ path }) => path).join(' ')}: ${said}`)
}

/** Creates one image. */
export const createImage = (spec: ImageSpec, version: QemuVersion = newest): Promise<void> =>
  createImages([spec], version)

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

/** What a node of qemu-io's should read as. */
export interface ShouldRead {
  /** The word that follows `open`, with its options; see `jsonName`. */
  readonly open: string
  readonly cells: string
}

/** An image, and all that its headers lead to. */
export const wholeWord = (path: string, format: string): string => jsonName({ driver: format, file: fileNode(path) })

/** The same while others may write to it. */
export const sharedWord = (path: string, format: string): string => `-U ${wholeWord(path, format)}`

const readsOf = (cells: string): ReadonlyArray<string> =>
  Array.from(cells.matchAll(/(.)\1*/gu), ({ 0: same, index }) => {
    const byte = same.startsWith('0') ? 0 : same.charCodeAt(0)
    return `read -P ${String(byte)} ${String(index * cellBytes)} ${String(same.length * cellBytes)}`
  })

/** True where one run of qemu-io finds every byte as it should be; what there is instead is for `readCells` to say. */
export const allRead = async (version: QemuVersion, all: ReadonlyArray<ShouldRead>): Promise<boolean> => {
  const lines = all.flatMap(({ open: word, cells }) => [`open -r ${word}`, ...readsOf(cells), 'close'])
  const reads = lines.filter((line) => line.startsWith('read ')).length
  const { code, stdout, stderr } = await runIo(version, lines)
  const done = Array.from(stdout.matchAll(/^read (\d+)\/\1 bytes/gm)).length
  return code === 0 && done === reads && !wrong.test(stdout + stderr)
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
