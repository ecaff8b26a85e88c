import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { Outcome } from './fault.js'
import { diskOf, throughMonitor } from './libvirt-chain.js'
import { domainBlockCommit } from './libvirt-commit.js'
import { advanceLibvirt, finishLibvirt, noticed } from './libvirt-event.js'
import type { Merge } from './machine-merge-plan.js'
import { countedTogether, inWorld, quitMachine } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { withSnapshot } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import { performQemuImg } from './qemu-img.js'
import { jobOf } from './qmp-check.js'
import { jobVerb } from './qmp-job.js'
import type { World } from './world.js'

/** What else happens while libvirt waits: `happens` is given each moment, and gives back what libvirt finds next. */
export interface Meanwhile {
  readonly happens: (machine: MachineWorld) => MachineWorld
  readonly limitBytes: number | undefined
}

/** The machine with the mark of an unfinished deletion set or taken away. */
const marking = (machine: MachineWorld, { disk, marked }: Merge, deleteInProgress: boolean): MachineWorld => {
  const snapshot = marked === undefined ? undefined : machine.snapshots.get(marked)
  const old = snapshot?.disks.get(disk)
  if (snapshot === undefined || old === undefined) return machine
  return withSnapshot(machine, snapshot.name, {
    disks: new Map(snapshot.disks).set(disk, { ...old, deleteInProgress }),
  })
}

const begin = (world: World, { disk, overlay, base, active }: Merge): Outcome =>
  pipe(
    diskOf(world, { domain: world.domain?.name ?? '', disk }),
    E.flatMap((running) =>
      domainBlockCommit(
        running,
        {
          call: 'virDomainBlockCommit',
          arguments: { domain: running.domain.name, disk, base: base.path, top: active ? null : overlay, bandwidth: 0 },
          flags: ['VIR_DOMAIN_BLOCK_COMMIT_DELETE', ...(active ? (['VIR_DOMAIN_BLOCK_COMMIT_ACTIVE'] as const) : [])],
        },
        active ? 'by itself' : 'by libvirt',
      ),
    ),
  )

/** True while the job of a disk has not come to where libvirt tells it to end. */
const isUnderway = (world: World): boolean => {
  const status = jobOf(world, world.domain?.job?.id ?? '')?.status
  return status !== undefined && status !== 'ready' && status !== 'pending' && status !== 'concluded'
}

/** Lets every job go on until each of them waits to be told to end, or has failed. */
const copied = (machine: MachineWorld, merges: ReadonlyArray<Merge>, meanwhile: Meanwhile): MachineOutcome => {
  let at: MachineOutcome = E.right(meanwhile.happens(machine))
  for (let moving = true; moving && E.isRight(at);) {
    moving = false
    for (const { disk } of merges) {
      if (E.isLeft(at)) return at
      const before: World | undefined = at.right.worlds.get(disk)
      if (before === undefined || !isUnderway(before)) continue
      at = inWorld(at.right, disk, (world) => advanceLibvirt(world, meanwhile.limitBytes))
      if (E.isRight(at)) at = E.right(meanwhile.happens(at.right))
      moving = true
    }
  }
  return at
}

/** Tells the job of a disk to end, and lets libvirt tidy up behind it. */
const end = (world: World, { active }: Merge): Outcome => {
  const id = world.domain?.job?.id
  if (id === undefined) return E.right(noticed(world))
  const job = jobOf(world, id)
  const verb = active ? 'complete' : 'finalize'
  const told = job?.status === 'concluded' ? E.right(world) : throughMonitor(`job-${verb}`, jobVerb(world, id, verb))
  return pipe(told, E.flatMap(finishLibvirt))
}

const hasFailed = (machine: MachineWorld, { disk }: Merge): boolean =>
  machine.worlds.get(disk)?.domain?.event !== 'completed'

/** Headers of other branches that led to the overlay are made to lead to what it went into. */
const mended = (machine: MachineWorld, merge: Merge): MachineOutcome => {
  let done: MachineOutcome = E.right(machine)
  for (const { path, format } of merge.siblings) {
    const argv = ['qemu-img', 'rebase', '-u', '-F', merge.base.format, '-f', format, '-b', merge.base.path, path]
    if (E.isRight(done)) done = inWorld(done.right, merge.disk, (world) => performQemuImg(world, argv))
  }
  return done
}

/** The overlay was removed before the headers that led to it were mended: nothing came of that. */
const forgiven = (before: MachineWorld, machine: MachineWorld, { disk, siblings }: Merge): MachineOutcome => {
  const known = before.worlds.get(disk)?.incidents.length ?? 0
  const paths = siblings.map(({ path }) => path)
  return inWorld(machine, disk, (world) =>
    E.right({
      ...world,
      incidents: world.incidents.filter(
        ({ nodes, headers }, index) =>
          index < known || nodes.length > 0 || headers.some((header) => !paths.includes(header)),
      ),
    }),
  )
}

const failedIn = (machine: MachineWorld, { disk }: Merge, error: string | undefined): MachineOutcome => {
  const desc = `block commit failed while deleting disk '${disk}' snapshot`
  return E.left({
    _tag: 'Failed',
    by: 'libvirt',
    desc: error === undefined ? `operation failed: ${desc}` : `internal error: ${desc}: '${error}'`,
    world: machine,
  })
}

/** What the job of a disk has failed of. */
const errorOf = ({ worlds }: MachineWorld, { disk }: Merge): string | undefined => {
  const world = worlds.get(disk)
  return world === undefined ? undefined : jobOf(world, world.domain?.job?.id ?? '')?.error
}

const endAll = (machine: MachineWorld, merges: ReadonlyArray<Merge>, meanwhile: Meanwhile): MachineOutcome => {
  let done: MachineOutcome = E.right(machine)
  for (const merge of merges) {
    if (E.isLeft(done)) return done
    const error = errorOf(done.right, merge)
    done = inWorld(done.right, merge.disk, (world) => end(world, merge))
    if (E.isRight(done) && hasFailed(done.right, merge)) return failedIn(done.right, merge, error)
    if (E.isRight(done)) done = E.right(meanwhile.happens(done.right))
  }
  return done
}

/**
 * Commits all disks at once: each job is started with the mark on the parent, all are waited for, and then ended one by one.
 * The marks go only where all has gone well.
 */
export const mergeAll = (machine: MachineWorld, merges: ReadonlyArray<Merge>, meanwhile: Meanwhile): MachineOutcome => {
  let at: MachineOutcome = E.right(countedTogether(machine))
  for (const merge of merges) {
    if (E.isRight(at)) at = inWorld(marking(at.right, merge, true), merge.disk, (world) => begin(world, merge))
  }
  at = pipe(
    at,
    E.flatMap((begun) => copied(begun, merges, meanwhile)),
    E.flatMap((ready) => endAll(ready, merges, meanwhile)),
  )
  for (const merge of merges) {
    at = pipe(
      at,
      E.flatMap((ended) => mended(ended, merge)),
      E.flatMap((whole) => forgiven(machine, marking(whole, merge, false), merge)),
    )
  }
  return at
}

/** The temporary QEMU of a deletion ends, whatever came of it. */
export const quitAfter = (outcome: MachineOutcome): MachineOutcome => {
  if (E.isRight(outcome)) return E.right(quitMachine(outcome.right))
  const { left } = outcome
  return 'world' in left ? E.left({ ...left, world: quitMachine(left.world) }) : outcome
}
