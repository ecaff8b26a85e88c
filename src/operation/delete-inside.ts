import * as E from 'fp-ts/lib/Either.js'

import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import type { Image } from '../model/image.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { Snapshot } from '../model/snapshot.js'
import type { DiskPart } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { operand, qemuImg } from './dialect/step.js'
import type { DeleteJob } from './delete-request.js'
import { fatesOf } from './fates.js'
import type { Draft } from './machine-lane.js'

/** What goes from inside images, and the machine without it. */
export interface Inside {
  readonly machine: Machine
  readonly parts: ReadonlyArray<DiskPart>
  readonly drafts: ReadonlyArray<Draft>
}

const without = (chain: Chain, image: Image, snapshot: string): Chain => {
  const internalSnapshots = image.internalSnapshots.filter(({ name }) => name !== snapshot)
  return withImages(chain, new Map(chain.images).set(image.name, { ...image, internalSnapshots }))
}

const partOf = (before: Chain, after: Chain): DiskPart => ({
  before,
  after,
  contents: [],
  fates: fatesOf(before, after, []),
})

const draft = (snapshot: Snapshot, disk: string, image: Image): Draft => ({
  step: qemuImg(['snapshot', '-d', snapshot.name, operand(image)], 'takes the internal snapshot out of its image'),
  disk,
  moves: [{ snapshot: snapshot.name, disk, place: undefined }],
})

const running: MachineRefusal = refuseMachine(
  { _tag: 'NotThisWay', via: 'qmp', why: 'internal snapshots are deleted through libvirt, or with the guest shut off' },
  [{ _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] }],
)

/** Takes the internal snapshots of a deletion out of the value; the steps are those of a guest that is shut off. */
export const withoutInsideChains = (job: DeleteJob, machine: Machine): Inside => {
  let inside: Inside = { machine, parts: [], drafts: [] }
  for (const snapshot of job.doomed) {
    for (const [disk, own] of snapshot.disks) {
      const chain = inside.machine.disks.get(disk)
      const image = own.mode !== 'internal' || own.image === undefined ? undefined : chain?.images.get(own.image)
      if (chain === undefined || image === undefined) continue
      const after = without(chain, image, snapshot.name)
      inside = {
        machine: withMachine(inside.machine, { disks: new Map(inside.machine.disks).set(disk, after) }),
        parts: [...inside.parts, partOf(chain, after)],
        drafts: [...inside.drafts, draft(snapshot, disk, image)],
      }
    }
  }
  return inside
}

/**
 * Takes the internal snapshots of a deletion out of their images, with qemu-img: the guest is shut off, since nothing but QEMU may
 * write to what it has open.
 */
export const withoutInside = (job: DeleteJob, machine: Machine): E.Either<MachineRefusal, Inside> => {
  const inside = withoutInsideChains(job, machine)
  return inside.drafts.length > 0 && machine.state !== 'shut-off' ? E.left(running) : E.right(inside)
}
