import type { MachineWorld } from '../simulate/index.js'
import { withOutside } from '../simulate/index.js'

/** How somebody besides has which files open, by disk and path. */
export type Outside = ReadonlyMap<string, ReadonlyMap<string, 'read' | 'write'>>

/** The machine with somebody besides who has files of its disks open. */
export const withOpeners = (machine: MachineWorld, outside: Outside): MachineWorld => {
  const worlds = new Map(machine.worlds)
  for (const [disk, files] of outside)
    for (const [path, access] of files) {
      const world = worlds.get(disk)
      if (world !== undefined) worlds.set(disk, withOutside(world, path, access))
    }
  return { ...machine, worlds }
}
