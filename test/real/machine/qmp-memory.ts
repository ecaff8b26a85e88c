// A byte of the guest's memory that nobody else writes: one of the battery-backed RAM of its clock, through the human monitor.

import { fields } from '../lab/json.js'
import type { Qemu } from '../lab/qemu.js'

const [index, data] = ['0x70', '0x71']
const place = '0x60'

/** With the guest stopped, whose firmware uses the same two ports. */
const still = async <A>({ qmp }: Qemu, act: () => Promise<A>): Promise<A> => {
  const running = fields(await qmp.ask('query-status'))['running'] === true
  if (running) await qmp.ask('stop')
  const done = await act()
  if (running) await qmp.ask('cont')
  return done
}

/** Puts a byte into it. */
export const remember = (qemu: Qemu, byte: number): Promise<void> =>
  still(qemu, async () => {
    await qemu.qmp.hmp(`o/b ${index} ${place}`)
    await qemu.qmp.hmp(`o/b ${data} ${String(byte)}`)
  })

/** The byte that is there. */
export const remembered = (qemu: Qemu): Promise<number> =>
  still(qemu, async () => {
    await qemu.qmp.hmp(`o/b ${index} ${place}`)
    const said = await qemu.qmp.hmp(`i/b ${data}`)
    return Number(said.split('=').at(-1)?.trim())
  })
