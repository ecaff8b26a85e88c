import * as E from 'fp-ts/lib/Either.js'

import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { sameOwed } from '../model/owed.js'
import type { OwedSnapshot } from '../model/owed.js'
import type { DiskPart, MachinePlan } from '../plan/machine-plan.js'
import type { MachineHost } from '../plan/machine-host.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { insidePart, live, removal, without } from './delete-inside.js'
import { rootGuard } from './inside-live.js'
import { severalGuard } from './inside-name.js'
import { withoutNodes } from './live.js'
import { featureGuard, machineJobGuard } from './machine-guard.js'
import { assemble } from './machine-lane.js'
import type { Draft } from './machine-lane.js'
import { machineOpenGuard } from './open-guard.js'
import { savedStatesGuard } from './saved-guard.js'
import { emptyPlan } from './sequence.js'
import type { Stage } from './sequence.js'

interface Removed {
  readonly machine: Machine
  readonly parts: ReadonlyArray<DiskPart>
  readonly drafts: ReadonlyArray<Draft>
}

/** The deletion of one: by the QEMU that has the image open, or, with nobody there, by qemu-img. */
const withoutOne = (
  { machine, parts, drafts }: Removed,
  owed: OwedSnapshot,
  host: MachineHost,
): E.Either<MachineRefusal, Removed> => {
  const { disk, snapshot } = owed
  const chain = machine.disks.get(disk)
  const image = chain?.images.get(owed.image)
  if (chain === undefined || image === undefined) throw new Error('unreachable: what is owed is inside an image')
  const runs = machine.state !== 'shut-off'
  const several = severalGuard([{ disk, image, name: snapshot }], host.via)
  if (several !== undefined) return E.left(several)
  const notRoot = runs ? rootGuard(chain, image) : undefined
  if (notRoot !== undefined) return E.left(refuseMachine({ _tag: 'DiskRefused', disk, refusal: notRoot }))
  const left = without(chain, image, snapshot)
  const after = runs ? left : withoutNodes(left)
  return E.right({
    machine: withMachine(machine, { disks: new Map(machine.disks).set(disk, after) }),
    parts: [...parts, insidePart(chain, after)],
    drafts: [...drafts, { step: removal(snapshot, image, runs), disk }],
  })
}

const guards = (machine: Machine, owed: ReadonlyArray<OwedSnapshot>, host: MachineHost): MachineRefusal | undefined => {
  const runs = machine.state !== 'shut-off'
  return (
    (runs ? featureGuard(host, live) : undefined) ??
    machineJobGuard(
      host,
      owed.map(({ disk }) => disk),
    )
  )
}

/** Takes snapshots out of images: those that nobody has written down, and that are owed no more then. */
export const owedRemoval =
  (
    owed: ReadonlyArray<OwedSnapshot>,
    host: MachineHost,
    whole: Pick<MachinePlan, 'operation' | 'consistency'>,
  ): Stage =>
  (before) => {
    const refused = guards(before, owed, host)
    if (refused !== undefined) return E.left(refused)
    let removed: Removed = { machine: before, parts: [], drafts: [] }
    for (const one of owed) {
      const next = withoutOne(removed, one, host)
      if (E.isLeft(next)) return next
      removed = next.right
    }
    const still = before.owed.filter((one) => !owed.some((gone) => sameOwed(one, gone)))
    const plan: MachinePlan = {
      ...emptyPlan(before, { ...whole, via: host.via }),
      after: withMachine(removed.machine, { owed: still }),
      parts: removed.parts,
      steps: assemble(before, removed.drafts),
      requires: before.state === 'shut-off' ? [] : live,
    }
    const spoilt = savedStatesGuard(plan) ?? machineOpenGuard(plan, host)
    return spoilt === undefined ? E.right(plan) : E.left(spoilt)
  }
