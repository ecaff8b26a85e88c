import * as E from 'fp-ts/lib/Either.js'

import { withImages } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import type { Image } from '../model/image.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { Feature } from '../call/capability.js'
import type { Step } from '../plan/plan.js'
import type { DiskPart } from '../plan/machine-plan.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { internalRemoval } from './dialect/qmp-inside.js'
import { operand, qemuImg } from './dialect/step.js'
import type { DeleteJob } from './delete-request.js'
import { fatesOf } from './fates.js'
import { atRest } from './guard-host.js'
import { rootGuard } from './inside-live.js'
import { featureGuard } from './machine-guard.js'
import type { Draft } from './machine-lane.js'

/** What goes from inside images, and the machine without it. */
export interface Inside {
  readonly machine: Machine
  readonly parts: ReadonlyArray<DiskPart>
  readonly drafts: ReadonlyArray<Draft>
  readonly features: ReadonlyArray<Feature>
  readonly refusal: MachineRefusal | undefined
}

/** What a running QEMU has to be able to do. */
export const live: ReadonlyArray<Feature> = ['qemu-delete-internal-snapshot', 'qemu-blockdev']

/** The chain once a snapshot has gone from inside an image. */
export const without = (chain: Chain, image: Image, snapshot: string): Chain => {
  const internalSnapshots = image.internalSnapshots.filter(({ name }) => name !== snapshot)
  return withImages(chain, new Map(chain.images).set(image.name, { ...image, internalSnapshots }))
}

/** What that does to a disk: nobody reads anything else. */
export const insidePart = (before: Chain, after: Chain): DiskPart => ({
  before,
  after,
  contents: [],
  fates: fatesOf(before, after, []),
})

/** True for an image that QEMU has open: nothing but QEMU may write to it. */
const isOpen = ({ machine, host }: DeleteJob, chain: Chain, image: Image): boolean =>
  host.via === 'qmp' && machine.state !== 'shut-off' && !atRest(chain, [image])

/** Of QEMU what it has open, and of qemu-img what rests. */
export const removal = (name: string, image: Image, open: boolean): Step =>
  open && image.node !== undefined
    ? internalRemoval(name, image)
    : qemuImg(['snapshot', '-d', name, operand(image)], 'takes the internal snapshot out of its image')

const draft = (name: string, disk: string, step: Step): Draft => ({
  step,
  disk,
  moves: [{ snapshot: name, disk, place: undefined }],
})

const running: MachineRefusal = refuseMachine(
  { _tag: 'NotThisWay', via: 'libvirt', why: 'by hand internal snapshots are deleted with the guest shut off' },
  [{ _tag: 'Via', via: 'libvirt', guest: ['shut-off'] }],
)

/** Takes the internal snapshots of a deletion out of the value; the steps are QEMU's for what it has open, else qemu-img's. */
export const withoutInsideChains = (job: DeleteJob, machine: Machine): Inside => {
  let inside: Inside = { machine, parts: [], drafts: [], features: [], refusal: undefined }
  for (const snapshot of job.doomed) {
    for (const [disk, own] of snapshot.disks) {
      const chain = inside.machine.disks.get(disk)
      const image = own.mode !== 'internal' || own.image === undefined ? undefined : chain?.images.get(own.image)
      if (chain === undefined || image === undefined) continue
      const open = isOpen(job, chain, image)
      const refusal = open ? rootGuard(chain, image) : undefined
      const after = without(chain, image, snapshot.name)
      inside = {
        machine: withMachine(inside.machine, { disks: new Map(inside.machine.disks).set(disk, after) }),
        parts: [...inside.parts, insidePart(chain, after)],
        drafts: [...inside.drafts, draft(snapshot.name, disk, removal(snapshot.name, image, open))],
        refusal: inside.refusal ?? (refusal && refuseMachine({ _tag: 'DiskRefused', disk, refusal })),
        features: open ? live : inside.features,
      }
    }
  }
  return inside
}

/**
 * Takes the internal snapshots of a deletion out of their images: the running QEMU out of the active ones, since nothing else may write
 * to what it has open, and qemu-img out of those that rest. Refuses those that are below, and what libvirt has open.
 */
export const withoutInside = (job: DeleteJob, machine: Machine): E.Either<MachineRefusal, Inside> => {
  const inside = withoutInsideChains(job, machine)
  if (inside.drafts.length === 0) return E.right(inside)
  if (job.host.via === 'libvirt' && machine.state !== 'shut-off') return E.left(running)
  const refusal = inside.refusal ?? featureGuard(job.host, inside.features)
  return refusal === undefined ? E.right(inside) : E.left(refusal)
}
