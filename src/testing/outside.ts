import type { MachineWorld } from '../simulate/index.js'
import { withDevice, withOutside } from '../simulate/index.js'

/** How somebody besides has which files open, by disk and path. */
type Outside = ReadonlyMap<string, ReadonlyMap<string, 'read' | 'write'>>

/** The machine with somebody besides who has files of its disks open. */
const withOpeners = (machine: MachineWorld, outside: Outside): MachineWorld => {
  const worlds = new Map(machine.worlds)
  for (const [disk, files] of outside)
    for (const [path, access] of files) {
      const world = worlds.get(disk)
      if (world !== undefined) worlds.set(disk, withOutside(world, path, access))
    }
  return { ...machine, worlds }
}

/**
 * What is around a machine.
 *
 * - `outside`: how somebody else has which files of a disk open, by disk and path.
 * - `devices`: how large the devices are that files are on, by disk and path.
 */
export interface Surroundings {
  readonly outside?: Outside
  readonly devices?: ReadonlyMap<string, ReadonlyMap<string, number>>
}

/** The machine with files of its disks on devices of a size, and with somebody besides. */
export const withSurroundings = (machine: MachineWorld, { outside, devices }: Surroundings): MachineWorld => {
  const worlds = new Map(machine.worlds)
  for (const [disk, files] of devices ?? [])
    for (const [path, bytes] of files) {
      const world = worlds.get(disk)
      if (world !== undefined) worlds.set(disk, withDevice(world, path, bytes))
    }
  return withOpeners({ ...machine, worlds }, outside ?? new Map())
}
