import { samePath } from '../model/header.js'
import type { Machine } from '../model/machine.js'
import { copySubvolume, copyVolume, isIn, isVolume } from '../model/storage-copy.js'
import type { StorageCopy } from '../model/storage-copy.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { takenPaths } from './taken-path.js'

const isCopy = ({ level, snapshot, path }: StorageCopy, taken: string): boolean => {
  if (level._tag === 'Btrfs') return isIn(copySubvolume(level, snapshot), taken)
  if (level._tag === 'Lvm') return isVolume({ ...level, volume: copyVolume(level.volume, snapshot) }, taken)
  return path !== undefined && samePath(path, taken)
}

/** Refuses a copy that the machine itself has become a user of: what is done to the copy is done to its disk. */
export const copyUseGuard = (machine: Machine, copies: ReadonlyArray<StorageCopy>): MachineRefusal | undefined => {
  const taken = Array.from(takenPaths(machine, []).keys())
  const used = copies.find((copy) => taken.some((path) => isCopy(copy, path)))
  return used === undefined
    ? undefined
    : refuseMachine({ _tag: 'CopyUnfit', snapshot: used.snapshot, disk: used.disk, why: 'in use' })
}
