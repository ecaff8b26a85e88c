// Machines without libvirt to begin with.

import { expect } from 'vitest'
import type { MachineRefusal } from 'backing-chain'
import type { Free } from './qmp-session.js'
import { targets } from './stage.js'

/** The guest writes the same cell of both disks. */
export const writeBoth = async (free: Free, cell: number, value: string): Promise<void> => {
  for (const target of targets) await free.write({ target, cell, value })
}

/** Takes a snapshot after the running guest has written what tells it from others. */
export const taken = async (free: Free, name: string): Promise<void> => {
  const cell = Number(name.slice(1)) % 8
  await writeBoth(free, cell + 2, name.charAt(1))
  await free.does({ take: { name } }, { trusted: true })
}

/** `s1`, `s2` and `s3`, each with other bytes, and the guest has written since. */
export const three = async (free: Free): Promise<void> => {
  if (free.machine().state === 'shut-off') await free.start()
  for (const name of ['s1', 's2', 's3']) await taken(free, name)
  await writeBoth(free, 14, 'p')
}

/** Like `three`; then, after a revert to `s1` while it was shut off, `s4`, and the guest has written since. */
export const fork = async (free: Free): Promise<void> => {
  await three(free)
  await free.stop()
  await free.does({ revert: { to: 's1' } }, { trusted: true })
  await free.start()
  await taken(free, 's4')
  await writeBoth(free, 15, 'q')
}

/** A disk without a record of its first overlay: `s1` is in `n1`, which no snapshot made. */
export const unrecorded = async (free: Free): Promise<void> => {
  if (free.machine().state === 'shut-off') await free.start()
  await free.does({ take: { name: 'n1', metadata: 'none' } }, { trusted: true })
  await writeBoth(free, 3, 'n')
  await taken(free, 's1')
  await writeBoth(free, 14, 'p')
}

/** The images that a disk's active path has, base first. */
export const pathNames = (free: Free, disk: string): ReadonlyArray<string> => {
  const chain = free.machine().disks.get(disk)
  const names: string[] = []
  for (let name: string | undefined = chain?.active; name !== undefined;) {
    names.unshift(name)
    name = chain?.images.get(name)?.backing?.image
  }
  return names
}

/** A refusal in short: its tag, with the tag of the disk's own. */
export const reasonOf = (refusal: MachineRefusal): string =>
  refusal._tag === 'DiskRefused' ? `DiskRefused ${refusal.refusal._tag}` : refusal._tag

/** Fails unless the disk reads these images, base first. */
export const expectPath = (free: Free, disk: string, names: ReadonlyArray<string>): void => {
  expect(pathNames(free, disk)).toEqual(names)
}
