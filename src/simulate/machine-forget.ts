import { childrenIn, descendantsIn } from './machine-tree.js'
import { withSnapshot } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'

/** A parent that loses a child of any kind takes what a revert had given it for its own overlays, whether it has other children or not. */
const parentTakes = (machine: MachineWorld, parent: string | undefined): MachineWorld => {
  const one = parent === undefined ? undefined : machine.snapshots.get(parent)
  if (one?.revertDisks === undefined) return machine
  return withSnapshot(machine, one.name, { disks: one.revertDisks, revertDisks: undefined })
}

/** What libvirt has written down without one snapshot: its children get its parent, and where it was the current one, so does that. */
export const forgotten = (machine: MachineWorld, name: string): MachineWorld => {
  const parent = machine.snapshots.get(name)?.parent
  const left = parentTakes(machine, parent)
  const moved = childrenIn(left, name).reduce((at, child) => withSnapshot(at, child.name, { parent }), left)
  const snapshots = new Map(moved.snapshots)
  snapshots.delete(name)
  return { ...moved, snapshots, current: moved.current === name ? parent : moved.current }
}

/** The snapshots that a deletion of one names, deepest first. */
export const namedFor = (
  machine: MachineWorld,
  name: string,
  which: 'itself' | 'with descendants' | 'descendants',
): ReadonlyArray<string> => {
  if (which === 'itself') return [name]
  const below = descendantsIn(machine, name)
    .map((one) => one.name)
    .reverse()
  return which === 'descendants' ? below : [...below, name]
}

/** The same without several: where the current one goes with its ancestors, what is left of the path to it is current. */
export const allForgotten = (machine: MachineWorld, names: ReadonlyArray<string>): MachineWorld =>
  names.reduce(forgotten, machine)
