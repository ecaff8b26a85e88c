import type { Chain } from '../model/chain.js'
import { activeImage } from '../model/chain-query.js'
import type { Machine } from '../model/machine.js'
import type { MachineAssumption } from '../plan/machine-plan.js'

/** The image of which QEMU can hold something back: it has tables in memory of all that is not raw, and writes them when it has to. */
export const heldBackOf = (chain: Chain): string | undefined => {
  const { name, format } = activeImage(chain)
  return format === 'raw' ? undefined : name
}

/** What copies of these disks rely on that are made beside QEMU: `stop` has it write all out, and says nothing of an error. */
export const writtenOut = (machine: Machine, disks: ReadonlyArray<string>): ReadonlyArray<MachineAssumption> =>
  disks.flatMap((disk) => {
    const chain = machine.disks.get(disk)
    const image = chain === undefined || machine.state === 'shut-off' ? undefined : heldBackOf(chain)
    return image === undefined ? [] : [{ _tag: 'WrittenOut', disk, images: [image] }]
  })
