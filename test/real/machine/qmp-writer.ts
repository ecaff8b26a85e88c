// A guest that writes to both of its disks in turn, and the moment of a snapshot between two of its writes.

import { setTimeout as delay } from 'node:timers/promises'
import type { Host } from '../harness/steps.js'
import { writerPath, type Qemu } from '../lab/qemu.js'
import { writeCell } from '../lab/writer.js'
import { afterWrite, type Expected } from './expected.js'
import { deviceOf } from './qmp-machine.js'
import { randomOf } from './random.js'
import { cellCount, targets, type Target } from './stage.js'

/** One write of the guest. */
export interface Write {
  readonly target: Target
  readonly cell: number
  readonly value: string
}

/** The guest writes one cell of one disk. */
export const guestWrites = (qemu: Qemu, { target, cell, value }: Write): Promise<void> =>
  writeCell(qemu.monitor, writerPath(deviceOf(target)), { cell, value })

/** A guest that goes on writing until it is stopped. */
export interface Guest {
  readonly written: ReadonlyArray<Write>
  readonly stop: () => Promise<ReadonlyArray<Write>>
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0'

/** Writes random cells, to one disk and the other in turn. */
export const startGuest = (qemu: Qemu, seed: number): Guest => {
  const written: Write[] = []
  const random = randomOf(seed)
  let stopped = false
  const loop = async (): Promise<void> => {
    while (!stopped) {
      const count = written.length
      const target = targets[count % 2 === 0 ? 0 : 1]
      const write = { target, cell: random.below(cellCount), value: letters.charAt(count % letters.length) }
      await guestWrites(qemu, write)
      written.push(write)
      await delay(2)
    }
  }
  const done = loop()
  done.catch(() => undefined)
  const stop = async (): Promise<ReadonlyArray<Write>> => {
    stopped = true
    await done
    return written
  }
  return { written, stop }
}

/** Waits until the guest has written so much more. */
export const someMore = async ({ written }: Guest, count = 4): Promise<void> => {
  const enough = written.length + count
  for (const deadline = Date.now() + 10_000; written.length < enough; await delay(1))
    if (Date.now() > deadline) throw new Error('the guest does not write')
}

/** Between which writes QEMU froze the disks. */
export interface Moment {
  readonly earliest: number
  readonly latest: number
}

/** A host that notes when its transaction was, or its job that saves memory with the disks. */
export const noting = (host: Host, guest: Guest, note: (moment: Moment) => void): Host => {
  let saving: number | undefined
  return {
    ...host,
    call: async (call) => {
      const taking = call._tag === 'Qmp' && ['transaction', 'snapshot-save'].includes(call.command.execute)
      if (!taking) return host.call(call)
      const earliest = guest.written.length
      const reply = await host.call(call)
      note({ earliest, latest: guest.written.length + 1 })
      if (call.command.execute === 'snapshot-save') saving = earliest
      return reply
    },
    wait: async (wait, from) => {
      const settled = await host.wait(wait, from)
      if (wait._tag === 'QmpJob' && saving !== undefined) note({ earliest: saving, latest: guest.written.length + 1 })
      saving = undefined
      return settled
    },
  }
}

/** After these writes. */
export const afterWrites = (of: Expected, writes: ReadonlyArray<Write>): Expected =>
  writes.reduce((expected, { target, cell, value }) => afterWrite(expected, target, { cell, value }), of)
