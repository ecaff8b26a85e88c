import type { MachineWorld, SimSnapshot } from './machine-world.js'

/** The snapshots whose parent is this one. */
export const childrenIn = ({ snapshots }: MachineWorld, name: string): ReadonlyArray<SimSnapshot> =>
  Array.from(snapshots.values()).filter(({ parent }) => parent === name)

/** Everything that comes after a snapshot, parents first. */
export const descendantsIn = (machine: MachineWorld, name: string): ReadonlyArray<SimSnapshot> => {
  const found = [...childrenIn(machine, name)]
  for (const one of found) found.push(...childrenIn(machine, one.name))
  return found
}

/** True where one of all that come after a snapshot has both children and siblings. */
export const isForkedIn = (machine: MachineWorld, name: string): boolean =>
  [name, ...descendantsIn(machine, name).map((one) => one.name)].some((parent) => {
    const children = childrenIn(machine, parent)
    return children.length > 1 && children.some((child) => childrenIn(machine, child.name).length > 0)
  })

/** The ancestors of a snapshot, its parent first. */
export const ancestorsIn = ({ snapshots }: MachineWorld, name: string): ReadonlyArray<SimSnapshot> => {
  const found: Array<SimSnapshot> = []
  const up = (of: SimSnapshot | undefined): SimSnapshot | undefined =>
    of?.parent === undefined ? undefined : snapshots.get(of.parent)
  for (let at = up(snapshots.get(name)); at !== undefined && !found.includes(at); at = up(at)) found.push(at)
  return found
}

/** The current snapshot and its ancestors: what the guest's present comes from, the latest first. */
export const activePath = (machine: MachineWorld): ReadonlyArray<SimSnapshot> => {
  const current = machine.current === undefined ? undefined : machine.snapshots.get(machine.current)
  return current === undefined ? [] : [current, ...ancestorsIn(machine, current.name)]
}

/** True for a snapshot that libvirt calls external: some disk of it is, or its memory. */
export const isExternal = ({ disks, memory }: SimSnapshot): boolean =>
  memory._tag === 'External' || Array.from(disks.values()).some(({ mode }) => mode === 'external')
