// A guest's writes without a guest: the human monitor's `qemu-io -d`, one write after another, on the virtio device.

import { setTimeout as delay } from 'node:timers/promises'
import { cellBytes } from './images.js'

/**
 * Runs a line of the human monitor: `qemu.monitor`, or the like through virsh. QEMU reports the outcome of a `qemu-io` line on
 * its standard output only, so through virsh a write that failed shows up as wrong content later.
 */
export type Monitor = (line: string) => Promise<string>

export interface Written {
  /** Index of the 64 KiB cell. */
  readonly cell: number
  /** As in the cells of an image: a pattern's character, or '0' for an explicit zero write. */
  readonly value: string
}

/** Writes one whole cell to the disk of a virtio device. Rejects if QEMU reports that it failed. */
export const writeCell = async (monitor: Monitor, qdev: string, { cell, value }: Written): Promise<void> => {
  const how = value === '0' ? '-z' : `-P ${String(value.charCodeAt(0))}`
  const said = await monitor(`qemu-io -d ${qdev} "write ${how} ${String(cell * cellBytes)} ${String(cellBytes)}"`)
  if (/failed|error|invalid|not found/i.test(said)) throw new Error(`no write: ${said}`)
}

/** Flushes the disk as a guest would. */
export const flushDisk = async (monitor: Monitor, qdev: string): Promise<void> => {
  await monitor(`qemu-io -d ${qdev} flush`)
}

export interface WriterOptions {
  readonly monitor: Monitor
  readonly qdev: string
  /** How many whole cells the disk has. */
  readonly cells: number
  readonly seed: number
  /** Written values are taken from these in turn; 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0' if left out. */
  readonly values?: string
  readonly pauseMs?: number
}

export interface Writer {
  /** What has been written so far, in order. */
  readonly written: ReadonlyArray<Written>
  /** Stops after the write under way and gives back all that was written, in order. */
  readonly stop: () => Promise<ReadonlyArray<Written>>
}

// Numerical Recipes' linear congruence: the same seed writes the same cells.
const nextRandom = (state: number): number => (Math.imul(state, 1664525) + 1013904223) >>> 0

/** Writes random cells, one after another, until it is stopped. The sequence depends on the seed alone. */
export const startWriter = (options: WriterOptions): Writer => {
  const written: Written[] = []
  const values = options.values ?? 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0'
  let stopped = false
  const loop = async (): Promise<void> => {
    let state = options.seed >>> 0
    while (!stopped) {
      state = nextRandom(state)
      const write = { cell: (state >>> 8) % options.cells, value: values.charAt(written.length % values.length) }
      await writeCell(options.monitor, options.qdev, write)
      written.push(write)
      await delay(options.pauseMs ?? 1)
    }
  }
  const done = loop()
  done.catch(() => undefined)
  const stop = async (): Promise<ReadonlyArray<Written>> => {
    stopped = true
    await done
    return written
  }
  return { written, stop }
}

/** The cells that a guest sees after these writes. */
export const afterWrites = (cells: string, writes: ReadonlyArray<Written>): string => {
  const result = [...cells]
  for (const { cell, value } of writes) result[cell] = value
  return result.join('')
}
