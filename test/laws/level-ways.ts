// Random machines on storage that can take snapshots, and random requests for them.

import * as fc from 'fast-check'

import { activeImage, capabilitiesOfVersions } from '../../src/index.js'
import type { Chain, GuestState, Image, LevelRequest, Machine, MachineHost, StorageLevel } from '../../src/index.js'
import { withImages } from '../../src/model/chain.js'
import { withMachine } from '../../src/model/machine.js'
import { arbitraryMachine } from '../../src/testing/index.js'
import type { FilledMachine } from '../../src/testing/index.js'
import { ways } from './machine-ways.js'

export const kinds = ['QemuExternal', 'QemuInternal', 'Lvm', 'Btrfs', 'Reflink', 'Other'] as const

/** The images of these machines are in one subvolume, and what is on a volume is on one of this group. */
export const subvolumes = ['/images']
export const volumesOf = (machine: Machine): ReadonlyArray<string> =>
  Array.from(machine.disks.values()).map((chain) => `vg/${activeImage(chain).name}`)

/** A disk whose active image is on a volume; every header says so in full. */
const onVolume = (chain: Chain): Chain => {
  const active = activeImage(chain)
  const path = `/dev/vg/${active.name}`
  const moved = (image: Image): Image => {
    if (image.backing === undefined) return image
    if (image.backing.image === active.name) return { ...image, backing: { ...image.backing, header: path } }
    return image.name === active.name
      ? { ...image, backing: { ...image.backing, header: `/images/${image.backing.image}` } }
      : image
  }
  const images = new Map(Array.from(chain.images, ([name, image]) => [name, moved(image)]))
  images.set(active.name, { ...moved(active), location: { _tag: 'BlockDevice', path } })
  return withImages(chain, images)
}

/** What can really snapshot a disk that is where it is. */
export const levelsOf = (chain: Chain): ReadonlyArray<StorageLevel> => [
  { _tag: 'QemuExternal' },
  { _tag: 'QemuInternal' },
  { _tag: 'Lvm', group: 'vg', volume: activeImage(chain).name, kind: 'thin' },
  { _tag: 'Btrfs', subvolume: '/images', snapshots: '/snapshots' },
  { _tag: 'Reflink' },
  { _tag: 'Other', name: 'array', keeps: 'full copy' },
]

export interface LevelCase {
  readonly of: FilledMachine
  readonly request: LevelRequest
  readonly host: MachineHost
}

const arbitraryRequest = (machine: Machine): fc.Arbitrary<LevelRequest> => {
  const disks = Array.from(machine.disks)
  return fc
    .record({
      prefer: fc.shuffledSubarray([...kinds], { minLength: 1 }),
      levels: fc.array(fc.subarray([...kinds], { minLength: 1 }), { minLength: disks.length, maxLength: disks.length }),
      quiesce: fc.constantFrom('no' as const, 'prefer' as const, 'require' as const),
      memory: fc.constantFrom(
        { _tag: 'None' } as const,
        { _tag: 'None' } as const,
        { _tag: 'None' } as const,
        { _tag: 'External', path: '/images/vm.memory-of-now' } as const,
      ),
    })
    .map(({ prefer, levels, quiesce, memory }) => ({
      name: 'now',
      creationTime: '1700000000',
      prefer,
      quiesce,
      memory,
      levels: new Map(
        disks.map(([disk, chain], index) => [
          disk,
          levelsOf(chain).filter(({ _tag }) => levels[index]?.includes(_tag) === true),
        ]),
      ),
    }))
}

const hostOf = (way: keyof typeof ways): MachineHost => ({
  ...ways[way].host,
  capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' }),
  managedSave: 'none',
})

/** Machines for one way, with a request; those without libvirt have some disks on volumes. */
export const arbitraryLevelCase = (way: keyof typeof ways, state?: GuestState): fc.Arbitrary<LevelCase> =>
  fc
    .record({
      of: arbitraryMachine({ ...ways[way].options, ...(state === undefined ? {} : { state }) }),
      places: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    })
    .map(({ of, places }) => {
      if (way === 'libvirt') return of
      const disks = new Map(
        Array.from(of.machine.disks, ([disk, chain], index) => [
          disk,
          places[index] === true ? onVolume(chain) : chain,
        ]),
      )
      return { ...of, machine: withMachine(of.machine, { disks }) }
    })
    .chain((of) => arbitraryRequest(of.machine).map((request) => ({ of, request, host: hostOf(way) })))
