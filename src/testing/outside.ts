import type { MachineWorld, World } from '../simulate/index.js'
import { withDevice, withOutside } from '../simulate/index.js'

/** Something of files of a machine, by disk and path. */
type OfFiles<A> = ReadonlyMap<string, ReadonlyMap<string, A>>

/**
 * What is around a machine.
 *
 * - `outside`: how somebody else has which files of a disk open, by disk and path.
 * - `devices`: how large the devices are that files are on, by disk and path.
 */
export interface Surroundings {
  readonly outside?: OfFiles<'read' | 'write'>
  readonly devices?: OfFiles<number>
}

const withFiles = <A>(
  machine: MachineWorld,
  files: OfFiles<A> | undefined,
  changed: (world: World, path: string, to: A) => World,
): MachineWorld => {
  const worlds = new Map(machine.worlds)
  for (const [disk, paths] of files ?? [])
    for (const [path, to] of paths) {
      const world = worlds.get(disk)
      if (world !== undefined) worlds.set(disk, changed(world, path, to))
    }
  return { ...machine, worlds }
}

/** The machine with files of its disks on devices of a size, and with somebody besides. */
export const withSurroundings = (machine: MachineWorld, { outside, devices }: Surroundings): MachineWorld =>
  withFiles(withFiles(machine, devices, withDevice), outside, withOutside)
