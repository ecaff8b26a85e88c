// What each disk read as at each point in time, kept by the test itself; the library never sees it.

import { firstCells, targets, type Target } from './stage.js'

export type DiskCells = ReadonlyMap<string, string>

export interface Expected {
  /** What the guest reads. */
  readonly guest: DiskCells
  /** What it read when each snapshot was taken. */
  readonly snapshots: ReadonlyMap<string, DiskCells>
}

export const firstExpected: Expected = {
  guest: new Map(targets.map((target) => [target, firstCells[target]])),
  snapshots: new Map(),
}

/** After the guest wrote a cell. */
export const afterWrite = (
  of: Expected,
  target: Target,
  { cell, value }: { readonly cell: number; readonly value: string },
): Expected => {
  const cells = [...(of.guest.get(target) ?? '')]
  cells[cell] = value
  return { ...of, guest: new Map(of.guest).set(target, cells.join('')) }
}

/** After a snapshot of these disks. */
export const afterTake = (of: Expected, name: string, disks: ReadonlyArray<string> = targets): Expected => {
  const taken = new Map(disks.map((disk) => [disk, of.guest.get(disk) ?? '']))
  return { ...of, snapshots: new Map(of.snapshots).set(name, taken) }
}

/** After snapshots have been deleted or forgotten. */
export const without = (of: Expected, names: ReadonlyArray<string>): Expected => ({
  ...of,
  snapshots: new Map(Array.from(of.snapshots).filter(([name]) => !names.includes(name))),
})

/** After a revert: a disk that the snapshot did not take reads as before. */
export const afterRevert = (of: Expected, to: string): Expected => ({
  ...of,
  guest: new Map([...of.guest, ...(of.snapshots.get(to) ?? [])]),
})
