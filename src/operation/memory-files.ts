import { normalPath } from '../model/header.js'
import type { Snapshot } from '../model/snapshot.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineAlternative, MachineRefusal } from '../plan/machine-refusal.js'

/** A file of memory that a snapshot that stays needs as well. */
export interface SharedMemory {
  readonly path: string
  readonly snapshot: string
}

const memoryPath = ({ memory }: Snapshot): string | undefined => (memory._tag === 'External' ? memory.path : undefined)

const pathsOf = (snapshots: ReadonlyArray<Snapshot>): ReadonlyMap<string, { path: string; snapshot: string }> =>
  new Map(
    [...snapshots].reverse().flatMap((one) => {
      const path = memoryPath(one)
      return path === undefined ? [] : [[normalPath(path), { path, snapshot: one.name }] as const]
    }),
  )

/** The files of the guest's memory that go with snapshots, each once: those that no snapshot that stays has too. */
export const memoryGoing = (gone: ReadonlyArray<Snapshot>, kept: ReadonlyArray<Snapshot>): ReadonlyArray<string> => {
  const needed = pathsOf(kept)
  const paths = Array.from(pathsOf(gone)).flatMap(([place, { path }]) => (needed.has(place) ? [] : [path]))
  return paths.reverse()
}

/** The first of those files that a snapshot that stays has too. */
export const memoryShared = (
  gone: ReadonlyArray<Snapshot>,
  kept: ReadonlyArray<Snapshot>,
): SharedMemory | undefined => {
  const needed = pathsOf(kept)
  return Array.from(pathsOf(gone).keys()).flatMap((place) => needed.get(place) ?? [])[0]
}

interface MemoryWay {
  readonly via: Hypervisor['via']
  readonly instead: ReadonlyArray<MachineAlternative>
}

/** Refuses a file of memory that is not named from `/` on: what it is depends on the folder of whoever reads the plan. */
export const memoryPathGuard = (
  paths: ReadonlyArray<string>,
  { via, instead }: MemoryWay,
): MachineRefusal | undefined => {
  const relative = paths.find((path) => !path.startsWith('/'))
  const why = `the path of the memory, ${JSON.stringify(relative)}, is not absolute`
  return relative === undefined ? undefined : refuseMachine({ _tag: 'NotThisWay', via, why }, instead)
}
