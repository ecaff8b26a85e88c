import { samePath } from '../model/header.js'
import { hasDeletionMark } from '../model/record.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { Snapshot } from '../model/snapshot.js'
import { unmarked } from './libvirt-delete-record.js'
import { libvirtActive, libvirtTree, parentOfDisk } from './libvirt-tree.js'

const hasMarks = ({ snapshots }: Machine): boolean =>
  Array.from(snapshots.values()).some(({ recorded }) => hasDeletionMark(recorded))

/**
 * True where libvirt has begun to delete a snapshot and has not ended: it marks the disk of the snapshot before, and what the
 * snapshot holds may have been written over. Of several that come after, it can be the one that the present comes from, or whose
 * image the mark is at.
 */
export const isHalfDeleted = (machine: Machine, snapshot: string, disk: string): boolean => {
  if (!hasMarks(machine)) return false
  const tree = libvirtTree(machine)
  const marked = parentOfDisk(tree, snapshot, disk)?.disks.get(disk)
  if (marked?.deletion !== 'in progress') return false
  const own = tree.snapshots.get(snapshot)?.sources.get(disk)?.path
  return libvirtActive(tree).has(snapshot) || samePath(marked.path, own)
}

/** The machine without the marks of deletions that have been ended by hand: `from` still has the snapshots that went. */
export const withoutMarks = (machine: Machine, from: Machine, ended: ReadonlyArray<Snapshot>): Machine => {
  if (!hasMarks(from)) return machine
  const tree = libvirtTree(from)
  const snapshots = new Map(machine.snapshots)
  for (const { name, disks } of ended)
    for (const disk of disks.keys()) {
      const parent = snapshots.get(parentOfDisk(tree, name, disk)?.name ?? '')
      if (parent?.recorded !== undefined)
        snapshots.set(parent.name, { ...parent, recorded: unmarked(parent.recorded, disk) })
    }
  return withMachine(machine, { snapshots })
}
